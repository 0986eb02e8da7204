"""A refused build leaves nothing behind; a corrected table or command goes on with what was encoded, and only that."""

from __future__ import annotations

import csv
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from prom3e_index.errors import InputError, Prom3eError
from prom3e_index.indexer import build as build_module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.plan import silent
from prom3e_index.indexer.unfinished import MOVING, encoded_rows, put_together, set_aside
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.models.folder import Model
from prom3e_index.search.run import Bundle


class Stopped(BaseException):
    pass


@pytest.fixture
def place(world, tmp_path):
    """Twelve observations with their photos and songs, in a folder of their own."""
    with (world / "observations.csv").open(newline="") as f:
        rows = [r for r in csv.DictReader(f) if r["image"]][:12]
    for row in rows:
        for column in ("image", "satellite", "audio"):
            if row.get(column):
                (tmp_path / row[column]).parent.mkdir(exist_ok=True)
                shutil.copy(world / row[column], tmp_path / row[column])
    write(tmp_path / "t.csv", rows)
    return tmp_path, rows


def write(path, rows) -> str:
    with path.open("w", newline="") as f:
        out = csv.DictWriter(f, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    return str(path)


@pytest.fixture
def photos(monkeypatch, mini):
    """Every photo that is encoded, as bytes; after `stop_after` batches the encoder is killed."""
    seen: list[bytes] = []
    encoder = mini.encoder("image")
    encode = encoder.encode
    seen_and = SimpleNamespace(seen=seen, stop_after=None, encode=encode, model=mini)

    def noted(batch):
        if seen_and.stop_after is not None and len(seen) >= seen_and.stop_after:
            raise Stopped
        seen.extend(np.asarray(b).tobytes() for b in batch)
        return encode(batch)

    monkeypatch.setattr(encoder, "encode", noted)
    monkeypatch.setattr(build_module, "open_model", lambda config: mini)
    return seen_and


def begun(photos, config, after=8):
    photos.stop_after = after
    with pytest.raises(Stopped):
        build(config)
    photos.stop_after = None
    return len(photos.seen)


SLIPS = {
    "unknown field": ({"columns": {"image": "bananas"}}, "bananas"),
    "unknown column": ({"columns": {"photo": "image"}}, "photo"),
    "duplicates": ({"duplicates": "both"}, "duplicates"),
    "strict": ({"strict": True}, "strict"),
    "date order": ({"date_order": "ymd"}, "ymd"),
    "encoding": ({"encoding": "martian"}, "martian"),
    "windows": ({"windows": "none", "hop": 3.0}, "hop"),
    "climate": ({"climate": "nowhere.tif"}, "nowhere.tif"),
    "nothing to search by": ({"columns": {c: "source" for c in ("image",)}}, ""),
}


CASES = [("build", s) for s in SLIPS]
CASES += [(k, s) for k in ("add", "encode") for s in ("unknown field", "nothing to search by")]


@pytest.mark.parametrize(("kind", "slip"), CASES)
def test_a_refused_command_leaves_nothing_and_corrected_goes_on(
    tmp_path, base, mini, fast, monkeypatch, slip, kind
):
    """None of them costs the next run an option."""
    from prom3e_index.indexer import npz

    for module in (build_module, npz):
        monkeypatch.setattr(module, "open_model", lambda config: mini)
    (tmp_path / "t.csv").write_text("id,image,date\nb1,no.jpg,1.2.2024\nb2,no.jpg,31.31.2024\n")
    (tmp_path / "good.csv").write_text("id,lat,lon\nb1,1,2\nb2,3,4\n")
    more, said = SLIPS[slip]
    more = {k: tmp_path / v if k == "climate" else v for k, v in more.items()}
    out = tmp_path / ("o.npz" if kind == "encode" else "o.p3i")
    if kind == "add":
        shutil.copytree(base, out)
    run = {
        "build": build,
        "add": lambda c: add(out, c, silent),
        "encode": lambda c: encode_to_npz(c, silent),
    }[kind]
    try:
        done = run(BuildConfig(table=str(tmp_path / "t.csv"), out=out, model="mini", **more))
        assert kind == "add" and (done.added, done.rejected) == (0, 2)  # nothing was to be added
    except Prom3eError as e:
        assert said in str(e) and "restart" not in str(e)
    left = {p.name for p in tmp_path.iterdir()} - {"t.csv", "good.csv", "o.p3i"}
    assert not left and (kind == "add") is out.exists()
    good = BuildConfig(table=str(tmp_path / "good.csv"), out=out, model="mini")
    if kind == "add":
        assert run(good).added == 2
    else:
        run(good)
        assert out.exists()


def test_duplicates_are_refused_with_a_choice_that_can_be_followed_at_once(tmp_path, photos):
    (tmp_path / "t.csv").write_text("id,lat,lon\na,1,2\na,3,4\n")
    config = {"table": str(tmp_path / "t.csv"), "out": tmp_path / "o.p3i", "model": "mini"}
    with pytest.raises(InputError, match="duplicates=.first."):
        build(BuildConfig(**config))
    build(BuildConfig(**config, duplicates="first"))
    assert Bundle.open(tmp_path / "o.p3i").sql("SELECT id, latitude FROM observations") == [
        ("a", 1)
    ]


@pytest.mark.parametrize(
    "slip", ["a row more", "order and command", "moved media", "again stopped"]
)
def test_what_was_encoded_is_taken_over(place, photos, slip):
    """Each photo goes through the encoder once in all, and each row has what an encoder makes of its own files."""
    folder, rows = place
    more = {"out": folder / "o.p3i", "workers": 1, "batch_size": 4, "model": "mini"}
    begun(photos, BuildConfig(table=str(folder / "t.csv"), **more), 4)
    if slip == "a row more":
        rows = [{**rows[-1], "occurrenceID": "new"}, *rows]
    elif slip == "order and command":
        rows, more = rows[::-1], {**more, "columns": {"license": "source"}}
    elif slip == "moved media":
        more["media"] = folder / "elsewhere"
        for name in {str(Path(r[c]).parent) for r in rows for c in ("image", "audio") if r[c]}:
            shutil.copytree(folder / name, folder / "elsewhere" / name)
    else:
        write(folder / "t.csv", rows[::-1])
        begun(photos, BuildConfig(table=str(folder / "t.csv"), **more), 8)
    write(folder / "t.csv", rows)
    heard: list[str] = []
    build(BuildConfig(table=str(folder / "t.csv"), **more), lambda stage, *_: heard.append(stage))
    if slip != "moved media":  # other paths: nothing says that these are the same files
        assert len(photos.seen) == len(set(photos.seen)) == len({r["image"] for r in rows})
    assert any(h.startswith("took over") for h in heard)
    assert not (folder / "o.p3i.building").exists()
    made = Bundle.open(folder / "o.p3i")
    assert [r[0] for r in made.sql("SELECT id FROM observations ORDER BY row")] == [
        r["occurrenceID"] for r in rows
    ]
    with DecodePool(1) as pool:
        spec = asdict(photos.model.media_spec("image"))
        tasks = [(i, Task("image", folder / r["image"], spec)) for i, r in enumerate(rows)]
        views = dict(pool.map(tasks))
    wanted = photos.encode([views[i] for i in range(len(rows))])
    assert np.abs(np.asarray(made.embeddings("image"), np.float32) - wanted).max() < 2e-3
    places_of = np.array(
        [[r["decimalLatitude"] or "nan", r["decimalLongitude"] or "nan"] for r in rows], np.float32
    )
    there = np.isfinite(places_of).all(1)
    wanted = photos.model.encoder("loc").encode(places_of[there])
    assert np.abs(np.asarray(made.embeddings("loc"), np.float32)[there] - wanted).max() < 2e-3


def test_a_file_that_changed_meanwhile_is_encoded_again(place, photos):
    folder, rows = place
    more = {"out": folder / "o.p3i", "workers": 1, "batch_size": 4, "model": "mini"}
    begun(photos, BuildConfig(table=str(folder / "t.csv"), **more))
    first, last = folder / rows[0]["image"], folder / rows[-1]["image"]
    state = first.stat()
    shutil.copy(last, first)
    os.utime(first, ns=(state.st_atime_ns, state.st_mtime_ns))  # as `cp -p` and `rsync -t` do
    write(folder / "t.csv", rows[::-1])
    build(BuildConfig(table=str(folder / "t.csv"), **more))
    x = Bundle.open(folder / "o.p3i")
    at = dict(x.sql("SELECT id, row FROM observations"))
    image = np.asarray(x.embeddings("image"))
    assert np.array_equal(image[at[rows[0]["occurrenceID"]]], image[at[rows[-1]["occurrenceID"]]])


def test_what_is_of_another_table_or_model_is_not_thrown_away(place, photos, mini, monkeypatch):
    folder, rows = place
    more = {"out": folder / "o.p3i", "workers": 1, "batch_size": 4, "model": "mini"}
    made = begun(photos, BuildConfig(table=str(folder / "t.csv"), **more))
    other = write(folder / "other.csv", rows[:2])
    with pytest.raises(
        InputError, match=r"holds [0-9]+ embeddings .* another table, .*t\.csv; .*restart=True"
    ):
        build(BuildConfig(table=other, **more))
    with pytest.raises(InputError, match=r"of other settings \(audio_windows\)"):
        build(BuildConfig(table=str(folder / "t.csv"), audio_windows=True, **more))
    weights = Model.sources
    monkeypatch.setattr(Model, "sources", lambda self: weights(self)[:1])
    with pytest.raises(InputError, match="of the model .*mini"):
        build(BuildConfig(table=str(folder / "t.csv"), **more))
    monkeypatch.undo()
    shutil.copy(folder / "t.csv", folder / "renamed.csv")
    assert encoded_rows(folder / "o.p3i.building") >= made


def test_a_move_that_was_interrupted_is_taken_back(tmp_path):
    work = tmp_path / "w"
    for name in ("embeddings", "spill"):
        (work / name).mkdir(parents=True)
    for name in ("plan.duckdb", "planned.json", "identity.json"):
        (work / name).write_text(name)
    whole = {p.name for p in work.iterdir()} - {"spill"}
    set_aside(work)
    assert {p.name for p in work.iterdir()} == {"before"}
    assert {p.name for p in (work / "before").iterdir()} == whole
    shutil.move(work / "before", tmp_path / "w2")
    (tmp_path / "w2" / MOVING).mkdir()
    (tmp_path / "w2/plan.duckdb").rename(tmp_path / "w2" / MOVING / "plan.duckdb")
    put_together(tmp_path / "w2")
    assert {p.name for p in (tmp_path / "w2").iterdir()} == whole
