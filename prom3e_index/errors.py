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
    ├── StoreError     (ConnectionError)    a vector store is out of reach, or does not do what it is asked
    └── DivergedError  (ArithmeticError)    a training run's loss or gradient is no finite number

A message says what is wrong with both values, where, and what to do. It is written once, with the options of the
command line, `--restart`; `str(error)` has Python's words, `restart=True`, and the command line prints `error.typed`.
"""

from __future__ import annotations

import re

SWITCHES = frozenset(
    """
    accept-removed-rows all-combinations allow-outside allow-seen audio-window conformance dry-run exact explain
    csv exif-transpose file-facts half keep keep-private lost no-file-facts observed-only overwrite paper restart search
    strict tensorboard yes
    """.split()
)
"""Options that are on or off."""
_OTHER_NAMES = {"as": "embedding_of", "from": "since", "to": "until"}
"""Options whose names are other words as keywords."""
_VALUE = r"[A-Z][A-Z0-9_]*|first|last|dmy|mdy|auto|none|mini|ray|cpu|cuda|[0-9]+(?:\.[0-9]+)?"
_PART = re.compile(
    r"(?P<kept>`?prom3e-index(?: [\w./{}|…-]+)*|`[a-z]\S* [^`]*`)"  # whole commands
    r"|(?P<quoted>(?<!\w)'[^'\n]*'(?!\w))"  # what somebody wrote
    r"|(?P<map>(?:(?:^|(?<=[ (`]))--map '?[^\s'=]+=\w+'?[ ]?)+(?<! ))"
    rf"|(?<![\w-])--(?P<name>[a-z][a-z-]*)(?: (?P<value>{_VALUE})(?![\w])(?P<or> or (?P<other>last|mdy)\b)?)?"
)
_COLUMN = re.compile(r"--map '?([^\s'=]+)=(\w+)")


def in_python(message: str) -> str:
    """A message with the keywords of Python in place of the options of the command line.

    `--hub DIR` is `hub=DIR`, `--restart` is `restart=True`; whole commands, as `prom3e-index rebuild --kind KIND`,
    stay.
    """

    def spelled(found: re.Match[str]) -> str:
        if found["kept"] or found["quoted"]:
            return found[0]
        if found["map"]:
            columns = dict(_COLUMN.findall(found["map"]))
            return f"map={columns}"
        name, value = found["name"], found["value"]
        keyword = _OTHER_NAMES.get(name, name.replace("-", "_"))
        if name in SWITCHES:
            switch = f"{keyword.removeprefix('no_')}={not name.startswith('no-')}"
            return switch + found[0].removeprefix(f"--{name}")
        if value is None:
            return keyword
        other = f" or {found['other']!r}" if found["other"] else ""
        return f"{keyword}={value if value.isupper() or value[0].isdigit() else repr(value)}{other}"

    return _PART.sub(spelled, message)


class Prom3eError(Exception):
    """Root of every error raised on purpose; the command line prints it as one line, exit code 2."""

    @property
    def typed(self) -> str:
        """The message with the options of the command line."""
        return super().__str__()

    def __str__(self) -> str:
        return in_python(self.typed)


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


class StoreError(Prom3eError, ConnectionError):
    """A vector store is out of reach, or does not do what it is asked."""


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
