"""A ranking as a file of other software, with whose the observations are beside it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from prom3e_index import __version__
from prom3e_index.exports.answers import write_hits
from prom3e_index.licences import code_of, roll_up, url_of
from prom3e_index.search.answered import Hit
from prom3e_index.search.run import Bundle
from prom3e_index.server.hit_said import API
from prom3e_index.server.kept_media import media_of
from prom3e_index.server.problems import Problem, without_folders
from prom3e_index.server.stored import Stored
from prom3e_index.show.export import csv_text

Format = Literal["csv", "geojson", "gpkg", "geoparquet", "parquet", "dwca", "species"]
ENDINGS: dict[str, str] = {
    "csv": ".csv", "geojson": ".geojson", "gpkg": ".gpkg", "geoparquet": ".parquet", "parquet": ".parquet",
    "dwca": ".zip", "species": ".csv",
}  # fmt: skip
TYPES = {
    ".csv": "text/csv; charset=utf-8", ".geojson": "application/geo+json", ".gpkg": "application/geopackage+sqlite3",
    ".parquet": "application/vnd.apache.parquet", ".zip": "application/zip",
}  # fmt: skip
_SPECIES = (
    "species",
    "common_name",
    "family",
    "hits",
    "completed",
    "best_rank",
    "best_score",
    "p_right",
)
_DAY = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class File:
    """What is sent.

    Attributes:
        name: Of the file.
        type: Its content type.
        body: Its bytes.
        licence: Address of the licence of the whole, or its code; None of nothing.
        notes: What was left out, and why.
    """

    name: str
    type: str
    body: bytes
    licence: str | None
    notes: tuple[str, ...] = ()


def exported(
    stored: Stored, hits: Sequence[Hit], format: Format, alone: bool, base: str, folder: Path
) -> File:
    """Hits of a ranking as a file; a zip where others stand beside it.

    Args:
        stored: The search.
        hits: Those that are written, in their order.
        format: In which form.
        alone: Only the table, without those that stand beside it.
        base: Address of the server, for links to photos and sounds: no path of its machine is written.
        folder: A private one, for as long as it takes.

    Raises:
        InputError: The format needs a package that is not installed.
    """
    bundle = stored.bundle
    name = f"prom3e-{stored.id}"
    licence = roll_up(code_of(h.fields.get("license")) for h in hits)
    if format == "species":
        body = csv_text(species_of(hits), _SPECIES).encode()
        return File(f"{name}-species.csv", TYPES[".csv"], body, licence)
    shown = replace(stored.answer, hits=tuple(_linked(bundle, hits, base)))
    with TemporaryDirectory(dir=folder) as private:
        path = Path(private) / f"{name}{ENDINGS[format]}"
        made = write_hits(shown, bundle, path, format)
        notes = tuple(without_folders(n, [Path(private)]) for n in made.notes)
        files = [path] if alone else [path, *made.beside]
        parts = [(f.name, f.read_bytes()) for f in files]
    if len(parts) == 1:
        return File(path.name, TYPES[path.suffix], parts[0][1], made.licence, notes)
    parts.append((f"{name}.README.txt", readme(stored, hits, made.licence, notes).encode()))
    return File(f"{name}-{format}.zip", TYPES[".zip"], _zip(parts), made.licence, notes)


def _linked(bundle: Bundle, hits: Sequence[Hit], base: str) -> list[Hit]:
    """Hits whose files are addresses of this server."""
    files = media_of(bundle, [h.row for h in hits])
    out = []
    for h in hits:
        order = ("audio", "image", "sat") if h.heard else ("image", "sat", "audio")
        kind = next((m for m in order if m in files[h.row]), None)
        heard = h.heard and kind == "audio"
        out.append(
            replace(h, media=f"{base}{API}/media/{h.row}/{kind}" if kind else None, heard=heard)
        )
    return out


def species_of(hits: Sequence[Hit]) -> list[dict[str, object]]:
    """The species of hits, those with the best hit first: how many hits, how many of them are guesses, the best."""
    found: dict[str, dict[str, object]] = {}
    for h in hits:
        f = h.fields
        name = f.get("taxon_species") or f.get("species") or f.get("scientific_name")
        if not name:
            continue
        one = found.setdefault(
            str(name),
            {
                "species": name, "common_name": None, "family": None, "hits": 0, "completed": 0,
                "best_rank": h.rank, "best_score": h.score, "p_right": None,
            },
        )  # fmt: skip
        one["hits"] = int(str(one["hits"])) + 1
        one["completed"] = int(str(one["completed"])) + h.completed
        for column in ("common_name", "family"):
            one[column] = one[column] or f.get(column)
        one["p_right"] = one["p_right"] if one["p_right"] is not None else h.p_right
    return list(found.values())


def readme(stored: Stored, hits: Sequence[Hit], licence: str | None, notes: Sequence[str]) -> str:
    """What the files are, and what may be done with them."""
    q, s = stored.answer.query, stored.answer.search
    completed = sum(h.completed for h in hits)
    url = url_of(licence) if licence else None
    of = f" ({url})" if url else ""
    lines = [
        f"{len(hits):,} hits of a search for {q['target']} by {' + '.join(q['given'])}, best first, of "
        f"{s['eligible']:,} observations that satisfied its filter.",
        f"Index: {stored.bundle.path.name}, generation {stored.generation}. Written by prom3e-index {__version__}.",
        f"Completed: {completed:,} of the hits. Their {q['target']} was never observed; the model filled it in, which "
        "is a guess, and the column `completed` says so.",
        f"Licence of the whole, the strictest of its parts: {licence or 'none stated'}{of}.",
        "Whose each row is stands in it, and in ATTRIBUTION; how it is cited in CITATION.",
        "Obscured places are not where the observation was made.",
        *notes,
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def chosen_hits(stored: Stored, rows: str, marked: Sequence[int] | None) -> list[Hit]:
    """The hits that are written: all of a ranking, or those that are marked.

    Raises:
        Problem: Marks are wanted and none are kept, or none is of these hits.
    """
    if rows == "all":
        return list(stored.answer.hits)
    if marked is None:
        raise Problem(
            422,
            "no-marks",
            "No marks are kept",
            "The server was started by `prom3e-index serve --no-marks`.",
            "rows",
        )
    kept = set(marked)
    chosen = [h for h in stored.answer.hits if h.row in kept]
    if not chosen:
        raise Problem(
            422, "no-marks", "None of these hits is marked",
            f"Of the {len(stored.answer.hits):,} hits none is marked as right. Mark some, or export all.", "rows",
        )  # fmt: skip
    return chosen


def _zip(parts: Sequence[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, body in parts:
            z.writestr(zipfile.ZipInfo(name, _DAY), body, zipfile.ZIP_DEFLATED)
    return out.getvalue()
