"""Camtrap DP: deployments, media and observations of camera traps in one package, joined.

Source: Camtrap DP 1.0 and 0.1.x (TDWG), https://camtrap-dp.tdwg.org.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from prom3e_index.errors import TableError
from prom3e_index.schema import RANKS
from prom3e_index.tables.archives import unpack
from prom3e_index.tables.joined import NUMBER, Joined, quoted
from prom3e_index.tables.kinds import kind_of
from prom3e_index.tables.looks import is_hidden, json_file
from prom3e_index.tables.source import Source, text_literal
from prom3e_index.tables.text import open_text

PACKAGE = "datapackage.json"
_TABLES = {
    "deployments": ("deployments",),
    "media": ("media", "multimedia"),
    "observations": ("observations",),
}


def package_files(path: Path) -> dict[str, list[Path]]:
    """The tables of an unpacked package: `deployments`, `media`, `observations` → their files.

    Raises:
        TableError: A table is absent, or its path leaves the package.
    """
    folder = path if path.is_dir() else path.parent
    stated = json_file(folder / PACKAGE) if (folder / PACKAGE).is_file() else {}
    resources = stated.get("resources", []) if isinstance(stated, dict) else []
    found: dict[str, list[Path]] = {}
    for name, names in _TABLES.items():
        paths: list[Any] = []
        for r in resources if isinstance(resources, list) else []:
            if isinstance(r, dict) and r.get("name") in names:
                given = r.get("path")
                paths = given if isinstance(given, list) else [given]
        files = [_within(folder, p) for p in paths] or [
            folder / f"{n}.csv{z}" for n in names for z in ("", ".gz")
        ]
        found[name] = [f for f in files if f.is_file()]
        if not found[name]:
            raise TableError(
                f"{folder} is a Camtrap DP package without {files[0].name}; its tables are "
                "deployments.csv, media.csv and observations.csv."
            )
    return found


def _within(folder: Path, name: Any) -> Path:
    pure = PurePosixPath(str(name))
    if not isinstance(name, str) or pure.is_absolute() or ".." in pure.parts or ":" in name:
        raise TableError(f"{folder / PACKAGE}: the path {str(name)[:120]!r} leaves the package.")
    return folder / pure


def open_camtrap(path: Path, encoding: str | None = None) -> Source:
    """Open a package: its folder, its zip, or its datapackage.json.

    A row is an observation, in the order of observations.csv, with all media of it: the one it names, else those of
    its event (that media observations of the same event name, or that were taken at its deployment in its time),
    else those of its sequence. Place comes from the deployment.
    """
    keep: list[Any] = []
    folder = path if path.is_dir() else path.parent
    media, inside = folder, 0
    if path.is_file() and path.name.lower() != PACKAGE:
        temporary = tempfile.TemporaryDirectory(prefix="prom3e-")
        keep.append(temporary)
        inside = zipped_media(path)
        folder = unpack(path, Path(temporary.name), wanted=_wanted)
        media = beside(path)
    files = package_files(folder)
    stated = json_file(folder / PACKAGE) if (folder / PACKAGE).is_file() else {}
    tables = Joined()
    for name, paths in files.items():
        tables.add(name, {p.name: open_text(p, "csv", encoding) for p in paths})
    if inside:
        tables.said.append(said_inside(inside, path, media))
    _taxa(tables, stated)
    _media(tables, media)
    _of_observations(tables)
    facts = {
        "rows": tables.count("observations"),
        "tables": ", ".join(p.name for f in files.values() for p in f),
    }
    return tables.source("camtrap-dp", _query(tables, stated), media, facts, keep)


def _wanted(name: str) -> bool:
    lower = name.lower()
    return not is_hidden(name) and lower.endswith((".csv", ".csv.gz", ".json"))


def zipped_media(path: Path) -> int:
    """How many photos and recordings lie in a zip."""
    import zipfile

    with zipfile.ZipFile(path) as z:
        return sum(bool(kind_of(i.filename)) and not is_hidden(i.filename) for i in z.infolist())


def beside(path: Path) -> Path:
    """Where the media of a zip are looked for: the folder of its name beside it, else the folder it lies in."""
    own = path.with_suffix("")
    return own if own.is_dir() else path.parent


def said_inside(count: int, path: Path, media: Path) -> str:
    """What is said of media that lie in a zip."""
    return (
        f"{count:,} photos and recordings lie inside {path.name}, where they are not read; they are looked for in "
        f"the folder {media.absolute()}. Unpack the zip and name its folder."
    )


def _taxa(tables: Joined, stated: Any) -> None:
    """The names that datapackage.json gives to taxa, as a table `taxa`."""
    given = stated.get("taxonomic") if isinstance(stated, dict) else None
    ranks = RANKS[:-1]
    rows: dict[str, list[str | None]] = {}
    for taxon in given if isinstance(given, list) else []:
        if not isinstance(taxon, dict) or not isinstance(taxon.get("scientificName"), str):
            continue
        names = taxon.get("vernacularNames")
        common = None
        if isinstance(names, dict) and names:
            common = next(
                (names[k] for k in ("eng", "en") if k in names), next(iter(names.values()))
            )
        cells = [
            common,
            *(taxon.get(r) for r in ranks),
            taxon.get("taxonRank"),
            taxon.get("taxonID"),
        ]
        name = taxon["scientificName"].strip()
        rows.setdefault(name.lower(), [name.lower(), *(str(c) if c else None for c in cells)])
    columns = ["name", "vernacularName", *ranks, "taxonRank", "taxonID"]
    tables.rows("taxa", columns, list(rows.values()))


def _media(tables: Joined, folder: Path) -> None:
    """`taken`: each medium with its key, time, kind and path; a local copy stands for an address."""
    cell = tables.cell
    path, name = cell("media", "m", "filePath"), cell("media", "m", "fileName")
    remote = tables.count("media", f"{tables.has('media', 'filePath') or 'NULL'} LIKE '%://%'")
    local: dict[str, list[str]] = {}
    if remote:
        for p in local_media(folder):
            local.setdefault(PurePosixPath(p).name.lower(), []).append(p)
    one = [(n, paths[0]) for n, paths in sorted(local.items()) if len(paths) == 1]
    tables.rows("local", ["name", "path"], one)
    tables.con.execute(
        f"CREATE TEMP TABLE taken AS SELECT m.{NUMBER} AS n, {cell('media', 'm', 'mediaID', 'multimediaID')} AS id, "
        f"{cell('media', 'm', 'deploymentID')} AS deployment, "
        f"{cell('media', 'm', 'sequenceID', 'eventID')} AS sequence, "
        f"{_moment(cell('media', 'm', 'timestamp'))} AS moment, "
        f"CASE WHEN {path} LIKE '%://%' THEN coalesce(l.path, {path}) ELSE coalesce({path}, {name}) END AS path, "
        f"{path} LIKE '%://%' AND l.path IS NOT NULL AS found, "
        f"lower(coalesce({cell('media', 'm', 'fileMediatype')}, '')) AS kind "
        f"FROM media m LEFT JOIN local l ON lower({name}) = l.name"
    )
    found = tables.count("taken", "found")
    if found:
        tables.said.append(
            f"{found:,} media with an address (filePath) are read from the local file of their fileName."
        )


def local_media(folder: Path) -> Iterable[str]:
    """Paths of the photos and recordings under a folder, relative to it, sorted."""
    from prom3e_index.tables.folders import walk

    return (p for p in walk(folder).files if kind_of(p))


def _of_observations(tables: Joined) -> None:
    """`shown`: the media of each observation, and what is to be said of those that none has."""
    cell = tables.cell
    event = cell("observations", "o", "eventID")
    start = cell("observations", "o", "eventStart", "timestamp")
    end = cell("observations", "o", "eventEnd")
    interval = "true" if tables.has("observations", "eventStart") else "false"
    tables.con.execute(
        f"CREATE TEMP TABLE noted AS SELECT o.{NUMBER} AS n, "
        f"{cell('observations', 'o', 'mediaID', 'multimediaID')} AS media, {event} AS event, "
        f"coalesce({cell('observations', 'o', 'sequenceID')}, {event}) AS sequence, "
        f"{cell('observations', 'o', 'deploymentID')} AS deployment, {_moment(start)} AS since, "
        f"coalesce({_moment(end)}, {_moment(start)}) AS till FROM observations o"
    )
    _slices(tables, interval)
    tables.con.execute(
        "CREATE TEMP TABLE links AS "
        "SELECT o.n, t.n AS medium FROM noted o JOIN taken t ON o.media = t.id "
        "UNION SELECT o.n, t.n FROM noted o JOIN noted p ON o.event = p.event "
        "AND o.deployment IS NOT DISTINCT FROM p.deployment JOIN taken t ON p.media = t.id WHERE o.media IS NULL "
        "UNION SELECT o.n, t.n FROM noted o JOIN taken t ON o.sequence = t.sequence "
        "AND o.deployment IS NOT DISTINCT FROM t.deployment WHERE o.media IS NULL "
        "UNION SELECT o.n, t.n FROM spans o JOIN slices t ON o.deployment = t.deployment AND o.slice = t.slice "
        "AND t.moment BETWEEN o.since AND o.till"
    )
    tables.con.execute(
        "CREATE TEMP TABLE shown AS SELECT l.n, "
        "list(t.path ORDER BY t.moment, t.n) FILTER (t.kind NOT LIKE 'audio/%') AS image, "
        "list(t.path ORDER BY t.moment, t.n) FILTER (t.kind LIKE 'audio/%') AS audio "
        "FROM links l JOIN taken t ON t.n = l.medium WHERE t.path IS NOT NULL GROUP BY l.n"
    )
    deployment = cell("deployments", "d", "deploymentID")
    for count, sentence in (
        (tables.count("taken", "n NOT IN (SELECT medium FROM links)"),
         "media are named by no observation and give no row."),
        (tables.count("noted", "n NOT IN (SELECT n FROM shown)"), "observations have no medium in the package."),
        (int(tables.con.execute(f"SELECT count(*) FROM deployments d WHERE {deployment} NOT IN "
                                "(SELECT deployment FROM noted WHERE deployment IS NOT NULL)").fetchall()[0][0]),
         "deployments have no observation and give no row."),
        (int(tables.con.execute(f"SELECT count(*) FROM noted WHERE deployment IS NULL OR deployment NOT IN (SELECT "
                                f"{deployment} FROM deployments d WHERE {deployment} IS NOT NULL)").fetchall()[0][0]),
         "observations name no known deployment, so they have no place."),
    ):  # fmt: skip
        if count:
            tables.said.append(f"{count:,} {sentence}")
    for level, count in _levels(tables):
        tables.said.append(
            f"{count:,} observations are of {level} level; all levels are rows (column observationLevel)."
        )


def _slices(tables: Joined, interval: str) -> None:
    """`slices` and `spans`: media and events by slices of time, so that few media are compared with an event."""
    first, last = tables.con.execute("SELECT min(moment), max(moment) FROM taken").fetchall()[0]
    first, last = first or 0, last or 0
    width = max(3_600_000_000, (last - first) // 10_000)
    tables.con.execute(
        "CREATE TEMP TABLE slices AS SELECT n, deployment, moment, "
        f"moment // {width} AS slice FROM taken WHERE moment IS NOT NULL"
    )
    tables.con.execute(
        "CREATE TEMP TABLE spans AS SELECT n, deployment, since, till, unnest(generate_series("
        f"greatest(since, {first}) // {width}, least(till, {last}) // {width})) AS slice FROM noted "
        f"WHERE media IS NULL AND {interval} AND since <= {last} AND till >= {first}"
    )


def _moment(sql: str) -> str:
    """SQL of a time in microseconds since 1970; one without an offset is taken as UTC."""
    return f"epoch_us(TRY_CAST({sql} AS TIMESTAMPTZ))"


def _levels(tables: Joined) -> list[tuple[str, int]]:
    """How many observations of each level there are, where there are several levels."""
    level = tables.has("observations", "observationLevel")
    if level is None:
        return []
    found = tables.con.execute(
        f"SELECT {level}, count(*) FROM observations WHERE {level} != '' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return [(str(name), int(count)) for name, count in found] if len(found) > 1 else []


def _query(tables: Joined, stated: Any) -> str:
    """The rows: fields under their Darwin Core names, then every other column of both tables."""
    cell, own = tables.cell, tables.columns
    start = cell("observations", "o", "eventStart", "timestamp")
    end = cell("observations", "o", "eventEnd")
    name = cell("observations", "o", "scientificName")
    out: dict[str, str] = {
        "id": cell("observations", "o", "observationID"),
        "image": "s.image",
        **({"audio": "s.audio"} if tables.count("shown", "audio IS NOT NULL") else {}),
        "decimalLatitude": cell("deployments", "d", "latitude"),
        "decimalLongitude": cell("deployments", "d", "longitude"),
        "coordinateUncertaintyInMeters": cell("deployments", "d", "coordinateUncertainty"),
        "eventDate": f"CASE WHEN {end} IS NULL OR {end} = {start} THEN {start} ELSE {start} || '/' || {end} END",
        "scientificName": name,
    }
    for column in ("vernacularName", *RANKS[:-1], "taxonRank"):
        out[column] = f"coalesce({cell('observations', 'o', column)}, x.{quoted(column)})"
    data, media = _licences(stated)
    out["license"] = (
        f"CASE WHEN s.n IS NOT NULL THEN {_literal(media or data)} ELSE {_literal(data)} END"
    )
    about = stated if isinstance(stated, dict) else {}
    for column, value in (
        ("dataLicense", data),
        ("mediaLicense", media),
        ("datasetName", about.get("title") or about.get("name")),
        ("rightsHolder", about.get("rightsHolder")),
    ):
        if isinstance(value, str) and value:
            out[column] = _literal(value)
    used = {c.lower().replace("_", "") for c in (*out, "observationID", "coordinateUncertainty")}
    used |= {"latitude", "longitude"}
    for table, alias in (("observations", "o"), ("deployments", "d")):
        for key, column in own[table].items():
            if key not in used:
                used.add(key)
                out[column] = f"{alias}.{quoted(column)}"
    for column, *sources in (
        ("id", "observations", "observationID"),
        ("image", "media", "filePath", "fileName"),
        ("audio", "media", "filePath", "fileName"),
        ("decimalLatitude", "deployments", "latitude"),
        ("decimalLongitude", "deployments", "longitude"),
        ("coordinateUncertaintyInMeters", "deployments", "coordinateUncertainty"),
        ("eventDate", "observations", "eventStart", "timestamp", "eventEnd"),
    ):
        tables.comes(column, *sources)
    if data or media:
        tables.origin["license"] = f"licenses ({PACKAGE})"
    cells = ", ".join(f"{sql} AS {quoted(c)}" for c, sql in out.items())
    deployment = cell("deployments", "d", "deploymentID")
    return (
        f"SELECT {cells} FROM observations o LEFT JOIN shown s ON s.n = o.{NUMBER} "
        "LEFT JOIN (SELECT * FROM deployments d "
        f"QUALIFY row_number() OVER (PARTITION BY {deployment} ORDER BY {NUMBER}) = 1) d "
        f"ON {cell('observations', 'o', 'deploymentID')} = {deployment} "
        f"LEFT JOIN taxa x ON lower({name}) = x.name ORDER BY o.{NUMBER}"
    )


def _licences(stated: Any) -> tuple[str | None, str | None]:
    """The licences of data and of media, where datapackage.json gives them."""
    found: dict[str, str] = {}
    given = stated.get("licenses") if isinstance(stated, dict) else None
    for licence in given if isinstance(given, list) else []:
        if isinstance(licence, dict):
            text = licence.get("name") or licence.get("path") or licence.get("title")
            for scope in (licence["scope"],) if licence.get("scope") else ("data", "media"):
                if isinstance(text, str):
                    found.setdefault(str(scope), text)
    return found.get("data"), found.get("media")


def _literal(value: Any) -> str:
    text = str(value) if isinstance(value, str) else ""
    return text_literal(text) if text else "CAST(NULL AS VARCHAR)"
