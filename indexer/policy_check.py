"""Looking through a finished index for places that its policy, or their source, hides.

Read are the files themselves, whatever their checksums say: of every segment that the present generation or an earlier
one names, since those lie in the folder too. What is found names the file and the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.manifest import GENERATIONS, read_manifest
from prom3e_index.bundle.media_folders import MediaFolders
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.errors import BundleError
from prom3e_index.indexer.policy_arrays import check_arrays
from prom3e_index.indexer.policy_expected import too_open
from prom3e_index.indexer.policy_files import PRECISE, check_files, check_records, tells_itself
from prom3e_index.indexer.policy_generations import loosened, metadata_of, segments_of
from prom3e_index.policy.cells import LEVELS, WITHHOLD, distance_m
from prom3e_index.policy.columns import denied, names_place, plain, tells_place
from prom3e_index.policy.generalise import LEVEL, OWN_COLUMNS
from prom3e_index.policy.observers import holder_column
from prom3e_index.policy.rules import Policy, policy_of
from prom3e_index.policy.told_places import IDS, TEXTS, tells, tells_alone
from prom3e_index.schema import FIELDS, MEDIA

if TYPE_CHECKING:
    import duckdb

MOST = 1000
"""Findings that are told one by one."""
_NEAR_M = 1.0
_BATCH = 4096


@dataclass(frozen=True)
class Finding:
    """A place that is told.

    Attributes:
        file: Within the index, or the path of a medium.
        row: Of the index, where it is one of its present rows; else within its segment; None where it is no row.
        id: Of the row.
        what: What tells the place; never the place itself.
    """

    file: str
    row: int | None
    id: str | None
    what: str

    def __str__(self) -> str:
        where = "" if self.row is None else f", row {self.row}"
        named = "" if self.id is None else f" ({self.id[:80]!r})"
        return f"{self.file}{where}{named}: {self.what}"


@dataclass
class Checked:
    """What came of it.

    Attributes:
        findings: At most `MOST`.
        found: How many there are.
        said: What was looked at, and what could not be.
    """

    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    said: list[str] = field(default_factory=list)

    def add(self, *args: Any) -> None:
        """Note one."""
        self.found += 1
        if len(self.findings) < MOST:
            self.findings.append(Finding(*args))


def check_policy(index: Path, media: Path | None = None) -> Checked:
    """Look through an index for places that are hidden.

    Args:
        index: Its folder.
        media: Where its photos and recordings are now, if they have moved.

    Raises:
        BundleError: It is no index, or its metadata cannot be read.
    """
    now = read_manifest(index, check=False)
    policy = policy_of(now.get("policy"), index)
    done = Checked()
    cited = f"policy {policy.cited}" if policy else "no policy; looked for what its sources hide"
    done.said.append(f"{index}: {cited}")
    kept = frozenset(map(str, (now.get("policy") or {}).get("kept", ())))
    first = 0
    firsts = {}
    for entry in now["segments"]:
        firsts[entry["name"]] = first
        first += int(entry["rows"])
    for name, (entry, manifest) in segments_of(index, now).items():
        folder = index / name
        if not (folder / "metadata.duckdb").is_file():
            done.said.append(f"{name} has no metadata.duckdb and was not looked at")
            continue
        at = firsts.get(name, 0)
        where = "" if name == "." else f"{name}/"
        if name not in firsts:
            done.said.append(f"{name} is of an earlier generation; `compact` takes it away")
        with metadata_of(index, name, now) as con:
            holder = holder_column(manifest.get("source", {}).get("fields"))
            _segment(con, index, where, at, entry, policy, kept, media, holder, done)
            check_arrays(con, index, folder, where, at, manifest, done.add, done.said)
    _hidden_since(index, now, done)
    check_files(index, now, done.add)
    return done


def _segment(
    con: duckdb.DuckDBPyConnection,
    index: Path,
    where: str,
    first: int,
    entry: dict[str, Any],
    policy: Policy | None,
    kept: frozenset[str],
    media: Path | None,
    holder: str | None,
    done: Checked,
) -> None:
    columns = [str(r[0]) for r in con.execute("DESCRIBE every").fetchall()]
    extra = [c for c in columns if c not in FIELDS]
    table = f"{where}metadata.duckdb"
    for name in (c for c in extra if denied(c)):
        found = con.execute(
            f"SELECT row, id FROM every WHERE {quoted(name)} IS NOT NULL ORDER BY row LIMIT 1"
        ).fetchall()
        for row, key in found:
            done.add(table, first + int(row), key, f"column {name}, which no index holds")
    for row, key, level, wanted in too_open(con, policy, columns, holder):
        done.add(table, first + row, key, f"its place is {level}; the policy asks for {wanted}")
    check_records(
        con,
        index / where / "records.arrow",
        f"{where}records.arrow",
        columns,
        first,
        done.add,
        done.said,
    )
    if policy is not None or LEVEL in columns:
        _reasons(con, LEVEL in columns, table, done)
    if LEVEL not in columns:
        return
    folders = MediaFolders(entry, index, media)
    names = list(dict.fromkeys(["row", "id", LEVEL, "latitude", "longitude", "coordinate_uncertainty_m",
                                *(c for c in columns if c in (*IDS, *TEXTS, *MEDIA)), *extra]))  # fmt: skip
    query = (
        f"SELECT {', '.join(map(quoted, names))} FROM every WHERE {LEVEL} IS NOT NULL ORDER BY row"
    )
    for batch in con.cursor().sql(query).to_arrow_reader(_BATCH):
        cells = {n: batch.column(n).to_pylist() for n in names}
        fine = _centred(cells)
        for i, row in enumerate(cells["row"]):
            level, key, at = cells[LEVEL][i], cells["id"][i], first + int(row)
            if not fine[i]:
                done.add(table, at, key, f"its place is not the centre of a cell of {level}")
            reach = LEVELS[level].reach_deg if level in LEVELS else 1.0
            here = (cells["latitude"][i], cells["longitude"][i])
            _cells(cells, i, extra, kept, here, reach, table, at, done)
            _media(cells, i, here, reach, folders, table, at, done)


def _centred(cells: dict[str, list[Any]]) -> NDArray[np.bool_]:
    """Whether each place is what its level lets be known: none, or a centre with an uncertainty as large."""
    level = np.array(cells[LEVEL], object)
    known = np.array([a is not None for a in cells["latitude"]])
    fine = ~known
    for name in {str(v) for v in level}:
        rows = (level == name) & known
        if name not in LEVELS or name == WITHHOLD or not rows.any():
            continue
        lat, lon = (np.array(cells[c], np.float64)[rows] for c in ("latitude", "longitude"))
        there = LEVELS[name].centres(lat, lon)
        stated = np.array(
            [u or 0.0 for u in np.array(cells["coordinate_uncertainty_m"], object)[rows]]
        )
        fine[rows] = (distance_m(lat, lon, there[0], there[1]) < _NEAR_M) & (stated >= there[2] - 1)
    return fine


def _cells(
    cells: dict[str, list[Any]], i: int, extra: list[str], kept: frozenset[str], here: tuple[Any, Any],
    reach: float, table: str, row: int, done: Checked,
) -> None:  # fmt: skip
    """Texts of a row that tell a place: by the name of their column, or by a number within the cell."""
    for name in (*extra, *(n for n in (*IDS, *TEXTS) if n in cells)):
        value = cells[name][i]
        if (
            value is None
            or isinstance(value, bool)
            or name in OWN_COLUMNS
            or (plain(name.removeprefix("source_")) in kept and names_place(name))
        ):
            continue
        if name in ("row", "is_part", "sigma_l1", "from_file"):
            continue
        known = name not in extra or plain(name.removeprefix("source_")) in kept
        if not known and tells_place(name) and not denied(name):
            done.add(table, row, cells["id"][i], f"column {name}, which may tell places")
        elif tells(str(value), *here, reach) and not denied(name):
            done.add(table, row, cells["id"][i], f"a text in {name} tells a place")


def _media(
    cells: dict[str, list[Any]], i: int, here: tuple[Any, Any], reach: float,
    folders: MediaFolders, table: str, row: int, done: Checked,
) -> None:  # fmt: skip
    """Names of a row's media, and what its photos and recordings say of themselves."""
    key = cells["id"][i]
    for name in (m for m in MEDIA if m in cells and cells[m][i]):
        path = str(cells[name][i])
        if name == "sat":
            done.add(table, row, key, "a satellite tile, whose middle is the place")
        if tells(path, *here, reach):
            done.add(table, row, key, f"the file name of its {name} tells a place")
        file = Path(folders.file(path))
        if name != "sat" and file.is_file() and tells_itself(file):
            done.add(
                str(file),
                row,
                key,
                f"its {name} tells a place (EXIF or tags); give away copies without",
            )


def _reasons(con: duckdb.DuckDBPyConnection, levels: bool, table: str, done: Checked) -> None:
    """Reasons why values were lost or rows refused, and the ids of these; which rule refused rows meet is not known."""
    noted: list[tuple[str, str | None, str]] = []
    lost = f"SELECT e.id, l.reason FROM lost l JOIN every e USING (row) WHERE e.{LEVEL} IS NOT NULL"
    if levels:
        noted += [("lost", key, str(reason)) for key, reason in con.execute(lost).fetchall()]
    hidden = f"EXISTS (SELECT 1 FROM every WHERE {LEVEL} IS NOT NULL)" if levels else "true"
    refused = f"SELECT id, reason FROM rejected WHERE {hidden}"
    noted += [("rejected", key, str(reason)) for key, reason in con.execute(refused).fetchall()]
    for name, key, reason in noted:
        if PRECISE.search(reason):
            done.add(table, None, key, f"a reason in {name} has a number of three decimals or more")
        if name == "rejected" and key is not None and tells_alone(key):
            done.add(table, None, None, "an id in rejected tells a place")


def _hidden_since(index: Path, now: dict[str, Any], done: Checked) -> None:
    """Rows that lie in the folder with places that were generalised further since: replaced or removed ones."""
    from prom3e_index.indexer.generation import there

    seen: set[str] = set()
    for path in sorted((index / GENERATIONS).glob("[0-9]*.json")):
        try:
            earlier = there(index, read_manifest(index, int(path.stem), check=False))
            with BundleFolder(index, earlier) as then:
                ids = loosened(index, now, then)
        except (BundleError, ValueError, FileNotFoundError):
            continue
        for key in (i for i in ids if i not in seen):
            seen.add(key)
            done.add(
                path.relative_to(index).as_posix(), None, key,
                "an earlier generation has its place as it was; `compact` takes it away",
            )  # fmt: skip
