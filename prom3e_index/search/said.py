"""Answers as they may leave this machine: JSON-ready, and without a path of it.

A file that a query gives is told by its name, one of an observation by whether there is one. Sentences lose the folders
of the files that they name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

import numpy as np

from prom3e_index.schema import MEDIA
from prom3e_index.search.answered import Answer, Hit
from prom3e_index.search.in_words import sentences

_FOLDERS = re.compile(
    r"(?<![\w:/\\.])(?:~?/|[A-Za-z]:[\\/]|\\\\)(?:[^\s/\\'\"<>|]+[/\\])+(?=[^\s/\\'\"<>|])"
)
"""An absolute path but for its last part, where it stands in a text; no address, and nothing like `and/or`."""


def answer_said(answer: Answer) -> dict[str, Any]:
    """One object for JSON: `query`, `hits`, `search` as in `Answer.to_dict`, and `sentences` on its confidence.

    Files that were given stand by their names, hits as `hit_said` has them; dates are ISO texts, numbers that are not
    finite None.
    """
    query = {k: v for k, v in answer.query.items() if k not in ("given", "filters")}
    search = {**answer.search, "notes": notes_said(answer)}
    return {
        "query": {
            "given": {m: _given(m, value) for m, value in answer.query["given"].items()},
            **_said(query),
            "filters": _plain(answer.query["filters"]),
        },
        "hits": [hit_said(hit) for hit in answer.hits],
        "search": _said(search),
        "sentences": [text_said(s) for s in sentences(answer.query)] if answer.hits else [],
    }


def hit_said(hit: Hit) -> dict[str, Any]:
    """One hit for JSON: its fields as the index has them, and `media`, which files of it there are to be seen or heard.

    `media` has a truth value for each of `schema.MEDIA`: an address elsewhere is no file, nor is the tile of an
    obscured place.
    """
    return {
        "rank": hit.rank,
        "row": hit.row,
        "score": _plain(hit.score),
        "completed": hit.completed,
        "p_right": _plain(hit.p_right),
        "observed": list(hit.observed),
        **{k: _plain(v) for k, v in hit.fields.items()},
        "media": {m: m in hit.files for m in MEDIA},
        "media_fragment": hit.media_fragment,
    }


def notes_said(answer: Answer) -> list[str]:
    """What is to be known of an answer, without folders."""
    files = [h.media for h in answer.hits if h.media]
    return [text_said(_named(note, files)) for note in answer.notes]


def text_said(text: str) -> str:
    """A sentence without the folders of the files that it names."""
    return _FOLDERS.sub("", text)


def _named(text: str, files: Iterable[str]) -> str:
    """A sentence that names files as a whole, whatever their folders are called, by their last part."""
    for file in files:
        if file in text:
            text = text.replace(file, PurePath(file).name)
    return text


def _given(modality: str, value: Any) -> Any:
    """What was given of a modality; of files their names, with the span that is asked for."""
    if isinstance(value, list) and any(isinstance(v, str) for v in value):
        return [_given(modality, v) for v in value]
    if isinstance(value, str) and modality in MEDIA:
        return PurePath(value.replace("\\", "/")).name
    return _plain(value)


def _said(value: Any) -> Any:
    """A value for JSON whose sentences have no folders."""
    if isinstance(value, dict):
        return {str(k): _said(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_said(v) for v in value]
    return text_said(value) if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> Any:
    """A value for JSON, of the kinds that it knows."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str) else str(value)
