"""Names of taxa: genus and epithet of every form that tables bring, and the text that BioCLIP reads."""

from __future__ import annotations

import unicodedata

import pytest

from prom3e_index.tables.names import binomial, taxon_text


@pytest.mark.parametrize("name, genus, epithet", [
    # Authors and years
    ("Pica hudsonia (Sabine, 1823)", "Pica", "hudsonia"), ("Turdus merula Linnaeus 1758", "Turdus", "merula"),
    ("Lonicera periclymenum Linnaeus", "Lonicera", "periclymenum"), ("Corvus Linnaeus, 1758", "Corvus", ""),
    ("Lactarius Persoon", "Lactarius", ""), ("Quercus L. ex Foo", "Quercus", ""), ("Carex L.", "Carex", ""),
    ("Bombus de Geer, 1773", "Bombus", ""), ("Larus van Rossem", "Larus", ""),
    ("Aus bus (L. (1758)) Foo", "Aus", "bus"), ("Symphyotrichum novae-angliae (L.) G.L.Nesom", "Symphyotrichum", "novae-angliae"),
    # Subgenera and sections
    ("Bombus (Pyrobombus) impatiens Cresson, 1863", "Bombus", "impatiens"), ("Carabus (Carabus) granulatus", "Carabus", "granulatus"),
    ("Bombus (Pyrobombus)", "Bombus", ""), ("Carabus subgen. Carabus granulatus", "Carabus", "granulatus"),
    ("Salix sect. Vetrix", "Salix", ""), ("Bombus (Pyro impatiens", "Bombus", ""),
    # Capitals
    ("PICA PICA", "Pica", "pica"), ("PICA PICA (LINNAEUS, 1758)", "Pica", "pica"), ("CORVUS LINNAEUS, 1758", "Corvus", ""),
    ("BOMBUS (PYROBOMBUS) IMPATIENS CRESSON, 1863", "Bombus", "impatiens"), ("pica PICA", "Pica", "pica"),
    ("Felis Catus", "Felis", "catus"), ("Pica Pica", "Pica", "pica"), ("Rosa Canina L.", "Rosa", "canina"),
    # Hybrids
    ("Salix × rubra", "Salix", "rubra"), ("Salix ×rubra Huds.", "Salix", "rubra"), ("Salix x rubra", "Salix", "rubra"),
    ("SALIX X RUBRA", "Salix", "rubra"), ("×Cupressocyparis leylandii", "Cupressocyparis", "leylandii"),
    ("x Triticosecale rimpaui", "Triticosecale", "rimpaui"), ("Anas platyrhynchos × Anas acuta", "Anas", ""),
    ("Anas platyrhynchos x acuta", "Anas", ""), ("Anser anser × Branta canadensis", "", ""), ("Anas acuta x A. crecca", "Anas", ""),
    # Ranks below the species
    ("Parus major ssp. newtoni Prazak, 1894", "Parus", "major"), ("Pica pica pica", "Pica", "pica"),
    ("Amanita muscaria f. alba", "Amanita", "muscaria"), ("Rosa f. alba", "Rosa", "alba"), ("Carex nigra f.", "Carex", "nigra"),
    ("Salix alba var. vitellina (L.) Stokes", "Salix", "alba"), ("Rosa f.", "Rosa", ""),
    # Doubt, and more than one
    ("Parus cf. major", "Parus", ""), ("Larus aff. fuscus", "Larus", ""), ("cf. Parus major", "Parus", ""),
    ("Parus major?", "Parus", ""), ("?Parus major", "Parus", ""), ("Parus ? major", "Parus", ""), ("Pica sp.", "Pica", ""),
    ("Larus sp. nov.", "Larus", ""), ("Larus argentatus/fuscus", "Larus", ""), ("Larus argentatus / fuscus", "Larus", ""),
    ("Taraxacum agg.", "Taraxacum", ""), ("Larus sensu lato", "Larus", ""), ("Bombus terrestris s.l.", "Bombus", "terrestris"),
    # Apostrophes, hyphens, numbers, quotes, signs
    ("Aus d'urvillei", "Aus", "d'urvillei"), ("Aus d’urvillei Foo", "Aus", "d'urvillei"), ("Polygonia c-album", "Polygonia", "c-album"),
    ("Coccinella 7-punctata L.", "Coccinella", "7-punctata"), ("“Pica pica”", "Pica", "pica"), ("'Pica' pica", "Pica", "pica"),
    ('"Mordellistena" bicinctella', "Mordellistena", "bicinctella"), ("Rosa 'Peace'", "Rosa", ""), ("Malus domestica 'Gala'", "Malus", "domestica"),
    ("<i>Pica pica</i> L.", "Pica", "pica"), ("Pica_pica", "Pica", "pica"), ("Pica\u00a0 pica.", "Pica", "pica"), ("Ia io", "Ia", "io"),
    ("Candidatus Pelagibacter ubique", "Pelagibacter", "ubique"), ("P. pica", "P.", "pica"),
    # No names
    ("BOLD:ACD2286", "", ""), ("sp.", "", ""), ("unidentified bird", "", ""), ("", "", ""), (None, "", ""), ("(Sabine, 1823)", "", ""),
])  # fmt: skip
def test_genus_and_epithet(name, genus, epithet):
    assert binomial(name) == (genus, epithet)


def test_accents_may_be_composed_or_not():
    for name in ("Ménétriesia ménétriesi", "Aus küsteri Müller"):
        composed, apart = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
        assert composed != apart and binomial(composed) == binomial(apart)
        assert binomial(apart) == tuple(composed.split()[:2])


def test_a_column_of_species_has_no_authors():
    assert binomial("Corvus Brachyrhynchos") == ("Corvus", "")
    assert binomial("Corvus Brachyrhynchos", authors=False) == ("Corvus", "brachyrhynchos")


@pytest.mark.parametrize("ranks, name, text", [
    ({"species": "PICA PICA", "family": "Corvidae"}, None, "Corvidae Pica pica"),
    ({"genus": "PICA", "species": "HUDSONIA", "family": "CORVIDAE"}, None, "Corvidae Pica hudsonia"),
    ({"genus": "Pica Brisson, 1760", "family": "Corvidae Leach, 1820"}, "Pica hudsonia", "Corvidae Pica hudsonia"),
    ({"genus": "Salix", "species": "×rubra"}, None, "Salix rubra"), ({"genus": "Pica", "species": "sp."}, None, "Pica"),
    ({"genus": "Pica", "species": "Pica"}, None, "Pica"), ({"genus": "Pica", "species": "pica"}, None, "Pica pica"),
    ({"family": "Corvidae"}, "Pica", "Corvidae Pica"), ({"family": "Corvidae"}, "CORVIDAE", "Corvidae"),
    ({"genus": "Pica"}, "P. hudsonia", "Pica hudsonia"),
    # A genus and an epithet of two different names would be a third
    ({"genus": "Cyanistes"}, "Parus caeruleus Linnaeus, 1758", "Parus caeruleus"),
    ({"class": "Aves"}, "Anser anser × Branta canadensis", "Aves"),
    ({"kingdom": "Animalia"}, "unidentified", "Animalia"), ({"kingdom": "incertae sedis", "genus": "Aus"}, None, "Aus"),
    ({"order": "Passeriformes", "species": "Bombus (Pyrobombus) impatiens"}, None, "Passeriformes Bombus impatiens"),
])  # fmt: skip
def test_texts_of_taxa(ranks, name, text):
    assert taxon_text(ranks, name) == text


def test_a_name_of_any_length_is_read_at_once():
    assert binomial("(" * 200_000 + "Pica pica") == ("", "")
    assert binomial("Pica pica " + "x" * 2_000_000) == ("Pica", "pica")


@pytest.mark.parametrize("ranks, name, text", [
    ({"kingdom": "Metazoa", "genus": "pica"}, "Pica hudsonia (Sabine, 1823)", "Animalia Pica hudsonia"),
    ({"family": "Corvidae", "species": "pica"}, None, "Corvidae pica"),
    ({"species": "Pica pica"}, "x", "Pica pica"), ({}, "Lonicera periclymenum Linnaeus", "Lonicera periclymenum"),
    ({"family": "Corvidae"}, "Corvidae", "Corvidae"), ({}, "Pica sp.", "Pica"), ({}, None, ""),
    ({"genus": "Pica", "species": "hudsonia"}, None, "Pica hudsonia"),
])  # fmt: skip
def test_names_as_bioclip_builds_them(ranks, name, text):
    assert taxon_text(ranks, name) == text


def test_binomial_cuts_authors_and_subspecies():
    assert binomial("Parus major ssp. newtoni Prazak, 1894") == ("Parus", "major")
    assert binomial("Parus cf. major") == ("Parus", "")
