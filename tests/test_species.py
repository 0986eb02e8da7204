"""`species`, `--taxon` and `--group-by species` mean the same however a table writes its names."""

from __future__ import annotations

import csv
import json
import unicodedata

import pytest
from plain_index import made, quiet, reseal, without_measuring
from typer.testing import CliRunner

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.taxa import searched_names, species_of
from prom3e_index.cli.app import app
from prom3e_index.errors import InputError
from prom3e_index.indexer.change import remove
from prom3e_index.indexer.compact import compact
from prom3e_index.search.meaning import MEANINGLESS
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

ROWS = (  # scientificName, species, genus, and the species it is
    ("Pica hudsonia (Sabine, 1823)", "", "", "Pica hudsonia"),
    ("Pica hudsonia Sabine", "Pica hudsonia", "Pica", "Pica hudsonia"),
    ("PICA HUDSONIA", "", "", "Pica hudsonia"),
    ("Pica  hudsonia", "", "", "Pica hudsonia"),
    ("", "hudsonia", "Pica", "Pica hudsonia"),
    ("Pica pica (Linnaeus, 1758)", "", "", "Pica pica"),
    ("Pica pica bactriana", "", "", "Pica pica"),
    ("Bombus (Pyrobombus) impatiens Cresson, 1863", "", "", "Bombus impatiens"),
    ("Salix × rubra Huds.", "", "", "Salix rubra"),
    ("Salix x rubra", "", "", "Salix rubra"),
    (unicodedata.normalize("NFD", "Ménétriesia ölandica"), "", "", "Ménétriesia ölandica"),
    ("Ménétriesia ölandica Sp.", "", "", "Ménétriesia ölandica"),
    ("Pica cf. hudsonia", "", "", None),
    ("Corvidae", "", "", None),
    ("", "", "", None),
)


def table(path, rows, first=0):
    with path.open("w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["id", "lat", "lon", "scientificName", "species", "genus"])
        for i, (name, species, genus, _) in enumerate(rows, first):
            out.writerow([f"a{i}", (i * 37) % 160 - 80, (i * 71) % 350 - 175, name, species, genus])
    return str(path)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Two segments, the second with one row of every name again."""
    folder = tmp_path_factory.mktemp("species")
    parts = [
        table(folder / "a.csv", ROWS),
        table(folder / "b.csv", ROWS[::-1], len(ROWS)),
    ]
    return made(folder, parts)


def expected(bundle):
    every = [*ROWS, *ROWS[::-1]]
    return {i: every[i][3] for i in range(bundle.places)}


def test_a_row_says_its_species(index):
    found = dict(index.sql("SELECT row, taxon_species FROM observations"))
    assert found == expected(index)
    (hit,) = index.search(
        Query(location=(1, 2), target="loc", k=1, filter=Filter(where="row = 7"))
    ).hits
    assert hit.fields["taxon_species"] == "Bombus impatiens"


ASKED = {
    "Pica hudsonia": "Pica hudsonia", " pica  HUDSONIA ": "Pica hudsonia", "PICA HUDSONIA": "Pica hudsonia",
    "Pica hudsonia (Sabine, 1823)": "Pica hudsonia", "Pica hudsonia Sabine": "Pica hudsonia",
    "Bombus impatiens": "Bombus impatiens", "Bombus (Pyrobombus) impatiens": "Bombus impatiens",
    "Salix rubra": "Salix rubra", "Salix × rubra": "Salix rubra", "salix x rubra": "Salix rubra",
    "Ménétriesia ölandica": "Ménétriesia ölandica",
    unicodedata.normalize("NFD", "ménétriesia ölandica"): "Ménétriesia ölandica",
}  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_a_species_is_found_by_every_spelling(index, asked):
    wanted = {r for r, s in expected(index).items() if s == ASKED[asked]}
    assert set(index.eligible(Filter(taxon=asked)).tolist()) == wanted


def test_a_genus_holds_its_doubtful_rows_and_a_subspecies_is_not_its_species(index):
    every = [*ROWS, *ROWS[::-1]]

    def found(name):
        return {every[r][0] or every[r][1] for r in index.eligible(Filter(taxon=name)).tolist()}

    assert found("Pica") == {
        n or s for n, s, g, _ in ROWS if g == "Pica" or n.upper().startswith("PICA")
    }
    assert found("Pica pica bactriana") == {"Pica pica bactriana"}
    assert found("Corvidae") == {"Corvidae"}
    assert found("hudsonia Sabine") == set()


@pytest.mark.parametrize("k", [1, 3, 4, 5, 30, 1000])
def test_grouping_by_species_gives_the_best_row_of_each(index, k):
    ask = Query(location=(10, 20), target="text", k=1000)
    by_row = expected(index)
    firsts: dict = {}
    for h in index.search(ask).hits:
        firsts.setdefault(by_row[h.row] or h.row, h.row)
    grouped = index.search(Query(location=(10, 20), target="text", k=k, group_by="species"))
    assert [h.row for h in grouped.hits] == list(firsts.values())[:k]


def test_the_command_line_groups_as_the_library_does(index):
    said = CliRunner().invoke(app, ["query", "-i", str(index.path), "--location", "10,20", "-t", "text",
                                    "--group-by", "species", "-k", "4", "-f", "json"])  # fmt: skip
    assert said.exit_code == 0, said.output
    ask = Query(location=(10, 20), target="text", k=4, group_by="species")
    assert [h["row"] for h in json.loads(said.stdout)["hits"]] == [
        h.row for h in index.search(ask).hits
    ]
    said = CliRunner().invoke(app, ["query", "-i", str(index.path), "--location", "10,20", "-f", "json",
                                    "--taxon", "Pica hudsonia", "-k", "99"])  # fmt: skip
    assert len(json.loads(said.stdout)["hits"]) == 10


def as_earlier_versions_wrote(index, copy):
    """Take the names made at build out of a copy: the column, and what `taxa` holds beside the cells."""
    import shutil

    import duckdb

    shutil.copytree(index.path, copy)
    for name in ("metadata.duckdb", "segments/000002/metadata.duckdb"):
        con = duckdb.connect(str(copy / name))
        con.execute("ALTER TABLE observations DROP COLUMN taxon_species")
        cells = " UNION ".join(
            f"SELECT {c} AS w FROM observations" for c in ("scientific_name", "species", "genus")
        )
        con.execute(
            "CREATE OR REPLACE TABLE taxa AS SELECT DISTINCT taxon, lower(written) AS name, written FROM taxa "
            f"WHERE written IN (SELECT w FROM ({cells})) ORDER BY 2, 1"
        )
        con.close()
        reseal(copy, name)
    return Bundle.open(copy)


def test_indexes_of_earlier_versions_answer_alike_and_compacting_mends_them(index, tmp_path):
    old = as_earlier_versions_wrote(index, tmp_path / "old.p3i")
    assert "taxon_species" not in old.columns
    for _ in range(2):
        for asked in [*ASKED, "Pica", "Corvidae"]:
            assert np_equal(
                old.eligible(Filter(taxon=asked)), index.eligible(Filter(taxon=asked))
            ), asked
        for k in (1, 5, 1000):
            ask = Query(location=(10, 20), target="text", k=k, group_by="species")
            assert [h.row for h in old.search(ask).hits] == [h.row for h in index.search(ask).hits]
        with without_measuring():
            compact(old.path, quiet)
        old = Bundle.open(old.path)
        assert dict(old.sql("SELECT row, taxon_species FROM observations")) == expected(index)


def np_equal(a, b):
    return a.tolist() == b.tolist()


def test_advice_names_only_what_observations_still_have(index, tmp_path):
    import shutil

    copy = tmp_path / "c.p3i"
    shutil.copytree(index.path, copy)
    ask = Query(location=(1, 2), filter=Filter(taxon="Bombus impatienz"))
    assert any("Bombus impatiens" in n for n in Bundle.open(copy).search(ask).search["notes"])
    with without_measuring():
        remove(copy, Filter(taxon="Bombus"), None, quiet)
    notes = Bundle.open(copy).search(ask).search["notes"]
    assert any("Bombus impatienz" in n for n in notes)
    assert not any("impatiens" in n or "Pyrobombus" in n for n in notes)


def test_a_taxon_that_is_there_is_not_called_unknown(index):
    f = Filter(taxon="Bombus impatiens", where="row < 0")
    count = len(index.eligible(Filter(taxon="Bombus impatiens")))
    nameless = index.sql("SELECT count(*) FROM observations WHERE text IS NULL")[0][0]
    assert index.search(Query(location=(1, 2), filter=f)).search["notes"] == [
        MEANINGLESS,
        f"{nameless} of {index.rows} observations have no name and are left out",
        "no observation satisfies the filters",
        f"each alone leaves rows: --taxon {count}, --where 0",
        *(n for n in index.search(Query(location=(1, 2))).search["notes"] if "Spearman" in n),
    ]


def test_a_long_name_is_no_taxon_and_is_cut(index):
    asked = "Pica " + "a" * 100_000
    notes = index.search(Query(location=(1, 2), filter=Filter(taxon=asked))).search["notes"]
    assert max(map(len, notes)) < 500
    with pytest.raises(InputError, match="taxon is empty"):
        index.eligible(Filter(taxon=" \t"))


def test_names_that_are_looked_for():
    assert searched_names("Pica hudsonia (Sabine, 1823)")[1:] == ["Pica hudsonia"]
    assert searched_names("Felis silvestris subsp. catus")[1:] == ["Felis silvestris catus"]
    assert searched_names("Corvidae Leach, 1820")[1:] == ["Corvidae"]
    assert searched_names("Pallas’s Gull")[1:] == ["Pallas's Gull"]
    assert searched_names("Parus cf. major") == ["Parus cf. major"]
    assert searched_names("Corvidae") == ["Corvidae"]
    assert species_of("Quercus", "robur", None) == "Quercus robur"
    assert species_of(None, None, "Quercus sp.") is None
