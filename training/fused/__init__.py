"""A training step's forward and backward by few kernels of its own: what a card's plain operations pass over many times.

Written in Triton, which torch brings along where it has CUDA. The same functions of the same weights as
`mvae/dense_tokens.py` and `training/losses.py`, in which they are explained; used by captured steps alone, which are
proven against plain ones on the device before use.
"""
