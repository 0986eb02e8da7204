"""`info` says first what an index holds; how it is searched is said by `info --search`."""

from __future__ import annotations

import json
import sys
from collections import Counter

import numpy as np
import pytest
from plain_index import made, rows, write

N = 30
SPECIES = ["Buteo buteo", "Ardea cinerea", "Pica pica", "Parus major"]
NAMES = [SPECIES[i % 4] if i % 7 else "" for i in range(N)]
DATES = [f"20{15 + i % 3}-04-0{1 + i % 9}" if i % 5 else "" for i in range(N)]
LICENCES = ["CC-BY-4.0" if i % 3 else "CC0-1.0" for i in range(N)]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    x, present = rows(N, seed=8)
    columns = {
        "latitude": [46 + i / 8 for i in range(N)],
        "longitude": [9 + i / 4 for i in range(N)],
        "event_start": DATES,
        "event_end": DATES,
        "event_date": DATES,
        "scientific_name": NAMES,
        "genus": [n.partition(" ")[0] for n in NAMES],
        "order": ["Aves" if n else "" for n in NAMES],
        "license": LICENCES,
        "habitat type": ["wood" if i % 2 else "reed" for i in range(N)],
    }
    return made(
        folder,
        [write(folder / "a.npz", x, present, **{k: np.array(v) for k, v in columns.items()})],
    )


@pytest.fixture
def page(index, monkeypatch, capsys):
    from prom3e_index.cli import app

    def call(*words):
        monkeypatch.setattr(
            sys, "argv", ["prom3e-index", "info", "-i", str(index.path), *map(str, words)]
        )
        with pytest.raises(SystemExit) as stop:
            app.main()
        assert not stop.value.code
        return capsys.readouterr().out

    return call


def line(page, name):
    (found,) = [li for li in page.splitlines() if li.startswith(f"  {name} ")]
    return found[len(name) + 2 :].strip()


def test_the_page_counts_what_the_rows_hold(page):
    out = page()
    by_name, by_licence = Counter(n for n in NAMES if n), Counter(LICENCES)
    years = Counter(d[:4] for d in DATES if d)
    species = line(out, "species")
    assert species.startswith("4: ") and f"; {NAMES.count('')} rows without a name" in species
    for name, count in by_name.items():
        assert f"{name} ({count})" in species
    assert line(out, "licences") == "2: " + ", ".join(
        f"{v} ({n})" for v, n in by_licence.most_common()
    )
    told = ", ".join(f"{y} {n}" for y, n in sorted(years.items()))
    assert line(out, "years") == f"2015 to 2017: {told}; {DATES.count('')} rows without a date"
    assert line(out, "places") == "30: latitude 46 to 49.625, longitude 9 to 16.25"
    genera = len({n.partition(" ")[0] for n in NAMES if n})
    assert f"genus {genera}" in line(out, "ranks") and '"order" 1' in line(out, "ranks")
    assert f"species {len(by_name)}" in line(out, "ranks")


def test_every_column_that_is_told_can_be_asked_for_as_it_is_written(page, index):
    from prom3e_index import Filter

    _, _, told = page().partition("columns for --where:\n")
    kinds = {li[2:15].strip(): li[16:].split(", ") for li in told.splitlines()[:-1]}
    assert '"order"' in kinds["text"] and '"habitat type"' in kinds["text"]
    assert "latitude" in kinds["numbers"] and "event_start" in kinds["days, times"]
    assert "has_image" in kinds["true or false"]
    names = [n for ns in kinds.values() for n in ns]
    assert len(names) > 20 and len(set(names)) == len(names)
    for name in names:
        every = Filter(where=f"{name} IS NULL OR {name} IS NOT NULL")
        assert len(index.eligible(every)) == N, name


def test_how_it_is_searched_stands_apart(page):
    first, search = page(), page("--search")
    assert "exact" in search and "fingerprints" in search
    assert "fingerprints" not in first and "certificate" not in first and "hidden" not in first
    assert "species" not in search
    whole = json.loads(page("--json"))
    assert whole["rows"] == N and {"fingerprints", "segments", "certificate"} & set(whole)
    assert whole["contents"]["ranks"]["genus"] == 4
    assert whole["contents"]["extent"] == [9.0, 46.0, 16.25, 49.625]


def test_the_page_of_an_index_of_which_all_was_removed(index, tmp_path, capsys):
    import shutil

    from plain_index import quiet, without_measuring

    from prom3e_index import Bundle, Filter
    from prom3e_index.cli.held import write_held, write_search
    from prom3e_index.indexer.change import remove

    copy = tmp_path / "i.p3i"
    shutil.copytree(index.path, copy)
    with without_measuring():
        remove(copy, Filter(where="true"), None, quiet)
    write_held(copy, Bundle.open(copy), None)
    write_search(Bundle.open(copy))
    out = capsys.readouterr().out
    assert "0 observations" in out and line(out, "species") == line(out, "places") == "none"
    assert line(out, "years") == line(out, "ranks") == "none"
