"""A cell with a scientific and a common name gives both; codes are no names; endings and letters tell common names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prom3e_index.bundle.taxa import searched_names
from prom3e_index.tables import read_observations
from prom3e_index.tables.names import binomial, name_kind, names_kind
from prom3e_index.tables.vernacular import are_codes, two_names


def read(folder: Path, text: str) -> list[dict[str, Any]]:
    (folder / "t.csv").write_text(text)
    table = read_observations(folder / "t.csv")
    return [r for b in table.batches() for r in b.to_pylist()]


@pytest.mark.parametrize(
    "text, found",
    [
        ("Great tit (Parus major)", ("Parus major", "Great tit")),
        ("Parus major (Great Tit)", ("Parus major", "Great Tit")),
        ("Great Tit - Parus major", ("Parus major", "Great Tit")),
        ("Parus major – Great Tit", ("Parus major", "Great Tit")),
        ("Parus major_Great Tit", ("Parus major", "Great Tit")),
        ("Great_tit_(Parus_major)", ("Parus major", "Great tit")),
        ("Great Tit, Parus major", ("Parus major", "Great Tit")),
        ("Amsel (Turdus merula Linnaeus, 1758)", ("Turdus merula Linnaeus, 1758", "Amsel")),
        ("Elster [Pica pica]", ("Pica pica", "Elster")),
        ("Turdus merula | Amsel", ("Turdus merula", "Amsel")),
        ("Red fox: Vulpes vulpes", ("Vulpes vulpes", "Red fox")),
        (
            "Myrtle Warbler (Setophaga coronata coronata)",
            ("Setophaga coronata coronata", "Myrtle Warbler"),
        ),
        # authors, subgenera, synonyms, two species, one name
        ("Turdus merula (Temminck)", None),
        ("Parus major (Temminck & Schlegel)", None),
        ("Pica hudsonia (Sabine, 1823)", None),
        ("Rosa canina (L.)", None),
        ("Turdus merula, Brehm", None),
        ("Felis (Puma) concolor", None),
        ("Canis lupus (Canis familiaris)", None),
        ("Passer domesticus/montanus", None),
        ("Motacilla alba/yarrellii", None),
        ("Parus_major", None),
        ("Rock Pigeon (Feral Pigeon)", None),
        ("Parus major (unknown)", None),
        ("", None),
        ("()", None),
        # no names, and doubts between two taxa
        ("Parus major - Male", None),
        ("Turdus merula: Song", None),
        ("Larus argentatus - Adult Winter", None),
        ("Betula pendula / Acer", None),
        ("Great Tit / Parus major", ("Parus major", "Great Tit")),
    ],
)
def test_a_text_with_two_names(text: str, found: tuple[str, str] | None) -> None:
    assert two_names(text) == found
    if found is not None:
        assert name_kind(text) == "scientific"
        assert binomial(text) == binomial(found[0])
        assert " ".join(binomial(found[0])) in searched_names(text) or len(found[0].split()) > 2


@pytest.mark.parametrize("column", ["species", "scientificName", "vernacularName"])
def test_a_cell_with_two_names_gives_both(tmp_path: Path, column: str) -> None:
    rows = read(
        tmp_path,
        f"{column},lat,lon\nGreat tit (Parus major),1,2\nVulpes vulpes_Red Fox,1,2\nElster - Pica pica,1,2\n",
    )

    assert [r["text"] for r in rows] == ["Parus major", "Vulpes vulpes", "Pica pica"]
    assert [r["scientific_name"] for r in rows] == ["Parus major", "Vulpes vulpes", "Pica pica"]
    assert [r["common_name"] for r in rows] == ["Great tit", "Red Fox", "Elster"]
    assert all(r["problems"] == [] for r in rows)


@pytest.mark.parametrize(
    "codes",
    ["GRETI BLUTI DUNNO NUTHA", "amro bcch noca mall", "houspa gretit1 eurbla carcro1", "PARMAJ TURMER PICPIC"],
)  # fmt: skip
def test_codes_are_no_names(tmp_path: Path, codes: str) -> None:
    rows = read(tmp_path, "species,lat,lon\n" + "".join(f"{c},1,2\n" for c in codes.split()))

    assert [(r["text"], r["scientific_name"], r["common_name"]) for r in rows] == [(None,) * 3] * len(rows)  # fmt: skip
    for row, code in zip(rows, codes.split(), strict=True):
        assert row["source_species"] == code
        assert [p["reason"] for p in row["problems"]] == [
            f"{code!r} is a code, as the cells of its column are, and no name"
        ]


def test_words_of_one_length_are_not_all_codes() -> None:
    assert not are_codes(["parus", "larus", "corvus"]) and not are_codes(["ROSA", "PICA", "TYTO"])
    assert not are_codes(["lion", "puma", "kudu", "topi"]) and not are_codes(
        ["jackal", "serval", "baboon"]
    )
    assert are_codes(["AMRO", "BLJA", "NOCA", "GRTI", "Unknown"]) and are_codes(
        "amecro blujay norcar gretit1 sora".split()
    )
    assert not are_codes(["DEER", "BOAR", "HARE", "BADGER"]) and not are_codes(["GRETI", "BLUTI"])
    assert [name_kind(n) for n in ("GRETI", "BLCKC", "SKUNK", "DEER", "CORVUS")] == [
        "none", "none", "common", "common", "scientific",
    ]  # fmt: skip


COMMON = (
    "Indian Cobra", "Chinese alligator", "European Roller", "Eurasian Hoopoe", "Tasmanian devil", "Ground squirrel",
    "Marsh warbler", "Kentish plover", "Snow leopard", "Wedge-tailed Shearwater", "Clouded leopard", "Thomson gazelle",
    "Gewöhnliches Greiskraut", "echte Trameten", "Blässhuhn", "Moschus-Malve", "Girlitz", "Märzfliege", "Ruffed grouse",
)  # fmt: skip
LATIN = (
    "Castor fiber", "Acer negundo", "Anser anser", "Thlaspi arvense", "Pecari tajacu", "Fringilla coelebs", "Remiz",
    "Isoëtes lacustris", "Podiceps cristatus", "Cyclamen", "Impatiens", "Acari", "Muscari", "Hister", "Anser sp.",
    "Anser indet", "Buteo buteo", "Nebria brevicollis", "Meloe", "Bufo bufo", "Struthio camelus", "Caiman crocodilus",
    "Manihot esculenta Crantz", "Sabal palmetto", "Caracal aurata", "Pecten maximus", "Siren lacertina", "Zingel streber",
    "Triglochin palustris L.", "Solen marginatus", "PASSER DOMESTICUS", "ACER CAMPESTRE", "Anser Anser", "Vireo Olivaceus",
    "Carnegiea gigantea (Engelm.) Britton & Rose", "Echeveria elegans Rose", "Parus caeruleus Wolf", "Alligator mississippiensis",
    "Prunus mahaleb", "Quercus robur subsp. robur", "anser albifrons", "Ménétriesia ölandica",
)  # fmt: skip


def test_endings_and_letters_tell_common_names() -> None:
    assert {n: name_kind(n) for n in COMMON} == dict.fromkeys(COMMON, "common")
    assert {n: name_kind(n) for n in LATIN} == dict.fromkeys(LATIN, "scientific")


def test_one_odd_genus_does_not_make_a_column_common() -> None:
    genera = [
        "Parus",
        "Pica",
        "Corvus",
        "Larus",
        "Anas",
        "Sitta",
        "Regulus",
        "Nostoc",
        "Turdus",
        "Apus",
    ]

    assert name_kind("Nostoc") == "common" and names_kind(genera) == "scientific"
    assert names_kind(["Girlitz", "Blaumeise", "Rotfuchs", "Efeu"]) == "common"
