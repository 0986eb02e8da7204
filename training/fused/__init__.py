"""A training step in few kernels of its own, where torch's operations pass over memory many times.

Written in Triton, which torch brings along where it has CUDA. The same functions of the same weights as
`mvae/dense_tokens.py` and `training/losses.py`, in which they are explained. Used by captured steps alone, and only
when they are proven on the device, see `stage_two/captured.py`.
"""
