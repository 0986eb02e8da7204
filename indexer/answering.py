"""Which model answers where none was named: `mini` on its own planet, elsewhere the published one.

`mini` gives answers to anything and knows only the invented planet; so it is never taken for real observations unless
it is asked for, and what is built with it then says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import InputError, ModelError, NotCachedError
from prom3e_index.indexer.work import BuildConfig, table_kind
from prom3e_index.models.folder import Model
from prom3e_index.tables import EMBEDDINGS, read_observations
from prom3e_index.tables.embedded import EmbeddedObservations
from prom3e_index.tables.npz_members import Npz
from prom3e_index.world.names import of_planet

if TYPE_CHECKING:
    from prom3e_index.tables import Observations

PLANETS, PUBLISHED = "mini", "taxabind"
_NAMED = ("kingdom", "text", "scientific_name", "species", "genus", "family")
_ENOUGH = 5_000
"""Rows with a name that tell whose they are."""
_FIRST = 100_000
"""Rows that are read for that, at most."""


def open_table(
    config: BuildConfig, kind: str, modalities: tuple[str, ...], width: int
) -> Observations | EmbeddedObservations:
    """The table of a build, of observations or of embeddings, read as the configuration says."""
    if kind in EMBEDDINGS:
        return EmbeddedObservations(
            Path(config.table),
            kind,
            modalities,
            width,
            config.columns,
            config.media,
            config.allow_outside,
        )
    return observations_of(config)


def observations_of(config: BuildConfig) -> Observations:
    """A table of observations, read as the configuration says."""
    return read_observations(
        config.table,
        config.columns,
        format=config.format,
        media=config.media,
        allow_outside=config.allow_outside,
        encoding=config.encoding,
        date_order=config.date_order,
        keep_missing=config.media_address is not None,  # which a worker looks for
    )


def with_model(config: BuildConfig) -> BuildConfig:
    """The configuration with a model in it: the one named, else the one that fits the table.

    Raises:
        InputError: None was named, the table is not the planet's, and the published model is not on this machine.
    """
    if config.model is not None:
        return config
    own = Model.open(PLANETS)
    table = open_table(config, table_kind(config), own.modalities, own.width)
    return replace(config, model=_fitting(of_planet(_first_names(table)), config.hub))


def model_of_embeddings(path: Path, hub: Path | None) -> str:
    """The model that fits an `.npz` of embeddings, by the names in its array `species`; see `with_model`."""
    file = Npz(path)
    species = next(file.blocks("species", _ENOUGH), ()) if _listed(file, "species") else ()
    known = of_planet((str(name), 1) for name in species)
    return _fitting(known, hub)


def _listed(file: Npz, name: str) -> bool:
    return name in file.members and len(file.members[name].shape) == 1


def _fitting(of_the_planet: bool | None, hub: Path | None) -> str:
    if of_the_planet:
        return PLANETS
    try:
        Model.open(PUBLISHED, hub=hub).sources()
    except (NotCachedError, ModelError) as e:
        first = e.typed.partition(". ")[0].rstrip(".")
        raise InputError(
            "No --model was named, and the published model is not on this machine "
            f"({first}). Pull it: prom3e-index models pull {PUBLISHED}, or --hub DIR with a copy; or train one and "
            f"give its folder; or say --model {PLANETS} to try the program: it knows only an invented planet, so its "
            "answers on these observations mean nothing."
        ) from e
    return PUBLISHED


def _first_names(table: Observations | EmbeddedObservations) -> Iterator[tuple[str | None, int]]:
    rows = named = 0
    for batch in table.batches():
        columns = [batch.column(c).to_pylist() for c in _NAMED]
        for values in zip(*columns, strict=True):
            name = next((v for v in values if v), None)
            named += name is not None
            yield name, 1
        rows += batch.num_rows
        if named >= _ENOUGH or rows >= _FIRST:
            return


def planned_names_of_planet(con: Any) -> bool | None:
    """Whether most names of a plan are the planet's; None without names."""
    first = f"split_part(coalesce({', '.join(_NAMED)}), ' ', 1)"
    return of_planet(con.execute(f"SELECT {first}, count(*) FROM planned GROUP BY ALL").fetchall())


def speaks_of_planet(
    model: Model, facts: dict[str, Any], before: bool | None = None
) -> bool | None:
    """What a manifest notes as `planet`: whether all rows are of the only planet that the model knows.

    Args:
        model: The index's.
        facts: Of the plan of the rows that are written.
        before: What the manifest says so far; None before the first rows.

    Returns:
        None where the model is not bound to a planet.
    """
    if not model.planet:
        return None
    now = facts.get("planet")
    return bool(now) if before is None else before and now is not False
