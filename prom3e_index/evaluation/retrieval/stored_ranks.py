"""Ranks of every query, stored once: tables are computed from them, again and again, without a run."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from prom3e_index.errors import InputError
from prom3e_index.evaluation.first_right import FirstRight
from prom3e_index.evaluation.retrieval.scoring import Scored
from prom3e_index.models.folder import Weights
from prom3e_index.show.escapes import json_text
from prom3e_index.show.files import write_npz

FORMAT = 2
"""1 had expected ranks, from which recall under ties cannot be told."""

_PARTS = ("above", "tied", "good")


def save(path: Path, scored: Sequence[Scored], facts: dict[str, Any]) -> None:
    """Write ranks and facts as `.npz` without pickles; the file appears whole or not at all."""
    arrays: dict[str, Any] = {}
    entries = []
    for i, s in enumerate(scored):
        arrays |= {f"{i}.queries": s.queries, f"{i}.right": s.right}
        arrays |= {f"{i}.{part}": getattr(s.first, part) for part in _PARTS}
        if s.gain is not None:
            arrays[f"{i}.gain"] = s.gain
        entries.append(
            {
                "given": list(s.given),
                "target": s.target,
                "space": s.space,
                "match": s.match,
                "weights": asdict(s.weights),
                "gallery": s.gallery,
                "hubs": s.hubs,
            }
        )
    text = json_text({"format": FORMAT, "entries": entries, "facts": facts})
    write_npz(path, {"index": np.frombuffer(text.encode(), np.uint8), **arrays}, compressed=True)


def load(path: Path) -> tuple[list[Scored], dict[str, Any]]:
    """Read what `save` wrote.

    Raises:
        InputError: Another file, damaged, or of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as z:
            index = json.loads(bytes(z["index"]).decode())
            if index["format"] != FORMAT:
                raise InputError(
                    f"{path} has format {index['format']}, this program reads {FORMAT}: recall under "
                    "ties is counted otherwise. Run `prom3e-index evaluate retrieval` again."
                )
            scored = [
                Scored(
                    tuple(e["given"]),
                    e["target"],
                    e["space"],
                    e["match"],
                    Weights(**e["weights"]),
                    int(e["gallery"]),
                    z[f"{i}.queries"],
                    FirstRight(*(z[f"{i}.{part}"] for part in _PARTS)),
                    z[f"{i}.gain"] if f"{i}.gain" in z.files else None,
                    z[f"{i}.right"],
                    np.nan if e["hubs"] is None else float(e["hubs"]),
                )
                for i, e in enumerate(index["entries"])
            ]
    except (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile, zlib.error) as e:
        if isinstance(e, InputError):
            raise
        raise InputError(f"{path} holds no stored ranks: {e}.") from e
    return scored, dict(index["facts"])
