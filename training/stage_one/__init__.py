"""Stage 1: encoders aligned to the photo."""
