"""What went wrong, as RFC 9457 `application/problem+json`, and without any folder of this machine."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from prom3e_index.errors import (
    BundleError,
    InputError,
    MediaError,
    MismatchError,
    ModelError,
    NotCachedError,
    Prom3eError,
    ShapeError,
    StoreError,
)
from prom3e_index.server.sentences import code_of
from prom3e_index.store.row_values import RowsGoneError

MEDIA_TYPE = "application/problem+json"
_KINDS: tuple[tuple[type[Prom3eError], int, str, str], ...] = (
    (MediaError, 422, "media", "A file cannot be read"),
    (ShapeError, 422, "shape", "A vector has another width"),
    (InputError, 422, "input", "Something that was asked for cannot be"),
    (MismatchError, 409, "mismatch", "Query and index were made by different models"),
    (BundleError, 503, "index", "The index cannot be read"),
    (ModelError, 503, "model", "The model cannot be read"),
    (NotCachedError, 503, "model", "The model's weights are not here"),
)
_NEAREST = re.compile(r"(?:; nearest: |Did you mean )([^;.?\n]+)")
_FOLDERS = re.compile(r"(?<![\w:/.<])(?:~|\.{1,2})?/(?:[^\s/'\"`,;:()<>]+/)+(?=[^\s/'\"`,;:()<>])")
"""A path up to its last name; not what stands after `http:/`."""
_WINDOWS = re.compile(r"\b[A-Za-z]:\\(?:[^\s\\'\"`,;:()<>]+\\)+")
_STORES = re.compile(r"\bmilvus(?:-lite)?://[^\s'\"`]*/(?=[A-Za-z])")
"""The address of a store up to its name."""
_UPLOAD = re.compile(r"sha256-[0-9a-f]{64}|coming-\d+")
_LONGEST = 1500


class Problem(Exception):
    """A request that is not answered as it was meant.

    Attributes:
        status: Of HTTP.
        type: What kind it is, a word: it ends the relative address `/problems/…`.
        title: The kind in words, the same each time.
        detail: What was wrong this time, and what to do.
        parameter: Of which part of the request.
        near: What may have been meant.
        headers: Further headers of the response.
    """

    def __init__(
        self,
        status: int,
        type: str,
        title: str,
        detail: str = "",
        parameter: str | None = None,
        near: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.status, self.type, self.title, self.detail = status, type, title, detail
        self.parameter, self.near, self.headers = parameter, tuple(near), dict(headers or {})

    def said(self) -> dict[str, Any]:
        """The members of the problem."""
        out: dict[str, Any] = {
            "type": f"/problems/{self.type}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            out["detail"] = self.detail[:_LONGEST]
        if self.parameter is not None:
            out["parameter"] = self.parameter
        if self.near:
            out["near"] = list(self.near)
        if (known := code_of(self.detail)) is not None:
            out["code"], out["values"] = known
        return out

    def body(self) -> bytes:
        """The problem as JSON."""
        return json.dumps(self.said(), ensure_ascii=False).encode()


def of_status(status: int, detail: str = "") -> Problem:
    """A problem that says no more than its status."""
    phrase = HTTPStatus(status).phrase
    return Problem(status, phrase.lower().replace(" ", "-"), phrase, detail)


def not_found(what: str, parameter: str | None = None) -> Problem:
    """404: `what` is not here."""
    return Problem(404, "not-found", "Not here", what, parameter)


def of_error(
    error: Prom3eError, folders: Sequence[Path] = (), parameter: str | None = None
) -> Problem:
    """What an error of the library is to a client: its words without folders, and the names that were near."""
    if isinstance(error, RowsGoneError):
        return Problem(
            409, "generation", "The index has changed since", "What was found is no longer there. Ask again."
        )  # fmt: skip
    if isinstance(error, StoreError):  # its words tell where the store is
        return unreached()
    found = next((k for k in _KINDS if isinstance(error, k[0])), None)
    _, status, type_, title = found or (Prom3eError, 500, "error", "It cannot be done")
    text = str(error)
    near = _NEAREST.search(text)
    names = [n.strip(" '\"") for n in near[1].split(", ")] if near else []
    if names and "taxon" in text:
        type_, title = "unknown-taxon", "No such taxon"
    return Problem(status, type_, title, without_folders(text, folders), parameter, names)


def unreached() -> Problem:
    """503: the vector store does not answer."""
    return Problem(
        503,
        "store",
        "The vector store does not answer",
        "The index is in a vector store, which did not answer as it should. Ask again in a moment; whoever runs this "
        "server finds more in its log.",
        headers={"Retry-After": "5"},
    )


def without_folders(text: str, folders: Sequence[Path] = ()) -> str:
    """A text in which files stand by their names alone.

    Args:
        text: What is said.
        folders: Folders that are known, whatever their names hold.
    """
    for folder in sorted({str(f) for f in folders}, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(f"{folder}/", "").replace(f"{folder}\\", "")
            text = text.replace(folder, Path(folder).name)
    text = _WINDOWS.sub("", _FOLDERS.sub("", _STORES.sub("", text)))
    text = _UPLOAD.sub("the file", text)
    return text[:1].upper() + text[1:] if text.startswith("the file") else text


def is_full(error: BaseException) -> bool:
    """Whether the disk had no room for what was to be written."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def disk_full() -> Problem:
    """507: the server's disk has no room."""
    return Problem(
        507,
        "disk-full",
        "The server's disk is full",
        "There is no room for what this needs to write. Whoever runs the server can free some, or start it with "
        "TMPDIR on another disk.",
    )


def over() -> Problem:
    """503: the server ends."""
    return Problem(
        503,
        "ending",
        "The server is ending",
        "Ask again in a while.",
        headers={"Retry-After": "10"},
    )
