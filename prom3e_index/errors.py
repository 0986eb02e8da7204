"""Every error the library raises on purpose.

    Prom3eError
    ├── InputError     (ValueError)         a value, option or row from the user is wrong
    │   └── TableError                      an observation table cannot be read as one
    ├── MediaError     (ValueError)         one photo, recording or tile cannot be decoded
    ├── ShapeError     (ValueError)         an array has another width or length than the model
    ├── ModelError     (ValueError)         a model folder or weights file is not what it says
    ├── NotCachedError (FileNotFoundError)  weights are neither local nor cached and the hub is out of reach
    ├── BundleError    (ValueError)         an index folder is incomplete, damaged or of another version
    ├── MismatchError  (ValueError)         query and bundle were made by different models
    └── DivergedError  (ArithmeticError)    a training run's loss or gradient is no finite number

A message says what is wrong with both values, where, and what to do.
"""

from __future__ import annotations


class Prom3eError(Exception):
    """Root of every error raised on purpose; the command line prints it as one line, exit code 2."""


class InputError(Prom3eError, ValueError):
    """A value, option or row that the user gave is wrong."""


class TableError(InputError):
    """An observation table cannot be read as one."""


class MediaError(Prom3eError, ValueError):
    """One photo, recording, satellite tile or climate value cannot be decoded."""


class ShapeError(Prom3eError, ValueError):
    """An array has another width or length than the model."""


class ModelError(Prom3eError, ValueError):
    """A model folder or weights file is not what it says it is."""


class NotCachedError(Prom3eError, FileNotFoundError):
    """Weights are neither local nor cached, and the hub is out of reach."""


class BundleError(Prom3eError, ValueError):
    """An index folder is incomplete, damaged or of another format version."""


class MismatchError(Prom3eError, ValueError):
    """A query and a bundle were made by different models."""


class DivergedError(Prom3eError, ArithmeticError):
    """A training run's loss, gradient or weights are no finite numbers any more."""


def near_names(name: str, known: list[str] | tuple[str, ...], n: int = 3) -> str:
    """Get `; nearest: a, b` for an error message, or an empty string when nothing is near.

    Comparison ignores case.
    """
    import difflib

    lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), list(lower), n=n, cutoff=0.5)
    return "; nearest: " + ", ".join(lower[k] for k in near) if near else ""
