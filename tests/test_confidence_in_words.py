"""How likely an answer is right, in words, files, tables and pages; what is not known says why."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from plain_calibration import calibration, store_in
from test_escapes import Elements

from prom3e_index import Query, to_pandas
from prom3e_index.cli.render import table
from prom3e_index.models.folder import Model
from prom3e_index.search import in_words
from prom3e_index.search.meaning import MEANINGLESS
from prom3e_index.search.run import Bundle
from prom3e_index.show.calibration_section import calibration_section
from prom3e_index.show.report import write_report

HERE = ("--place", "10,20", "-t", "image", "-k", "3")
BUNDLES = Path(__file__).parent / "bundles"


def said(**more):
    sure = {"p_right": 0.82, "interval": [0.76, 0.86], "rows": 260, "right": 212, "rule": "species",
            "source": "index", "ece": 0.02, "hit": 1, "reason": None}  # fmt: skip
    return {"confidence": {**sure, **more}, "species_set": {"level": 0.9, "names": None, "reason": None},
            "expected_error": {}, "add_next": None}  # fmt: skip


@pytest.mark.parametrize("more, text", [
    ({}, "right species with 82 % (76-86 %; 212 of 260 answers like it were right here)"),
    ({"rule": "row"}, "the very observation, if it is in the index, with 82 % (76-86 %; 212 of 260 answers like it were right here)"),
    ({"source": "model"}, "right species with 82 % (76-86 %; 212 of 260 answers like it were right among the rows that "
     "the model was validated on, none of them from here)"),
    ({"hit": 3}, "hit 3, the first that has a species: right species with 82 % (76-86 %; 212 of 260 answers like it "
     "were right here)"),
    ({"hit": None}, "a row that is not among these hits, the first that has a species: right species with 82 % (76-86 "
     "%; 212 of 260 answers like it were right here)"),
    ({"p_right": 0.9999, "interval": [0.98, 1.0]}, "right species with over 99 % (98-100 %; 212 of 260 answers like it "
     "were right here)"),
    ({"p_right": 0.001, "interval": [0.0, 0.02]}, "right species with under 1 % (0-2 %; 212 of 260 answers like it were "
     "right here)"),
    ({"p_right": 0.9949}, "right species with 99 % (76-86 %; 212 of 260 answers like it were right here)"),
    ({"p_right": 0.995}, "right species with over 99 % (76-86 %; 212 of 260 answers like it were right here)"),
    ({"p_right": 0.005}, "right species with under 1 % (76-86 %; 212 of 260 answers like it were right here)"),
    ({"p_right": 0.0051}, "right species with 1 % (76-86 %; 212 of 260 answers like it were right here)"),
    ({"p_right": None, "reason": "9 rows are eligible; 10 are needed"},
     "how likely the first hit is right is not known: 9 rows are eligible; 10 are needed"),
    ({"p_right": None, "reason": "not asked for"}, ""),
])  # fmt: skip
def test_chances_in_words(more, text):
    assert in_words.confidence(said(**more)) == text


@pytest.mark.parametrize("n, text", [
    (0, ""), (1, "90 %: s0"), (8, "90 %: s0, s1, s2, s3, s4, s5, s6, s7"),
    (20, "90 %: s0, s1, s2, s3, s4, s5, s6, s7 and 12 more"),
])  # fmt: skip
def test_no_more_species_are_named_than_can_be_read(n, text):
    names = [f"s{i}" for i in range(n)]
    assert in_words.species_set({"species_set": {"level": 0.9, "names": names}}) == text


def test_what_to_add_in_words():
    a = {
        "modality": "audio",
        "failure_change": -0.171,
        "interval": [-0.3, -0.1],
        "rows": 1312,
        "no_help": ["loc"],
    }
    text = "adding a sound would put 17 more of 100 answers right (n 1,312)"
    assert in_words.advice({"add_next": a}) == f"{text}; a place none"
    assert in_words.advice({"add_next": {**a, "no_help": ["sat", "loc", "dna"]}}) == (
        f"{text}; a satellite tile, a place or a dna none"
    )
    assert in_words.advice({"add_next": {**a, "no_help": []}}) == text
    assert in_words.advice({"add_next": None}) == in_words.advice({}) == ""


@pytest.fixture(scope="module")
def index(bundle_path, tmp_path_factory):
    """The world's index with a calibration made by hand."""
    copy = tmp_path_factory.mktemp("words") / "i.p3i"
    shutil.copytree(bundle_path, copy)
    store_in(copy, calibration(Bundle.open(copy).modalities))
    return copy


@pytest.fixture(scope="module")
def answer(index):
    return Bundle.open(index).search(Query(location=(10, 20), target="image", k=3))


@pytest.fixture
def ask(index, monkeypatch, capsys):
    from prom3e_index.cli import app

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["prom3e-index", *map(str, words)])
        monkeypatch.setenv("PROM3E_INDEX", str(index))
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        assert not stop.value.code, out.err
        return out.out, out.err

    return call


def test_the_screen_says_it_below_the_hits(ask, answer):
    lines = in_words.sentences(answer.query)
    assert len(lines) == 3 and "right species with" in lines[0] and lines[1].startswith("90 %: ")
    assert lines[2].startswith("adding a name would put 17 more of 100")
    out, err = ask("query", *HERE)
    plain = " ".join(out.split())  # the screen wraps long lines
    places = [plain.index(line) for line in lines]
    assert places == sorted(places)
    assert out.index(lines[0]) > out.index(answer[2].fields["id"]) and "ECE" not in out
    explained, _ = ask("query", *HERE, "--explain")
    assert (
        "expected error (1 − cosine) of" in explained
        and "3.1 points on the mean (ECE)" in explained
    )
    off, _ = ask("query", *HERE, "--no-confidence")
    assert not any(line in " ".join(off.split()) for line in lines) and "not asked for" not in off
    hits = [line for line in out.splitlines() if line.startswith(("1 ", "2 ", "3 "))]
    assert [line for line in off.splitlines() if line.startswith(("1 ", "2 ", "3 "))] == hits
    assert all(line in repr(answer).replace("\n  ", " ") for line in lines)


def test_json_has_the_promised_keys_and_files_a_column(ask, answer, tmp_path):
    found = json.loads(ask("query", *HERE, "-f", "json")[0])["query"]
    assert found["confidence"] == answer.query["confidence"]
    assert set(found["confidence"]) == {"p_right", "interval", "rows", "right", "rule", "source", "ece", "hit",
                                        "reason"}  # fmt: skip
    assert set(found["species_set"]) == {"level", "names", "reason"}
    assert set(found["expected_error"]) == {"image"}
    assert set(found["expected_error"]["image"]) == {"value", "interval"}
    assert set(found["add_next"]) == {"modality", "failure_change", "interval", "rows", "no_help"}
    p = [h.p_right for h in answer]
    assert sum(v is not None for v in p) == 1
    out, err = ask("query", *HERE, "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [float(r["p_right"]) if r["p_right"] else None for r in rows] == p
    assert in_words.confidence(answer.query) in err
    features = json.loads(ask("query", *HERE, "-f", "geojson")[0])["features"]
    assert [f["properties"]["p_right"] for f in features] == p
    import pyarrow.parquet as pq

    for name, more in (("a.parquet", ()), ("b.parquet", ("--no-confidence",))):
        ask("query", *HERE, *more, "-o", tmp_path / name)
        column = pq.read_table(tmp_path / name).column("p_right")
        assert str(column.type) == "double" and column.to_pylist() == ([None] * 3 if more else p)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_many_questions_have_it_on_every_line(ask, answer, tmp_path, ending):
    (tmp_path / "q.csv").write_text("id,latitude,longitude,target\nq1,10,20,image\n")
    ask("query", "--queries", tmp_path / "q.csv", "-k", "3", "-o", tmp_path / f"o.{ending}")
    if ending == "csv":
        rows = list(csv.DictReader((tmp_path / "o.csv").open(newline="")))
        assert [float(r["p_right"] or 2) for r in rows] == [h.p_right or 2 for h in answer]
        assert rows[0]["species_set"].split("|") == answer.query["species_set"]["names"]
    else:
        import pyarrow.parquet as pq

        lines = (tmp_path / "o.jsonl").read_text().splitlines() if ending == "jsonl" else ()
        rows = [json.loads(t) for t in lines] or pq.read_table(tmp_path / "o.parquet").to_pylist()
        assert [r["p_right"] for r in rows] == [h.p_right for h in answer]
        assert rows[0]["species_set"] == answer.query["species_set"]["names"]
    assert {r["confidence"] for r in rows} == {in_words.confidence(answer.query)}


def test_a_table_of_pandas_has_it_on_the_hit_it_speaks_of(answer):
    pytest.importorskip("pandas")
    frame = to_pandas([answer])
    assert [None if v != v else v for v in frame["p_right"]] == [h.p_right for h in answer]
    assert str(frame["p_right"].dtype) == "float64"


def test_pages_show_chances_and_how_far_to_believe_them(index, answer, tmp_path):
    bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    hostile = {**answer.query, "species_set": {"level": 0.9, "names": [bad], "reason": None},
               "add_next": {**answer.query["add_next"], "modality": bad, "no_help": [bad]}}  # fmt: skip
    write_report(tmp_path / "r.html", Bundle.open(index), [answer, replace(answer, query=hostile)])
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Elements(text)
    assert "script" not in page.tags and not page.handlers and page.words.count(bad) >= 3
    for line in in_words.sentences(answer.query):
        assert line in page.words
    assert (
        "R-AUROC 0.880 [0.800, 0.900]" in page.words
        and "told 0.80, came true 0.82 of 90" in page.words
    )
    shown = table(
        replace(
            answer, query={**hostile, "species_set": {"level": 0.9, "names": ["\x1b]0;PWNED\x07"]}}
        )
    )
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "key", ["reliability", "intervals", "targets", "r_auroc", "ece", "answers"]
)
@pytest.mark.parametrize("value", [None, 7, "<b>", [1], [{"p": 9}], {"a": "<b>"}, [[1, 2]]])
def test_figures_that_are_none_are_left_out(index, key, value):
    """A calibration of anybody's index: its figures are shown as numbers or not at all."""
    bundle = Bundle.open(index)
    own = bundle.calibration
    bundle.calibration = replace(own, quality={**own.quality, key: value})
    section = calibration_section(bundle)
    assert "<b>" not in section and "how likely" in in_words.worth(bundle.calibration)


def test_info_says_what_it_is_worth(ask, bundle_path):
    out, _ = ask("info")
    (line,) = [t for t in out.splitlines() if t.strip().startswith("sure")]
    assert (
        "R-AUROC 0.880 [0.800, 0.900]; AURC 0.100; calibration error (ECE) 0.031; 200 answers to 40"
        in line
    )
    found = json.loads(ask("info", "--json")[0])["calibration"]
    assert found["source"] == "index" and found["rule"] == "species" and found["r_auroc"] == 0.88


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_indexes_of_earlier_versions_open_and_say_so(version, ask):
    path = BUNDLES / version
    out, _ = ask("info", "--index", path)
    assert "earlier version; prom3e-index rebuild calibrates it" in out


def test_an_index_without_a_calibration_answers_and_says_so(bundle_path, tmp_path, monkeypatch):
    copied = tmp_path / "i.p3i"
    shutil.copytree(bundle_path, copied)
    manifest = json.loads((copied / "manifest.json").read_text())
    del manifest["confidence"]  # as versions before it wrote
    (copied / "manifest.json").write_text(json.dumps(manifest))
    query = Query(location=(1, 2), target="image", k=2)
    with Bundle.open(copied) as found:
        told = found.search(query)
    assert told.query["confidence"]["source"] == "model"
    assert "that the model was validated on, none of them from here" in in_words.confidence(
        told.query
    )
    monkeypatch.setattr(Model, "confidence", None)
    with Bundle.open(copied) as found:
        told = found.search(query)
    assert told.query["confidence"]["p_right"] is None
    assert "earlier version" in in_words.confidence(told.query)


def test_a_warning_of_meaningless_answers_stays_above(answer):
    warned = replace(answer, search={**answer.search, "notes": [MEANINGLESS]})
    text = table(warned)
    assert text.startswith("warning: answers mean nothing") and "right species with" in text
