"""What leaves the program is harmless: for terminals, pages, spreadsheets, Markdown, JSON and GeoJSON."""

from __future__ import annotations

import csv
import datetime
import io
import json
import sys
import unicodedata
from decimal import Decimal
from html.parser import HTMLParser

import numpy as np
import pytest

from prom3e_index.cli import render, screen
from prom3e_index.show import escapes

STEERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
HOSTILE = "<img src=x onerror=alert(1)>'\"&</td><script>alert(2)</script>"


def strict(text):
    """JSON as RFC 8259 has it: NaN and Infinity are errors."""

    def refuse(word):
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def test_no_character_of_unicode_steers_a_terminal():
    every = [chr(c) for c in range(sys.maxunicode + 1)]
    for c, out in zip(every, map(escapes.shown, every), strict=True):
        kind = unicodedata.category(c)
        bad = kind in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(c) in STEERING
        if bad:
            assert out.isascii() and out.isprintable() and out[0] == "\\" and len(out) > 3, hex(
                ord(c)
            )
        elif kind[0] in "LMNPS":
            assert out == c, hex(ord(c))
    for hidden in "\u200b\u2060\ufeff\U000e0041\u202e\u2066\u061c":
        assert hidden not in escapes.shown(f"a{hidden}b")


@pytest.mark.parametrize("text, said", [
    ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    ("\x9b2J", r"\x9b2J"),
    ("Pica\u202eacip", r"Pica\u202eacip"),
    ("a\U000e0061b", r"a\U000e0061b"),
    ("caf\udce9.jpg", r"caf\xe9.jpg"),
    ("Pica pica", "Pica pica"),
    ("Ménétriesia 喜鹊 🐦 می‌روم", "Ménétriesia 喜鹊 🐦 می‌روم"),
    ("one\ntwo\tthree\rfour", r"one\x0atwo\x09three\x0dfour"),
])  # fmt: skip
def test_what_steers_is_written_out_and_scripts_stay(text, said):
    assert escapes.shown(text) == said


def test_layout_keeps_line_ends_and_tabs_only():
    assert escapes.shown("a\tb\nc\rd\x1be\x0b", layout=True) == "a\tb\nc\\x0dd\\x1be\\x0b"


@pytest.mark.parametrize("value, expected", [
    ("=1+1", "'=1+1"), ("+44 20 7946", "'+44 20 7946"), ("@SUM(A1)", "'@SUM(A1)"), ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
    ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("\n=1", "'\n=1"), ("  =1", "'  =1"), ("\u00a0=1", "'\u00a0=1"),
    ("＝1+1", "'＝1+1"), ("＋1", "'＋1"), ("－1", "'－1"), ("＠x", "'＠x"), ("-", "'-"), ("-x", "'-x"), ("--1", "'--1"),
    ("-5", "-5"), ("+5.25", "+5.25"), ("-1.5e-3", "-1.5e-3"), ("-٥", "'-٥"), (-5, -5), (-5.5, -5.5), ("a=1", "a=1"), ("", ""), ("1", "1"),
    (None, None), (float("nan"), None), (float("-inf"), None), (True, "true"), (np.bool_(False), "false"), (Decimal("12.50"), "12.50"), (["=a", "b"], "'=a|b"), ([], ""), ([None, 1], "|1"),
    (np.float32(0.5), 0.5), (np.array([1, 2]), "1|2"), (datetime.date(2024, 5, 1), "2024-05-01"), (b"\x00\xff", "00ff"),
    ({"a": float("nan")}, '{"a": null}'),
])  # fmt: skip
def test_a_spreadsheet_runs_nothing_and_numbers_stay(value, expected):
    found = escapes.cell(value)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("text", ["a\r=1+1", "\r=1", "a\r\n=1", "a\n=1", "\r", "a,\r", 'a"\r"'])
def test_no_line_end_in_a_cell_is_the_end_of_a_csv_line(text):
    out = io.StringIO()
    escapes.csv_lines(out).writerows([escapes.cells([1, text]), ["id", 2.5]])
    written = out.getvalue()

    assert written.startswith('1,"') and written.endswith('"\nid,2.5\n')
    given = list(csv.reader(io.StringIO(written, newline="")))
    assert given == [["1", given[0][1]], ["id", "2.5"]] and given[0][1].removeprefix("'") == text


def test_json_has_no_nan_at_any_depth():
    value = {
        "a": [1.5, float("nan"), {"b": float("inf")}], "c": np.array([[np.nan, 2.0]]), "d": np.float64("-inf"),
        "e": (np.int64(3), np.bool_(True), None), "f": datetime.datetime(2024, 5, 1, 2, 3), "g": Decimal("12.50"),
        1: "\ud800 half", "h": b"\xff", "i": np.float32(0.1), "j": "→ é",
    }  # fmt: skip
    expected = {
        "a": [1.5, None, {"b": None}], "c": [[None, 2.0]], "d": None, "e": [3, True, None], "f": "2024-05-01T02:03:00",
        "g": 12.5, "1": "\\ud800 half", "h": "ff", "i": float(np.float32(0.1)), "j": "→ é",
    }  # fmt: skip
    for text in (escapes.json_text(value), escapes.json_text(value, indent=1)):
        assert strict(text) == expected and "→ é" in text and text.encode()
    ascii_only = escapes.json_text(value, ascii_only=True)
    assert strict(ascii_only) == expected and ascii_only.isascii()


@pytest.mark.parametrize("latitude, longitude, point, left", [
    (10.0, 20.0, [20.0, 10.0], {}),
    (np.float32(-90), np.int64(180), [180, -90.0], {}),
    (0, 0, [0, 0], {}),
    (None, None, None, {}),
    (float("nan"), float("nan"), None, {}),
    (float("nan"), 20.0, None, {"latitude": None, "longitude": 20.0}),
    (999.0, 20.0, None, {"latitude": 999.0, "longitude": 20.0}),
    (10.0, 180.5, None, {"latitude": 10.0, "longitude": 180.5}),
    (10.0, None, None, {"latitude": 10.0, "longitude": None}),
    ("10", "20", None, {"latitude": "10", "longitude": "20"}),
])  # fmt: skip
def test_a_feature_has_a_place_on_earth_or_none(latitude, longitude, point, left):
    made = escapes.feature(
        {"id": "a", "latitude": latitude, "longitude": longitude, "x": float("nan")}
    )
    assert made["type"] == "Feature"
    assert (made["geometry"] or {}).get("coordinates") == point
    assert made["properties"] == {"id": "a", "x": None, **left}
    strict(escapes.json_text(made))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "koi8-r", "utf-8"])
def test_streams_of_any_encoding_take_any_text(encoding):
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, errors=escapes.WORDS) as stream:
        stream.write("loc → image ‖σ‖₁ δ γ ε — 喜鹊 \udcff 🐦")
        stream.flush()
        text = raw.getvalue().decode(encoding)
    if encoding == "ascii":
        assert text == r"loc -> image ||sigma||1 delta gamma epsilon - \u559c\u9e4a \xff \U0001f426"
    if encoding == "utf-8":
        assert text == r"loc → image ‖σ‖₁ δ γ ε — 喜鹊 \xff 🐦"
    assert text.startswith("loc ") and "image" in text


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.handlers, self.words = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.handlers += [k for k, _ in attrs if k.startswith("on")]

    def handle_data(self, data):
        self.words += data


def test_html_is_text_in_elements_and_in_quoted_attributes():
    shown = escapes.html(HOSTILE + "\x1b\u202e")
    page = Elements(f"<p title='{shown}' class=\"{shown}\">{shown}</p>")
    assert page.tags == {"p"} and not page.handlers
    assert page.words == HOSTILE + r"\x1b\u202e"
    assert escapes.html(None) == "None" and escapes.html(1.5) == "1.5"


def renamed(value, names):
    """The same value with other words for some, in keys too."""
    if isinstance(value, dict):
        return {names.get(k, k): renamed(v, names) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_evaluation_pages_show_a_hostile_models_names_as_text(bundle_path, tmp_path):
    from types import SimpleNamespace

    from prom3e_index.evaluation.pages import output, retrieval_page, uncertainty_page
    from prom3e_index.evaluation.retrieval.run import RetrievalConfig, evaluate_retrieval
    from prom3e_index.evaluation.uncertainty.run import UncertaintyConfig, evaluate_uncertainty

    names = {"loc": HOSTILE + "|", "sat": HOSTILE + "s", "mini": HOSTILE + "m"}
    config = RetrievalConfig(bundle_path, tmp_path, species="true_species", rows=40, taxa=False)
    plain = evaluate_retrieval(config)
    results = renamed(plain, names)
    page = retrieval_page.page(results, [])
    told = evaluate_uncertainty(UncertaintyConfig(bundle_path, tmp_path, rows=40, pictures=None))
    told = renamed(told, names)
    model = SimpleNamespace(settings={})
    other = uncertainty_page.page(told, SimpleNamespace(bundle=None, columns={}), model, None, None)

    for text in (page, other):
        found = Elements(text)
        assert "script" not in found.tags and not found.handlers
        assert HOSTILE in found.words
    tables = [
        [line for line in output.markdown(r).splitlines() if "→" in line] for r in (plain, results)
    ]
    assert "<script>" not in "".join(tables[1])
    columns = [[line.replace("\\|", "").count("|") for line in lines] for lines in tables]
    assert columns[0] == columns[1] and len(columns[0]) > 20


def test_what_is_meant_for_programs_steers_no_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    text = "id,name\n1,\x1b]0;title\x07\u202e\n"
    for stream, said in (
        (Terminal(), "id,name\n1,\\x1b]0;title\\x07\\u202e\n"),
        (io.StringIO(), text),
    ):
        monkeypatch.setattr(sys, "stdout", stream)
        screen.put_data(text)
        assert stream.getvalue() == said


def test_an_index_without_a_certificate_says_so(capsys):
    render.write_certificate({"generation": 1})
    assert "certificate: none" in capsys.readouterr().out
