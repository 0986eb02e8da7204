"""What is not heard of recordings is said: what one row leaves out of a long one, and spans that cannot be told."""

from __future__ import annotations

import json
import shutil

import pytest
from processes import program
from recordings import noise, write

from prom3e_index.indexer import expand
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.plan import silent
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle

RATE = 8_000


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Recordings of 4, 30, 33 and 36 s."""
    folder = tmp_path_factory.mktemp("sounds")
    for seconds in (4, 30, 33, 36):
        write(folder / f"{seconds}.wav", noise(RATE, seconds, seconds), RATE)
    return folder


def table(folder, name: str, text: str, **more) -> BuildConfig:
    (folder / f"{name}.csv").write_text(text)
    return BuildConfig(
        table=str(folder / f"{name}.csv"), out=folder / f"{name}.p3i", model="mini", **more
    )


def parts_of(index) -> dict[str, int]:
    return json.loads((index / "manifest.json").read_text())["source"]["expanded"]


ALL = "id,audio\na,4.wav\nb,30.wav\nc,33.wav\nd,36.wav\nsame,33.wav\n"


@pytest.fixture(scope="module")
def whole(sounds):
    """An index of one row a recording."""
    config = table(sounds, "whole", ALL, windows="none")
    build(config)
    return config.out


def test_one_row_of_a_long_recording_is_counted(whole):
    assert parts_of(whole) == {"in_crops": 2, "crop_s": 10}
    out = program("info", "--index", whole).stdout
    assert (
        "2 recordings or spans longer than 30 s, one row each, heard as a whole and in 3 crops of 10 s" in out
    )  # fmt: skip


@pytest.mark.parametrize("update", [False, True])
def test_so_it_is_where_rows_come_to_an_index_without_windows(whole, sounds, tmp_path, update):
    index = tmp_path / "i.p3i"
    shutil.copytree(whole, index)
    manifest = json.loads((index / "manifest.json").read_text())
    del manifest["windows"]  # as before there were any
    (index / "manifest.json").write_text(json.dumps(manifest))
    text = f"id,audio\na,{'36' if update else '4'}.wav\nnew,33.wav\n"
    done = add(index, table(sounds, "more", text), silent, update)

    assert done.added == 1 and len(done.said) == 1
    assert done.said[0].startswith("1 recording or span longer than 30 s, one row each")


def test_windows_hear_all_and_say_nothing_of_it(sounds):
    config = table(sounds, "auto", ALL)
    build(config)
    assert parts_of(config.out) == {"long_recordings": 2, "windows": 19}


def test_windows_longer_than_what_is_heard_are_counted_and_spans_too(sounds):
    config = table(sounds, "wide", "id,audio\na,36.wav\nb,33.wav\n", windows="35")
    build(config)  # two windows of 35 s, and one recording of 33 s
    assert parts_of(config.out) == {
        "long_recordings": 1, "windows": 2, "in_crops": 3, "crop_s": 10
    }  # fmt: skip
    spans = "id,audio,start_s,end_s\na,36.wav,0,31\nb,36.wav,2,32\nc,36.wav,5,\n"
    config = table(sounds, "spans", spans)
    build(config)
    assert parts_of(config.out) == {"in_crops": 1, "crop_s": 10}


def test_what_goes_on_after_the_last_second_read_is_counted(sounds, monkeypatch):
    monkeypatch.setattr(expand, "MAX_SECONDS", 33)
    config = table(sounds, "beyond", ALL, audio_windows=True)
    build(config)
    assert parts_of(config.out) == {"beyond": 1}
    done = encode_to_npz(table(sounds, "e", ALL), silent)
    assert [s.partition(",")[0] for s in done["said"]] == [
        "2 recordings or spans longer than 30 s", "1 recording longer than 33 s"
    ]  # fmt: skip


BAD = (
    "id,audio,start_s,end_s,lat,lon,name\nok,36.wav,3,6,1,2,Parus major\nword,36.wav,x,6,3,4,Parus ater\n"
    "back,36.wav,9,2,5,6,Parus ater\nsame,36.wav,5,5,7,8,Parus ater\nminus,36.wav,-1,2,9,10,Parus ater\n"
    "alone,36.wav,12:xx,15,,,\nall,4.wav,,,11,12,Parus ater\n"
)


def test_a_span_that_cannot_be_told_is_not_the_whole_recording(sounds):
    """The row keeps its place and name; nothing else of the recording is heard under them."""
    config = table(sounds, "bad", BAD)
    manifest = build(config)
    bundle = Bundle.open(config.out)
    rows = bundle.sql(
        "SELECT id, audio, start_s, end_s, has_audio, has_loc FROM observations ORDER BY row"
    )

    assert rows == [
        ("ok", "36.wav", 3.0, 6.0, True, True),
        *((i, None, None, None, False, True) for i in ("word", "back", "same", "minus")),
        ("all", "4.wav", None, None, True, True),
    ]
    lost = bundle.sql(
        "SELECT o.id, l.modality, l.reason FROM lost l JOIN observations o USING (row) ORDER BY l.row, 2"
    )
    assert [r[:2] for r in lost] == [
        (i, m) for i in ("word", "back", "same", "minus") for m in ("audio", "start_s")
    ]
    assert {r[2] for r in lost if r[1] == "audio"} == {
        "'36.wav' is not heard: which span of it is meant cannot be told"
    }
    ((key, reason),) = bundle.sql("SELECT id, reason FROM rejected")
    assert key == "alone" and "'12:xx' is no number of seconds" in reason
    assert "which span of it" in reason
    assert manifest["counts"]["rows_in"] == 7 and manifest["counts"]["rows_rejected"] == 1


def test_one_such_row_among_others_of_its_id_is_refused_alone(sounds):
    text = "id,audio,start_s,end_s,lat,lon\na,36.wav,3,6,1,2\na,36.wav,x,9,1,2\na,36.wav,9,12,1,2\n"
    config = table(sounds, "among", text)
    build(config)
    bundle = Bundle.open(config.out)

    assert bundle.sql("SELECT id, observation, start_s FROM observations ORDER BY row") == [
        ("a", "a", 3.0), ("a@9-12", "a", 9.0)
    ]  # fmt: skip
    assert bundle.sql("SELECT row_in, id, reason FROM rejected") == [
        (1, "a", "'36.wav' is not heard: which span of it is meant cannot be told")
    ]


def test_of_a_table_without_ids_too(sounds):
    config = table(sounds, "noid", "audio,start_s,end_s,name\n36.wav,3,6,Parus major\n36.wav,7,6,Parus ater\n")  # fmt: skip
    build(config)
    assert Bundle.open(config.out).sql(
        "SELECT id, observation, audio, scientific_name FROM observations ORDER BY row"
    ) == [("row-1", "36.wav", "36.wav", "Parus major"), ("row-2", "row-2", None, "Parus ater")]
