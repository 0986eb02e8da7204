"""`mini` answers anything and knows only the invented planet: it is not taken for other tables, and says so where it is."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from changes import places, quiet
from processes import program
from pyarrow import parquet

from prom3e_index import Bundle, Query
from prom3e_index.cli import render
from prom3e_index.errors import InputError
from prom3e_index.indexer import answering
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.npz import encode_to_npz, infer_npz
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import BUILT_IN, Model
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.show import export
from prom3e_index.show.report import write_report
from prom3e_index.world import planet
from prom3e_index.world.names import of_planet

BIRDS = ["Pica pica", "Parus major", "Turdus merula", "Strix aluco"]


def table(path, names) -> str:
    lines = [f"n{i},{i % 80 + 1},{i % 90},{name}" for i, name in enumerate(names)]
    path.write_text("\n".join(["id,lat,lon,scientificName", *lines]) + "\n")
    return str(path)


def own(count: int) -> list[str]:
    return [planet.species()[i % 64].taxon[-1] for i in range(count)]


def test_names_are_the_planets_when_most_are():
    every = [s.taxon for s in planet.species()]
    assert of_planet((t[rank], 1) for t in every for rank in range(7)) is True
    assert of_planet((" ".join(t[:5]), 1) for t in every) is True
    assert of_planet((name, 1) for name in BIRDS) is False
    assert of_planet([]) is None and of_planet([(None, 9), ("", 5), (" ", 1)]) is None
    assert of_planet([(own(1)[0], 3), ("Pica pica", 2)]) is True
    assert of_planet([(own(1)[0], 2), ("Pica pica", 2)]) is False


def test_without_a_model_a_table_of_the_planet_gets_mini(world, tmp_path):
    manifest = build(BuildConfig(table=str(world / "observations.csv"), out=tmp_path / "i.p3i"))
    assert manifest["model"]["name"] == "mini" and manifest["planet"] is True
    bundle = Bundle.open(tmp_path / "i.p3i")
    assert not means_nothing(bundle)
    assert MEANINGLESS not in bundle.search(Query(location=(1, 2), k=1)).notes
    assert "warning" not in export.hit_columns(bundle)


@pytest.mark.parametrize("names", [BIRDS, ["", ""], own(3) + BIRDS, []])
def test_without_a_model_other_tables_leave_nothing_behind(tmp_path, names):
    path = table(tmp_path / "t.csv", names)
    for run in (build, lambda c: encode_to_npz(c, quiet, None)):
        with pytest.raises(InputError, match=r"pull taxabind.*train one.*model='mini'"):
            run(BuildConfig(table=path, out=tmp_path / "o"))
        assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_without_a_model_other_tables_get_the_published_one_where_it_is(tmp_path, monkeypatch):
    """The published folder's parts are all there: here a copy of `mini` stands for it."""
    shutil.copytree(BUILT_IN / "mini", tmp_path / "published")
    toml = (
        (tmp_path / "published/model.toml").read_text().replace("planet = true", "planet = false")
    )
    (tmp_path / "published/model.toml").write_text(toml)
    monkeypatch.setattr(answering, "PUBLISHED", str(tmp_path / "published"))
    manifest = build(BuildConfig(table=table(tmp_path / "t.csv", BIRDS), out=tmp_path / "i.p3i"))
    assert manifest["model"]["name"] == str(tmp_path / "published") and "planet" not in manifest
    assert not Bundle.open(tmp_path / "i.p3i").search(Query(location=(1, 2), k=4)).notes[1:]


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("birds")
    config = BuildConfig(table=table(folder / "t.csv", BIRDS), out=folder / "i.p3i", model="mini")
    assert build(config)["planet"] is False
    return folder / "i.p3i"


def test_every_answer_of_mini_about_others_says_that_it_means_nothing(birds, tmp_path, capsys):
    bundle = Bundle.open(birds)
    answer = bundle.search(Query(text="Pica pica", target="loc", k=3))
    assert answer.notes[0] == MEANINGLESS
    columns = export.hit_columns(bundle)
    for kind in render.FORMATS:
        render.write_answer(answer, kind, tmp_path / kind, columns)
    assert (tmp_path / "table").read_text().startswith("warning: answers mean nothing")
    assert json.loads((tmp_path / "json").read_text())["search"]["notes"][0] == MEANINGLESS
    lines = [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()]
    features = json.loads((tmp_path / "geojson").read_text())["features"]
    with (tmp_path / "csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    stored = parquet.read_table(tmp_path / "parquet").to_pylist()
    for found in (lines, [f["properties"] for f in features], rows, stored):
        assert [r["warning"] for r in found] == [MEANINGLESS] * 3
    assert (
        capsys.readouterr().err.count(MEANINGLESS) == len(render.FORMATS) - 2
    )  # but table and json, which hold it
    write_report(tmp_path / "r.html", bundle, [answer], [], None)
    assert (tmp_path / "r.html").read_text().count("answers mean nothing") == 2


def test_info_and_build_say_so(birds, tmp_path, monkeypatch, capsys):
    from prom3e_index.cli import app

    for words in (("info", "-i", birds), ("build", birds.parent / "t.csv", "-m", "mini", "-i", tmp_path / "n")):  # fmt: skip
        monkeypatch.setattr("sys.argv", ["prom3e-index", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        said = capsys.readouterr()
        assert stop.value.code == 0 and f"warning: {MEANINGLESS}" in said.out + said.err


def test_rows_that_are_added_decide_too(bundle_path, birds, tmp_path):
    index = tmp_path / "i.p3i"
    shutil.copytree(bundle_path, index)
    for names, good in (([""], True), (own(2), True), (BIRDS, False), (own(3), False)):
        path = tmp_path / f"{good}{len(names)}.csv"
        path.write_text(table(path, names) and path.read_text().replace("\nn", f"\n{path.stem}"))
        done = add(index, BuildConfig(table=str(path), out=index), quiet)
        assert done.added == len(names) and done.manifest["planet"] is good
        assert means_nothing(Bundle.open(index)) is not good


def test_an_index_that_does_not_say_it_is_told_by_its_names(bundle_path, birds, tmp_path):
    for source, nothing in ((bundle_path, False), (birds, True)):
        index = tmp_path / source.parent.name
        shutil.copytree(source, index)
        manifest = json.loads((index / "manifest.json").read_text())
        del manifest["planet"]
        (index / "manifest.json").write_text(json.dumps(manifest))
        assert means_nothing(Bundle.open(index)) is nothing


def test_embeddings_are_told_by_their_names_too(tmp_path):
    model = Model.open("mini")
    x = np.zeros((4, len(model.modalities), model.width), np.float32)
    x[:, :, 0] = 1
    for names, good in ((own(4), True), (BIRDS, False)):
        path = tmp_path / f"{good}.npz"
        np.savez(path, embeddings=x, ids=np.arange(4).astype(str), species=np.array(names))
        if good:
            assert (
                build(BuildConfig(table=str(path), out=tmp_path / "i"))["model"]["name"] == "mini"
            )
            assert infer_npz(path, None, None, None, None, tmp_path / "o.npz")["rows"] == 4
            continue
        with pytest.raises(InputError, match="model='mini'"):
            build(BuildConfig(table=str(path), out=tmp_path / "j"))
        with pytest.raises(InputError, match="model='mini'"):
            infer_npz(path, None, None, None, None, tmp_path / "p.npz")


def test_places_alone_are_nobodys(tmp_path):
    config = BuildConfig(table=places(tmp_path / "p.csv", ["a"]), out=tmp_path / "i", model="mini")
    assert build(config)["planet"] is False


@pytest.mark.parametrize("names", [BIRDS, own(2)])
def test_add_says_it_of_an_index_that_does_not(birds, tmp_path, names):
    """One made before manifests had it: rows that come, or were there already, are told by its names."""
    index = tmp_path / "i.p3i"
    shutil.copytree(birds, index)
    manifest = json.loads((index / "manifest.json").read_text())
    del manifest["planet"]
    (index / "manifest.json").write_text(json.dumps(manifest))
    path = tmp_path / "more.csv"
    path.write_text(table(path, names) and path.read_text().replace("\nn", "\nmore"))
    for added in (len(names), 0):
        done = program("add", path, "--index", index)
        assert f"\n{added} added" in "\n" + done.stdout and f"warning: {MEANINGLESS}" in done.stderr
    assert json.loads((index / "manifest.json").read_text())["planet"] is False
