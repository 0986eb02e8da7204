"""Tables that are made of several files: Darwin Core Archives, TaxaBench-8k, iNaturalist Open Data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from prom3e_index.errors import TableError
from prom3e_index.schema import RANKS
from prom3e_index.tables.archives import ArchiveTable, read_meta, unpack
from prom3e_index.tables.text import Source, checked, connect, csv_query, header, open_text


def _archive_query(t: ArchiveTable) -> tuple[str, list[str]]:
    columns: list[str] = []
    for i, name in enumerate(t.columns):
        name = name or ("coreid" if i == t.key else f"column_{i + 1}")
        while name.lower() in (c.lower() for c in columns):
            name += "_"
        columns.append(name)
    query = csv_query(columns, t.delimiter, t.quote, t.encoding, t.skip, False)
    return query, columns


def open_archive(path: Path) -> Source:
    """Open a Darwin Core Archive: zip, tar or folder, with the media of its multimedia extension."""
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
    params: list[Any] = [checked(core.path)]
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
                [checked(media[0].path)],
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


def open_inaturalist_open_data(folder: Path) -> Source:
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
        columns, _, encoding = header(path, "\t")
        query = csv_query(columns, "\t", "", encoding, 1, path.suffix == ".gz")
        con.execute(
            f"CREATE TEMP VIEW {name}_raw AS "
            + query.replace("?", "'" + checked(path).replace("'", "''") + "'").replace(
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
