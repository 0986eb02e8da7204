"""Wildlife Insights downloads: images or sequences joined with their deployments.

Source: data downloads of Wildlife Insights, https://www.wildlifeinsights.org/get-started/download.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from prom3e_index.errors import TableError
from prom3e_index.tables.archives import unpack
from prom3e_index.tables.camtrap import beside, said_inside, zipped_media
from prom3e_index.tables.joined import NUMBER, Joined, quoted
from prom3e_index.tables.looks import is_hidden
from prom3e_index.tables.source import Source, text_literal
from prom3e_index.tables.text import open_text

_KINDS = ("images", "sequences", "deployments", "cameras", "projects")
_RANKS = ("class", "order", "family", "genus")
_NO_TAXON = {
    "blank": "blank",
    "no cv result": "unclassified",
    "unknown": "unknown",
    "cannot identify": "unknown",
    "human": "human",
    "human-camera trapper": "human",
    "vehicle": "vehicle",
    "misfire": "blank",
    "time lapse": "unclassified",
}
IMAGES_COLUMNS = frozenset(("deployment_id", "image_id", "location", "filename"))
SEQUENCES_COLUMNS = frozenset(
    ("deployment_id", "sequence_id", "start_time", "end_time", "common_name")
)


def insights_files(path: Path) -> dict[str, list[Path]]:
    """Kind of table → its files, of a folder or of the folder that one of them lies in.

    Large downloads split a table by project: `images_2000001.csv`.

    Raises:
        TableError: There is neither images.csv nor sequences.csv.
    """
    folder = path if path.is_dir() else path.parent
    found: dict[str, list[Path]] = {kind: [] for kind in _KINDS}
    for p in sorted(folder.iterdir()):
        kind = table_kind(p.name)
        if kind and p.is_file():
            found[kind].append(p)
    if path.is_file():
        own = table_kind(path.name)
        if own not in ("images", "sequences"):
            own = "images"
        found[own] = [path]
        if own == "sequences" or not found["sequences"]:
            return found
        found["sequences"] = []
        return found
    if not (found["images"] or found["sequences"]):
        raise TableError(
            f"{folder} holds neither images.csv nor sequences.csv of Wildlife Insights."
        )
    return found


def table_kind(name: str) -> str | None:
    """Which table of a download a file name is; None for another file."""
    stem = name.lower().removesuffix(".gz").removesuffix(".csv")
    if stem == name.lower() or is_hidden(name):
        return None
    return next((k for k in _KINDS if stem == k or stem.startswith(k + "_")), None)


def open_insights(path: Path, encoding: str | None = None) -> Source:
    """Open a download: its folder, its zip, or its images.csv or sequences.csv with the others beside it.

    A row is an image, or a sequence with all its images where the download tells of sequences; place comes from the
    deployment. What the columns of the taxonomy say instead of a taxon is the `observationType`, and stays the
    common name, so that a row without a taxon says why.
    """
    keep: list[Any] = []
    source_path, media, inside = path, path if path.is_dir() else path.parent, 0
    if path.is_file() and table_kind(path.name) is None and path.suffix.lower() == ".zip":
        temporary = tempfile.TemporaryDirectory(prefix="prom3e-")
        keep.append(temporary)
        inside, media = zipped_media(path), beside(path)
        source_path = unpack(
            path,
            Path(temporary.name),
            wanted=lambda n: table_kind(n.rpartition("/")[2]) is not None,
        )
    files = insights_files(source_path)
    tables = Joined()
    for kind, paths in files.items():
        if paths:
            tables.add(kind, {p.name: open_text(p, "csv", encoding) for p in paths})
    if inside:
        tables.said.append(said_inside(inside, path, media))
    core = "sequences" if files["sequences"] else "images"
    _places(tables, core)
    _shown(tables, core)
    query = _query(tables, core)
    facts = {
        "rows": tables.count(core),
        "tables": ", ".join(p.name for f in files.values() for p in f),
    }
    return tables.source("wildlife-insights", query, media, facts, keep)


def _places(tables: Joined, core: str) -> None:
    """`places`: each deployment once."""
    if "deployments" not in tables.columns:
        tables.said.append(
            f"There is no deployments.csv beside {core}.csv; places of the {tables.count(core):,} rows are in it."
        )
        tables.rows("deployments", ["deployment_id"], [])
    key = tables.cell("deployments", "d", "deployment_id")
    tables.con.execute(
        f"CREATE TEMP TABLE places AS SELECT {key} AS deployment, * EXCLUDE ({NUMBER}) FROM deployments d "
        f"WHERE {key} IS NOT NULL QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {NUMBER}) = 1"
    )
    own = tables.cell(core, "o", "deployment_id")
    lost = tables.con.execute(
        f"SELECT count(*) FROM {core} o WHERE {own} IS NULL OR {own} NOT IN (SELECT deployment FROM places)"
    ).fetchall()[0][0]
    if lost and tables.count("places"):
        tables.said.append(
            f"{lost:,} rows name no deployment of deployments.csv, so they have no place."
        )


def _shown(tables: Joined, core: str) -> None:
    """`shown`: the images of each row; a file name where there is one, else the address."""
    if "images" not in tables.columns:
        tables.said.append(
            "There is no images.csv beside sequences.csv, so the rows have no photos."
        )
        tables.rows("images", ["image_id"], [])
    path = f"coalesce({tables.cell('images', 'i', 'filename')}, {tables.cell('images', 'i', 'location')})"
    if core == "images":
        tables.con.execute(
            f"CREATE TEMP TABLE shown AS SELECT i.{NUMBER} AS n, "
            f"CASE WHEN {path} IS NOT NULL THEN [{path}] END AS image FROM images i"
        )
        return
    sequence = tables.cell("images", "i", "sequence_id")
    tables.con.execute(
        f"CREATE TEMP TABLE frames AS SELECT {sequence} AS sequence, list({path} ORDER BY "
        f"{tables.cell('images', 'i', 'timestamp')}, i.{NUMBER}) AS image FROM images i WHERE {path} IS NOT NULL "
        "GROUP BY 1"
    )
    own = tables.cell("sequences", "o", "sequence_id")
    tables.con.execute(
        f"CREATE TEMP TABLE shown AS SELECT o.{NUMBER} AS n, f.image FROM sequences o "
        f"JOIN frames f ON f.sequence = {own}"
    )
    left = tables.con.execute(
        f"SELECT count(*) FROM images i WHERE {sequence} IS NULL OR {sequence} NOT IN "
        f"(SELECT {own} FROM sequences o WHERE {own} IS NOT NULL)"
    ).fetchall()[0][0]
    if left:
        tables.said.append(
            f"{left:,} images belong to no sequence of sequences.csv and give no row."
        )


def _query(tables: Joined, core: str) -> str:
    cell = tables.cell
    kinds = " ".join(f"WHEN {text_literal(k)} THEN {text_literal(v)}" for k, v in _NO_TAXON.items())
    common = cell(core, "o", "common_name")
    highest = f"coalesce({cell(core, 'o', 'class')}, {common})"
    blank = cell(core, "o", "is_blank")
    kind = (
        f"coalesce(CASE lower({highest}) {kinds} END, CASE lower({common}) {kinds} END, "
        f"CASE WHEN lower({blank}) IN ('1', 'true', 'yes') THEN 'blank' END, "
        f"CASE WHEN coalesce({common}, {cell(core, 'o', 'class')}) IS NULL THEN 'unclassified' ELSE 'animal' END)"
    )
    taxon = {r: cell(core, "o", r) for r in _RANKS}
    epithet = cell(core, "o", "species")
    binomial = (
        f"CASE WHEN {epithet} IS NULL THEN NULL ELSE {taxon['genus']} || ' ' || {epithet} END"
    )
    lowest = f"coalesce({binomial}, {', '.join(taxon[r] for r in reversed(_RANKS))})"
    start = cell(core, "o", "timestamp", "start_time")
    end = cell(core, "o", "end_time")

    def named(sql: str) -> str:
        return f"CASE WHEN {kind} = 'animal' THEN {sql} END"

    out = {
        "id": cell(core, "o", *(("image_id",) if core == "images" else ("sequence_id",))),
        "image": "s.image",
        "decimalLatitude": cell("deployments", "p", "latitude"),
        "decimalLongitude": cell("deployments", "p", "longitude"),
        "eventDate": f"CASE WHEN {end} IS NULL OR {end} = {start} THEN {start} "
        f"ELSE replace({start}, ' ', 'T') || '/' || replace({end}, ' ', 'T') END",
        "scientificName": named(lowest),
        "vernacularName": f"coalesce({common}, CASE WHEN {kind} != 'animal' THEN {cell(core, 'o', 'class')} END)",
        "observationType": kind,
        **{r: named(sql) for r, sql in taxon.items()},
        "specificEpithet": named(epithet),
        "license": cell(core, "o", "license"),
        "locationURL": cell(core, "o", "location"),
    }
    used = {c.lower() for c in out} | {
        "imageid",
        "sequenceid",
        "latitude",
        "longitude",
        "commonname",
        "filename",
        "species",
    }
    used |= {"location", "timestamp"} if core == "images" else {"location"}
    used -= {"sequenceid"} if core == "images" else {"imageid"}
    for table, alias in ((core, "o"), ("deployments", "p")):
        for key, column in tables.columns[table].items():
            if key not in used:
                used.add(key)
                out[column] = f"{alias}.{quoted(column)}"
    for column, table, *names in (
        ("id", core, "image_id" if core == "images" else "sequence_id"),
        ("image", "images", "filename", "location"),
        ("decimalLatitude", "deployments", "latitude"),
        ("decimalLongitude", "deployments", "longitude"),
        ("eventDate", core, "timestamp", "start_time", "end_time"),
        ("scientificName", core, "species", *reversed(_RANKS)),
        ("vernacularName", core, "common_name"),
        ("specificEpithet", core, "species"),
    ):
        tables.comes(column, table, *names)
    cells = ", ".join(f"{sql} AS {quoted(c)}" for c, sql in out.items())
    return (
        f"SELECT {cells} FROM {core} o LEFT JOIN shown s ON s.n = o.{NUMBER} "
        f"LEFT JOIN places p ON p.deployment = {cell(core, 'o', 'deployment_id')} ORDER BY o.{NUMBER}"
    )
