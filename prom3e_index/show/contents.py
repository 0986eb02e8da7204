"""What an index holds, in numbers: species, years, places, licences, columns, what was lost and refused."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.bundle.taxa import quoted

MOST = 12
"""Values of a column that are counted one by one; the rest is counted together."""
INNER = ("row", "is_part", "taxon_species", "sigma_l1")


@dataclass(frozen=True)
class Counted:
    """The values of a column by how often they stand there.

    Attributes:
        values: (value, rows), the most frequent first, at most as many as were asked for.
        others: Further values.
        other_rows: Rows that have those.
        without: Rows that have none.
    """

    values: tuple[tuple[str, int], ...] = ()
    others: int = 0
    other_rows: int = 0
    without: int = 0


@dataclass(frozen=True)
class Contents:
    """What an index holds.

    Attributes:
        observations: How many.
        rows: Of them, in which an observation may have several.
        observed: Modality → rows that have it; the others were completed.
        species: By name, as the table writes it; where it has no species, the lowest name that it has.
        years: (year, rows), ascending, of those that have a date.
        undated: Rows without a date.
        places: Rows with a place.
        obscured: Of them, those whose place was obscured by its source, or generalised by a policy.
        extent: West, south, east, north in degrees; None without places.
        licences: By licence.
        holders: By holder of the rights.
        columns: (name, DuckDB type) that a filter may ask for, fields first.
        lost: (modality or field, reason, how many), the most frequent first.
        rejected: (reason, rows), the most frequent first.
    """

    observations: int
    rows: int
    observed: dict[str, int] = field(default_factory=dict)
    species: Counted = Counted()
    years: tuple[tuple[int, int], ...] = ()
    undated: int = 0
    places: int = 0
    obscured: int = 0
    extent: tuple[float, float, float, float] | None = None
    licences: Counted = Counted()
    holders: Counted = Counted()
    columns: tuple[tuple[str, str], ...] = ()
    lost: tuple[tuple[str, str, int], ...] = ()
    rejected: tuple[tuple[str, int], ...] = ()


def contents_of(bundle: BundleFolder, most: int = MOST) -> Contents:
    """Count what an opened index holds; a few scans of its metadata.

    Args:
        bundle: The index.
        most: Values of a column, and reasons, that are counted one by one.
    """
    described = [(str(r[0]), str(r[1])) for r in bundle.sql("DESCRIBE observations")]
    held = {name for name, _ in described}
    years = []
    if "event_start" in held:
        years = bundle.sql(
            "SELECT year(event_start) AS y, count(*) FROM observations WHERE event_start IS NOT NULL "
            "GROUP BY y ORDER BY y"
        )
    places, obscured, extent = _places(bundle, held)
    dated = sum(int(n) for _, n in years)
    return Contents(
        observations=int(bundle.manifest.get("counts", {}).get("observations", bundle.rows)),
        rows=bundle.rows,
        observed={str(m): int(n) for m, n in bundle.manifest.get("observed", {}).items()},
        species=_counted(bundle, species_named(held), most),
        years=tuple((int(y), int(n)) for y, n in years),
        undated=bundle.rows - dated,
        places=places,
        obscured=obscured,
        extent=extent,
        licences=_counted(bundle, _spelled("license", held), most),
        holders=_counted(bundle, _spelled("rights_holder", held), most),
        columns=tuple(c for c in described if c[0] not in INNER),
        lost=_reasons(bundle, "modality, ", "lost SEMI JOIN observations USING (row)", most),  # type: ignore[arg-type]
        rejected=_reasons(bundle, "", "rejected", most),  # type: ignore[arg-type]
    )


def species_named(held: Collection[str]) -> str:
    """SQL of the name that a row is counted under: its species, or the lowest that it has, of the columns there are."""
    names = ("taxon_species", "species", "scientific_name", "common_name")
    return f"coalesce({', '.join([*(quoted(c) for c in names if c in held), 'NULL', 'NULL'])})"


def _spelled(column: str, held: set[str]) -> str:
    return quoted(column) if column in held else "NULL"


def _counted(bundle: BundleFolder, value: str, most: int) -> Counted:
    found = bundle.sql(
        f"WITH by_value AS (SELECT nullif(trim(({value})::VARCHAR), '') AS v, count(*) AS n FROM observations "
        "GROUP BY v) "
        "SELECT v, n, count(v) OVER () AS kinds, sum(n) OVER () AS all_rows FROM by_value "
        f"ORDER BY v IS NULL DESC, n DESC, v LIMIT {most + 1}"
    )
    without = sum(int(r[1]) for r in found if r[0] is None)
    values = tuple((str(v), int(n)) for v, n, _, _ in found if v is not None)[:most]
    kinds, rows = (int(found[0][2]), int(found[0][3])) if found else (0, 0)
    shown = sum(n for _, n in values)
    return Counted(values, kinds - len(values), rows - without - shown, without)


def _places(
    bundle: BundleFolder, held: set[str]
) -> tuple[int, int, tuple[float, float, float, float] | None]:
    if not {"latitude", "longitude"} <= held:
        return 0, 0, None
    hidden = "count(*) FILTER (obscured)" if "obscured" in held else "0"
    ((count, obscured, *extent),) = bundle.sql(
        f"SELECT count(*), {hidden}, min(longitude), min(latitude), max(longitude), max(latitude) FROM observations "
        "WHERE latitude IS NOT NULL AND longitude IS NOT NULL"
    )
    if not count:
        return 0, 0, None
    west, south, east, north = map(float, extent)
    return int(count), int(obscured), (west, south, east, north)


def _reasons(
    bundle: BundleFolder, by: str, table: str, most: int
) -> tuple[tuple[object, ...], ...]:
    """Reasons by how often they were given; values and numbers within them do not count, one of them is shown."""
    kind = "regexp_replace(regexp_replace(reason, '''.*''', '…'), '[+-]?[0-9]+([.,:/-][0-9]+)*', '#', 'g')"
    found = bundle.sql(
        f"SELECT {by} min(reason), count(*) AS n FROM {table} GROUP BY {by} {kind} ORDER BY n DESC, {by} min(reason) "
        f"LIMIT {most}"
    )
    return tuple((*map(str, r[:-1]), int(r[-1])) for r in found)
