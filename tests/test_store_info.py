"""`info --store` says of a store what `info` says of its folder, and what is the store's own."""

from __future__ import annotations

import json
import re

import pytest
from stores import of_test

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.plan import silent

pytestmark = pytest.mark.cluster


@pytest.fixture
def index(copied_index):
    return copied_index


def test_a_store_says_what_its_folder_says(lite, request, index, capsys):
    from test_store_shards import run

    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push
    from prom3e_index.search.run import Bundle

    def page(*words) -> dict[str, str]:
        assert run("info", *words) == 0
        first, *lines = capsys.readouterr().out.splitlines()
        said = {line[2:11].strip(): line[12:] for line in lines if line.startswith("  ")}
        columns = {
            line[2:15].strip(): line[16:]
            for line in lines
            if "latitude," in line or "event_start" in line
        }
        return {"": first} | said | columns

    address = of_test(lite, request)
    remove(index, Filter(where="row = 59"), None, silent)
    push(index, address, silent, targets=["image", "loc"])
    told, folder = page("--store", address), page("--index", index)

    assert told[""].startswith(
        f"{address}: 59 rows, the store's own generation 1, of the index's 2, model mini"
    )
    assert told["targets"] == "image, loc, found by flat"
    for name in ("has", "species", "licences", "numbers", "days, times"):
        assert told[name] == folder[name] and told[name], name
    years, _, more = told["years"].partition(", ")
    assert (
        years == folder["years"].partition(":")[0]
        and more == "where removed rows may have been too"
    )
    assert told["places"].partition(", where")[0] == folder["places"].partition(";")[0]

    assert run("info", "--store", address, "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    with Bundle.open(index) as bundle:
        licences = bundle.sql("SELECT license, count(*) FROM observations GROUP BY 1")
        assert sorted(map(tuple, whole["store"]["contents"]["licences"])) == sorted(licences)
        assert (whole["generation"], whole["store"]["generation"]) == (2, 1)
        assert list(whole["store"]["columns"]) == [*bundle.columns, *(c for c in whole["store"]["columns"] if c not in bundle.columns)]  # fmt: skip

    assert run("certify", "--store", address, "--sample", "8") == 0
    assert (
        "the store's own generation 2" in re.search("certificate: .*", capsys.readouterr().out)[0]
    )
    assert run("info", "--store", address) == 0
    assert (
        "the store's own generation 2, 20"
        in re.search("certificate: .*", capsys.readouterr().out)[0]
    )
    assert run("info", "--store", address, "--search") == 0
    searched = capsys.readouterr().out
    assert "found by flat" in searched and "certificate: " in searched
    assert not re.search("^  (species|places) |^columns for", searched, re.MULTILINE)
    assert run("info", "--store", address, "--lost") == 2
    assert run("info", "--store", address, "--index", index) == 2
