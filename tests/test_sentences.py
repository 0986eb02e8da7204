"""Sentences by code and values: which one it is, what stands in it, that the program still says it, that the page can."""

from __future__ import annotations

import ast
import json
import re

import numpy as np
import pytest
from conftest import ROOT
from pages import PAGE

from prom3e_index.server.sentences import FORMS, code_of, coded

WORDS = {name: json.loads((PAGE / f"strings/{name}.json").read_text("utf-8")) for name in ("en", "de", "es")}  # fmt: skip
PUT_TOGETHER = {
    "dates.order", "latitude", "latitude.turned", "longitude", "map.folder", "media.image", "moved", "moved.less", "moved.more", "row.lacks",
    "unsure.kin",
}  # fmt: skip
"""Sentences that the program makes of several, so that no literal of it has the whole: each is asked for below."""
SLOT = re.compile(r"\{(\w+)(?::\w)?\}")


def tokens(parts):
    """Letters, and None for what stands in between."""
    return [t for literal, text in parts for t in (text if literal else [None])]


def meet(a, b):
    """Whether some text has the form of both, where None stands for any text."""
    after = [True] + [False] * len(b)
    row = [True] + [False] * len(b)
    for j, y in enumerate(b):
        row[j + 1] = row[j] and y is None
    for x in a:
        after, row = row, [row[0] and x is None] + [False] * len(b)
        for j, y in enumerate(b):
            any_text = x is None or y is None
            row[j + 1] = (after[j] and (x == y or any_text)) or (
                any_text and (row[j] or after[j + 1])
            )
    return row[-1]


def test_the_program_says_every_form():
    """Were the words of a sentence changed, it would lose its code and the page would fall back to English unseen."""
    said = []
    folders = ("prom3e_index", "indexer", "training", "cli")
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py")):
        if path.name == "sentences.py" or "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                said.append(
                    [(isinstance(v, ast.Constant), getattr(v, "value", "")) for v in node.values]
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append([(True, node.value)])
    said = [(set(re.findall(r"\w+", "".join(t for k, t in parts if k))), parts) for parts in said]
    unsaid = set()
    for code, form in FORMS.items():
        pieces = SLOT.split(form)
        own = [(i % 2 == 0, p) for i, p in enumerate(pieces)]
        words = set(re.findall(r"\w+", "".join(pieces[::2])))
        near = (p for w, p in said if len(w & words) >= 0.6 * len(words))
        if not any(meet(tokens(own), tokens(p)) for p in near):
            unsaid.add(code)

    assert unsaid == PUT_TOGETHER


def test_the_page_has_every_sentence_with_no_other_values():
    for code, form in FORMS.items():
        values = {s for s in SLOT.findall(form) if s != "_"}
        for language, words in WORDS.items():
            used = set(re.findall(r"\{(\w+)", words[f"said.{code}"]))
            assert used <= values, (code, language)
    said = {k.removeprefix("said.") for k in WORDS["en"] if k.startswith("said.")}
    assert said == FORMS.keys()


@pytest.mark.parametrize(
    ("text", "code", "values"),
    [
        ("19 of 200 hits: no more are eligible", "fewer", {"n": 19, "k": 200}),
        ("1,234 of 12,345 observations have no date and are left out", "out.date", {"n": 1234, "all": 12345}),
        ("'O\\'Neill' is in this index (1 observation); asked as 'A b'", "name.here", {"typed": "O'Neill", "n": 1, "asked": "A b"}),
        ("\"O'Neill\" is in this index (2 observations); asked as 'A b'", "name.here", {"typed": "O'Neill", "n": 2, "asked": "A b"}),
        ("'Magpie' is the common name of Pica pica in this index (3 observations), and of Cissa (2 observations) and 1 more, which are asked for by their "
         "scientific names; asked as 'Pica pica'", "name.several",
         {"typed": "Magpie", "name": "Pica pica", "n": 3, "others": "Cissa and 1 more", "asked": "Pica pica"}),
        ("image from one: 7 observations could be asked with; 100 are needed", "unsure.few", {"n": 7, "least": 100}),
        ("dawn.mp4: a video of 12.5 s: of its pictures the one at 3.0 s is seen", "video", {"file": "dawn.mp4", "seconds": 12.5, "at": 3.0}),
        ("Cells of 0.05deg are 0.05 degrees wide; the finest that may be are 0.1 degree: rule 1 of the policy 'own'. Give --grid 0.1deg, or larger.",
         "map.fine", {"finest": "0.1 degree", "why": "rule 1 of the policy 'own'"}),
        ("asked with image, loc of a-1, a-2, as the index holds them; they are left out of the hits", "like", {"modalities": ["image", "loc"], "ids": "a-1, a-2"}),
    ],
)  # fmt: skip
def test_a_sentence_is_known_and_taken_apart(text, code, values):
    assert code_of(text) == (code, values)


@pytest.mark.parametrize("text", ["", "no words of any form", "19 of 200 hits: no more are eligible.", "x of 200 hits: no more are eligible", ", of 200 hits: no more are eligible", "9" * 5000])  # fmt: skip
def test_what_is_no_such_sentence_has_no_code(text):
    assert code_of(text) is None


def test_each_is_told_once_in_the_order_of_the_answer():
    some = ["a", None, "19 of 200 hits: no more are eligible", "no observation has a place", "19 of 200 hits: no more are eligible"]  # fmt: skip
    assert [s["code"] for s in coded(some)] == ["fewer", "none.placeless"]


def test_an_answer_tells_the_codes_of_its_notes(served, bundle):
    (name, common), = bundle.sql("SELECT scientific_name, common_name FROM observations WHERE common_name IS NOT NULL LIMIT 1")  # fmt: skip
    (count,), = bundle.sql(f"SELECT count(*) FROM observations WHERE scientific_name = '{name}'")  # fmt: skip
    (lineage,), = bundle.sql(f"SELECT text FROM observations WHERE scientific_name = '{name}' LIMIT 1")  # fmt: skip
    answer = served.ask({"text": common}, target="image").json()
    assert {s["code"]: s["values"] for s in answer["said"]} == {
        "name.common": {"typed": common, "name": name, "n": count, "asked": lineage}, "fewer": {"n": bundle.rows, "k": 200},
    }  # fmt: skip
    assert [s["text"] for s in answer["said"]] == answer["notes"]


def has_of(bundle, row):
    return [
        m for m, h in zip(bundle.modalities, bundle.observed(np.array([row]))[0], strict=True) if h
    ]


def test_a_row_of_the_index_and_marks_are_told_by_codes(served, bundle):
    ((id,),) = bundle.sql("SELECT id FROM observations WHERE row = 1")
    has = has_of(bundle, 1)
    answer = served.ask({"like": {"row": 1}, "more": [3, 4], "less": [5]}, target="image").json()
    assert {s["code"]: s["values"] for s in answer["said"]} == {
        "like": {"modalities": has, "ids": id}, "moved": {"more": 2, "less": 1}, "fewer": {"n": bundle.rows - 1, "k": 200}, "unsure.moved": {},
    }  # fmt: skip


def test_marks_of_one_kind_alone_are_told(served):
    def moved(**marks):
        answer = served.ask({"like": {"row": 1}, **marks}, target="image").json()
        return [(s["code"], s["values"]) for s in answer["said"] if s["code"].startswith("moved")]

    assert moved(more=[3]) == [("moved.more", {"n": 1})]
    assert moved(less=[3, 4, 5]) == [("moved.less", {"n": 3})]


@pytest.mark.parametrize(
    ("typed", "code", "told"),
    [("Ormavus", "name.rank", {"rank": "genus", "name": "Ormavus"}), ("Ormavus foo", "name.genus.near", {}), ("Nothing else", "name.none", {})],
)  # fmt: skip
def test_a_name_that_is_typed_is_told_by_a_code(served, typed, code, told):
    found = {s["code"]: s["values"] for s in served.ask({"text": typed}).json()["said"]}
    assert found[code].items() >= {"typed": typed, **told}.items()


def test_sentences_that_are_put_together_have_codes(served):
    from prom3e_index.store.head import folder_needed

    broken = served.client.put("/api/v1/uploads", content=b"\xff\xd8\xff" + b"0" * 200, headers={"content-type": "image/jpeg"})  # fmt: skip
    assert broken.json()["code"] == "media.image"
    store = str(folder_needed("A map of where it may live", "milvus://here:1/birds", {}))
    assert code_of(store) == ("map.folder", {})
    source = (ROOT / "indexer/confidence.py").read_text("utf-8")
    assert FORMS["unsure.kin"].endswith(" and another observation of its species") and '" and another observation of its species"' in source  # fmt: skip


def test_nothing_found_tells_why_by_codes(served, bundle):
    (south, north, west, east, first, last), = bundle.sql(
        "SELECT min(latitude), max(latitude), min(longitude), max(longitude), min(event_start), max(event_end) FROM observations"
    )  # fmt: skip
    ((late,),) = bundle.sql("SELECT count(*) FROM observations WHERE event_end >= '2025-01-01'")
    answer = served.ask({"location": [50, 50]}, target="image", filter={"near": [50, 50, 10], "since": "2025"}).json()  # fmt: skip
    told = {s["code"]: s["values"] for s in answer["said"]}
    assert told["none.where"] == {"south": f"{south:.5g}", "north": f"{north:.5g}", "west": f"{west:.5g}", "east": f"{east:.5g}"}  # fmt: skip
    assert told["none.dates"] == {"first": str(first), "last": str(last)}
    assert told["none.each"] == {"parts": f"--near 0, --from {late}"} and told["none"] == {}
    assert told["unsure.eligible"] == {"n": 0, "least": 10}


def test_a_refusal_tells_its_code(served, bundle):
    def refused(query, **more):
        told = served.ask(query, **more).json()
        return told["code"], told["values"]

    name = served.service.bundle.name
    assert refused({"like": {"row": 999}}) == ("row.outside", {"row": "999", "name": name, "last": str(bundle.rows - 1)})  # fmt: skip
    assert refused({"env": [1, 2]}) == ("climate", {"n": 20})
    assert refused({"text": "a"}, filter={"since": "2024-13-01"}) == ("date", {"date": "2024-13-01"})  # fmt: skip
    assert refused({"text": "a"}, filter={"since": "2025", "until": "2024"}) == ("dates.order", {"since": "2025-01-01", "until": "2024-12-31"})  # fmt: skip
    assert refused({"text": "a"}, filter={"taxon": "Nix"})[0] == "taxon"
    assert refused({"like": {"row": 0, "by": ["sat"]}}) == ("row.lacks", {"row": "0", "by": ["sat"], "modalities": has_of(bundle, 0)})  # fmt: skip
    near = {"near": [95, 50, 10]}, {"near": [95, 150, 10]}, {"near": [50, 190, 10]}
    assert [refused({"text": "a"}, filter=f) for f in near] == [
        ("latitude.turned", {"value": "95"}), ("latitude", {"value": "95"}), ("longitude", {"value": "190"}),
    ]  # fmt: skip
    assert "code" not in served.ask({"text": "a"}, target="smell").json()


def test_a_sentence_that_nobody_will_read_elsewhere_is_told_whole():
    """What a refused map says of a log that could not be written has no code: the page says it all, in English."""
    why = "No map of it is made: its places are withheld by rule 1. A map of other taxa may be."
    logged = f"{why} This stands in the index's policy.jsonl."
    assert code_of(why)[0] == code_of(logged)[0] == "map.withheld"
    lost = f"{why} It could not be written to the index's policy.jsonl (read-only); tell who keeps the index."
    assert code_of(lost) is None
