"""How well maps show ranges that are known exactly: the demo planet's species, asked for by photo, by name, by records.

    python benchmarks/map_ranges.py FOLDER [--observations 400] [--seed 5]

FOLDER is a demo's (`prom3e-index demo FOLDER`). Photos are of another world of the same planet (`--seed`), which the
index does not hold. A species is present where its suitability is above a tenth of its highest; average precision is
over the mapped cells, as SINR's benchmarks define it, and its mean over species is "mAP". A photo of another species is
the control, the share of presences the floor; the suitability itself would have 1. "rho" is Spearman's correlation
with the suitability, its mean over species. Intervals: 95 %, species drawn again.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prom3e_index.grid.grid import Grid
from prom3e_index.maps.assess import average_precision, distance_scores
from prom3e_index.maps.places_of import places_of
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.world import planet, write_world

SPACES = ("hybrid", "encoder", "reconstructed", "hidden", "paper")


def photos(folder: Path) -> dict[str, Path]:
    """The first photo of each species of a world."""
    found: dict[str, Path] = {}
    with (folder / "observations.csv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f):
            if row["image"]:
                found.setdefault(row["true_species"], folder / row["image"])
    return found


def spearman(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def interval(values: Sequence[float] | np.ndarray[Any, Any]) -> tuple[float, float]:
    """95 % of the means of species drawn again, 1,000 times, the same ones for every way of as many."""
    own = np.asarray(values, float)
    drawn = np.random.default_rng(0).integers(len(own), size=(1000, len(own)))
    low, high = np.quantile(own[drawn].mean(1), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Print a line for each way of asking."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--observations", type=int, default=400)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--cells", default="3deg")
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    write_world(scratch / "w", given.observations, given.seed)
    own = photos(scratch / "w")
    bundle = Bundle.open(given.folder / "index.p3i")
    every = planet.species()
    names = [s.taxon[-1] for s in every]
    asked = [n for n in names if n in own]
    grid = Grid.of("world", given.cells)
    config = MapConfig(cells=given.cells, cache=scratch / "cells")
    first = make_map(bundle, Query(text=asked[0]), config)
    lat, lon = grid.centres(first.mask.cells)
    area = grid.areas_km2(first.mask.cells)
    true = planet.suitability(planet.fields(lat, lon))
    rng = np.random.default_rng(given.seed)
    moved = dict(zip(asked, np.roll(asked, 1 + int(rng.integers(len(asked) - 1))), strict=True))
    results: dict[str, tuple[list[float], list[float]]] = {}

    def judge(way: str, name: str, scores: np.ndarray[Any, Any]) -> None:
        suits = true[:, names.index(name)]
        held = results.setdefault(way, ([], []))
        held[0].append(average_precision(suits > 0.1 * suits.max(), scores))
        held[1].append(spearman(scores, suits))

    for name in asked:
        suits = true[:, names.index(name)]
        present = suits > 0.1 * suits.max()
        results.setdefault("floor: share of presences", ([], []))[0].append(float(present.mean()))
        for space in SPACES:
            paper = space == "paper"
            usual: dict[str, Any] = {} if paper else {"space": space}
            cells = MapConfig(cells=given.cells, cache=scratch / "cells", paper=paper)
            for way, query in (
                ("photo", Query(image=own[name], **usual)),
                ("another species' photo", Query(image=own[moved[name]], **usual)),
                ("name", Query(text=name, **usual)),
                ("photo + name", Query(image=own[name], text=name, **usual)),
            ):
                judge(f"{way}, {space}", name, make_map(bundle, query, cells).scores)
            if not paper and len(made := _taxon(bundle, name, cells, usual)):
                judge(f"records, {space}", name, made)
        rows = bundle.eligible(_of(name))
        if rows is not None and len(rows):
            a, b = places_of(bundle, rows)
            known = np.isfinite(a)
            if known.any():
                judge(
                    "distance to the nearest record",
                    name,
                    distance_scores(a[known], b[known], lat, lon),
                )
    sys.stdout.write(f"{len(asked)} species, {len(lat):,} cells, {area.sum() / 1e6:.0f} Mkm2\n")
    for way, (precision, correlation) in results.items():
        low, high = interval(precision)
        more = ""
        if correlation:
            least, most = interval(correlation)
            more = f"  rho {np.mean(correlation):+.3f} [{least:+.3f}, {most:+.3f}]"
        sys.stdout.write(
            f"{way:42s} mAP {np.mean(precision):.3f} [{low:.3f}, {high:.3f}] n {len(precision)}{more}\n"
        )
    for space in SPACES:
        one, other = (np.array(results[f"{w}, {space}"][1]) for w in ("name", "photo"))
        low, high = interval(one - other)
        sys.stdout.write(
            f"rho of name less photo, {space}: {np.mean(one - other):+.3f} [{low:+.3f}, {high:+.3f}]\n"
        )
    for space in SPACES:
        one, other = (
            np.array(results[f"{w}, {space}"][0]) for w in ("photo", "another species' photo")
        )
        difference = one - other
        error = difference.std(ddof=1) / len(difference) ** 0.5
        sys.stdout.write(
            f"photo less control, {space}: {difference.mean():+.3f} (t {difference.mean() / error:.1f})\n"
        )


def _of(name: str) -> Any:
    from prom3e_index.bundle.filters import Filter

    return Filter(taxon=name, where="latitude IS NOT NULL AND NOT coalesce(obscured, false)")


def _taxon(bundle: Bundle, name: str, config: MapConfig, usual: dict[str, Any]) -> Any:
    from prom3e_index.errors import InputError

    try:
        return make_map(bundle, Query(**usual), config, taxon=name).scores
    except InputError:
        return np.zeros(0)


if __name__ == "__main__":
    main()
