"""Other files of an index that may tell a place: what hits show, loose files, the log, what was understood."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.bundle.own_files import OWNED, entries
from prom3e_index.errors import MediaError
from prom3e_index.media.facts import facts_of
from prom3e_index.policy.generalise import LEVEL
from prom3e_index.policy.log import LOG, lines_of
from prom3e_index.policy.told_places import tells, tells_alone

if TYPE_CHECKING:
    import duckdb

PRECISE = re.compile(r"[-+]?[0-9]{1,3}[.,][0-9]{3,}")
"""A number of three decimals or more."""
_PHOTOS = re.compile(r"\.(?:jpe?g|png|tiff?|heic|webp|wav|mp3|flac|mp4)\Z", re.IGNORECASE)
Add = Callable[..., None]
"""Takes file, row, id and what is found."""


def tells_itself(file: Path) -> bool:
    """Whether a photo or recording says where it was made."""
    try:
        return facts_of(file).latitude is not None
    except (MediaError, OSError, ValueError):
        return False


def check_records(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    columns: list[str],
    first: int,
    add: Add,
    said: list[str],
) -> None:
    """What hits show, and what places are looked up in, must be the places of the table."""
    import pyarrow as pa

    if LEVEL not in columns:
        return
    if path.is_file():
        try:
            with pa.memory_map(str(path)) as source:
                held = pa.ipc.open_file(source).read_all()
                held.validate(full=True)
                con.register(
                    "shown", held.append_column("at", pa.array(range(held.num_rows), pa.int64()))
                )
                found = con.execute(
                    f"SELECT e.row, e.id FROM every e JOIN shown s ON s.at = e.row WHERE e.{LEVEL} IS NOT NULL AND "
                    "(s.latitude IS DISTINCT FROM e.latitude OR s.longitude IS DISTINCT FROM e.longitude "
                    "OR s.sat IS DISTINCT FROM e.sat OR s.image IS DISTINCT FROM e.image) ORDER BY 1"
                ).fetchall()
                con.unregister("shown")
        except (pa.ArrowInvalid, OSError, KeyError) as e:
            said.append(f"{name} cannot be read: {str(e).splitlines()[0]}")
            found = []
        for row, key in found:
            add(name, first + int(row), key, "shows another place or file than the table")
    views = {
        str(r[0])
        for r in con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    }
    if "by_place" in views:
        for row, key in con.execute(
            f"SELECT e.row, e.id FROM every e JOIN by_place b USING (row) WHERE e.{LEVEL} IS NOT NULL AND "
            "(b.latitude IS DISTINCT FROM e.latitude OR b.longitude IS DISTINCT FROM e.longitude) ORDER BY 1"
        ).fetchall():
            file = name.replace("records.arrow", "metadata.duckdb")
            add(file, first + int(row), key, "by_place has another place than the table")


def check_files(index: Path, now: dict[str, Any], add: Add) -> None:
    """Files in the folder that are none of the index's own, and texts of its own that have precise numbers."""
    own = {*OWNED, "manifest.json", LOG, ".lock"}
    protected = now.get("policy") is not None
    for entry in entries(index):
        path = Path(entry.path)
        name = path.relative_to(index).as_posix()
        if not entry.is_file(follow_symlinks=False) or name.partition("/")[0] in own:
            continue
        if tells(path.name, None, None, 1.0):
            add(name, None, None, "a file whose name has a pair of coordinates")
        if _PHOTOS.search(path.name) and tells_itself(path):
            add(name, None, None, "a photo or recording that tells a place (EXIF or tags)")
    log = index / LOG
    if log.is_file() and any(map(PRECISE.search, lines_of(log))):
        add(LOG, None, None, "a number of three decimals or more, which may be a coordinate")
    if protected:
        understood = now.get("source", {}).get("understood") or {}
        lost = [r for f in understood.get("fields", ()) for r in f.get("lost", ())]
        reasons = [*lost, *understood.get("rejected", ())]
        told = [str(t) for t in (*understood.get("said", ()), *(r.get("text") for r in reasons))]
        ids = [str(i) for r in reasons for i in r.get("ids", ()) if i is not None]
        if any(PRECISE.search(t) for t in told):
            add(
                "manifest.json",
                None,
                None,
                "what was understood has a number of three decimals or more",
            )
        if any(map(tells_alone, ids)):
            add("manifest.json", None, None, "what was understood has an id that tells a place")
