"""What the screen says of an answer: short words first, formulas with `--explain`, loading apart from searching."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from prom3e_index import Query
from prom3e_index.cli.render import table

GREEK = "δγεσ‖"


@pytest.fixture
def ask(bundle_path, monkeypatch, capsys):
    from prom3e_index.cli import app

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["prom3e-index", *map(str, words)])
        monkeypatch.setenv("PROM3E_INDEX", str(bundle_path))
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err

    return call


@pytest.fixture(scope="module")
def answer(bundle):
    return bundle.search(Query(location=(10, 20), target="image", k=3))


def timed(answer, **milliseconds):
    return replace(answer, search={**answer.search, "milliseconds": milliseconds})


def test_no_greek_stands_on_the_screen_unless_it_is_explained(ask):
    here = ("query", "--place", "10,20", "-t", "image", "-k", "2")
    code, plain, err = ask(*here)
    assert code == 0 and not set(plain + err) & set(GREEK) and "space" not in plain
    code, explained, _ = ask(*here, "--explain")
    assert set(GREEK) <= set(explained) and "space hybrid" in explained and "exact" in explained
    assert [line for line in plain.splitlines() if line.startswith(("1 ", "2 "))] == [
        line for line in explained.splitlines() if line.startswith(("1 ", "2 "))
    ]
    code, out, err = ask(*here, "-f", "jsonl")
    assert not set(out + err) & set(GREEK)
    code, out, err = ask(*here, "-f", "json", "--explain")
    found = json.loads(out)
    assert {"delta", "gamma", "epsilon"} <= set(found["query"]["weights"]) and "δ" in err
    assert f"{found['query']['sigma_l1']:g}" in err and "open" in found["search"]["milliseconds"]
    code, _, err = ask("query", "--queries", "t.csv", "--explain")
    assert code == 2 and "one query" in err


def test_the_weights_that_are_explained_are_the_answers(answer):
    w = answer.query["weights"]
    text = table(answer, explain=True)
    assert (
        f"δ {w['delta']:g}" in text
        and f"γ {w['gamma']:g}" in text
        and f"ε {w['epsilon']:g}" in text
    )
    assert f"‖σ‖₁ {answer.query['sigma_l1']:g}" in text and answer.search["path"] in text


def test_loading_is_told_apart_from_searching(answer):
    slow = timed(answer, open=3000.0, load=1600.0, filter=1.0, encode=300.0, search=99.0)
    assert "searched in 400 ms, after 4.6 s of loading" in table(slow)
    assert "searched in 1.5 s, after 900 ms of loading" in table(
        timed(answer, load=900.0, encode=1500.0)
    )
    again = table(timed(answer, load=0.1, encode=4.0, search=1.0))
    assert "searched in 5 ms" in again and "loading" not in again
    assert "open 3000, load 1600, filter 1, encode 300, search 99" in table(slow, explain=True)
