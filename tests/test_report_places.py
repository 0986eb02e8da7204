"""A report says how diverse each place is and where species live, as `diversity` and `map` do, and why it does not."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from policies import birds, built, write_rows
from pyarrow import parquet

from prom3e_index import Bundle, Query
from prom3e_index.cli import report_maps
from prom3e_index.diversity.fitting import ENOUGH, RAREFIED_TO, SIZES_KM, fitting
from prom3e_index.diversity.run import box_of
from prom3e_index.errors import InputError
from prom3e_index.grid.grid import Grid
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.maps import shown
from prom3e_index.maps.occurrences import occurrences_of
from prom3e_index.show.ranges_section import Range, told
from prom3e_index.world import planet

SITES, ROWS = 14, 33


def crowded() -> list[dict[str, object]]:
    """Records of the planet's species at a few places, more of them at some; one in ten is obscured."""
    rng = np.random.default_rng(4)
    lat, lon = rng.uniform(-60, 60, 400), rng.uniform(-170, 170, 400)
    land = np.flatnonzero(planet.is_land(planet.fields(lat, lon)))[:SITES]
    names = [s.taxon[-1] for s in planet.species()][:9]
    rows: list[dict[str, object]] = []
    for i, at in enumerate(land):
        for _ in range(ROWS + 4 * i):
            a, b = rng.normal(0, 0.2, 2)
            kind = int(rng.integers(3 + i % 7))
            rows.append({
                "id": f"r{len(rows)}", "scientificName": names[kind], "decimalLatitude": lat[at] + a,
                "decimalLongitude": lon[at] + b, "eventDate": f"2024-05-{1 + len(rows) % 28:02}",
                "recordedBy": f"Observer {len(rows) % 5}", "license": "CC0",
                "coordinates_obscured": "true" if len(rows) % 10 == 0 else "",
            })  # fmt: skip
    return rows


@pytest.fixture(scope="module", autouse=True)
def fewer_cells():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shown, "MOST_CELLS", 2_000)
        yield


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowded")
    table = write_rows(folder / "t.csv", crowded())
    build(BuildConfig(table=str(table), out=folder / "index.p3i", model="mini", workers=1))
    return folder / "index.p3i"


@pytest.fixture(scope="module")
def opened(index):
    with Bundle.open(index) as bundle:
        yield bundle


@pytest.fixture(scope="module")
def sections(opened):
    return report_maps.map_sections(opened, [], Query(), lambda *a: None)


def run(command: str, folder, monkeypatch) -> None:
    """Run a command line of a page, into a folder."""
    from prom3e_index.cli import app

    monkeypatch.setattr("sys.argv", [*shlex.split(unescape(command)), "-o", str(folder)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert not ended.value.code


def commands(section: str) -> list[str]:
    return re.findall(r"<code>(prom3e-index .*?)</code>", section)


def spread(made: dict) -> list[float]:
    return [made["similarity"][k] for k in ("lowest", "median", "highest")]


def cells(section: str) -> list[list[str]]:
    """The rows of a section's tables."""
    rows = re.findall(r"<tr>(<td>.*?)</tr>", section)
    return [[unescape(re.sub("<[^>]+>", "", c)) for c in re.findall(r"<td>(.*?)</td>", r)] for r in rows]  # fmt: skip


def test_diversity_is_what_the_command_beside_it_measures(sections, tmp_path, monkeypatch):
    (command,) = commands(sections[0])
    run(command, tmp_path / "d", monkeypatch)
    made = json.loads((tmp_path / "d" / "diversity.json").read_text())
    m = made["compared"]["rarefied_to"]
    effort, seen, rarefied, *rest = cells(sections[0])

    assert m == 30 and f"--rarefy {m}" in command
    words = (
        f"{made['records']:,} of {made['rows']:,} rows count: records of {made['species']} species"
    )
    assert words in sections[0] and made["rows"] == made["records"] + sum(made["left_out"].values())
    for row, band in ((effort, "individuals"), (seen, "hill0"), (rarefied, f"rarefied_{m}")):
        of = made["bands"][band]
        assert row[2:6] == [str(of["cells"]), *(f"{of[k]:.4g}" for k in ("least", "median", "most"))]  # fmt: skip
    for row, band in ((seen, "hill0"), (rarefied, f"rarefied_{m}")):
        assert row[6] == f"{made['effort'][band]['spearman']:.2f}"
        assert f"correlation with the effort {row[6]}" in sections[0]
    every = parquet.read_table(tmp_path / "d" / "cells.parquet").to_pylist()
    known = [c for c in every if c[f"rarefied_{m}"] is not None]
    best = sorted(known, key=lambda c: -c[f"rarefied_{m}"])[:10]
    told_cells = [r for r in rest if "°" in r[0]]
    assert [r[2:] for r in told_cells] == [
        [f"{c['individuals']:.0f}", f"{c['hill0']:.0f}", f"{c[f'rarefied_{m}']:.2f}"] for c in best
    ]
    assert {r[0]: r[2] for r in rest if r not in told_cells} == {
        why: f"{n:,}" for why, n in made["left_out"].items()
    }


def test_each_range_is_what_the_command_maps_and_judges(opened, sections, tmp_path, monkeypatch):
    every, rows = commands(sections[1]), cells(sections[1])
    assert len(every) == len(rows) == shown.NAMED
    for i in (0, 3):
        run(f"{every[i]} --no-cache", tmp_path / f"m{i}", monkeypatch)
        made = json.loads((tmp_path / f"m{i}" / "map.json").read_text())
        blocks = made["validation"]["auc_by_blocks"]
        assert rows[i][0] == made["taxon"] and rows[i][1] == "name"
        assert rows[i][3:6] == [f"{v:.3f}" for v in spread(made)]
        assert rows[i][6] == f"{made['extrapolated_share']:.0%}"
        assert rows[i][7:10] == [
            f"{blocks['map']:.3f}",
            f"{blocks['distance_alone']:.3f}",
            str(blocks["folds"]),
        ]
        ((records,),) = opened.sql(
            "SELECT count(*) FROM observations WHERE latitude IS NOT NULL AND NOT obscured AND "
            f"scientific_name = '{made['taxon']}'"
        )
        assert int(rows[i][2]) == records >= made["records_shown"] > 0  # some lie off cells of land
        hidden = made["records_left_out_as_their_place_is_hidden_or_unknown"]
        assert hidden > 0 and f"{hidden} more are not shown" in sections[1]
    assert "no probability of occurrence" in sections[1] and "Hatched" in sections[1]


def test_the_same_index_gives_the_same_sections(opened, sections):
    assert report_maps.map_sections(opened, [], Query(), lambda *a: None) == sections


def test_cells_are_those_of_which_most_can_be_compared(opened):
    """By counting sets of species, observer, day and cell."""
    found = occurrences_of(opened)
    region = box_of(found)
    some = np.flatnonzero(np.isfinite(found.latitude) & ~found.hidden)
    best: dict[int, list[tuple[int, float]]] = {m: [] for m in RAREFIED_TO}
    for km in SIZES_KM:
        if km < 100:  # more cells of the world than are tried
            continue
        grid = Grid.of(region, f"{km}km")
        assert (len(grid) > 60_000) == (km < 100)
        lat, lon = grid.centres()
        inside = planet.is_land(planet.fields(np.nan_to_num(lat), np.nan_to_num(lon)))
        at = grid.cell_of(found.latitude[some], found.longitude[some])
        each = {
            (int(c), int(found.species[r]), int(found.observer[r]), int(found.day[r]))
            for r, c in zip(some, at, strict=True)
            if inside[c]
        }
        n = np.unique([e[0] for e in each], return_counts=True)[1]
        for m in RAREFIED_TO:
            if 2 * n[n >= m].sum() >= n.sum():
                best[m].append((int((n >= m).sum()), -km))
    wanted = max(best[30])
    made = fitting(found, region, invented=True)

    assert wanted[0] >= ENOUGH
    assert (made.compared, made.cells, made.rarefy, made.mask) == (wanted[0], f"{-wanted[1]}km", 30, "land")  # fmt: skip


def test_records_at_sea_are_counted_at_sea(opened):
    found = occurrences_of(opened)
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-60, 60, 400), rng.uniform(-170, 170, 400)
    sea = np.flatnonzero(~planet.is_land(planet.fields(lat, lon)))[:20]
    at = sea[np.arange(len(found)) % 20]

    assert fitting(found, box_of(found), invented=True).mask == "land"
    moved = replace(found, latitude=lat[at], longitude=lon[at])
    assert fitting(moved, box_of(moved), invented=True).mask == "none"


def test_the_species_of_most_places_are_mapped(opened, sections):
    frame = shown.frame_of(opened, occurrences_of(opened))
    rows = opened.sql(
        "SELECT scientific_name, latitude, longitude FROM observations WHERE latitude IS NOT NULL AND NOT obscured"
    )
    size = float(frame.cells.removesuffix("deg"))
    held: dict[str, set[tuple[int, int]]] = {}
    for name, lat, lon in rows:
        cell = int(np.floor((90 - lat) / size)), int(np.floor((lon + 180) / size))
        held.setdefault(name, set()).add(cell)
    order = sorted(held, key=lambda n: (-len(held[n]), n))[: shown.NAMED]

    assert [r[0] for r in cells(sections[1])] == order
    assert f"which lie in {len(held[order[0]])} cells" in sections[1]


def test_a_question_by_photo_is_mapped_as_it_was_asked(bundle, bundle_path, tmp_path, monkeypatch):
    from prom3e_index.cli.report import own_sections

    asked = own_sections(bundle, Query(k=3))
    section = report_maps.map_sections(bundle, asked, Query(), lambda *a: None)[1]
    by = [r for r in cells(section) if r[1] == "photo"]
    command = next(c for c in commands(section) if "--photo" in c)
    run(f"{command} --no-cache", tmp_path / "m", monkeypatch)
    made = json.loads((tmp_path / "m" / "map.json").read_text())

    assert len(by) == 1 and "alt='photo that is asked with'" in section
    stored = [float(v) for v in by[0][3:6]]  # of a vector of float16
    assert stored == pytest.approx(spread(made), abs=2e-3)


COARSE = '[[rule]]\ntaxon = "Falco rusticolus"\nlevel = "LEVEL"\n'


@pytest.mark.parametrize("level", ["0.1deg", "1deg", "withhold"])
def test_a_hidden_taxon_is_mapped_no_finer_than_its_level(tmp_path, monkeypatch, level):
    monkeypatch.setattr(shown, "means_nothing", lambda bundle: False)
    near = {f"p{i}": (48 + i / 10, 16 + i / 10) for i in range(1, 9)}
    rows = birds(
        {"f1": (48.31312, 16.44531), "f2": (48.42345, 16.55671), "f3": (48.55673, 16.61532), **near}
    )
    index = built(tmp_path, rows, COARSE.replace("LEVEL", level))
    asked = [shown.Asked(Query(text="Falco rusticolus"), "photo", "Falco rusticolus", "A name.")]
    with Bundle.open(index) as bundle:
        found = occurrences_of(bundle)
        made = shown.range_maps(bundle, found, asked, Query(), "t.p3i")
        finest = shown.frame_of(bundle, found).cells
    named = {r.name for r in made.maps if r.how == "name"}
    (falcon,) = (r for r in made.maps if r.how == "photo")

    assert finest == "0.1deg" and named == {"Parus major"}
    if level == "withhold":
        assert falcon.mapped is None and "withheld by rule 1" in falcon.refused
        return
    assert falcon.mapped is not None and falcon.cells.startswith(level.replace("deg", "°"))
    assert falcon.places == 0 and falcon.hidden == 3 and len(falcon.mapped.dots) == 0
    hatched = falcon.mapped.hatched[falcon.mapped.inside]
    assert falcon.beyond == pytest.approx(hatched.mean())


@pytest.mark.parametrize(
    ("rows", "diverse", "ranges"),
    [
        (birds()[:1], "Too few records to compare places", "answers mean nothing"),
        ([{"id": "a", "scientificName": "Lumorus quiorbrai", "latitude": 0, "longitude": 1}],
         "the 1 that count", "no species was recorded in 3 cells"),
        ([{"id": f"a{i}", "scientificName": "Lumorus quiorbrai"} for i in range(4)],
         "has a place that is told", "No observation has a place"),
        ([{"id": f"a{i}", "latitude": i, "longitude": 1, "kingdom": "Fictanimalia"} for i in range(4)],
         "no species is named", "no species was recorded in 3 cells"),
    ],
)  # fmt: skip
def test_what_is_not_there_says_why(tmp_path, rows, diverse, ranges):
    with Bundle.open(built(tmp_path, rows, None)) as bundle:
        made = report_maps.map_sections(bundle, [], Query(), lambda *a: None)
    assert diverse in made[0] and ranges in made[1]
    assert not any("<svg viewBox" in s for s in made)


def test_an_index_without_rows_and_one_that_is_too_large_say_so(opened, monkeypatch):
    def none(bundle):
        raise InputError("x has no records.")

    monkeypatch.setattr("prom3e_index.maps.occurrences.occurrences_of", none)
    assert all("has no records" in s for s in report_maps.map_sections(opened, [], Query(), print))
    monkeypatch.setattr(report_maps, "MOST_ROWS", 5)
    made = report_maps.map_sections(opened, [], Query(), lambda *a: None)
    assert all(f"this one has {len(opened):,}" in s and len(commands(s)) == 1 for s in made)


def test_what_a_map_is_worth_is_said_plainly():
    one = Range("Parus major", "name", "", "")
    judged = shown.Judged("Parus major", 12, 90, 0.7, 0.8, 5)
    assert told(replace(one, unjudged="it is not known.")) == "Not judged: it is not known."
    assert "AUC 0.700, distance alone 0.800: no better" in told(replace(one, judged=judged))
    assert "better than distance alone" in told(replace(one, judged=replace(judged, blocks=0.81)))
    assert "Not judged in blocks" in told(replace(one, judged=replace(judged, blocks=None)))
