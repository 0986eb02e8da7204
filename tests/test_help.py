"""Help pages: whole sentences, examples, words for what goes in, defaults, the terminal's width."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.main import get_command

from prom3e_index.cli import help as pages
from prom3e_index.cli import words
from prom3e_index.cli.app import app
from prom3e_index.cli.examples import EXAMPLES, SECTIONS

ROOT = get_command(app)
CONTEXT = ROOT.make_context("prom3e-index", [], resilient_parsing=True)


def commands(group=ROOT, context=CONTEXT, path=()):
    for name, command in group.commands.items():
        inner = type(context)(command, parent=context, info_name=name)
        if hasattr(command, "commands"):
            yield from commands(command, inner, (*path, name))
        else:
            yield " ".join((*path, name)), command, inner


EVERY = list(commands())
NAMES = [name for name, _, _ in EVERY]


@pytest.fixture
def page(monkeypatch, capsys):
    """A help page as it is shown, at a width."""
    from prom3e_index.cli import app as program

    def show(*words, columns="80"):
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setattr("sys.argv", ["prom3e-index", *words, "--help"])
        with pytest.raises(SystemExit) as stop:
            program.main()
        assert not stop.value.code
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize(("name", "command", "ctx"), EVERY, ids=NAMES)
def test_a_command_has_a_whole_sentence_and_two_examples(name, command, ctx):
    assert re.fullmatch(r"[A-Z].*\.", pages.sentence(command))
    assert len(EXAMPLES[name]) >= 2
    for why, line in EXAMPLES[name]:
        words = line.removeprefix("HF_HUB_OFFLINE=1 ")
        assert words.startswith(f"prom3e-index {name}"), line
        assert why and not why.endswith(".")


def test_examples_and_sections_are_of_commands_that_exist():
    listed = [name for names in SECTIONS.values() for name in names]

    assert set(EXAMPLES) == set(NAMES)
    assert len(listed) == len(set(listed))
    assert not [n for n, c in ROOT.commands.items() if n not in listed and not c.hidden]


@pytest.mark.parametrize(("name", "command", "ctx"), EVERY, ids=NAMES)
def test_no_page_shows_types_of_python(name, command, ctx):
    text = command.get_help(ctx)

    assert not re.search(r"<(str|int|float|path|dir|file|bool|list)|\{\w+\}|int range", text)
    assert "…\n" not in text.partition("Options:")[0]


def test_the_list_of_commands_cuts_no_sentence(page):
    shown = " ".join(page().split())

    for name, command in ROOT.commands.items():
        if not command.hidden:
            assert f"{name} {pages.sentence(command)}" in shown


def test_a_page_is_as_wide_as_the_terminal_up_to_120(page):
    def widest(columns):
        lines = page("query", columns=columns).splitlines()
        return max(len(line) for line in lines if not line.startswith("  prom3e-index "))

    assert widest("80") <= 80
    assert 100 < widest("120") <= 120
    assert widest("300") <= 120


@pytest.fixture
def tool():
    """A small program with every kind of parameter."""
    made = typer.Typer()

    @made.command()
    def measure(
        table: Annotated[str, typer.Argument(metavar="TABLE", help="Observations.")],
        more: Annotated[list[Path], typer.Argument(help="Others.")] = [],  # noqa: B006
        rows: Annotated[int, typer.Option("-n", "--rows", min=1, help="At most.")] = 5,
        share: Annotated[
            float | None, typer.Option(min=0, max=1, show_default="all", help="Part.")
        ] = None,
        media: Annotated[Path | None, typer.Option(file_okay=False)] = None,
        where: Annotated[str, typer.Option(envvar="WHERE")] = "here",
        map: Annotated[list[str], typer.Option(metavar="COLUMN=FIELD", help="A name.")] = [],  # noqa: B006
        size: Annotated[float | None, typer.Option(help="Width.")] = None,
        turn: Annotated[bool, typer.Option("--turn", help="Upright.")] = False,
        taxa: Annotated[bool, typer.Option(help="Ranks too.")] = True,
        old: Annotated[str | None, typer.Option(hidden=True)] = None,
    ) -> None:
        """Measure."""

    @made.command()
    def other() -> None:
        """Say something else, in a sentence that is much longer than what a list of commands shows of it in a line."""

    return get_command(pages.dress(made))


def test_what_goes_in_is_named_and_defaults_are_told(tool):
    command = tool.commands["measure"]
    ctx = type(CONTEXT)(command, info_name="measure")
    rows = dict(pages.options(command, ctx))

    assert command.collect_usage_pieces(ctx) == ["[OPTIONS]", "TABLE", "[FILE] ..."]
    assert pages.arguments(command, ctx) == [
        ("TABLE", "Observations.  [required]"),
        ("FILE", "Others."),
    ]
    assert rows.pop("-h, --help", rows.pop("--help", None))
    assert rows == {
        "-n, --rows N": "At most.  [default: 5; 1 or more]",
        "--share NUMBER": "Part.  [default: all; 0 to 1]",
        "--media FOLDER": "  [default: the table's own]",
        "--where PREDICATE": "  [env: WHERE; default: here]",
        "--size NUMBER": "Width.",
        "--map COLUMN=FIELD": "A name.  [may be repeated]",
        "--turn": "Upright.",
        "--taxa / --no-taxa": "Ranks too.  [default: --taxa]",
    }


def test_every_command_refuses_an_option_given_twice(monkeypatch, capsys):
    from prom3e_index.cli import app as program

    monkeypatch.setattr("sys.argv", ["prom3e-index", "verify", "--sample", "3", "--sample", "4"])
    with pytest.raises(SystemExit) as stop:
        program.main()

    assert stop.value.code == 2
    assert "--sample is given 2 times" in capsys.readouterr().err


def names_of(path, command):
    return {
        (path, name)
        for p in command.params
        for name in ([p.name] if p.param_type_name == "argument" else p.opts)
    }


def test_every_word_and_default_is_of_an_option_that_exists():
    known = {pair for name, command, _ in EVERY for pair in names_of(name, command)}
    options = {option for _, option in known}

    for table in (words.VALUES, words.DEFAULTS):
        for entry in table:
            path, _, option = entry.rpartition(" ")
            assert option in options, entry
            if path:
                assert any(o == option and n.startswith(path) for n, o in known), entry


def test_a_text_has_a_word_of_its_own():
    plain = {
        row
        for _, command, ctx in EVERY
        for row, _ in (*pages.options(command, ctx), *pages.arguments(command, ctx))
        if row.endswith(" TEXT") or row == "TEXT"
    }

    assert plain == {"--summary TEXT"}


def told_of(path, option):
    _, command, ctx = next(e for e in EVERY if e[0] == path)
    return next(
        said for row, said in pages.options(command, ctx) if option in row.replace(",", "").split()
    )


def test_the_values_that_help_lists_are_those_that_are_known():
    from prom3e_index.bundle.faiss.kinds import KINDS
    from prom3e_index.cli.render import FORMATS
    from prom3e_index.schema import MAPPABLE, NAMES, SPACES

    for path, option, values in (
        ("query", "--space", SPACES),
        ("query", "--target", NAMES),
        ("query", "--as", NAMES),
        ("query", "--format", FORMATS),
        ("build", "--kind", KINDS),
        ("build", "--map", MAPPABLE),
    ):
        said = set(re.findall(r"[\w-]+", told_of(path, option)))
        assert set(values) <= said, (path, option)
