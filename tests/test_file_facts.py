"""Observations take place, date, name and rights from their files where the table has none, and only there; it is said."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from changes import quiet
from told_files import comment, guano, told_photo, told_wav

from prom3e_index.indexer import file_facts
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.file_facts import _of_row
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.media.facts import MediaFacts
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

MOTH = "Recorded at 19:00:05 23/05/2023 (UTC) by AudioMoth 24F3190361DA2B44 at medium gain"


def built(folder, text: str, name: str = "t", **options):
    (folder / f"{name}.csv").write_text(text)
    said = []
    config = BuildConfig(
        table=str(folder / f"{name}.csv"), out=folder / f"{name}.p3i", model="mini", workers=1, **options
    )  # fmt: skip
    build(config, quiet, heard=lambda understood: said.extend(understood.said))
    return Bundle.open(folder / f"{name}.p3i"), said


@pytest.fixture
def media(tmp_path):
    told_photo(
        tmp_path / "p.jpg",
        place=(51.3, -4.5),
        taken="2023:05:11 08:25:38",
        exif={33432: "Ada"},
        seed=1,
    )
    told_photo(
        tmp_path / "q.jpg",
        place={1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        taken="1970:01:01 00:00:01",
        seed=2,
    )
    told_photo(tmp_path / "none.jpg", seed=3)
    told_wav(
        tmp_path / "g.wav",
        guano(
            Timestamp="2024-05-31T23:25:31-02:00",
            Loc_Position="10.5 20.25",
            Species_Manual_ID="Parus major",
        ),
        seed=4,
    )
    told_wav(tmp_path / "m.wav", comment(MOTH), seed=5)
    return tmp_path  # fmt: skip


TABLE = (
    "id,image,audio,lat,lon,date,scientificName,rightsHolder,obscured\n"
    "bare,p.jpg,,,,,,,\nplain,none.jpg,,,,,,,\nunset,q.jpg,,,,,,,\nbat,,g.wav,,,,,,\nmoth,,m.wav,,,,,,\n"
    "both,p.jpg,g.wav,,,,,,\nown,p.jpg,,1.5,2.5,2001-02-03,Turdus merula,Bo,\nhidden,p.jpg,,,,,,,true\n"
    "part,p.jpg,,1.5,2.5,,Turdus merula,,\n"
)


def test_what_a_table_lacks_comes_from_its_files(media):
    bundle, said = built(media, TABLE)
    rows = {
        r[0]: r[1:]
        for r in bundle.sql(
            "SELECT id, latitude, longitude, event_start, scientific_name, rights_holder, from_file, has_loc, has_text "
            "FROM observations"
        )
    }
    day, night = date(2023, 5, 11), date(2024, 5, 31)

    assert rows["bare"] == (
        51.3,
        -4.5,
        day,
        None,
        "Ada",
        "place, date, rights holder (EXIF)",
        True,
        False,
    )
    assert rows["plain"] == rows["unset"] == (None, None, None, None, None, None, False, False)
    assert rows["bat"] == (
        10.5,
        20.25,
        night,
        "Parus major",
        None,
        "place, date, name (GUANO)",
        True,
        True,
    )
    assert rows["moth"] == (
        None,
        None,
        date(2023, 5, 23),
        None,
        None,
        "date (AudioMoth)",
        False,
        False,
    )
    assert rows["both"][:5] == (51.3, -4.5, day, "Parus major", "Ada (photo)")
    assert rows["both"][5] == "place, date, rights holder (EXIF); name (GUANO)"
    assert rows["own"] == (1.5, 2.5, date(2001, 2, 3), "Turdus merula", "Bo", None, True, True)
    assert rows["hidden"] == (
        None,
        None,
        day,
        None,
        "Ada",
        "date, rights holder (EXIF)",
        False,
        False,
    )
    assert rows["part"][:6] == (1.5, 2.5, day, "Turdus merula", "Ada", "date, rights holder (EXIF)")
    assert {s for s in said if "from what their files say" in s} == {
        "2 observations took their place from what their files say (EXIF)", "4 observations took their date from what their files say (EXIF)",
        "4 observations took their rights holder from what their files say (EXIF)", "2 observations took their name from what their files say (GUANO)",
        "1 observations took their place from what their files say (GUANO)", "1 observations took their date from what their files say (GUANO)",
        "1 observations took their date from what their files say (AudioMoth)",
    }  # fmt: skip
    assert {s for s in said if "not used" in s} == {
        "1 files: its place is 0/0: no fix; not used", "1 files: its date 1970-01-01 is that of a clock never set; not used",
    }  # fmt: skip


def test_places_are_encoded_as_if_the_table_had_them(media):
    taken, _ = built(media, "id,image\na,p.jpg\n")
    given, _ = built(media, "id,image,lat,lon\na,p.jpg,51.3,-4.5\n", "given")
    query = Query(location=(40.0, 3.0), target="loc", space="encoder")

    assert [h.score for h in taken.search(query).hits] == [h.score for h in given.search(query).hits]  # fmt: skip
    assert not taken.search(query).hits[0].completed


def test_only_files_that_are_needed_are_opened_and_none_when_told_so(media, monkeypatch):
    asked = []

    class Watched(file_facts.DecodePool):
        def map(self, tasks, ahead=64):
            def seen():
                for key, task in tasks:
                    asked.append(task.path.name)
                    yield key, task

            return super().map(seen(), ahead)

    monkeypatch.setattr(file_facts, "DecodePool", Watched)
    built(media, TABLE)
    assert sorted(asked) == ["g.wav", "m.wav", "none.jpg", "p.jpg", "q.jpg"]
    asked.clear()
    bundle, said = built(media, TABLE, "off", file_facts=False)
    assert asked == [] and bundle.sql("SELECT count(latitude) FROM observations") == [(2,)]
    assert not any("files say" in s for s in said)
    built(
        media, "id,image,lat,lon,date,scientificName\na,p.jpg,1,2,2020-01-02,Parus major\n", "whole"
    )
    assert asked == []


def test_reading_goes_on_where_it_stopped(media, monkeypatch):
    asked = []
    monkeypatch.setattr(file_facts, "_BATCH", 2)

    class Broken(file_facts.DecodePool):
        stop = True

        def map(self, tasks, ahead=64):
            for n, pair in enumerate(super().map(tasks, ahead=1)):
                if self.stop and n == 3:
                    raise KeyboardInterrupt
                asked.append(pair[0])
                yield pair

    monkeypatch.setattr(file_facts, "DecodePool", Broken)
    with pytest.raises(KeyboardInterrupt):
        built(media, TABLE)
    Broken.stop = False
    first, asked[:] = asked[:2], []
    bundle, said = built(media, TABLE)

    assert not set(first) & set(asked) and len(first) + len(asked) == 5
    assert bundle.sql("SELECT count(latitude), count(from_file) FROM observations") == [(5, 6)]
    assert any("4 observations took their date" in s for s in said)


def test_added_rows_take_theirs_too(media):
    built(
        media, "id,image,lat,lon,date,scientificName\na,none.jpg,1,2,2020-01-02,Parus major\n", "i"
    )
    (media / "more.csv").write_text("id,image\nb,p.jpg\n")
    add(media / "i.p3i", BuildConfig(table=str(media / "more.csv"), out=media / "i.p3i", workers=1), quiet)  # fmt: skip
    rows = Bundle.open(media / "i.p3i").sql("SELECT id, latitude, from_file FROM observations ORDER BY id")  # fmt: skip

    assert rows == [("a", 1.0, None), ("b", 51.3, "place, date, rights holder (EXIF)")]


def test_a_table_may_have_a_column_of_that_name(media):
    bundle, _ = built(media, "id,image,from_file\na,p.jpg,mine\n")

    assert bundle.sql("SELECT source_from_file, from_file FROM observations") == [
        ("mine", "place, date, rights holder (EXIF)")
    ]


def test_a_file_of_observations_at_several_places_dates_none(tmp_path):
    """The same photo may stand for a species; two detections in one photo at one place are dated by it."""
    told_photo(tmp_path / "p.jpg", taken="2024:05:02 10:00:00", seed=1)
    text = "id,image,latitude,longitude,species\n"
    for name, places in (("one", "3,4 3.001,4"), ("two", "3,4 5,6")):
        rows = "".join(f"{i},p.jpg,{place},Parus major\n" for i, place in enumerate(places.split()))
        (tmp_path / f"{name}.csv").write_text(text + rows)
        build(BuildConfig(table=str(tmp_path / f"{name}.csv"), out=tmp_path / name, model="mini"))
        dated = Bundle.open(tmp_path / name).sql(
            "SELECT event_start FROM observations ORDER BY row"
        )
        assert dated == [(date(2024, 5, 2) if name == "one" else None,)] * 2


def test_rights_of_two_files_are_each_ones_own():
    photo, sound = MediaFacts(kind="EXIF", rights="Ada"), MediaFacts(kind="tags", rights="Bo")
    wanted = ["rights holder"]
    holder = lambda *files: _of_row(wanted, list(files), Counter())["rights_holder"]  # noqa: E731
    assert holder((photo, True, "photo"), (sound, False, "sound")) == "Ada (photo); Bo (sound)"
    assert holder((photo, False, "photo"), (photo, False, "sound")) == "Ada"
    assert holder((MediaFacts(), False, "photo"), (sound, False, "sound")) == "Bo (sound)"
    assert holder((photo, False, ""), (MediaFacts(), False, "")) == "Ada"
