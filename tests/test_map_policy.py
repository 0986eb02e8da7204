"""A map does not place what a policy hides: cells no finer than its level, asked for by name or not, and no shifted grids."""

from __future__ import annotations

import numpy as np
import pytest
from policies import RULE, birds, built

from prom3e_index.errors import InputError
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

COARSE = RULE.replace("0.1deg", "1deg")
NEAR = "13.0,52.0,14.0,53.0"
FALCON, TIT = "Falco rusticolus", "Parus major"


def mapped(bundle, cells, taxon=None, region=NEAR, samples=1, **query):
    config = MapConfig(region=region, cells=cells, mask="none", samples=samples, keep=False)
    return make_map(bundle, Query(**query), config, taxon)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    with Bundle.open(built(tmp_path_factory.mktemp("coarse"), birds(), COARSE)) as opened:
        yield opened


def test_a_hidden_taxon_is_mapped_no_finer_than_its_level(bundle):
    for cells in ("0.5deg", "0.1deg", "10km"):
        with pytest.raises(
            InputError, match=r"finest that may be are 1 degree: rule 1 \(Falco rusticolus\)"
        ):
            mapped(bundle, cells, text=FALCON)
    assert len(mapped(bundle, "1deg", text=FALCON).scores) == 1
    with pytest.raises(InputError, match="no lattice"):
        mapped(bundle, "2x1", text=FALCON, region="13.5,50.5,15.5,54.5")


def test_what_is_not_named_may_be_a_hidden_taxon(bundle):
    with pytest.raises(InputError, match=r"1 degree: rule 1 \(Falco rusticolus\).*grid 1deg"):
        mapped(bundle, "0.5deg", location=(52.3, 13.4))


def test_an_open_taxon_that_is_named_may_be_mapped_finely(bundle):
    assert len(mapped(bundle, "0.05deg", text=TIT).scores) == 400
    assert len(mapped(bundle, "0.05deg", taxon=TIT).question.rows) == 3


def test_a_taxon_whose_places_are_all_hidden_has_no_map_of_its_own(bundle):
    with pytest.raises(
        InputError,
        match="3 observations of 'Falco rusticolus' have no place, or one that is hidden",
    ):
        mapped(bundle, "1deg", taxon=FALCON)


def test_hidden_places_are_in_no_band(bundle):
    made = mapped(bundle, "10deg", text=FALCON, region="world")
    tits = mapped(bundle, "10deg", text=TIT, region="world")

    assert made.band("records").cells().sum() == 0
    assert made.facts["records_left_out_as_their_place_is_hidden_or_unknown"] == 3
    assert tits.band("records").cells().sum() == 3


def test_two_maps_of_a_hidden_taxon_share_their_cells(tmp_path_factory):
    index = built(tmp_path_factory.mktemp("fine"), birds(), RULE)
    with Bundle.open(index) as bundle:
        with pytest.raises(InputError, match="0.1 degree"):
            mapped(bundle, "0.01deg", text=FALCON)
        one = mapped(bundle, "0.1deg", text=FALCON)
        other = mapped(bundle, "0.1deg", text=FALCON, region="13.05,52.05,14.05,53.05")
    lat, lon = other.grid.centres()
    same = one.grid.cell_of(lat, lon)
    both = same >= 0

    assert both.sum() == 100
    assert np.array_equal(one.scores[same[both]], other.scores[both])


def test_a_withheld_taxon_has_no_map(tmp_path_factory):
    text = RULE.replace("0.1deg", "withhold")
    with Bundle.open(built(tmp_path_factory.mktemp("none"), birds(), text)) as bundle:
        for cells in ("1deg", "5deg"):
            with pytest.raises(InputError, match="withheld by rule 1"):
                mapped(bundle, cells, text=FALCON)


def test_without_a_policy_no_map_is_finer_than_a_tenth_of_a_degree(tmp_path_factory):
    with Bundle.open(built(tmp_path_factory.mktemp("open"), birds(), None)) as bundle:
        with pytest.raises(InputError, match="0.1 degree: the index has no policy"):
            mapped(bundle, "0.05deg", text=TIT)
        assert len(mapped(bundle, "0.1deg", text=TIT).scores) == 100
