"""The demo's page sets maps beside what is true of its planet: cells as pictures, ranges, diversity."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from prom3e_index.cli import demo_maps
from prom3e_index.diversity import fitting, shown
from prom3e_index.grid.grid import Grid
from prom3e_index.maps.occurrences import occurrences_of
from prom3e_index.show.cell_map import CellMap, cell_map
from prom3e_index.show.truth_section import ranges_section
from prom3e_index.world import planet


def pixels(page: str) -> np.ndarray:
    (data,) = re.findall(r"data:image/png;base64,([^']+)'", page)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def drawn(values, inside=None, **more) -> CellMap:
    values = np.asarray(values, float)
    inside = np.ones(values.shape, bool) if inside is None else np.asarray(inside)
    return CellMap(values, inside, **{"low": 0, "high": 2, "label": "a map", **more})


def test_each_cell_has_the_colour_of_its_value_and_the_north_is_above():
    from matplotlib import colormaps

    page = cell_map(drawn([[0, 1, np.nan], [2, 9, 1]], [[1, 1, 1], [1, 1, 0]]))
    picture = pixels(page)
    times = picture.shape[0] // 2
    cells = picture[times // 2 :: times, times // 2 :: times]
    scale = colormaps["viridis"]([0.0, 0.5, 1.0], bytes=True)

    assert cells.shape == (2, 3, 4)
    assert [cells[0, 0].tolist(), cells[0, 1].tolist(), cells[1, 0].tolist()] == scale.tolist()
    assert cells[1, 1].tolist() == scale[2].tolist()  # beyond the scale
    assert cells[0, 2, 3] == 255 and cells[0, 2].tolist() not in scale.tolist()  # land unknown
    assert cells[1, 2, 3] == 0  # sea
    assert "viewBox='0 0 720 480'" in page and ">0</span>" in page and ">2</span>" in page


@pytest.mark.parametrize("stretch", [1.0, 2.0])
def test_a_line_surrounds_the_cells_of_a_range(stretch):
    held = np.zeros((4, 6), bool)
    held[0, 0] = held[1, 1:4] = held[2, 3] = held[3, 5] = True
    page = cell_map(drawn(held, outline=held, stretch=stretch))
    (d,) = set(re.findall(r"<path class='range' d='([^']*)'", page))
    side, sides = 720 / 6, set()
    for x, y, way, end in re.findall(r"M([\d.]+) ([\d.]+)([HV])([\d.]+)", d):
        column, row = round(float(x) / side), round(float(y) / side / stretch)
        last = float(end) / (side if way == "H" else side * stretch)
        first = column if way == "H" else row
        for k in range(first, round(last)):
            sides.add(("H", row, k) if way == "H" else ("V", k, column))
    wanted = set()
    padded = np.pad(held, 1)
    for r in range(5):
        for c in range(7):
            if padded[r, c + 1] != padded[r + 1, c + 1] and c < 6:
                wanted.add(("H", r, c))
            if padded[r + 1, c] != padded[r + 1, c + 1] and r < 4:
                wanted.add(("V", r, c))

    assert sides == wanted


def test_a_map_without_a_scale_is_refused_and_one_without_a_value_is_land_alone():
    with pytest.raises(ValueError, match="scale"):
        cell_map(drawn([[1.0]], high=0))
    assert pixels(cell_map(drawn([[np.nan]])))[0, 0].tolist() == [0xD5, 0xD3, 0xC8, 255]


@pytest.fixture(scope="module")
def ranges(bundle):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_maps, "PHOTOS", 3)
        patch.setattr(demo_maps, "RANGE_CELLS", "15deg")
        return demo_maps._ranges(bundle, lambda *a: None)


def test_maps_are_judged_by_the_range_that_the_planet_has(ranges, bundle):
    """Average precision by its definition, of the maps as they are drawn, at the centres of cells."""
    lat, lon = (np.reshape(v, (12, 24)) for v in Grid.of("world", "15deg").centres())
    fields = planet.fields(lat.ravel(), lon.ravel())
    names = [s.taxon[-1] for s in planet.species()]
    suits = planet.suitability(fields).reshape(12, 24, -1)
    land = planet.is_land(fields).reshape(12, 24)
    found = 0
    for one in ranges:
        own = np.where(land, suits[..., names.index(one.species)], np.nan)
        there = own > 0.1 * np.nanmax(own)
        assert np.array_equal(one.mapped.inside, land)
        assert np.array_equal(one.true.outline, there)
        assert np.array_equal(one.mapped.outline, there)
        assert np.allclose(one.true.values[land], (own / np.nanmax(own))[land])
        assert one.share == pytest.approx(there.sum() / land.sum())
        scores, truth = one.mapped.values[land], there[land]
        assert scores.max() == 100 and scores.min() > 0
        if len(np.unique(scores)) == len(scores):
            order = np.argsort(-scores)
            hits = np.cumsum(truth[order])
            precision = (hits / np.arange(1, len(hits) + 1))[truth[order]].mean()
            assert one.precision == pytest.approx(precision)
            pairs = (scores[truth][:, None] > scores[~truth][None]).mean()
            assert one.auc == pytest.approx(pairs)
            found += 1
        (records,) = bundle.sql(
            "SELECT count(*) FROM observations WHERE latitude IS NOT NULL AND NOT obscured AND "
            f"scientific_name = '{one.species}'"
        )[0]
        assert one.records == len(one.true.dots) == records
    assert found > 0 and len({r.species for r in ranges}) == 3


def test_dots_lie_in_the_cells_of_their_records(ranges, bundle):
    one = max(ranges, key=lambda r: r.records)
    places = bundle.sql(
        "SELECT latitude, longitude FROM observations WHERE latitude IS NOT NULL AND NOT obscured AND "
        f"scientific_name = '{one.species}'"
    )

    assert one.records > 0
    wanted = np.array(sorted(((lon + 180) / 15, (90 - lat) / 15) for lat, lon in places))
    assert np.array(sorted(one.true.dots.tolist())) == pytest.approx(wanted)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_best_the_middle_and_the_worst_are_shown_and_all_are_counted(ranges, count):
    page = ranges_section(ranges[:count], "15°", "prom3e-index map <x>")

    assert page.count("class='beside'") == count
    assert page.count("<tr><td><i>") == count
    assert f"{np.mean([r.precision for r in ranges[:count]]):.3f}</b>" in page
    assert "&lt;x&gt;" in page and "no probability" in page
    order = [r.species for r in sorted(ranges[:count], key=lambda r: -r.precision)]
    assert re.findall(r"<p><i>(.*?)</i> <span", page) == order


def test_richness_is_set_beside_what_is_expected_of_those_that_live_there(bundle, monkeypatch):
    fits = fitting.Fitted("5000km", 2, "land", 1)
    monkeypatch.setattr(shown, "fitting", lambda *a: fits)
    monkeypatch.setattr(shown, "_region", lambda found: "world")
    made = shown.richness_of(occurrences_of(bundle), "index.p3i")
    panel = demo_maps.true_richness(made)
    grid = Grid.of("world", "5000km")
    true = panel.drawn.values.ravel()
    cell = int(np.flatnonzero(np.isfinite(true))[0])
    lat, lon = grid.sub_points(np.array([cell]), 64)
    lat, lon = (v[np.isfinite(lat)] for v in (lat, lon))
    fields = planet.fields(lat, lon)
    shares = planet.suitability(fields)[planet.is_land(fields)].mean(0)

    assert true[cell] == pytest.approx(2 - (shares**2).sum())
    effort, seen, two = (p.drawn.values.ravel() for p in made.richness.panels)
    assert np.nanmax(two) <= 2 and made.richness.cells == np.isfinite(seen).sum()
    assert np.array_equal(np.isfinite(two), 10**effort >= 1.99)
    assert made.richness.records + sum(made.richness.left_out.values()) == 60
    both = np.isfinite(two) & np.isfinite(true)
    for values in (seen, two):
        rho = spearmanr(values[both], true[both]).statistic if np.ptp(values[both]) else None
        assert ("not known" if rho is None else f"{rho:.2f}") in panel.words


def test_a_world_without_photos_has_no_maps_of_them(bundle, monkeypatch):
    monkeypatch.setattr(demo_maps, "PHOTOS", 0)
    assert demo_maps.truth_sections(bundle, lambda *a: None) == []
