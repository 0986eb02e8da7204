"""Several photos and sounds of one observation, spans that a table states, and changes of such an index."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from processes import program
from recordings import noise, write

from prom3e_index.indexer import encode, expand
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.plan import silent
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

RATE = 8_000
IDS = "SELECT id FROM observations ORDER BY row"


@pytest.fixture
def folder(tmp_path):
    """Photos p0 … p5, one of them broken, a recording of 33 s and one of 4 s."""
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(tmp_path / f"p{i}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    write(tmp_path / "long.wav", noise(RATE, 33), RATE)
    write(tmp_path / "short.wav", noise(RATE, 4, 1), RATE)
    return tmp_path


def config(folder, name="t.csv", **more) -> BuildConfig:
    return BuildConfig(table=str(folder / name), out=folder / "i", model="mini", **more)


def planned(folder, monkeypatch, text: str, more: dict[str, list[dict[str, str]]]) -> None:
    """Write a table, and give observations further media as a source of lists does."""
    (folder / "t.csv").write_text(text)
    plan = encode.plan

    def with_more(con, *args):
        rows = plan(con, *args)
        for key, media in more.items():
            con.execute("UPDATE planned SET more = ? WHERE id = ?", [media, key])
        return rows

    monkeypatch.setattr(encode, "plan", with_more)


def photo(name):
    return {"modality": "image", "path": name}


def sound(name):
    return {"modality": "audio", "path": name}


def test_every_photo_and_sound_is_a_row_of_its_observation(folder, monkeypatch):
    planned(
        folder, monkeypatch,
        "id,image,audio,lat,lon,name\na,p0.png,short.wav,1,2,Pica pica\nb,p1.png,,3,4,\na#2,p2.png,,5,6,\n",
        {"a": [photo("p3.png"), photo("broken.png"), sound("long.wav")], "b": [photo("p4.png")]},
    )  # fmt: skip
    manifest = build(config(folder))
    bundle = Bundle.open(folder / "i")
    rows = bundle.sql(
        "SELECT id, observation, image, audio, start_s, latitude, scientific_name FROM observations ORDER BY row"
    )
    pica = (1.0, "Pica pica")

    assert rows == [
        ("a", "a", "p0.png", "short.wav", None, *pica),
        ("a##2", "a", "p3.png", None, None, *pica),  # `a#2` is another observation
        *(
            (f"a#4@{s:g}-{s + 10:g}", "a", None, "long.wav", s, *pica)
            for s in (0.0, 5.0, 10.0, 15.0, 20.0, 23.0)
        ),
        ("b", "b", "p1.png", None, None, 3.0, None),
        ("b#2", "b", "p4.png", None, None, 3.0, None),
        ("a#2", "a#2", "p2.png", None, None, 5.0, None),
    ]
    ((key, modality, reason),) = bundle.sql(
        "SELECT o.id, l.modality, l.reason FROM lost l JOIN observations o USING (row)"
    )
    assert (key, modality) == ("a", "image") and "broken.png" in reason
    counts = manifest["counts"]
    assert (counts["rows_in"], counts["rows_indexed"], counts["observations"]) == (3, 3, 3)
    assert counts["rows"] == 11 and all(c.ok for c in verify(bundle))
    answer = bundle.search(Query(image=folder / "p3.png", target="image", k=3, space="encoder"))
    assert answer.hits[0].fields["observation"] == "a" and answer.hits[0].score > 0.99
    assert answer.hits[0].media == str(folder / "p3.png") and len(answer.hits) == 3


def test_an_observation_whose_first_photo_is_broken_keeps_its_id(folder, monkeypatch):
    planned(
        folder, monkeypatch, "id,image,lat,lon\na,broken.png,1,2\nb,broken.png,,\n",
        {"a": [photo("p0.png"), photo("p1.png")], "b": [photo("none.png")]},
    )  # fmt: skip
    build(config(folder))
    bundle = Bundle.open(folder / "i")

    assert bundle.sql("SELECT id, image, is_part FROM observations ORDER BY row") == [
        ("a", "p0.png", False),
        ("a#3", "p1.png", True),
    ]
    ((key, reason),) = bundle.sql("SELECT id, reason FROM rejected")
    assert key == "b" and "broken.png" in reason


def test_encode_keeps_one_row_each_and_says_what_it_left_out(folder, monkeypatch):
    planned(
        folder, monkeypatch, "id,image,audio\na,p0.png,long.wav\n", {"a": [photo("p1.png")]}
    )  # fmt: skip
    out = folder / "e.npz"
    done = encode_to_npz(BuildConfig(table=str(folder / "t.csv"), out=out, model="mini"), silent)
    assert done["rows"] == 1 and "1 further photos and sounds are left out" in done["said"][0]
    many = folder / "many.npz"
    done = encode_to_npz(
        BuildConfig(table=str(folder / "t.csv"), out=many, model="mini", windows="20"), silent
    )
    held = np.load(many)
    assert done["rows"] == 4 and held["observation"].tolist() == ["a"] * 4
    assert held["start_s"].tolist()[:3] == [0, 10, 13] and np.isnan(held["start_s"][3])


def test_spans_of_a_table_are_heard(folder):
    """Rows of one id are one observation; without ids those of one recording are."""
    (folder / "t.csv").write_text(
        "id,audio,from,to\na,long.wav,3,6\na,long.wav,20,23\nb,long.wav,0,3\nc,long.wav,30,50\nd,long.wav,9,2\n"
        "e,long.wav,60,63\n"
    )
    columns = {"from": "start_s", "to": "end_s"}
    build(config(folder, columns=columns))
    bundle = Bundle.open(folder / "i")
    rows = bundle.sql("SELECT id, observation, start_s, end_s FROM observations WHERE id < 'd'")

    assert rows == [
        ("a", "a", 3.0, 6.0), ("a@20-23", "a", 20.0, 23.0), ("b", "b", 0.0, 3.0), ("c", "c", 30.0, 50.0)
    ]  # fmt: skip
    assert bundle.sql("SELECT id FROM rejected ORDER BY id") == [("d",), ("e",)]
    (folder / "u.csv").write_text("audio,from,to\nlong.wav,3,6\nlong.wav,20,23\nshort.wav,0,3\n")
    other = BuildConfig(
        table=str(folder / "u.csv"), out=folder / "u", model="mini", columns=columns
    )
    counts = build(other)["counts"]
    assert (counts["rows_in"], counts["rows_indexed"], counts["observations"]) == (3, 3, 2)
    assert Bundle.open(folder / "u").sql("SELECT DISTINCT observation FROM observations ORDER BY 1") == [
        ("long.wav",), ("short.wav",)
    ]  # fmt: skip


def test_add_update_remove_and_compact_work_by_observation(folder):
    (folder / "t.csv").write_text("id,audio,lat,lon\nx,long.wav,1,2\ny,short.wav,3,4\n")
    build(config(folder))
    index = folder / "i"
    six = [f"x@{s}-{s + 10}" for s in (5, 10, 15, 20, 23)]
    assert [r[0] for r in Bundle.open(index).sql(IDS)] == ["x", *six, "y"]
    (folder / "more.csv").write_text(
        "id,audio,lat,lon\nx,short.wav,1,2\nz,long.wav,5,6\nx@5-15,short.wav,7,8\n"
    )
    done = add(index, config(folder, "more.csv"), silent)
    assert (done.added, done.observations, done.known, done.rejected) == (6, 1, 1, 1)
    assert (
        "'x@5-15' is the index's name"
        in Bundle.open(index).sql("SELECT reason FROM rejected")[0][0]
    )
    assert done.manifest["counts"]["observations"] == 3 and done.manifest["rows"] == 13

    (folder / "new.csv").write_text("id,audio,lat,lon\nx,short.wav,9,9\n")
    done = add(index, config(folder, "new.csv"), silent, update=True)
    assert (done.added, done.removed, done.manifest["rows"]) == (1, 6, 8)
    assert Bundle.open(index).sql("SELECT id, latitude FROM observations WHERE observation = 'x'") == [
        ("x", 9.0)
    ]  # fmt: skip

    done = remove(index, None, ["z", "nobody"], silent)
    assert (done.removed, done.observations, done.unknown) == (6, 1, ("nobody",))
    counts = done.manifest["counts"]
    assert (counts["observations"], counts["rows"], counts["rows_indexed"]) == (2, 2, 2)
    bundle = Bundle.open(index)
    assert all(c.ok for c in verify(bundle)), [c for c in verify(bundle) if not c.ok]
    compact(index, silent)
    bundle = Bundle.open(index)
    assert sorted(r[0] for r in bundle.sql(IDS)) == ["x", "y"] and not bundle.several
    assert all(c.ok for c in verify(bundle))


def test_a_killed_build_goes_on_and_measures_nothing_twice(folder, monkeypatch):
    for i in range(3):
        write(folder / f"r{i}.wav", noise(RATE, 33, i), RATE)
    (folder / "t.csv").write_text("id,audio\n" + "".join(f"{i},r{i}.wav\n" for i in range(3)))
    monkeypatch.setattr(expand, "_NOTED", 1)
    measured: list[str] = []
    task = expand.Task

    def counted(kind, path, spec):
        measured.append(path.name)
        return task(kind, path, spec)

    class Killed(BaseException):
        pass

    def killing(stage, done, total):
        if stage == "measure recordings" and done == 2:
            raise Killed

    monkeypatch.setattr(expand, "Task", counted)
    with pytest.raises(Killed):
        build(config(folder), killing)
    first = list(measured)
    measured.clear()
    build(config(folder))
    assert first == ["r0.wav", "r1.wav", "r2.wav"] and measured == ["r2.wav"]
    assert len(Bundle.open(folder / "i").sql(IDS)) == 18


def test_the_commands_say_it(folder):
    (folder / "t.csv").write_text("id,audio\nx,long.wav\ny,short.wav\n")
    index = folder / "i"
    done = program("build", folder / "t.csv", "--model", "mini", "--index", index)
    out = done.stdout
    assert "2 rows in = 2 indexed + 0 rejected" in out and "2 observations = 7 rows" in out
    assert (
        "1 recording longer than 30 s became 6 windows of 10 s, one every 5 s; --windows none"
        in out
    )
    asked = ("query", "--index", index, "--target", "audio", "--audio")
    done = program(*asked, f"{folder / 'long.wav'}@0:20-0:30", "--space", "encoder", "-f", "json")
    found = json.loads(done.stdout)
    assert (found["hits"][0]["observation"], found["hits"][0]["start_s"]) == ("x", 20.0)
    assert found["hits"][0]["media_fragment"] == "t=20,30"
    assert (found["search"]["observations"], found["search"]["eligible"]) == (2, 7)
    shown = program(*asked, folder / "long.wav").stdout
    assert "33 s long, heard as a whole and in three crops of 10 s" in shown
    assert "7 of 7 rows eligible (2 of 2 observations)" in shown and "x 0:" in shown
