"""Windows of long recordings: how long, how far apart, and of which recordings; what was asked for and what is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model

AUTO, NONE = "auto", "none"
CROPS = 3
"""Crops that the published sampling hears of a recording; a longer one than they cover becomes windows by itself."""
_LEAST_S, _MOST_S = 0.5, 600.0


@dataclass(frozen=True)
class Windows:
    """Rows that a long recording becomes.

    Attributes:
        seconds: Length of a window.
        hop: Seconds from one start to the next; the last window ends where the recording does.
        longer_than: Only recordings longer than this many seconds become windows.
    """

    seconds: float
    hop: float
    longer_than: float

    def as_json(self) -> dict[str, float]:
        """As the manifest keeps it."""
        return asdict(self)


def asked_windows(windows: str | None, hop: float | None, model: Model) -> Windows | None:
    """What `--windows` and `--hop` ask for; None where every recording stays one row.

    Args:
        windows: Seconds, `none`, or `auto` (also when None): windows as long as the model hears, of recordings longer
            than the published crops cover.
        hop: Seconds; half a window when None.
        model: Whose windows; without a tower for sounds there are none.

    Raises:
        InputError: No such length, or a hop that leaves something unheard.
    """
    word = (windows or AUTO).strip().lower()
    if word == NONE:
        if hop is not None:
            raise InputError(f"--hop {hop:g} goes with --windows SECONDS, not with --windows none.")
        return None
    if word == AUTO:
        if "audio" not in model.settings.get("encoder", {}):
            return None
        seconds = float(model.audio_spec().window_s)
        longer = CROPS * seconds
    else:
        seconds = longer = _seconds(word)
    step = seconds / 2 if hop is None else float(hop)
    if not (math.isfinite(step) and 0.1 <= step <= seconds):
        raise InputError(
            f"--hop is {step:g} s; it lies between 0.1 s and the {seconds:g} s of a window, or something is unheard."
        )
    return Windows(seconds, step, longer)


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = math.nan
    if not _LEAST_S <= seconds <= _MOST_S:
        raise InputError(
            f"--windows is {word!r:.40}; it is auto, none, or from {_LEAST_S:g} to {_MOST_S:g} seconds."
        )
    return seconds


def windows_of(config: BuildConfig, kind: str, model: Model) -> Windows | None:
    """The windows of a table that is encoded: a published benchmark has one row each, unless windows are asked for.

    `--audio-window` averages all of a recording into its row.
    """
    usual = NONE if kind == "taxabench" or config.audio_windows else AUTO
    return asked_windows(config.windows or usual, config.hop, model)


def kept_windows(manifest: Mapping[str, Any]) -> Windows | None:
    """The windows that an index was built with; None of one whose recordings are one row each."""
    kept = manifest.get("windows")
    return Windows(**kept) if kept else None
