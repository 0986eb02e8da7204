"""Turning files into what an encoder reads. Imports numpy, Pillow, soundfile; never torch."""
