"""Tables that are made of several files: Darwin Core Archives, TaxaBench-8k, iNaturalist Open Data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError
from prom3e_index.schema import RANKS
from prom3e_index.tables.archives import unpack
from prom3e_index.tables.meta_xml import ArchiveTable, read_meta
from prom3e_index.tables.source import (
    Source,
    checked,
    connect,
    from_query,
    text_literal,
    unique_names,
)
from prom3e_index.tables.text import csv_query, header, open_text

if TYPE_CHECKING:
    import pyarrow as pa

_MEDIA_TYPES = ("multimedia", "image", "audubon", "multimediarecord")
_NUMBERED = 'SELECT row_number() OVER () AS "row of the file", * FROM'
"""Rows are numbered as they are read: joins and groups keep no order of their own."""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _archive_query(t: ArchiveTable, note_rejects: bool = True) -> tuple[str, list[str]]:
    columns = unique_names(
        name or ("coreid" if i == t.key else f"column_{i + 1}") for i, name in enumerate(t.columns)
    )
    query = csv_query(columns, t.delimiter, t.quote, t.encoding, t.skip, False, note_rejects)
    return query, columns


def open_archive(path: Path) -> Source:
    """Open a Darwin Core Archive: zip, tar or folder, with the media of its multimedia extensions.

    An observation has the first picture and the first sound of its media rows, in the order of the files.
    """
    keep: list[Any] = []
    folder = path
    if not path.is_dir():
        temporary = tempfile.TemporaryDirectory(prefix="prom3e-")
        keep.append(temporary)
        folder = unpack(path, Path(temporary.name))
        if not (folder / "meta.xml").is_file():
            raise TableError(f"{path} holds no meta.xml; it is no Darwin Core Archive.")
    core, extensions = read_meta(folder)
    media = [e for e in extensions if e.row_type.lower() in _MEDIA_TYPES]
    con, spill = connect(core.path, *(e.path for e in media))
    query, columns = _archive_query(core)
    key = columns[core.key]
    known = {c.lower() for c in columns}
    constants = {t: v for t, v in core.constants.items() if t.lower() not in known}
    cells = "".join(f", {text_literal(v)} AS {_quoted(t)}" for t, v in constants.items())
    query = f"SELECT *{cells} FROM ({query})"
    columns += constants
    if _read_media(con, media):
        own = {c.lower(): c for c in columns}
        for name in ("image", "audio"):
            if name not in own:
                query = f"SELECT *, NULL AS {name} FROM ({query})"
                columns.append(name)
        query = (
            'SELECT c.* EXCLUDE ("row of the file") REPLACE ('
            + ", ".join(
                f"coalesce(m.{n}, c.{_quoted(own.get(n, n))}) AS {_quoted(own.get(n, n))}"
                for n in ("image", "audio")
            )
            + f") FROM ({_NUMBERED} ({query})) c LEFT JOIN first_media m "
            f'ON c.{_quoted(key)} = m.core_id ORDER BY c."row of the file"'
        )
    base = path if path.is_dir() else path.parent
    return from_query("dwca", con, query, [checked(core.path)], columns, base, keep + spill)


def _read_media(con: Any, media: list[ArchiveTable]) -> bool:
    """Make `first_media` (core_id, image, audio) of the extensions that have links; whether any has."""
    con.execute(
        "CREATE TEMP TABLE media (extension INT, n BIGINT, core_id VARCHAR, link VARCHAR, kind VARCHAR)"
    )
    found = False
    for i, extension in enumerate(media):
        query, names = _archive_query(extension, note_rejects=False)
        lower = {n.lower(): n for n in names}
        link = next((lower[n] for n in ("identifier", "accessuri") if n in lower), None)
        if link is None:
            continue
        found = True
        described = [_quoted(lower[n]) for n in ("type", "format") if n in lower]
        kind = " || ' ' || ".join(f"coalesce({c}, '')" for c in described) or "''"
        con.execute(
            f'INSERT INTO media SELECT {i}, "row of the file", {_quoted(names[extension.key])}, '
            f"{_quoted(link)}, lower({kind}) FROM ({_NUMBERED} ({query}))",
            [checked(extension.path)],
        )
    sound = "kind LIKE '%sound%' OR kind LIKE '%audio%'"
    con.execute(
        "CREATE TEMP TABLE first_media AS SELECT core_id, "
        f"first(link ORDER BY extension, n) FILTER (NOT ({sound} OR kind LIKE '%video%')) AS image, "
        f"first(link ORDER BY extension, n) FILTER ({sound}) AS audio "
        "FROM media WHERE trim(link) != '' GROUP BY core_id"
    )
    con.execute("DROP TABLE media")
    return found


TAXABENCH_MEDIA = ("taxabench_images", "taxabench_sound", "sat_images/sentinel")


def open_taxabench(folder: Path) -> Source:
    """TaxaBench-8k as published: `test_df.csv` and folders of files named by observation id."""
    source = open_text(folder / "test_df.csv", "csv")
    source.format, source.media = "taxabench", folder

    def by_id(name: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        if (folder / name).is_dir():
            for p in sorted((folder / name).iterdir()):
                found.setdefault(p.name.partition("_")[0].partition(".")[0], []).append(
                    f"{name}/{p.name}"
                )
        return found

    images, sounds, tiles = (by_id(n) for n in TAXABENCH_MEDIA)

    def file(row: int, table: pa.RecordBatch) -> tuple[str | None, str | None, str | None]:
        key, kind = (
            str(table.column(c)[row].as_py() or "").strip() for c in ("id", "sound_format")
        )
        stated = f"taxabench_sound/{key}.{kind}"
        have = sounds.get(key, [])
        return (
            next(iter(images.get(key, [])), None),
            stated if stated in have else next(iter(have), None),
            next(iter(tiles.get(key, [])), None),
        )

    plain = source.read

    def read(rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in plain(rows):
            found = [file(i, batch) for i in range(batch.num_rows)]
            cells = {n: batch.column(i) for i, n in enumerate(batch.schema.names)}
            for i, name in enumerate(("image", "audio", "sat")):
                cells[name] = pa.array([f[i] for f in found], pa.string())
            yield pa.RecordBatch.from_pydict(cells)

    source.read = read
    source.columns = [
        *source.columns,
        *(n for n in ("image", "audio", "sat") if n not in source.columns),
    ]
    return source


_OPEN_DATA = ("observations", "photos", "taxa", "observers")


def open_data_files(folder: Path) -> dict[str, Path]:
    """The tables of iNaturalist Open Data by name; `observers` may be absent.

    Raises:
        TableError: Another is absent.
    """
    found: dict[str, Path] = {}
    for name in _OPEN_DATA:
        path = next(
            (folder / n for n in (f"{name}.csv.gz", f"{name}.csv") if (folder / n).is_file()), None
        )
        if path is not None:
            found[name] = path
        elif name != "observers":
            raise TableError(f"{folder} lacks {name}.csv.gz of iNaturalist Open Data.")
    return found


def open_inaturalist_open_data(folder: Path) -> Source:
    """INaturalist Open Data: unquoted tab-separated files joined on their keys, in the order of observations.

    The photo is the one of the lowest position; of taxa and observers listed twice the first counts.
    """
    files = open_data_files(folder)
    con, keep = connect(*files.values())
    for name in _OPEN_DATA:
        if name not in files:
            con.execute(
                "CREATE TEMP TABLE observers (observer_id VARCHAR, login VARCHAR, name VARCHAR)"
            )
            continue
        path = files[name]
        columns, _, encoding = header(path, "\t")
        noted = name == "observations"
        query = csv_query(columns, "\t", "", encoding, 1, path.suffix == ".gz", noted)
        con.execute(f"CREATE TEMP TABLE {name} AS {_NUMBERED} ({query})", [checked(path)])
        key = {"taxa": "taxon_id", "observers": "observer_id"}.get(name)
        if key is not None:
            first = f'(PARTITION BY {key} ORDER BY "row of the file")'
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM {name} QUALIFY row_number() OVER {first} = 1"
            )
    place = 'ORDER BY TRY_CAST(position AS INT) NULLS LAST, "row of the file"'
    con.execute(
        "CREATE TEMP TABLE first_photo AS SELECT observation_uuid, "
        f"first('photos/' || photo_id || '/medium.' || extension {place}) AS image, "
        f"first(license {place}) AS license FROM photos GROUP BY observation_uuid"
    )
    ranks = ", ".join(f"max(CASE WHEN a.rank = '{r}' THEN a.name END) AS \"{r}\"" for r in RANKS)
    con.execute(
        f"CREATE TEMP TABLE lineage AS SELECT t.taxon_id, {ranks} FROM (SELECT taxon_id, unnest("
        "string_split(replace(coalesce(ancestry, ''), chr(92), '/') || '/' || taxon_id, '/')) AS up "
        "FROM taxa) t LEFT JOIN taxa a ON a.taxon_id = t.up GROUP BY t.taxon_id"
    )
    names = ", ".join(f'l."{r}"' for r in RANKS)
    query = (
        f'SELECT o.* EXCLUDE ("row of the file"), p.image, p.license, {names}, t.name AS scientific_name, '
        "coalesce(nullif(u.name, ''), u.login) AS rights_holder FROM observations o "
        "LEFT JOIN first_photo p USING (observation_uuid) LEFT JOIN lineage l USING (taxon_id) "
        "LEFT JOIN taxa t USING (taxon_id) LEFT JOIN observers u USING (observer_id) "
        'ORDER BY o."row of the file"'
    )
    columns = [str(d[0]) for d in con.execute(f"DESCRIBE {query}").fetchall()]
    return from_query("inaturalist-open-data", con, query, [], columns, folder, keep)
