"""Opening a table of any known format as one DuckDB query of raw cells, recognised by content."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError
from prom3e_index.schema import RANKS
from prom3e_index.tables.archives import ArchiveTable, read_meta, unpack

if TYPE_CHECKING:
    import duckdb

FORMATS = (
    "csv",
    "tsv",
    "parquet",
    "duckdb",
    "inaturalist",
    "inaturalist-open-data",
    "gbif",
    "dwca",
    "taxabench",
    "npz",
    "multinat",
    "npy",
)
EMBEDDINGS = ("npz", "multinat", "npy")
"""Formats that hold embeddings instead of media."""

_SNIFF = 16 << 20


@dataclass
class Source:
    """A raw table.

    Attributes:
        format: One of `FORMATS`.
        connection: Private DuckDB connection.
        query: SELECT of all raw cells.
        params: Its parameters.
        columns: Column names of the query.
        media: Folder that relative media paths start from.
        complete: Adds to a raw row what the format keeps elsewhere (file names by id).
        keep: What must live as long as the source (a temporary folder).
    """

    format: str
    connection: duckdb.DuckDBPyConnection
    query: str
    params: list[Any]
    columns: list[str]
    media: Path
    complete: Callable[[dict[str, Any]], None] | None = None
    keep: list[Any] = field(default_factory=list)

    def rejected(self) -> Iterator[tuple[int, str]]:
        """Lines that could not be split into columns: (line number, reason), after reading."""
        if self.query.find("store_rejects") < 0:
            return
        found = self.connection.execute(
            "SELECT line, string_agg(DISTINCT error_message, '; ') FROM reject_errors "
            "GROUP BY line ORDER BY line"
        ).fetchall()
        for line, reason in found:
            yield int(line), str(reason).replace("\n", " ")


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that installs no extensions and spills to the temporary folder."""
    import duckdb

    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "memory_limit": "2GB",
            "preserve_insertion_order": "true",
        }
    )


def recognise(path: Path) -> str:
    """Name the format of a file or folder by its content.

    Raises:
        TableError: It does not exist, is empty, or is no known format.
    """
    if path.is_dir():
        if (path / "meta.xml").is_file():
            return "dwca"
        if (path / "test_df.csv").is_file():
            return "taxabench"
        if any((path / n).is_file() for n in ("observations.csv.gz", "observations.csv")) and any(
            (path / n).is_file() for n in ("photos.csv.gz", "photos.csv")
        ):
            return "inaturalist-open-data"
        raise TableError(
            f"{path} is a folder without meta.xml, test_df.csv or photos.csv; name a file."
        )
    if not path.is_file():
        raise TableError(f"{path} does not exist.")
    with path.open("rb") as f:
        head = f.read(16)
    if not head:
        raise TableError(f"{path} is empty (0 bytes).")
    if head.startswith(b"PAR1"):
        return "multinat" if _is_multinat(path) else "parquet"
    if head[8:12] == b"DUCK":
        return "duckdb"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as z:
                names = z.namelist()
        except zipfile.BadZipFile as e:
            raise TableError(f"{path} is a damaged zip file: {e}.") from e
        if any(n.endswith(".npy") for n in names):
            return "npz"
        return "dwca" if any(n.rpartition("/")[2] == "meta.xml" for n in names) else "gbif"
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(path, "rb") as g:
            try:
                inner = g.read(512)
            except (OSError, EOFError) as e:
                raise TableError(f"{path} is a damaged gzip file: {e}.") from e
        if inner[257:262] == b"ustar":
            return "dwca"
    elif head[:6] in (b"BZh91A", b"\xfd7zXZ\0") or tarfile.is_tarfile(path):
        return "dwca"
    header, delimiter, _ = _header(path)
    lower = {h.lower() for h in header}
    if {"observed_on_string", "quality_grade"} <= lower:
        return "inaturalist"
    if "gbifid" in lower:
        return "gbif"
    return "tsv" if delimiter == "\t" else "csv"


def open_source(path: Path, format: str | None, table: str | None = None) -> Source:
    """Open a table that holds media paths (not embeddings)."""
    kind = format or recognise(path)
    if kind not in FORMATS:
        raise TableError(f"Unknown format {kind!r}; known: {', '.join(FORMATS)}.")
    openers: dict[str, Callable[[Path], Source]] = {
        "parquet": _open_parquet,
        "dwca": _open_archive,
        "taxabench": _open_taxabench,
        "inaturalist-open-data": _open_inaturalist_open_data,
    }
    if kind == "duckdb":
        return _open_duckdb(path, table)
    if kind in openers:
        return openers[kind](path)
    if kind == "gbif" and zipfile.is_zipfile(path):
        return _open_zipped(path)
    if kind in EMBEDDINGS:
        raise TableError(f"{path} holds embeddings ({kind}), not observations with media.")
    return _open_text(path, kind)


def _text_stream(path: Path, encoding: str) -> io.TextIOWrapper:
    with path.open("rb") as f:
        zipped = f.read(2) == b"\x1f\x8b"
    raw: Any = gzip.open(path, "rb") if zipped else path.open("rb")  # noqa: SIM115 - wrapped below
    return io.TextIOWrapper(raw, encoding=encoding, newline="")


def _encoding(path: Path) -> str:
    """`utf-8` when the first 16 MB are, else `latin-1`; UTF-16 by its byte order mark."""
    with _text_stream(path, "latin-1") as f:
        data = bytes(f.buffer.read(_SNIFF))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\0" in data[:4096]:
        raise TableError(f"{path} is a binary file of no known format.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as e:
        if e.start < len(data) - 4:
            return "latin-1"
    return "utf-8"


def _header(path: Path, delimiter: str | None = None) -> tuple[list[str], str, str]:
    """Column names (made unique), delimiter and encoding of a text table."""
    try:
        encoding = _encoding(path)
        python = "utf-8-sig" if encoding == "utf-8" else encoding
        with _text_stream(path, python) as f:
            line = f.readline(1 << 20)
    except (UnicodeDecodeError, OSError, EOFError) as e:
        raise TableError(f"{path} cannot be read as text: {e}.") from e
    if not line.strip():
        raise TableError(f"{path} starts with an empty line; a header is needed.")
    delimiter = delimiter or max("\t,;|", key=line.count)
    names: list[str] = []
    for i, name in enumerate(next(csv.reader([line], delimiter=delimiter))):
        name = name.strip() or f"column_{i + 1}"
        while name.lower() in (n.lower() for n in names):
            name += "_"
        names.append(name)
    return names, delimiter, encoding


def _csv_query(
    columns: list[str], delimiter: str, quote: str, encoding: str, skip: int, gzipped: bool
) -> str:
    def text(value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    struct = ", ".join(f"{text(c)}: 'VARCHAR'" for c in columns)
    encodings = {"utf-8": "utf-8", "utf8": "utf-8", "utf-16": "utf-16"}
    known = encodings.get(encoding.lower(), "latin-1")
    return (
        f"SELECT * FROM read_csv(?, auto_detect=false, header=false, skip={skip}, "
        f"columns={{{struct}}}, delim={text(delimiter)}, quote={text(quote)}, "
        f"escape={text(quote)}, encoding='{known}', store_rejects=true, max_line_size=16777216, "
        f"compression='{'gzip' if gzipped else 'none'}')"
    )


def _checked(path: Path) -> str:
    """A path as DuckDB reads it; glob characters would mean other files."""
    if any(c in str(path) for c in "*?["):
        raise TableError(
            f"{path} has *, ? or [ in its name, which DuckDB reads as a pattern; rename it."
        )
    return str(path)


def _open_text(path: Path, kind: str, quote: str = '"') -> Source:
    columns, delimiter, encoding = _header(path, "\t" if kind == "tsv" else None)
    with _text_stream(path, "latin-1") as text:
        first = text.read(4)
    if kind == "gbif" and delimiter == "\t" and '"' not in first:
        quote = ""  # GBIF's tab-separated files do not quote; copies saved by other programs do
    with path.open("rb") as f:
        gzipped = f.read(2) == b"\x1f\x8b"
    query = _csv_query(columns, delimiter, quote, encoding, 1, gzipped)
    return Source(kind, connect(), query, [_checked(path)], columns, path.parent)


def _open_zipped(path: Path) -> Source:
    """A zip around one table (GBIF's simple download)."""
    keep = tempfile.TemporaryDirectory(prefix="prom3e-")
    folder = unpack(path, Path(keep.name))
    tables = sorted(folder.iterdir(), key=lambda p: p.stat().st_size, reverse=True)
    tables = [
        t for t in tables if t.stat().st_size > 0 and t.name not in ("citations.txt", "rights.txt")
    ]
    if not tables:
        raise TableError(f"{path} holds no table (.csv, .tsv, .txt).")
    named = [t for t in tables if t.stem in ("occurrence", "occurrences")]
    source = _open_text((named or tables)[0], "gbif")
    source.media, source.keep = path.parent, [keep]
    return source


def _open_parquet(path: Path) -> Source:
    con = connect()
    try:
        described = con.execute(
            "DESCRIBE SELECT * FROM read_parquet(?)", [_checked(path)]
        ).fetchall()
    except Exception as e:
        raise TableError(f"{path} is no readable Parquet file: {str(e).splitlines()[0]}") from e
    return Source(
        "parquet",
        con,
        "SELECT * FROM read_parquet(?)",
        [str(path)],
        [str(d[0]) for d in described],
        path.parent,
    )


def _is_multinat(path: Path) -> bool:
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except Exception:
        return False  # damaged: the reader says so
    from prom3e_index.tables.embeddings import MULTINAT_COLUMNS

    return sum(name in schema.names for name in MULTINAT_COLUMNS) >= 2 and all(
        str(schema.field(n).type).startswith(("list", "fixed_size_list"))
        for n in schema.names
        if n in MULTINAT_COLUMNS
    )


def _open_duckdb(path: Path, table: str | None) -> Source:
    con = connect()
    try:
        con.execute(f"ATTACH '{_checked(path).replace(chr(39), chr(39) * 2)}' AS given (READ_ONLY)")
        names = [
            str(r[0])
            for r in con.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = 'given' ORDER BY 1"
            ).fetchall()
        ]
    except Exception as e:
        raise TableError(f"{path} is no readable DuckDB file: {str(e).splitlines()[0]}") from e
    wanted = table or (names[0] if len(names) == 1 else "observations")
    if wanted not in names:
        raise TableError(
            f"{path} has the tables {', '.join(names) or '(none)'}, not {wanted!r}; name one as PATH::TABLE."
        )
    query = f'SELECT * FROM given."{wanted.replace(chr(34), chr(34) * 2)}"'
    columns = [str(d[0]) for d in con.execute(f"DESCRIBE {query}").fetchall()]
    return Source("duckdb", con, query, [], columns, path.parent)


def _archive_query(t: ArchiveTable) -> tuple[str, list[str]]:
    columns: list[str] = []
    for i, name in enumerate(t.columns):
        name = name or ("coreid" if i == t.key else f"column_{i + 1}")
        while name.lower() in (c.lower() for c in columns):
            name += "_"
        columns.append(name)
    query = _csv_query(columns, t.delimiter, t.quote, t.encoding, t.skip, False)
    return query, columns


def _open_archive(path: Path) -> Source:
    keep: list[Any] = []
    folder = path
    if not path.is_dir():
        temporary = tempfile.TemporaryDirectory(prefix="prom3e-")
        keep.append(temporary)
        folder = unpack(path, Path(temporary.name))
        if not (folder / "meta.xml").is_file():
            raise TableError(f"{path} holds no meta.xml; it is no Darwin Core Archive.")
    core, extensions = read_meta(folder)
    query, columns = _archive_query(core)
    params: list[Any] = [_checked(core.path)]
    for term, value in core.constants.items():
        if term.lower() not in (c.lower() for c in columns):
            query = query.replace(
                "SELECT *",
                f"SELECT *, '{value.replace(chr(39), chr(39) * 2)}' "
                f'AS "{term.replace(chr(34), "")}"',
                1,
            )
            columns.append(term)
    con = connect()
    media = [
        e
        for e in extensions
        if e.row_type.lower() in ("multimedia", "image", "audubon", "multimediarecord")
    ]
    if media:
        # Media rows by core id: the first picture and the first sound of each observation.
        sub, names = _archive_query(media[0])
        lower = {n.lower(): n for n in names}
        link = next((lower[n] for n in ("identifier", "accessuri") if n in lower), None)
        if link is not None:
            kind = (
                " || ' ' || ".join(
                    f"coalesce(\"{lower[n]}\", '')" for n in ("type", "format") if n in lower
                )
                or "''"
            )
            sub = sub.replace(", store_rejects=true", ", ignore_errors=true")
            con.execute(
                f'CREATE TEMP TABLE media AS SELECT "{names[media[0].key]}" AS media_core, "{link}" AS link,'
                f" lower({kind}) AS kind FROM ({sub})",
                [_checked(media[0].path)],
            )
            con.execute(
                "CREATE TEMP TABLE first_media AS SELECT media_core, "
                "first(link) FILTER (kind NOT LIKE '%sound%' AND kind NOT LIKE '%audio%' "
                "AND kind NOT LIKE '%video%') AS image, "
                "first(link) FILTER (kind LIKE '%sound%' OR kind LIKE '%audio%') AS audio "
                "FROM media GROUP BY media_core"
            )
            key = columns[core.key]
            query = (
                f"SELECT c.*, m.image AS image, m.audio AS audio FROM ({query}) c "
                f'LEFT JOIN first_media m ON c."{key}" = m.media_core'
            )
            columns += ["image", "audio"]
    return Source(
        "dwca", con, query, params, columns, path if path.is_dir() else path.parent, None, keep
    )


def _open_taxabench(folder: Path) -> Source:
    """TaxaBench-8k as published: `test_df.csv` and folders of files named by observation id."""
    source = _open_text(folder / "test_df.csv", "csv")
    source.format, source.media = "taxabench", folder

    def by_id(name: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        if (folder / name).is_dir():
            for p in sorted((folder / name).iterdir()):
                found.setdefault(p.name.partition("_")[0].partition(".")[0], []).append(
                    f"{name}/{p.name}"
                )
        return found

    images, sounds, tiles = (
        by_id(n) for n in ("taxabench_images", "taxabench_sound", "sat_images/sentinel")
    )

    def complete(row: dict[str, Any]) -> None:
        key = str(row.get("id") or "").strip()
        stated = f"taxabench_sound/{key}.{row.get('sound_format')}"
        have = sounds.get(key, [])
        row["image"] = next(iter(images.get(key, [])), None)
        row["audio"] = stated if stated in have else next(iter(have), None)
        row["sat"] = next(iter(tiles.get(key, [])), None)

    source.complete = complete
    source.columns = [*source.columns, "image", "audio", "sat"]
    return source


def _open_inaturalist_open_data(folder: Path) -> Source:
    """INaturalist Open Data: unquoted tab-separated files joined on their keys."""
    con = connect()
    for name in ("observations", "photos", "taxa", "observers"):
        path = next(
            (folder / n for n in (f"{name}.csv.gz", f"{name}.csv") if (folder / n).is_file()), None
        )
        if path is None:
            if name == "observers":
                con.execute(
                    "CREATE TEMP TABLE observers (observer_id VARCHAR, login VARCHAR, name VARCHAR)"
                )
                continue
            raise TableError(f"{folder} lacks {name}.csv.gz of iNaturalist Open Data.")
        columns, _, encoding = _header(path, "\t")
        query = _csv_query(columns, "\t", "", encoding, 1, path.suffix == ".gz")
        con.execute(
            f"CREATE TEMP VIEW {name}_raw AS "
            + query.replace("?", "'" + _checked(path).replace("'", "''") + "'").replace(
                ", store_rejects=true", ", ignore_errors=true"
            )
        )
        con.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {name}_raw")
    con.execute(
        "CREATE TEMP TABLE first_photo AS SELECT observation_uuid, "
        "arg_min('photos/' || photo_id || '/medium.' || extension, TRY_CAST(position AS INT)) AS image, "
        "arg_min(license, TRY_CAST(position AS INT)) AS license FROM photos GROUP BY observation_uuid"
    )
    ranks = ", ".join(f"max(CASE WHEN a.rank = '{r}' THEN a.name END) AS \"{r}\"" for r in RANKS)
    con.execute(
        f"CREATE TEMP TABLE lineage AS SELECT t.taxon_id, {ranks} FROM (SELECT taxon_id, unnest("
        "string_split(replace(coalesce(ancestry, ''), chr(92), '/') || '/' || taxon_id, '/')) AS up "
        "FROM taxa) t LEFT JOIN taxa a ON a.taxon_id = t.up GROUP BY t.taxon_id"
    )
    names = ", ".join(f'l."{r}"' for r in RANKS)
    query = (
        f"SELECT o.*, p.image, p.license, {names}, t.name AS scientific_name, "
        "coalesce(nullif(u.name, ''), u.login) AS rights_holder FROM observations o "
        "LEFT JOIN first_photo p USING (observation_uuid) LEFT JOIN lineage l USING (taxon_id) "
        "LEFT JOIN taxa t USING (taxon_id) LEFT JOIN observers u USING (observer_id)"
    )
    columns = [str(d[0]) for d in con.execute(f"DESCRIBE {query}").fetchall()]
    return Source("inaturalist-open-data", con, query, [], columns, folder)
