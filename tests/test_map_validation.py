"""A map judged by records: folds by blocks, distance alone beside it, nothing judged by what it has seen."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from prom3e_index.errors import InputError
from prom3e_index.maps.assess import block_of, distance_scores
from prom3e_index.maps.occurrences import occurrences_of
from prom3e_index.maps.run import MapConfig, make_map
from prom3e_index.maps.validate import OWN, validated
from prom3e_index.search.query import Query


@pytest.fixture(scope="module")
def named(bundle_path):
    from prom3e_index.search.run import Bundle

    with Bundle.open(bundle_path) as bundle:
        taxon = bundle.sql(
            'SELECT "class" FROM observations WHERE "class" IS NOT NULL GROUP BY 1 ORDER BY count(*), 1'
        )[0][0]
        config = MapConfig(cells="5deg", mask="none", samples=1, keep=False)
        yield bundle, str(taxon), make_map(bundle, Query(text=str(taxon)), config)


def test_folds_and_distance_alone_are_as_worked_out_plainly(named):
    bundle, taxon, mapped = named
    found = validated(bundle, mapped, OWN, taxon)
    records = occurrences_of(bundle)
    told = np.isfinite(records.latitude) & ~records.hidden
    lat, lon = records.latitude[told], records.longitude[told]
    truth = records.of_taxon(taxon)[told]
    fold_of = {(f["south"], f["west"]): f["fold"] for f in found["folds"]}
    fold = np.array(
        [fold_of[np.floor(a / 5) * 5, np.floor(b / 5) * 5] for a, b in zip(lat, lon, strict=True)]
    )
    scores = mapped.scores[mapped.grid.cell_of(lat, lon)]
    own, null = [], []
    for i in range(5):
        test = fold == i
        if truth[test].any() and not truth[test].all():
            own.append(roc_auc_score(truth[test], scores[test]))
            seen = truth & ~test
            null.append(
                roc_auc_score(
                    truth[test], distance_scores(lat[seen], lon[seen], lat[test], lon[test])
                )
            )

    assert found["presences"] == truth.sum() and found["background_records"] == (~truth).sum()
    assert sum(f["records"] for f in found["folds"]) == len(lat)
    assert len(set(block_of(lat, lon))) == len(found["folds"])
    assert found["auc_by_blocks"]["map"] == pytest.approx(np.mean(own))
    assert found["auc_by_blocks"]["distance_alone"] == pytest.approx(np.mean(null))
    assert "flatters" in found["auc_by_random_folds"]["warning"]
    assert found["average_precision_by_chance"] == pytest.approx(truth.mean())


def test_records_that_the_index_holds_are_refused(named, world):
    bundle, taxon, mapped = named
    with pytest.raises(
        InputError, match=r"record [\d,]+ of the table is observation [\d,]+ of the index"
    ):
        validated(bundle, mapped, world / "observations.csv", taxon)


def test_what_cannot_be_judged_is_said(named):
    bundle, _, mapped = named
    with pytest.raises(InputError, match="no record of 'Parus major'"):
        validated(bundle, mapped, OWN, "Parus major")
