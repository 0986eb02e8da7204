"""What a change says undoes it is a command that undoes it, in the index and in the store that it was brought into."""

from __future__ import annotations

import pytest
from stores import of_test

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.plan import silent

pytestmark = pytest.mark.cluster


@pytest.fixture
def index(copied_index):
    return copied_index


def test_the_line_that_undoes_a_change_undoes_it_in_the_store_too(
    lite, request, index, tmp_path, capsys
):
    from test_store_shards import run

    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push
    from prom3e_index.indexer.restore import restore
    from prom3e_index.search.run import Bundle
    from prom3e_index.store.opened import StoreBundle

    def numbers():
        with StoreBundle.open(address) as store, Bundle.open(index) as folder:
            assert store.numbers(None).tolist() == folder.live.tolist()
            ids = folder.sql("SELECT row, id, latitude FROM observations ORDER BY row")
            held = store.values(folder.live, ["row", "id", "latitude"])
            assert [tuple(r.values()) for r in held.values()] == ids
            return [r for r, *_ in ids]

    def undo(*words):
        """Run a command, and give the one that it says undoes it."""
        assert run(*words) == 0
        said = " ".join(capsys.readouterr().out.split())
        words = said.partition("undo: prom3e-index ")[2].partition(", until compact")[0].split()
        assert words[-2:] == ["--store", address]
        told.append(said.rpartition(", until compact ")[2])
        return words

    address = of_test(lite, request)
    told = []
    remove(index, Filter(where="row = 59"), None, silent)
    restore(index, 1, silent)
    push(index, address, silent, targets=["loc"])
    whole = numbers()
    assert len(whole) == 60
    named = ["--index", str(index), "--store", address]
    back = undo("remove", "--where", "row BETWEEN 3 AND 5", *named)
    assert numbers() == [*range(3), *range(6, 60)]
    again = undo(*back)
    assert numbers() == whole
    undo(*again)
    assert numbers() == [*range(3), *range(6, 60)]
    with Bundle.open(index) as folder:
        ((key,),) = folder.sql("SELECT id FROM observations WHERE row = 9")
    (tmp_path / "moved.csv").write_text(f"id,latitude,longitude\n{key},1.5,2.5\n")
    assert told == [
        f"{address}: the store's own generation {n}, of the index's {n + 2}, {rows} rows"
        for n, rows in ((2, 57), (3, 60), (4, 57))
    ]
    back = undo("update", tmp_path / "moved.csv", *named)
    assert numbers() == [*range(3), *range(6, 9), *range(10, 61)]
    undo(*back)
    assert numbers() == [*range(3), *range(6, 60)]
