"""The frozen encoders: one protocol, loaded only when their modality is asked for."""

from prom3e_index.encoders.protocol import Encoder

__all__ = ["Encoder"]
