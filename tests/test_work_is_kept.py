"""Hours of encoding outlive a refused correction, a kill at any step, and files that changed their place."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import pytest
from faults import Killed, faults

from prom3e_index.errors import InputError
from prom3e_index.indexer.losses import Losses, looked_at
from prom3e_index.indexer.plan import silent
from prom3e_index.indexer.store import ENCODED, PENDING, Store, file_states
from prom3e_index.indexer.unfinished import (
    as_noted,
    encoded_rows,
    encoded_works,
    kept_where_encoded,
    serves,
    take_over,
)
from prom3e_index.indexer.work import BuildConfig, identity, resumable, write_note

FIRST = {"table": "t", "table_content": ["t 1"], "weights": ["w"], "columns": "{}"}
SLIP = {**FIRST, "columns": "{'typo': 'image'}"}
RIGHT = {**FIRST, "columns": "{'photo': 'image'}"}


def begun(work: Path, identity: dict[str, object], rows: int = 3) -> None:
    """Work of which some rows are encoded."""
    resumable(work, identity, False, "build")
    write_note(work / "planned.json", {"rows": rows, "format": "csv"})
    (work / "embeddings").mkdir()
    np.save(work / "embeddings/loc.state.npy", np.full(rows, ENCODED, np.uint8))


def refused(work: Path, identity: dict[str, object]) -> None:
    with pytest.raises(InputError, match="slip"), kept_where_encoded(work):
        resumable(work, identity, False, "build")
        write_note(work / "planned.json", {"rows": 3, "format": "csv"})
        raise InputError("slip")


def test_a_refused_correction_keeps_what_was_encoded_before_it(tmp_path):
    work = tmp_path / "w"
    begun(work, FIRST)
    for _ in range(3):  # refused again and again, what was set aside lies no deeper
        refused(work, SLIP)
        refused(work, {**SLIP, "climate": "nowhere.tif"})
        assert encoded_works(work) == [work / "before"] and encoded_rows(work / "before") == 3
    resumable(work, RIGHT, False, "build")
    assert json.loads((work / "identity.json").read_text()) == RIGHT
    assert encoded_works(work) == [work / "before"]
    assert not (work / "planned.json").exists()


def test_a_slip_that_other_work_would_be_lost_by_is_refused(tmp_path):
    """The same content by another name, then the same name with other content: neither serves the other."""
    work = tmp_path / "w"
    begun(work, FIRST)
    refused(work, {**FIRST, "table": "renamed"})
    other = {**FIRST, "table": "renamed", "table_content": ["renamed 2"]}
    with pytest.raises(
        InputError, match="3 embeddings of an unfinished build of another table, t;"
    ):
        resumable(work, other, False, "build")
    assert encoded_works(work) == [work / "before"]


@pytest.mark.parametrize("slips", [0, 1])
def test_killed_at_any_step_of_setting_aside_the_same_command_goes_on(tmp_path, slips):
    work, kept = tmp_path / "w", tmp_path / "kept"
    begun(work, FIRST)
    for _ in range(slips):
        refused(work, SLIP)
    shutil.copytree(work, kept)
    with faults(tmp_path) as watch:
        resumable(work, RIGHT, False, "build")
    for at in range(1, watch.seen + 1):
        shutil.rmtree(work)
        shutil.copytree(kept, work)
        with faults(tmp_path, at), pytest.raises(Killed):
            resumable(work, RIGHT, False, "build")
        resumable(work, RIGHT, False, "build")
        assert sum(map(encoded_rows, encoded_works(work))) == 3
        assert json.loads((work / "identity.json").read_text()) == RIGHT


PLANNED = (
    "(seq BIGINT, image VARCHAR, text VARCHAR, latitude DOUBLE, longitude DOUBLE, env DOUBLE[])"
)
PHOTOS = {"a.jpg": b"one", "b.jpg": b"two", "c.jpg": b"six"}


def planned(path: Path, rows: list[tuple[object, ...]]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(str(path))
    con.execute(f"CREATE TABLE planned {PLANNED}")
    con.executemany("INSERT INTO planned VALUES (?, ?, ?, ?, ?, ?)", rows)
    return con


def set_aside_with(work: Path, media: Path, modality: str, rows: list[tuple[object, ...]]) -> None:
    """Earlier work: row i of it has the embedding [i, i], of the file that is there now."""
    before = work / "before"
    (before / "embeddings").mkdir(parents=True)
    planned(before / "plan.duckdb", rows).close()
    write_note(before / "identity.json", FIRST)
    write_note(before / "planned.json", {"media": str(media), "format": "csv"})
    store = Store(before / "embeddings", modality, len(rows), 2)
    store.values[:] = np.arange(len(rows), dtype=np.float16)[:, None]
    store.state[:] = ENCODED
    if modality == "image":
        file_states(before / "embeddings", modality, len(rows))[:] = [
            looked_at(media / str(r[1]))[0] for r in rows
        ]
    write_note(work / "identity.json", RIGHT)


def taken(work: Path, media: Path, modality: str, rows: list[tuple[object, ...]]) -> list[object]:
    """For each row, the earlier row whose embedding it has now; None where it is to be encoded."""
    con = planned(work / "plan.duckdb", rows)
    take_over(con, work, SimpleNamespace(modalities=[modality], width=2), len(rows), media, silent)
    con.close()
    store = Store(work / "embeddings", modality, len(rows), 2)
    return [
        None if s == PENDING else int(v[0]) for s, v in zip(store.state, store.values, strict=True)
    ]


@pytest.fixture
def media(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in PHOTOS.items():
        (folder / name).write_bytes(content)
    return folder


IMAGES = [(i, name, None, None, None, None) for i, name in enumerate(PHOTOS)]


def swap_folder(media: Path) -> None:
    other = media.with_name("others")
    other.mkdir()
    for name, content in PHOTOS.items():
        (other / name).write_bytes(content[::-1])
        shutil.copystat(media / name, other / name)
    media.rename(media.with_name("old"))
    other.rename(media)


def swap_link(media: Path) -> None:
    (media / "a.jpg").unlink()
    (media / "a.jpg").symlink_to("b.jpg")


def write_again(media: Path) -> None:
    state = (media / "b.jpg").stat()
    (media / "b.jpg").write_bytes(b"owt")
    os.utime(media / "b.jpg", ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda media: None, [0, 1, 2]),
        (swap_folder, [None, None, None]),
        (swap_link, [None, 1, 2]),
        (lambda media: (media / "c.jpg").unlink(), [0, 1, None]),
        (write_again, [0, None, 2]),
    ],
)
def test_another_file_at_the_same_path_is_encoded_again(tmp_path, media, change, kept):
    set_aside_with(tmp_path / "w", media, "image", IMAGES)
    change(media)
    assert taken(tmp_path / "w", media, "image", IMAGES) == kept


def test_files_of_which_nothing_was_noted_are_encoded_again(tmp_path, media):
    set_aside_with(tmp_path / "w", media, "image", IMAGES)
    (tmp_path / "w/before/embeddings/image.files.npy").unlink()
    assert taken(tmp_path / "w", media, "image", IMAGES) == [None] * 3


def test_the_raster_that_lies_in_a_folder_is_part_of_what_a_build_is(tmp_path, mini):
    """It is used without being named; another one there makes other climates."""
    folder, raster = tmp_path / "t", tmp_path / "t/bioclim_elevation_scaled.npy"
    (folder / "taxabench_sound").mkdir(parents=True)
    (folder / "test_df.csv").write_text("id,latitude,longitude\n1,2,3\n")
    config = BuildConfig(table=str(folder), out=tmp_path / "o.p3i", model="mini")
    told = [identity(config, mini)]
    for value in (0.0, 1.0):
        np.save(raster, np.full(3, value))
        told.append(identity(config, mini))
    assert [t["climate"] for t in told] == ["", str(raster), str(raster)]
    assert len({t.get("climate_content") for t in told}) == 3


@pytest.mark.parametrize("size", [1000, 5 << 20])
def test_other_weights_of_the_same_length_and_time_are_another_model(tmp_path, size):
    weights, out = tmp_path / "model.safetensors", tmp_path / "o.p3i"
    (tmp_path / "t.csv").write_text("id,lat,lon\n1,2,3\n")
    settings = {"image_mean": [0.5]}
    model = SimpleNamespace(folder=tmp_path, sources=lambda: [weights], shared_config=settings)
    config = BuildConfig(table=str(tmp_path / "t.csv"), out=out, model="mini")
    told = []
    for byte in (b"a", b"b", b"b"):
        weights.write_bytes(byte * size)
        os.utime(weights, ns=(10**18, 10**18))
        told.append(identity(config, model))
    assert told[0]["weights"] == told[1]["weights"]
    assert not serves(told[0], told[1]) and serves(told[1], told[2])
    del told[0]["weights_content"]  # as an earlier version noted it
    assert serves(told[0], told[1]) and as_noted(told[0], told[1]) == told[1]
    settings["image_mean"] = [0.4]
    assert not serves(told[1], identity(config, model))


def test_a_file_that_was_lost_in_part_is_encoded_again_so_that_it_is_said_again(tmp_path, media):
    set_aside_with(tmp_path / "w", media, "image", IMAGES)
    losses = Losses(tmp_path / "w/before", "image", np.zeros(3, np.uint8))
    losses.note(np.array([1]), "the last rows of b.jpg are missing")
    assert taken(tmp_path / "w", media, "image", IMAGES) == [0, None, 2]


def test_names_of_many_rows_are_paired_once_each(tmp_path):
    """The rows of a name are not multiplied: 4 names of 40,000 rows would be 4e8 pairs."""
    n, names = 40_000, ["Pica pica", "Parus major", "Turdus merula", "Sturnus vulgaris"]
    before = [(i, None, names[i % 3], None, None, None) for i in range(7)]
    set_aside_with(tmp_path / "w", tmp_path, "text", before)
    con = duckdb.connect(str(tmp_path / "w/plan.duckdb"))
    con.execute(f"CREATE TABLE planned {PLANNED}")
    con.execute(
        "INSERT INTO planned SELECT i, NULL, ?[i % 4 + 1], NULL, NULL, NULL FROM range(?) r(i)",
        [names, n],
    )
    model = SimpleNamespace(modalities=["text"], width=2)
    take_over(con, tmp_path / "w", model, n, tmp_path, silent)
    store = Store(tmp_path / "w/embeddings", "text", n, 2)
    expected = np.arange(n) % 4
    assert np.array_equal(store.state == ENCODED, expected < 3)
    assert np.array_equal(store.values[expected < 3, 0], expected[expected < 3])


@pytest.mark.parametrize("climate", ["same", "other"])
def test_climates_are_paired_by_value_or_by_place_under_one_raster(tmp_path, climate):
    own, there, elsewhere = [1.0, 2.0], (10.0, 20.0), (10.0, 21.0)
    before = [(0, None, None, *there, None), (1, None, None, *there, own)]
    set_aside_with(tmp_path / "w", tmp_path, "env", before)
    write_note(tmp_path / "w/before/identity.json", {**FIRST, "climate_content": "same"})
    write_note(tmp_path / "w/identity.json", {**RIGHT, "climate_content": climate})
    rows = [
        (0, None, None, *elsewhere, own),
        (1, None, None, *elsewhere, None),
        (2, None, None, *there, None),
    ]
    by_place = 0 if climate == "same" else None
    assert taken(tmp_path / "w", tmp_path, "env", rows) == [1, None, by_place]
