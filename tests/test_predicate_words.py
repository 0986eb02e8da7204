"""What is wrong with a predicate is said by its column and value, with what to write instead."""

from __future__ import annotations

import pytest
from changes import quiet  # noqa: F401 - the package of fixtures is loaded

from prom3e_index import Bundle, Filter
from prom3e_index.errors import InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """Counts of which one is an X, as eBird writes where birds were not counted."""
    folder = tmp_path_factory.mktemp("counts")
    rows = [
        "id,lat,lon,date,OBSERVATION COUNT,weight",
        "a,1,2,2023-05-01,5,1.5",
        "b,2,3,2023-05-02,X,2.5",
        "c,3,4,2023-05-03,3,heavy",
        "d,4,5,2023-05-04,12,",
    ]
    (folder / "t.csv").write_text("\n".join(rows) + "\n")
    build(BuildConfig(table=str(folder / "t.csv"), out=folder / "i.p3i", model="mini"))
    return Bundle.open(folder / "i.p3i")


@pytest.mark.parametrize("where, said", [
    ('"OBSERVATION COUNT" > 3', 'TRY_CAST("OBSERVATION COUNT" AS INT) > 3'),
    ("weight>=1.5", 'TRY_CAST("weight" AS DOUBLE) >= 1.5'),
    ("familly = 'x'", "there is no column 'familly'"),
    ("id = a", "in single quotes, as 'a'"),
    ("latitude > 'north'", "'north' is no number"),
    ('CAST("OBSERVATION COUNT" AS INT) > 3', "'X' is no number"),
    ("event_start > '2023-13-01'", "'2023-13-01' is no date"),
    ("event_start > 'May'", "'May' is no date"),
])  # fmt: skip
def test_it_is_said_what_to_write(counted, where, said):
    with pytest.raises(InputError) as refused:
        counted.eligible(Filter(where=where))
    text = str(refused.value)
    assert said in text
    assert not any(
        w in text for w in ("Binder", "Conversion Error", "VARCHAR", "FROM clause", "LITERAL")
    )


def test_what_is_told_to_be_written_does_it(counted):
    for where, wanted in (
        ('TRY_CAST("OBSERVATION COUNT" AS INT) > 3', [0, 3]),
        ('TRY_CAST("weight" AS DOUBLE) >= 1.5', [0, 1]),
    ):
        assert counted.eligible(Filter(where=where)).tolist() == wanted
