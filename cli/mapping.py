"""Ways of mapping besides a query, and what is said of a map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.cli.screen import progress, say

if TYPE_CHECKING:
    from prom3e_index.grid.grid import Grid
    from prom3e_index.maps.records import RecordsConfig
    from prom3e_index.models.folder import Model


def say_of(output: Path, facts: dict[str, Any], judged: dict[str, Any] | None) -> None:
    """Say what was mapped, and how good it is."""
    spread = facts["similarity"]
    say(
        f"{output}: {facts['query']}, {facts['cells']:,} cells of {facts['grid']['name']}; similarity "
        f"{spread['lowest']:.2f} to {spread['highest']:.2f}, which is no probability"
    )
    if judged is not None:
        for line in _judged(judged):
            say(f"  {line}")
    if "truth" in facts:
        found = facts["truth"]
        say(
            f"  average precision {found['average_precision']:.3f} (by chance "
            f"{found['average_precision_by_chance']:.3f}) over {found['places']:,} places of the range of "
            f"{found['taxon']} in {found['file']}; {found['places_outside_the_map']:,} lie outside the map"
        )
    for line in _beside(facts):
        say(f"  {line}", err=True)
    from prom3e_index.maps.extrapolation import share_said

    say(f"  {share_said(facts['extrapolated_share'])}", err=True)
    if facts["means_nothing"]:
        from prom3e_index.search.meaning import MEANINGLESS

        say(f"  {MEANINGLESS}", err=True)


def from_records(config: RecordsConfig, output: Path, overwrite: bool) -> None:
    """Map a taxon from records alone."""
    from prom3e_index.maps.records import map_of_records
    from prom3e_index.maps.records_files import write_records_map
    from prom3e_index.maps.records_fit import summary

    with progress() as show:
        made = map_of_records(config, show)
        facts = write_records_map(output, made, overwrite)
    say(
        f"{output}: {facts['taxon']}, {facts['presence_cells']:,} cells with records against "
        f"{facts['target_group'] or 'uniform cells'}, {facts['cells']:,} cells of {facts['grid']['name']}; relative "
        "suitability, which is no probability"
    )
    for line in summary(made.facts["validation"]):
        say(f"  {'; '.join(line)}")
    say(f"  {facts['honest']}")
    for reason, n in facts["left_out"].items():
        say(f"  left out {n:,}: {reason}", err=True)


def of_model(
    model: Model, what: str, grid: Grid, kind: str, climate: Path | None, samples: int, output: Path, overwrite: bool,
) -> None:  # fmt: skip
    """Map what a model tells places apart by."""
    from prom3e_index.evaluation.probe.representations import known_representation, of_places
    from prom3e_index.grid.masks import PLANET, climate_of_mask, mask_of
    from prom3e_index.maps.cell_places import embed_cells
    from prom3e_index.maps.components import write_components

    known_representation(model, what)
    own = PLANET if model.planet and kind == "land" else kind
    mask = mask_of(grid, own, climate_of_mask(climate, kind))
    with progress() as show:
        at = embed_cells(model.encoder("loc"), grid, mask.cells, samples, show)
        values = of_places(model, at, what)
        facts = write_components(
            output, grid, mask, values, model, what, samples=samples, overwrite=overwrite
        )
    say(
        f"{output}: three independent components of {what} of {model.name}, {facts['cells']:,} cells of "
        f"{facts['grid']['name']}; colours have no unit"
    )


def _beside(facts: dict[str, Any]) -> list[str]:
    """What is said of errors and tiles."""
    error, tiles = facts["expected_error"], facts["tiles"]
    lines = []
    if "median" in error:
        lines.append(
            f"expected error (1 − cosine) of the {error['target']} at a cell: {error['lowest']:.2f} to "
            f"{error['highest']:.2f}"
        )
    else:
        lines.append(f"no expected error: {error.get('reason', 'no cell has one')}")
    if tiles is not None:
        lines.append(f"{tiles['tiles']:,} tiles in {tiles['cells']:,} of the cells")
        left = {
            "cannot be read": "unread",
            "lie elsewhere": "outside",
            "tell no place": "of_no_known_place",
            "are links or no files, and are not followed": "links_or_no_files",
        }
        lines += [f"{tiles[key]:,} tiles {why}" for why, key in left.items() if tiles[key]]
    return lines


def _judged(found: dict[str, Any]) -> list[str]:
    """What a validation found, in lines."""
    block, random, curve = found["auc_by_blocks"], found["auc_by_random_folds"], found["boyce"]
    lines = [
        f"judged by {found['presences']:,} records of {found['taxon']}, {found['background_records']:,} of other taxa",
        f"average precision {found['average_precision']:.3f} (by chance {found['average_precision_by_chance']:.3f}); "
        f"Boyce {curve['index']:+.2f} ({curve['low']:+.2f} to {curve['high']:+.2f})",
        f"AUC in blocks of 5 degrees {block['map']:.3f}, distance alone {block['distance_alone']:.3f}; in random folds "
        f"{random['map']:.3f}, distance alone {random['distance_alone']:.3f}, which flatters",
    ]
    return [*lines, *([curve["warning"]] if curve["warning"] else [])]
