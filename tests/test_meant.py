"""A command, an option or a word that is none is answered by what may have been meant."""

from __future__ import annotations

import sys

import pytest

MEANT = [
    ("search --image a.jpg", "did you mean query?"), ("delete x", "did you mean remove?"), ("stats", "did you mean info?"),
    ("download taxabind", "did you mean models pull?"), ("undo", "did you mean restore?"), ("qurey --image a.jpg", "query"),
    ("query Buteo", 'did you mean --text "Buteo"?'), ("query Buteo jamaicensis", '--text "Buteo jamaicensis"?'),
    ("query heron.JPG", "did you mean --image heron.JPG?"), ("query call.wav", "did you mean --audio call.wav?"), ("query many.csv", "--queries many.csv?"),
    ("query --location 48.2 16.3", "write --location 48.2,16.3, without spaces"), ("query --place 48.2, 16.3", "write --place 48.2,16.3"),
    ("query --location 48.2 -16.3", "one word"), ("query --text Buteo jamaicensis", 'in quotes: --text "Buteo jamaicensis"'),
    ("query --image a.jpg b.jpg c.jpg", "write --image a.jpg --image b.jpg --image c.jpg"),
    ("query --lat 48.2", "did you mean --location LAT,LON?"), ("query --species x", "did you mean --taxon?"), ("query --limit 5", "did you mean -k?"),
    ("query --json", "did you mean --format json?"), ("query --radius 5", "--near LAT,LON,50km?"), ("query -n 5", "did you mean -k?"),
    ("query --song a.wav", "did you mean --audio?"), ("build t.csv --columns a=id", "did you mean --map?"), ("build t.csv --db x", "did you mean --index?"),
    ("build t.csv -o i.p3i", "did you mean --index, the folder"), ("build t.csv --output i.p3i", "did you mean --index, the folder"),
    ("verify --store milvus://127.0.0.1:9/a", "A store is for push, query"), ("compact --store milvus://127.0.0.1:9/a", "needs an index folder"),
    ("build t.csv --resume", "goes on by itself"), ("build t.csv --force", "did you mean --overwrite?"),
    ("encode t.csv --save e.npz", "did you mean --output?"), ("query --nonsense 1", "No such option: --nonsense"), ("build a.csv b.csv", "b.csv"),
]  # fmt: skip


@pytest.mark.parametrize("line, said", MEANT)
def test_what_was_meant_is_said_in_one_line(line, said, monkeypatch, capsys):
    from prom3e_index.cli import app

    monkeypatch.setattr(sys, "argv", ["prom3e-index", *line.split(" ")])
    with pytest.raises(SystemExit) as stop:
        app.main()
    out = capsys.readouterr()
    assert stop.value.code == 2 and not out.out
    assert said in out.err and out.err.count("\n") == 1 and out.err.startswith("Error: ")
    assert ".." not in out.err and "?." not in out.err


def test_every_word_is_offered_for_one_command_only():
    from prom3e_index.cli.meant import COMMANDS

    words = [w for others in COMMANDS.values() for w in others.split()]
    assert len(words) == len(set(words))
    assert not set(words) & set(COMMANDS)


def test_what_is_offered_is_there():
    from typer.main import get_command

    from prom3e_index.cli.app import app
    from prom3e_index.cli.meant import COMMANDS, OF_STORES, OPTIONS

    top = get_command(app).commands
    for name in COMMANDS:
        first, *rest = name.split()
        assert first in top and all(r in top[first].commands for r in rest), name
    known = {
        n
        for c in top.values()
        for inner in (*getattr(c, "commands", {}).values(), c)
        for p in inner.params
        for n in p.opts
    }
    assert {o.split()[0] for o in OPTIONS} <= known
    assert set(OF_STORES) == {
        n for n, c in top.items() if any("--store" in p.opts for p in c.params)
    }
