"""Errors speak of keywords in Python and of options on the command line; what somebody wrote stays as it is."""

from __future__ import annotations

import ast
import re

import pytest
from conftest import ROOT

from prom3e_index.errors import SWITCHES, InputError, NotCachedError, in_python


@pytest.mark.parametrize(
    "typed, python",
    [
        ("pass --restart to discard it", "pass restart=True to discard it"),
        ("give it: --climate FILE.", "give it: climate=FILE."),
        ("say --date-order dmy or mdy", "say date_order='dmy' or 'mdy'"),
        ("--duplicates first or --duplicates last", "duplicates='first' or duplicates='last'"),
        ("8 rows fit: --batch-size 8.", "8 rows fit: batch_size=8."),
        ("go together: --embedding and --as.", "go together: embedding and embedding_of."),
        ("(--map COLUMN=id), or", "(map={'COLUMN': 'id'}), or"),
        ("say --map 'Breite=latitude' --map 'Höhe=elevation'", "say map={'Breite': 'latitude', 'Höhe': 'elevation'}"),
        ("--no-file-facts leaves them", "file_facts=False leaves them"),
        ("--where 'a --restart b' is no", "where 'a --restart b' is no"),
        ("/data/a--restart.csv is there; --overwrite", "/data/a--restart.csv is there; overwrite=True"),
        ("run prom3e-index relocate --media FOLDER, or --media FOLDER", "run prom3e-index relocate --media FOLDER, or media=FOLDER"),
        ("`hf download X --local-dir Y`; pass `--hub DIR`", "`hf download X --local-dir Y`; pass `hub=DIR`"),
        ("the user's words and the table's: --strict", "the user's words and the table's: strict=True"),
        ("nothing to say", "nothing to say"),
    ],
)  # fmt: skip
def test_options_become_keywords(typed, python):
    assert in_python(typed) == python
    for kind in (InputError, NotCachedError):
        error = kind(typed)
        assert (str(error), error.typed) == (python, typed)


def switches() -> set[str]:
    """Options of the command line that are on or off."""
    from typer.main import get_command

    from prom3e_index.cli.app import app

    def commands(group):
        for command in group.commands.values():
            yield from commands(command) if hasattr(command, "commands") else [command]

    return {
        name.removeprefix("--")
        for command in commands(get_command(app))
        for option in command.params
        if getattr(option, "is_flag", False)
        for name in (*option.opts, *option.secondary_opts)
    }


def test_no_message_of_the_library_keeps_an_option():
    """What every module raises, as an error says it: options are left in whole commands alone, switches have a value."""
    on_or_off, seen = switches(), 0
    for path in sorted({p.resolve() for p in (ROOT / "prom3e_index").rglob("*.py")}):
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                continue
            held = (n.value for n in ast.walk(node.exc) if isinstance(n, ast.Constant))
            text = " ".join(v for v in held if isinstance(v, str))
            seen += "--" in text
            said = re.sub(r"`[^`]*`|prom3e-index [^,;.()]*", "", in_python(text))
            assert not re.search(r"(?<![\w-])--[a-z]", said), (path.name, text)
            named = re.findall(r"(?<![\w-])--([a-z][a-z-]*)", re.sub(r"`[^`]*`", "", text))
            assert on_or_off & set(named) <= SWITCHES, (path.name, text)
    assert seen > 20


def test_the_command_line_says_options(tmp_path, bundle_path, monkeypatch, capsys):
    from prom3e_index.cli import app

    table = tmp_path / "t.csv"
    table.write_text("id,lat,lon\na,1,2\n")
    monkeypatch.setattr(
        "sys.argv", ["prom3e-index", "build", str(table), "-i", str(bundle_path), "-m", "mini"]
    )
    with pytest.raises(SystemExit) as ended:
        app.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "pass --overwrite to replace it, or another --index" in said


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:", "CPU", "mps", ""])
def test_a_device_that_is_none_is_said_before_anything_is_loaded(bundle, device):
    from prom3e_index import Query

    with pytest.raises(InputError, match="known: cpu, cuda, and cuda:1 for the second"):
        bundle.search(Query(location=(1, 2), device=device))
