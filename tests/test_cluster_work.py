"""What a cluster does of a build, its workers called here: the same index bit for bit, whatever is lost or begun again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from clusters import assert_same
from conftest import ROOT
from recordings import noise, write

from prom3e_index.errors import InputError, MismatchError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.cluster import on_cluster as on_cluster_module
from prom3e_index.indexer.cluster.encode_shards import encode_to_shards, shards_work
from prom3e_index.indexer.cluster.shards import beside_names, open_shards
from prom3e_index.indexer.cluster.storage import Storage
from prom3e_index.indexer.cluster.workers import _fetch
from prom3e_index.indexer.work import BuildConfig

pytest_plugins = ["plain_cluster"]


@pytest.fixture(scope="module")
def hurt_world(world, tmp_path_factory) -> Path:
    """The tiny world with a photo that is none, one that is gone, a recording of 65 s, and a row that has nothing."""
    folder = tmp_path_factory.mktemp("hurt") / "w"
    shutil.copytree(world, folder)
    photos = sorted(folder.glob("photos/*"))
    photos[3].write_bytes(b"no photo")
    photos[5].unlink()
    songs = sorted(folder.glob("songs/*"))
    write(songs[2], noise(48_000, 65.0, level=0.1), 48_000)
    return folder


@pytest.fixture(scope="module")
def config(hurt_world, tmp_path_factory) -> BuildConfig:
    out = tmp_path_factory.mktemp("here") / "here.p3i"
    return BuildConfig(table=str(hurt_world / "observations.csv"), out=out, model="mini", workers=2)


@pytest.fixture(scope="module")
def here(config) -> Path:
    build(config)
    return config.out


def on_cluster(config, folder: Path, **more) -> BuildConfig:
    return replace(config, out=folder / "ray.p3i", engine="ray", **more)


def test_the_same_index_bit_for_bit(plain, here, config, tmp_path):
    manifest = build(on_cluster(config, tmp_path))

    assert_same(here, tmp_path / "ray.p3i")
    assert manifest["counts"]["files_lost"] >= 2
    assert manifest["windows"] and manifest["counts"]["rows"] > manifest["counts"]["observations"]
    assert not (tmp_path / "ray.p3i.building").exists()


@pytest.mark.parametrize("lacking", [("audio",), ("audio", "satellite", "image"), ("image",)])
def test_of_a_modality_that_no_row_has_too(plain, hurt_world, config, tmp_path, lacking):
    """As of most tables: photos and no sound, or places and names alone."""
    table = hurt_world / f"without-{'-'.join(lacking)}.csv"
    names = ", ".join(f'"{n}"' for n in lacking)
    duckdb.sql(
        f"COPY (SELECT * EXCLUDE ({names}) FROM read_csv('{hurt_world / 'observations.csv'}', all_varchar=true) LIMIT 20) TO '{table}'"
    )
    own = replace(config, table=str(table), out=tmp_path / "here.p3i")
    build(own)
    build(on_cluster(own, tmp_path))
    assert_same(own.out, tmp_path / "ray.p3i")


def test_beside_a_card_other_workers_decode(plain, here, config, tmp_path, monkeypatch):
    """As if there were one: the stages are those of a card, the arithmetic is of processors."""
    stages = []
    run = plain.run
    monkeypatch.setattr(on_cluster_module, "is_card", lambda device: True)
    monkeypatch.setattr(plain, "cards", 1)
    monkeypatch.setattr(plain, "run", lambda given, of, *rest: (stages.extend(of), run(given, of, *rest)))  # fmt: skip
    build(on_cluster(config, tmp_path))

    needs = {worker.__name__: (n["num_cpus"], n.get("num_gpus")) for worker, n in stages}
    assert needs == {"Decode": (1, None), "Encode": (1, 1), "Complete": (1, 1)}
    assert_same(here, tmp_path / "ray.p3i")


def test_workers_that_decode_alone_need_no_torch():
    code = "import sys, prom3e_index.indexer.cluster.workers as w; print('torch' in sys.modules, w.Decode.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)

    assert done.stdout.split() == ["False", "Decode"], done.stderr


def test_what_was_finished_is_not_made_again(plain, here, config, tmp_path):
    place = tmp_path / "shards"
    plain.fails_after = 5
    with pytest.raises(InputError, match="the cluster is gone"):
        build(on_cluster(config, tmp_path, shards=str(place)))
    kept = {p: p.stat().st_mtime_ns for p in place.rglob("pieces/*/*.parquet")}
    first = {(r["modality"], r["piece"]) for r in plain.done}
    assert len(kept) == len(first) == 5
    assert not (place / "shards.json").exists()

    plain.fails_after, plain.done = None, []
    build(on_cluster(config, tmp_path, shards=str(place)))

    again = {(r["modality"], r["piece"]) for r in plain.done if "piece" in r}
    assert not first & again and first | again == {
        (p.parent.name, int(p.stem)) for p in place.rglob("pieces/*/*.parquet")}  # fmt: skip
    assert all(p.stat().st_mtime_ns == was for p, was in kept.items())
    assert_same(here, tmp_path / "ray.p3i")


def test_what_lies_in_the_work_folder_is_kept_too(plain, here, config, tmp_path):
    plain.fails_after = 3
    with pytest.raises(InputError, match="the cluster is gone"):
        build(on_cluster(config, tmp_path))
    plain.fails_after = None
    with pytest.raises(
        InputError, match=r"embeddings of an unfinished build of other settings \(engine\)"
    ):
        build(replace(config, out=tmp_path / "ray.p3i"))
    build(on_cluster(config, tmp_path))

    assert len(plain.done) == len({json.dumps(r) for r in plain.done})
    assert_same(here, tmp_path / "ray.p3i")


def test_shards_have_what_the_index_has(plain, here, config, tmp_path):
    place = str(tmp_path / "shards")
    note = encode_to_shards(replace(config, out=shards_work(place), engine="ray", shards=place))

    shards = open_shards(place)
    (table,) = shards.tables()
    with duckdb.connect(str(here / "metadata.duckdb"), read_only=True) as con:
        known = con.execute("FROM observations ORDER BY row").to_arrow_table()
    for name in known.column_names:
        assert table.column(name).to_pylist() == known.column(name).to_pylist(), name
    present = np.load(here / "embeddings" / "present.npy")
    for i, m in enumerate(note["modalities"]):
        lists = table.column(f"embedding_{m}").to_pylist()
        assert [v is not None for v in lists] == present[:, i].tolist()
        stored = np.load(here / "embeddings" / f"{m}.npy")
        assert all(v is None or v == row.tolist() for v, row in zip(lists, stored, strict=True))
        assert table.column(f"vector_{m}").to_pylist() == np.load(here / "vectors" / f"{m}.npy").tolist()  # fmt: skip
    assert note["counts"] == json.loads((here / "manifest.json").read_text())["counts"]
    rejected = pq.read_table(f"{place}/rejected.parquet")
    assert note["counts"]["rows_in"] == note["counts"]["rows_indexed"] + len(rejected)
    assert not [p for p in Path(place).rglob("*.tmp")]
    with pytest.raises(InputError, match="a whole set of shards already"):
        encode_to_shards(replace(config, out=shards_work(place), engine="ray", shards=place))

    plain.done = []
    build(on_cluster(config, tmp_path, shards=place))  # of shards that are there an index is made
    assert plain.done == []
    assert_same(here, tmp_path / "ray.p3i")


def test_shards_of_another_plan_are_refused(plain, config, tmp_path):
    place = tmp_path / "shards"
    build(on_cluster(config, tmp_path, shards=str(place)))
    known = json.loads((place / "plan.json").read_text())["plan"][:12]
    other = replace(on_cluster(config, tmp_path, shards=str(place), overwrite=True), exif_transpose=True)  # fmt: skip
    with pytest.raises(InputError, match=f"holds the shards of .*{known}") as refused:
        build(other)
    assert "--restart" in refused.value.typed
    assert "what differs: exif_transpose." in refused.value.typed

    one = next(place.rglob("pieces/image/*.parquet"))
    foreign = one.read_bytes()
    build(replace(other, restart=True))
    assert one.read_bytes() != foreign
    one.write_bytes(foreign)
    with pytest.raises(InputError, match=f"belongs to the plan {known}"):
        build(other)


def test_other_media_of_the_same_names_are_another_plan(plain, config, hurt_world, tmp_path):
    table = tmp_path / "observations.csv"
    shutil.copy(config.table, table)
    of = replace(config, table=str(table), media=hurt_world, out=tmp_path / "a.p3i")
    of = replace(of, engine="ray", shards=str(tmp_path / "shards"))
    build(of)
    other = tmp_path / "other"
    shutil.copytree(hurt_world, other)
    photos = sorted(other.glob("photos/*"))
    shutil.copy(photos[0], photos[1])

    with pytest.raises(InputError, match="what differs: media[.]"):
        build(replace(of, media=other, out=tmp_path / "b.p3i"))
    build(replace(of, media=other, out=tmp_path / "b.p3i", restart=True))
    one, two = (np.load(tmp_path / i / "embeddings" / "image.npy") for i in ("a.p3i", "b.p3i"))
    assert not np.array_equal(one, two)


def test_a_restart_discards_parts_of_the_same_plan(plain, config, tmp_path):
    """As is told where parts were made on two kinds of device."""
    place = tmp_path / "shards"
    again = on_cluster(config, tmp_path, shards=str(place), overwrite=True)
    build(again)
    made = len(plain.done)
    part = Storage(str(place)).open_table("pieces/loc/0000000.parquet")
    with part[0] as file:
        table = file.read()
    about = {**part[1], "fingerprint": "another"}
    Storage(str(place)).put_table("pieces/loc/0000000.parquet", table, about)
    (place / "shards" / "0000000.parquet").unlink()
    with pytest.raises(MismatchError, match="with restart=True"):
        build(again)

    plain.done = []
    build(replace(again, restart=True))

    assert len(plain.done) == made


def test_a_damaged_part_is_named_and_made_again(plain, here, config, tmp_path):
    place = tmp_path / "shards"
    again = on_cluster(config, tmp_path, shards=str(place), overwrite=True)
    build(again)
    for part in (next(place.rglob("pieces/loc/*.parquet")), place / "shards" / "0000000.parquet"):
        part.write_bytes(part.read_bytes()[:100])
        with pytest.raises(InputError, match=f"{part.name} is damaged"):
            build(again)
        part.unlink()
        plain.done = []
        build(again)
        assert len(plain.done) == 1
        assert_same(here, again.out)


def test_media_whose_names_no_file_can_have_are_left_out(tmp_path):
    far, here = tmp_path / "far", tmp_path / "here"
    (far / "a b").mkdir(parents=True)
    here.mkdir()
    (far / "a b" / "ü %20#1?.jpg").write_bytes(b"x")
    (tmp_path / "outside.jpg").write_bytes(b"y")
    names = ["a b", "a b/ü %20#1?.jpg", "a b/ü %20#1?.jpg/c", "none.jpg", "n" * 300, "../outside.jpg", "/etc/hostname"]  # fmt: skip

    _fetch(Storage(far.as_uri()), names, here)

    assert [str(p.relative_to(here)) for p in here.rglob("*.jpg")] == ["a b/ü %20#1?.jpg"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["far", "here", "outside.jpg"]


def test_media_that_cannot_be_fetched_stop_the_work(tmp_path, monkeypatch):
    """A row loses what is not there, and nothing because an address does not answer."""
    (tmp_path / "here").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"x")
    storage = Storage(tmp_path.as_uri())

    class Gone:
        def open_input_stream(self, path):
            raise OSError("When reading: the network is unreachable")

        def get_file_info(self, path):
            raise OSError("When asking: the network is unreachable")

    monkeypatch.setattr(storage, "_files", Gone())
    with pytest.raises(OSError, match="network is unreachable"):
        _fetch(storage, ["a.jpg"], tmp_path / "here")


def test_columns_that_have_a_shards_own_names():
    assert beside_names(["row", "vector_image", "source_vector_image", "b"], ["image"]) == [
        "row", "source_source_vector_image", "source_vector_image", "b"]  # fmt: skip


def test_options_that_do_not_go_together(config, tmp_path):
    for more, said in (
        ({"engine": "spark"}, "--engine is 'spark'; known: ray."),
        ({"shards": "x"}, "--shards x goes with --engine ray."),
        ({"ray_address": "auto"}, "--ray-address auto goes with --engine ray."),
    ):
        with pytest.raises(InputError) as refused:
            build(replace(config, out=tmp_path / "i", **more))
        assert refused.value.typed == said
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_way_to_install_it_is_said(world, tmp_path):
    code = (
        "import sys\nsys.modules['ray'] = None\nfrom prom3e_index.cli.app import main\n"
        f"sys.argv = ['prom3e-index', 'build', {str(world / 'observations.csv')!r}, '--index', "
        f"{str(tmp_path / 'i')!r}, '--engine', 'ray', '--model', 'mini']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)

    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith('not installed: pip install "prom3e-index[ray]"')  # fmt: skip
