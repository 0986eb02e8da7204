"""Options are called alike on every command, and their older and other names say the same."""

from __future__ import annotations

import pytest

QUERY = [
    ("--photo", "--image", "a.jpg"), ("--sound", "--audio", "a.wav"), ("--tile", "--sat", "a.png"),
    ("--place", "--location", "1,2"), ("--name", "--text", "Pica pica"), ("--climate-values", "--env", "e.npy"),
    ("--embedding-of", "--as", "image"), ("--since", "--from", "2024"), ("--until", "--to", "2025"),
    ("--hits", "-k", "3"), ("-m", "--model", "mini"), ("-f", "--format", "csv"), ("-o", "--output", "x.csv"),
]  # fmt: skip
"""Other name, name and a value of options of `query`."""
SHORT = {"-o": "--output", "-f": "--format", "-m": "--model", "-i": "--index"}


@pytest.fixture(scope="module")
def commands():
    """Every command by its words."""
    from typer.main import get_command

    from prom3e_index.cli.app import app

    found = {}
    for name, command in get_command(app).commands.items():
        inner = getattr(command, "commands", {})
        found |= {f"{name} {n}": c for n, c in inner.items()} or {name: command}
    return found


def given(command, *words):
    """What a command gets of its options; those that are not given are left out."""
    context = command.make_context("x", list(words), resilient_parsing=True)
    parsed, _, _ = command.make_parser(context).parse_args(args=list(words))
    return {k: v for k, v in parsed.items() if v is not None}


def names(command):
    return {n for p in command.params for n in p.opts if n.startswith("-")}


@pytest.mark.parametrize("other, name, value", QUERY)
def test_other_names_of_query_say_the_same(commands, other, name, value):
    query = commands["query"]
    assert given(query, other, value) == given(query, name, value)
    (option,) = [p for p in query.params if other in p.opts]
    assert {option.name: [value] if option.multiple else value} == given(query, other, value)


def test_older_names_still_work_where_they_were(commands):
    were = {
        "--out": ["train mvae", "train align", "train patch", "evaluate retrieval", "evaluate probe", "evaluate uncertainty"],
        "--format": ["look", "build", "add", "update", "encode", "evaluate retrieval", "evaluate probe",
                     "evaluate uncertainty", "train align", "train patch"],
        "--label": ["train align"],
        "--queries": ["certify"],
    }  # fmt: skip
    now = {
        "--out": "--output", "--format": "--table-format", "--label": "--species", "--queries": "--sample",
    }  # fmt: skip
    for old, where in were.items():
        for name in where:
            got = given(commands[name], old, "v")
            assert got == given(commands[name], now[old], "v") and list(got.values()) == ["v"], name
            shown = commands[name].make_context("x", [], resilient_parsing=True).get_help()
            assert old + " " not in shown.replace(",", " ") and old not in names(commands[name])


def test_an_older_name_that_is_another_option_stays_that(commands):
    assert given(commands["query"], "--format", "csv") == {"format": "csv"}
    assert given(commands["query"], "--queries", "t.csv") == {"queries": "t.csv"}
    assert given(commands["export"], "x.csv", "--format", "csv")["format"] == "csv"


def test_one_thing_has_one_name(commands):
    for name, command in commands.items():
        for parameter in command.params:
            for short, long in SHORT.items():
                assert (short in parameter.opts) == (long in parameter.opts), (name, short)
        assert not {"--out", "--label"} & names(command), name


def test_an_option_given_by_both_its_names_is_refused(commands):
    from prom3e_index.errors import InputError

    with pytest.raises(InputError, match="output is given 2 times"):
        commands["evaluate retrieval"].make_context("x", ["d", "--out", "a", "--output", "b"])
    with pytest.raises(InputError, match="table_format is given 2 times"):
        commands["look"].make_context("x", ["t.csv", "--format", "csv", "--table-format", "tsv"])
    with pytest.raises(InputError, match="model is given 2 times"):
        commands["build"].make_context("x", ["t.csv", "-m", "mini", "--model", "taxabind"])
    photos = ["--image", "a.jpg", "--photo", "b.jpg"]
    assert given(commands["query"], *photos) == {"image": ["a.jpg", "b.jpg"]}
