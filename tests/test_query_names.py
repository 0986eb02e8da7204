"""Names as people type them: read as the taxa of the index, said, and found by `--taxon` in every spelling."""

from __future__ import annotations

import csv

import pytest
from plain_index import made, without_measuring
from test_species import as_earlier_versions_wrote

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.change import remove
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

BIRDS = ("Animalia", "Chordata", "Aves", "Passeriformes")
ROWS = (  # scientificName, vernacularName, kingdom to family, genus
    ("Parus major Linnaeus, 1758", "Great Tit", *BIRDS, "Paridae", "Parus"),
    ("Parus major Linnaeus, 1758", "Koolmees", *BIRDS, "Paridae", "Parus"),
    ("Parus major minor Temminck & Schlegel, 1848", "Japanese Tit", *BIRDS, "Paridae", "Parus"),
    ("Cyanistes caeruleus (Linnaeus, 1758)", "Blue Tit", *BIRDS, "Paridae", "Cyanistes"),
    ("Erithacus rubecula", "Robin", *BIRDS, "Muscicapidae", "Erithacus"),
    ("Erithacus rubecula", "Robin", *BIRDS, "Muscicapidae", "Erithacus"),
    ("Turdus migratorius", "Robin", *BIRDS, "Turdidae", "Turdus"),
    ("Larus pallasi", "Pallas’s Gull", *BIRDS, "Laridae", "Larus"),
    ("Mentha × piperita L.", "Peppermint", "Plantae", "Tracheophyta", "Magnoliopsida", "Lamiales", "Lamiaceae", "Mentha"),
    ("Bombus (Bombus) terrestris (Linnaeus, 1758)", "", "", "", "", "", "", ""),
    ("", "", "", "", "", "", "", ""),
)  # fmt: skip
TIT = "Animalia Chordata Aves Passeriformes Paridae Parus major"
ROBIN = "Animalia Chordata Aves Passeriformes Muscicapidae Erithacus rubecula"
COLUMNS = (
    "scientificName",
    "vernacularName",
    "kingdom",
    "phylum",
    "class",
    "order",
    "family",
    "genus",
)


def table(path, rows, first=0):
    with path.open("w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["id", "lat", "lon", *COLUMNS])
        for i, row in enumerate(rows, first):
            out.writerow([f"a{i}", i - 5, 3 * i - 20, *row])
    return str(path)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Two segments: the rows, and the first three again."""
    folder = tmp_path_factory.mktemp("names")
    return made(
        folder, [table(folder / "a.csv", ROWS), table(folder / "b.csv", ROWS[:3], len(ROWS))]
    )


@pytest.fixture(scope="module")
def earlier(index, tmp_path_factory):
    return as_earlier_versions_wrote(index, tmp_path_factory.mktemp("old") / "old.p3i")


def said(bundle, text):
    """The text that a query is answered as, by its hits, and what is said of it."""
    answer = bundle.search(Query(text=text, target="loc", k=5))
    notes = [n for n in answer.search["notes"] if "asked as" in n]
    return [(h.row, h.score) for h in answer.hits], notes


ASKED = {
    "Parus major": (TIT, "'Parus major' is in this index (6 observations); asked as"), "PARUS MAJOR": (TIT, "(6 observations)"), "parus  major": (TIT, "(6 observations)"),
    "Parus major Linnaeus, 1758": (TIT, "is a name of Parus major in this index"), "Parus major minor": (TIT, "is a name of Parus major in this index (2 observations)"),
    "great tit": (TIT, "'great tit' is the common name of Parus major in this index (2 observations)"), "KOOLMEES": (TIT, "the common name of Parus major"),
    "Parus": ("Animalia Chordata Aves Passeriformes Paridae Parus", "is the genus Parus in this index (6 observations)"),
    "paridae": ("Animalia Chordata Aves Passeriformes Paridae", "is the family Paridae in this index (7 observations)"), "Aves": ("Animalia Chordata Aves", "the class Aves"),
    "Pallas's gull": ("Animalia Chordata Aves Passeriformes Laridae Larus pallasi", "is the common name of Larus pallasi in this index (1 observation)"),
    "Mentha x piperita": ("Plantae Tracheophyta Magnoliopsida Lamiales Lamiaceae Mentha piperita", "a name of Mentha piperita"),
    "Bombus terrestris": ("Bombus terrestris", "in this index (1 observation)"), "Bombus": ("Bombus", "the genus Bombus"),
    "robin": (ROBIN, "is the common name of Erithacus rubecula in this index (2 observations), and of Turdus migratorius (1 observation)"),
    # not in the index: with the lineage of what is, or as typed
    "Parus monticolus": (f"{TIT[:-5]}monticolus", "is not in this index, its genus is"), "Cyanistes caeruleus teneriffae": (f"{TIT[:-11]}Cyanistes caeruleus", "is not in this index, its species is"),
    "Corvus corax Linnaeus, 1758": ("Corvus corax", "no taxon 'Corvus corax Linnaeus, 1758'"), "Grey Heron": ("Grey Heron", "no taxon 'Grey Heron'"), "Parus mayor": (f"{TIT[:-5]}mayor", "nearest: Parus"),
}  # fmt: skip


@pytest.mark.parametrize("text", ASKED)
def test_a_name_is_asked_as_the_index_knows_it(index, earlier, text):
    lineage, sentence = ASKED[text]
    for bundle in (index, earlier):
        hits, notes = said(bundle, text)
        if len(lineage.split()) > 3:
            assert hits == said(bundle, lineage)[0] and said(bundle, lineage)[1] == []
        if text != lineage and len(lineage.split()) > 3:
            assert repr(lineage) in notes[0]
        assert len(notes) == 1 and (
            sentence in notes[0] or bundle is earlier and "minor" in text
        ), notes


def test_a_lineage_and_long_texts_are_asked_as_typed(index):
    for text in (
        TIT,
        "Aves Passeriformes Paridae Parus major",
        "a bird that sings in the garden behind the house at dawn",
        "x" * 5000,
    ):
        assert said(index, text)[1] == []


def test_several_names_are_each_read(index):
    answer = index.search(Query(text=["great tit", "robin"], target="loc"))

    assert [n.split(" is ")[0] for n in answer.search["notes"] if "asked as" in n] == [
        "'great tit'",
        "'robin'",
    ]


@pytest.mark.parametrize("asked, rows", [
    ("Parus major", {0, 1, 2, 11, 12, 13}), ("PARUS MAJOR LINNAEUS, 1758", {0, 1, 2, 11, 12, 13}), ("Parus major minor", {2, 13}), ("Parus major minor Temminck & Schlegel, 1848", {2, 13}),
    ("Parus major ssp. minor", {2, 13}), ("Great tit", {0, 11}), ("Pallas's Gull", {7}), ("Pallas’s gull", {7}), ("Mentha × piperita", {8}), ("Mentha piperita L.", {8}), ("peppermint", {8}),
    ("Bombus terrestris", {9}), ("BOMBUS (BOMBUS) TERRESTRIS", {9}), ("Paridae Vigors, 1825", {0, 1, 2, 3, 11, 12, 13}), (TIT, {0, 1, 2, 11, 12, 13}), ("robin", {4, 5, 6}), ("Parus cf. major", set()), ("tit", set()),
])  # fmt: skip
def test_taxa_are_found_by_every_spelling(index, asked, rows):
    assert set(index.eligible(Filter(taxon=asked)).tolist()) == rows


def test_removed_observations_are_no_longer_known(index, tmp_path):
    import shutil

    copy = tmp_path / "c.p3i"
    shutil.copytree(index.path, copy)
    with without_measuring():
        remove(copy, Filter(taxon="Erithacus"), None, lambda *_: None)
    found = Bundle.open(copy).metadata.known_taxa("robin")

    assert [(t.name, t.rows, t.common) for t in found] == [("Turdus migratorius", 1, True)]
