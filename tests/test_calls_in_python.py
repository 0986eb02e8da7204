"""What makes and changes indexes from Python: names and options of the command line, and what came of every row."""

from __future__ import annotations

import inspect
import pydoc
import re

import pytest
from changes import ids_of, places
from conftest import ROOT

import prom3e_index
from prom3e_index import Bundle
from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer import build
from prom3e_index.search.meaning import MEANINGLESS

CALLS = ("add", "build", "export", "look", "remove", "restore", "update")
ONLY_TYPED = {"as_json", "file", "help", "store"}
"""Options that a function needs not: what is given back can be shown in any way, a store is opened or follows by calls of its own."""


@pytest.mark.parametrize("name", CALLS)
def test_a_call_has_the_options_and_defaults_of_its_command(name):
    from typer.main import get_command

    from prom3e_index.cli.app import app

    typed = {p.name: p for p in get_command(app).commands[name].params if p.name not in ONLY_TYPED}
    own = {
        n: p
        for n, p in inspect.signature(getattr(prom3e_index, name)).parameters.items()
        if n != "progress"
    }

    assert set(own) == set(typed)
    for option, parameter in own.items():
        default = typed[option].default
        if parameter.default is not parameter.empty and default not in (None, [], ()):
            assert str(parameter.default) == str(default), option


@pytest.mark.parametrize("name", CALLS)
def test_help_tells_every_option(name):
    text = pydoc.render_doc(getattr(prom3e_index, name), renderer=pydoc.plaintext)
    for option in inspect.signature(getattr(prom3e_index, name)).parameters:
        assert re.search(rf"^ +{option}: \S", text, re.M), option
    assert "**options" not in text and "Raises:" in text


def test_a_build_says_what_became_of_every_row(tmp_path):
    table = tmp_path / "t.csv"
    places(table, ["a", "b", "c"])
    table.write_text(
        table.read_text().replace("lat,", "Breite,")
        + "d,,,,\na,1,2,Pica pica,2024-05-01\ne,95,2,Pica pica,5 May 2024\n"
    )
    seen = prom3e_index.look(table, map={"Breite": "latitude"}, duplicates="first")
    stages = []
    built = prom3e_index.build(
        table, tmp_path / "i.p3i", model="mini", map={"Breite": "latitude"}, duplicates="first", kind="exact",
        memory="1GB", workers=1, progress=lambda stage, done, total: stages.append(stage),
    )  # fmt: skip

    assert (built.rows_in, built.indexed, built.refused, built.lost) == (6, 4, 2, 1)
    assert (seen.rows, seen.kept, seen.refused, seen.losses) == (
        6,
        4,
        2,
        1,
    ) and built.understood == seen
    assert (
        repr(built).splitlines()[0]
        == f"build {tmp_path / 'i.p3i'}: 6 rows in = 4 indexed + 2 refused; 1 files or values lost"
    )
    assert (
        built.notes[0] == MEANINGLESS
        and MEANINGLESS in repr(built)
        and "why: .reasons()" in repr(built)
    )
    assert "6 rows = 4 to be indexed + 2 refused" in repr(
        seen
    ) and "place: 3 rows, 1 lost, from Breite, lon" in repr(seen)
    told = built.reasons()
    assert [(what, n) for what, _, n in told] == [
        ("loc", 1),
        ("rejected", 1),
        ("rejected", 1),
    ] and "95" in told[0][1]
    assert stages and ids_of(Bundle.open(built.index)) == {"a", "b", "c", "e"}


def test_options_that_are_none_are_refused_with_what_was_meant(tmp_path):
    for call, words in (
        (
            lambda: prom3e_index.build("t.csv", duplicate="first"),
            "build has no option 'duplicate'; nearest: duplicates",
        ),
        (lambda: prom3e_index.add("t.csv", format="csv"), "add has no option 'format'"),
        (lambda: prom3e_index.look("t.csv", map="a=b"), "map is 'a=b'; it must be {column: field}"),
        (lambda: prom3e_index.build("t.csv", memory=8), "memory needs a number and a unit, as 8GB"),
        (lambda: prom3e_index.build("t.csv", device="gpu"), "device is 'gpu'; known: cpu, cuda"),
        (lambda: prom3e_index.build("t.csv", table_format="cvs"), "cvs"),
        (lambda: prom3e_index.build(tmp_path / "none.csv"), "none.csv"),
    ):
        with pytest.raises(InputError, match=re.escape(words)) as told:
            call()
        assert "--" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("fast")
def test_rows_are_added_replaced_removed_and_brought_back(index, tmp_path):
    more = places(tmp_path / "m.csv", ["a0", "b0", "b1"], shift=0.5)
    added = prom3e_index.add(more, index)
    assert (added.rows_in, added.indexed, added.known, added.refused, added.changed) == (
        3,
        2,
        1,
        0,
        True,
    )
    assert "3 rows in = 2 indexed + 1 there already + 0 refused" in repr(added)
    again = prom3e_index.add(more, index)
    assert (again.indexed, again.known, again.changed) == (0, 3, False) and "as it was" in repr(
        again
    )

    replaced = prom3e_index.update(places(tmp_path / "u.csv", ["a0", "z"], shift=1.0), index)
    assert (replaced.rows_in, replaced.indexed, replaced.refused, replaced.removed) == (2, 1, 1, 1)
    assert "2 rows in = 1 replaced + 1 refused" in repr(replaced)

    before = ids_of(Bundle.open(index))
    assert before == {f"a{i}" for i in range(24)} | {"b0", "b1"}
    dry = prom3e_index.remove(index, ids=["b0", "b1", "nobody"], dry_run=True)
    assert (dry.removed, dry.unknown, dry.changed) == (2, ("nobody",), False)
    assert (
        "2 rows would be removed" in repr(dry)
        and "'nobody'" in repr(dry)
        and ids_of(Bundle.open(index)) == before
    )
    gone = prom3e_index.remove(index, ids=["b0", "b1", "nobody"])
    generation = gone.manifest["generation"]
    assert gone.removed == 2 and ids_of(Bundle.open(index)) == before - {"b0", "b1"}
    assert f"undo: restore(at={generation - 1})" in repr(gone)

    back = prom3e_index.restore(index, at=generation - 1)
    assert (back.restored, back.removed) == (2, 0) and ids_of(Bundle.open(index)) == before
    with pytest.raises(BundleError, match="99"):
        prom3e_index.restore(index, at=99)


@pytest.mark.usefixtures("fast")
def test_more_than_a_tenth_is_removed_only_on_purpose(index, tmp_path):
    held = ids_of(Bundle.open(index))
    (tmp_path / "ids.txt").write_text("a1\na2\n\na2\n")
    with pytest.raises(
        InputError, match="24 of 24 rows would be removed.*dry_run=True; say yes=True"
    ):
        prom3e_index.remove(index, where="true")
    with pytest.raises(InputError, match="either where, a predicate, or ids"):
        prom3e_index.remove(index)
    with pytest.raises(InputError, match="a list of ids"):
        prom3e_index.remove(index, ids="a1")
    assert ids_of(Bundle.open(index)) == held
    assert prom3e_index.remove(index, ids=tmp_path / "ids.txt").removed == 2
    assert prom3e_index.remove(index, where="id <> 'a0'", yes=True).removed == 21
    assert ids_of(Bundle.open(index)) == {"a0"}


def test_an_index_is_exported_by_its_folder_or_when_it_is_open(base, tmp_path):
    with Bundle.open(base) as opened:
        assert opened.export(tmp_path / "a.csv") == 24
        assert opened.export(tmp_path / "v.parquet", what="embeddings") == 24
    assert prom3e_index.export(tmp_path / "b.csv", base) == 24
    assert prom3e_index.export(tmp_path / "c.dat", base, format="csv") == 24
    assert len({(tmp_path / n).read_bytes() for n in ("a.csv", "b.csv", "c.dat")}) == 1
    for more, words in (
        ({"what": "all"}, "what is 'all'"),
        ({"what": "embeddings"}, "does not say in which format"),
        ({"what": "embeddings", "format": "csv"}, "Unknown format 'csv'"),
        ({"format": "parquet"}, "parquet is not what .*d.csv says"),
    ):
        with pytest.raises(InputError, match=words):
            prom3e_index.export(tmp_path / "d.csv", base, **more)
        assert not (tmp_path / "d.csv").exists()
    for name, begins in (("e.pq", b"PAR1"), ("e.json", b'{"type": "FeatureCollection"')):
        assert prom3e_index.export(tmp_path / name, base) == 24
        assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.usefixtures("fast")
def test_the_page_on_python_runs(tmp_path, monkeypatch, capsys):
    """All code of docs/python.md, in order, in one folder."""
    pytest.importorskip("pandas")
    text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.S))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "certified", lambda _, m, *more: m | {"certificate": {"unmet": []}})
    exec(compile(code, "docs/python.md", "exec"), {})
    said = capsys.readouterr()

    assert "30 rows in = 30 indexed + 0 refused" in said.out and not said.err
    assert "build has no option 'duplicate'" in said.out
    assert (tmp_path / "planet.geojson").is_file()
