"""Long recordings become windows, further photos and sounds become rows; nothing of them is lost in silence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from recordings import chirp, noise, with_calls, write

from prom3e_index.errors import InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

RATE = 16_000
ROWS = "SELECT id, observation, start_s, end_s, is_part FROM observations ORDER BY row"


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """A folder of recordings: one minute with calls at 21 s and, across the border of two windows, at 43.5 s."""
    folder = tmp_path_factory.mktemp("field")
    call = chirp(RATE)
    wave = with_calls(noise(RATE, 62), RATE, {21: call, 43.5: chirp(RATE, low=300, high=900)})
    write(folder / "long.flac", wave, RATE)
    write(folder / "call.wav", with_calls(noise(RATE, 3, 1), RATE, {0: call}), RATE)
    write(folder / "quiet.flac", noise(RATE, 62, 2), RATE)
    write(folder / "short.wav", noise(RATE, 30, 3), RATE)
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def heard(field, tmp_path_factory):
    """An index of three recordings and a photo, two of them longer than 30 s."""
    out = tmp_path_factory.mktemp("heard") / "i.p3i"
    table = field / "t.csv"
    table.write_text(
        "id,audio,image,lat,lon,name\nlong,long.flac,a.png,47,8,Parus major\n"
        "quiet,quiet.flac,,48,9,Parus ater\nshort,short.wav,,,,\n"
    )
    build(BuildConfig(table=str(table), out=out, model="mini"))
    return out


def test_long_recordings_become_windows_that_cover_them(heard):
    bundle = Bundle.open(heard)
    rows = bundle.sql(ROWS)
    spans = [(a, b) for _, o, a, b, _ in rows if o == "long"]

    assert spans == [(5.0 * i, 5.0 * i + 10) for i in range(11)] + [(52.0, 62.0)]
    assert [r[0] for r in rows[:3]] == ["long", "long@5-15", "long@10-20"]
    assert rows[-1] == ("short", "short", None, None, False)
    assert sum(not r[4] for r in rows) == 3 and len({r[0] for r in rows}) == len(rows) == 25
    counts = bundle.manifest["counts"]
    assert (counts["rows_in"], counts["rows_indexed"], counts["rows_rejected"]) == (3, 3, 0)
    assert (counts["observations"], counts["rows"]) == (3, 25)
    assert bundle.manifest["windows"] == {"seconds": 10.0, "hop": 5.0, "longer_than": 30.0}
    assert bundle.manifest["source"]["expanded"] == {"long_recordings": 2, "windows": 24}
    assert all(c.ok for c in verify(bundle))


def test_context_stands_with_every_window_and_the_photo_with_the_first(heard):
    bundle = Bundle.open(heard)
    found = bundle.sql(
        "SELECT latitude, scientific_name, image, has_image, has_loc, has_audio FROM observations "
        "WHERE observation = 'long' ORDER BY row"
    )
    assert found[0] == (47.0, "Parus major", "a.png", True, True, True)
    assert set(found[1:]) == {(47.0, "Parus major", None, False, True, True)}


def test_each_window_is_what_a_file_of_those_seconds_gives(heard, field, tmp_path):
    """The embedding of a window is that of the same ten seconds cut out and built by themselves."""
    import soundfile

    wave, _ = soundfile.read(field / "long.flac", dtype="float32")
    spans = [(0, 10), (20, 30), (40, 50), (52, 62)]
    for start, end in spans:
        soundfile.write(tmp_path / f"{start}.wav", wave[start * RATE : end * RATE], RATE, "FLOAT")
    (tmp_path / "t.csv").write_text("id,audio\n" + "".join(f"{a},{a}.wav\n" for a, _ in spans))
    build(BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "i", model="mini"))
    alone, bundle = Bundle.open(tmp_path / "i"), Bundle.open(heard)

    for i, (start, _) in enumerate(spans):
        row = bundle.sql(
            "SELECT row FROM observations WHERE observation = 'long' AND start_s = ?", [start]
        )[0][0]
        cut = np.asarray(alone.embeddings("audio")[i], np.float32)
        inside = np.asarray(bundle.embeddings("audio")[row], np.float32)
        assert cut @ inside > 0.999, start


def test_a_call_is_found_by_its_clip_where_it_is(heard, field):
    bundle = Bundle.open(heard)
    answer = bundle.search(
        Query(audio=field / "call.wav", target="audio", space="encoder", k=3, observed_only=True)
    )
    best = answer.hits[0]

    assert best.fields["observation"] == "long" and best.media == str(field / "long.flac")
    assert best.fields["start_s"] <= 21 and best.fields["end_s"] >= 24
    assert best.media_fragment == f"t={best.fields['start_s']:g},{best.fields['end_s']:g}"
    assert [h.fields["observation"] for h in answer.hits].count("long") == 1


def test_answers_are_grouped_by_observation_unless_asked_otherwise(heard, field):
    bundle = Bundle.open(heard)
    asked = Query(audio=field / "call.wav", target="audio", k=25)
    grouped, every = bundle.search(asked), bundle.search(Query(**{**vars(asked), "group_by": "id"}))

    assert {h.fields["observation"] for h in grouped.hits} == {"long", "quiet", "short"}
    assert len(grouped.hits) == 3 and len(every.hits) == 25
    best = {}
    for h in every.hits:
        best.setdefault(h.fields["observation"], h.row)
    assert [h.row for h in grouped.hits] == list(best.values())
    assert (grouped.search["eligible"], grouped.search["eligible_observations"]) == (25, 3)
    assert grouped.query["filters"]["group_by"] == "observation"


@pytest.mark.parametrize(
    ("windows", "hop", "starts"),
    [
        ("none", None, [None]),
        ("20", None, [0, 10, 20, 30, 40, 42]),
        ("31", 31, [0, 31]),
        ("62", None, [None]),
        ("61.5", 20, [0, 0.5]),
    ],
)
def test_windows_as_asked(field, tmp_path, windows, hop, starts):
    (field / "one.csv").write_text("id,audio\nx,long.flac\n")
    build(
        BuildConfig(
            table=str(field / "one.csv"),
            out=tmp_path / "i",
            model="mini",
            windows=windows,
            hop=hop,
        )
    )
    rows = Bundle.open(tmp_path / "i").sql("SELECT start_s, end_s FROM observations ORDER BY row")

    assert [r[0] for r in rows] == starts
    if windows != "none" and len(rows) > 1:
        assert {round(b - a, 6) for a, b in rows} == {float(windows)} and rows[-1][1] == 62


@pytest.mark.parametrize(
    ("windows", "hop", "said"),
    [
        ("0", None, "from 0.5 to 600 seconds"),
        ("ten", None, "'ten'"),
        ("10", 11, "something is unheard"),
        ("10", 0, "something is unheard"),
        ("none", 5, "goes with windows=SECONDS"),
    ],
)
def test_windows_that_cannot_be(field, tmp_path, windows, hop, said):
    config = BuildConfig(
        table=str(field / "t.csv"), out=tmp_path / "i", model="mini", windows=windows, hop=hop
    )
    with pytest.raises(InputError, match=said):
        build(config)
    assert not (tmp_path / "i").exists()


def test_silent_windows_are_left_out_and_counted(tmp_path):
    wave = noise(RATE, 62)
    wave[: 20 * RATE] = 0
    write(tmp_path / "muted.wav", wave, RATE)
    write(tmp_path / "mute.wav", np.zeros(40 * RATE, np.float32), RATE)
    (tmp_path / "t.csv").write_text(
        "id,audio,lat,lon\na,muted.wav,1,2\nb,mute.wav,3,4\nc,mute.wav,,\n"
    )
    manifest = build(BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "i", model="mini"))
    bundle = Bundle.open(tmp_path / "i")

    assert bundle.sql(f"SELECT id, start_s, is_part FROM ({ROWS}) LIMIT 2") == [
        ("a", 15.0, False),
        ("a@20-30", 20.0, True),
    ]
    assert bundle.sql(
        "SELECT id, has_audio, start_s FROM observations WHERE observation = 'b'"
    ) == [("b", False, None)]
    lost = dict(bundle.sql("SELECT o.id, l.reason FROM lost l JOIN observations o USING (row)"))
    assert "muted.wav is silent: every sample is zero (3 of 12 windows" in lost["a"]
    assert "mute.wav is silent: every sample is zero (7 of 7 windows" in lost["b"]
    ((key, reason),) = bundle.sql("SELECT id, reason FROM rejected")
    assert key == "c" and reason.startswith("nothing left: audio: mute.wav is silent")
    counts = manifest["counts"]
    assert (counts["rows_in"], counts["rows_indexed"], counts["rows_rejected"]) == (3, 2, 1)
    assert (counts["observations"], counts["rows"]) == (2, 10)
    assert all(c.ok for c in verify(bundle))


def test_what_a_plan_says_is_what_stands_in_the_index(heard):
    note = json.loads((heard / "manifest.json").read_text())
    assert note["rows"] == note["counts"]["rows"] == 25


def test_windows_are_not_counted_as_observations_of_their_taxon(heard):
    bundle = Bundle.open(heard)
    ((name, rows, observations),) = bundle.sql(
        "SELECT scientific_name, count(*), count(DISTINCT observation) FROM observations "
        "WHERE observation = 'long' GROUP BY 1"
    )
    (same,) = bundle.sql(
        f"SELECT count(DISTINCT observation) FROM observations WHERE scientific_name = '{name}'"
    )
    assert rows > 1 and observations == 1
    notes = bundle.search(Query(text=name, target="audio", k=1)).notes
    assert any(f"({same[0]} observation{'s' if same[0] > 1 else ''})" in n for n in notes), notes
