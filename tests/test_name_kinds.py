"""Names of every form that a table brings: their parts, common names, and words for no taxon at all."""

from __future__ import annotations

import pytest

from prom3e_index.tables.names import name_kind, names_kind, read_name, taxon_text

LONGEST = 300


@pytest.mark.parametrize("name, parts", [
    ("Parus major major Linnaeus, 1758", ("Parus", "major", "major")), ("Corvus corone subsp. cornix", ("Corvus", "corone", "cornix")),
    ("Felis silvestris f. catus", ("Felis", "silvestris", "catus")), ("PARUS MAJOR NEWTONI", ("Parus", "major", "newtoni")), ("PARUS MAJOR LINNAEUS 1758", ("Parus", "major", "")),
    ("× Cuprocyparis leylandii", ("Cuprocyparis", "leylandii", "")), ("Mentha ✕piperita L.", ("Mentha", "piperita", "")), ("Quercus ×turneri 'Pseudoturneri'", ("Quercus", "turneri", "")),
    ("Candidatus Phytoplasma mali", ("Phytoplasma", "mali", "")), ("[Parus] major", ("Parus", "major", "")), ("†Mammuthus primigenius (Blumenbach, 1799)", ("Mammuthus", "primigenius", "")),
    ("parus major", ("Parus", "major", "")), ("Vulpes Vulpes", ("Vulpes", "vulpes", "")), ("Vulpes vulpes (Red Fox)", ("Vulpes", "vulpes", "")), ("vulpes", ("Vulpes", "", "")), ("AVES", ("Aves", "", "")),
    ("Felidae Family", ("Felidae", "", "")), ("Carabidae sp. 3", ("Carabidae", "", "")), ("Cantharellus 'cibarius-CA01'", ("Cantharellus", "", "")), ("Rosa hybrid cultivar", ("Rosa", "", "")),
    ("Turdus merula juv.", ("Turdus", "merula", "")), ("Rosa canina L. agg.", ("Rosa", "canina", "")), ("Parus major Temminck & Schlegel, 1848", ("Parus", "major", "")), ("Chloris chloris ♂", ("Chloris", "chloris", "")),
    # of one genus, and of two
    ("Passer domesticus/montanus", ("Passer", "", "")), ("Passer domesticus / Passer montanus", ("Passer", "", "")), ("Larus argentatus vs. L. fuscus", ("Larus", "", "")), ("Canis familiaris x Canis lupus", ("Canis", "", "")),
    ("Anas/Aythya sp.", ("", "", "")), ("Parus major & Cyanistes caeruleus", ("", "", "")), ("Abies alba Mill. / Picea abies", ("", "", "")),
    # no names of a taxon
    ("Tobacco mosaic virus", ("", "", "")), ("BOLD:AAA1234", ("", "", "")), ("SH1234567.08FU", ("", "", "")), ("OTU 12", ("", "", "")), ("GRTI", ("", "", "")), ("gen. sp.", ("", "", "")), ("×", ("", "", "")),
])  # fmt: skip
def test_parts_of_a_name(name, parts):
    found = read_name(name)

    assert (found.genus, found.epithet, found.infraspecific) == parts
    assert found.canonical == " ".join(p for p in parts if p)


def test_doubt_is_told_apart_from_a_genus():
    assert [
        read_name(n).doubtful
        for n in (
            "Parus cf. major",
            "Parus major?",
            "Larus argentatus/fuscus",
            "Parus sp.",
            "Parus major",
        )
    ] == [True, True, True, False, False]


COMMON = [
    "Red Fox", "Roe Deer", "Great Tit", "great tit", "Rotfuchs", "Koolmees", "Leopard Cat", "Swainson's Hawk", "Pallas’s Gull", "Eurasian Blackbird", "Wild Boar", "Blauwe Reiger",
    "Mésange charbonnière", "House Sparrow", "MALLARD", "Northern Cardinal", "Canada Lynx", "Ring Ouzel", "Martin pescador", "Zorro común", "white-tailed_deer", "Weißstorch",
]  # fmt: skip
SCIENTIFIC = [
    "Parus major", "PARUS MAJOR", "Felis Catus", "Lactarius Persoon", "Quercus L.", "Corvus Linnaeus, 1758", "Vulpes vulpes (Red Fox)", "Puma concolor", "Bison bison", "Pan paniscus",
    "Zea mays", "Sus scrofa", "Turdus philomelos C.L.Brehm", "Homo sapiens", "Larus sp.", "Corvidae", "Salix × rubra", "Capra ibex", "Lynx lynx", "Troglodytes troglodytes",
]  # fmt: skip
NOTHING = [
    "Blank",
    "empty",
    "No CV Result",
    "no animal",
    "Unknown",
    "unidentified bird",
    "unknown species",
    "",
    None,
    "none",
    "Leer",
    "nocall",
]


def test_common_names_are_no_taxa():
    for kind, names in (
        ("common", COMMON),
        ("scientific", SCIENTIFIC),
        ("nothing", NOTHING),
        ("none", ["BOLD:AAA1234", "PBE", "12345", "?"]),
    ):
        assert {n: name_kind(n) for n in names} == dict.fromkeys(names, kind)
    for name in (*COMMON, *NOTHING):
        assert taxon_text({"species": name}) == taxon_text({}, name) == "", name
        assert (
            taxon_text({"class": "Aves", "species": name}, "Parus major") == "Aves Parus major"
        ), name


def test_what_stands_beside_a_name_tells_more():
    assert (
        name_kind("Mouse bat", genus="Mouse") == "scientific"
        and name_kind("vulpes", genus="Vulpes") == "scientific"
    )
    assert (
        name_kind("Sika", known={"sika", "reh"}) == "common" and name_kind("Sika") == "scientific"
    )


def test_a_column_of_names():
    assert (
        names_kind(["Red Fox", "Roe Deer", "empty", None])
        == names_kind(["Chital", "Nilgai", "Dhole"])
        == "common"
    )
    assert names_kind(SCIENTIFIC) == names_kind(["Larus", "Corvidae", "Aves"]) == "scientific"
    assert (
        names_kind(["Red Fox", "Vulpes vulpes"]) is names_kind([]) is names_kind(["Blank"]) is None
    )


def test_a_name_of_any_kind_of_text_is_read_at_once():
    for text in ("(" * LONGEST, "× " * 150, "a/b" * 100, "x X x X " * 40, "cf. " * 70, "A. " * 100, "'" * LONGEST, "&" * LONGEST, "\ud800", "\x00", "١٢ ٣٤", "A" * 10_000_000,
                 "Parus " * 50, "Parus major " * 25, "[[[" * 100, "Ä" * LONGEST, "a or b or c " * 25, "L. " * 100):  # fmt: skip
        (
            read_name(text[:LONGEST]),
            name_kind(text),
            names_kind([text]),
            taxon_text({"genus": text, "species": text, "family": text}, text),
        )
