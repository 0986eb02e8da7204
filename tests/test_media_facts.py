"""What files say of themselves is read from their headers, of every kind of notes; what is not believed is said."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational
from raw_photos import write_dng
from test_photo_formats import picture
from told_files import bext, comment, guano, told_photo, told_wav, wamd

from prom3e_index.media.facts import MediaFacts, facts_of
from prom3e_index.media.pool import DecodePool, Task

MOTH = "Recorded at 19:00:05 23/05/2023 (UTC{}) by AudioMoth 24F3190361DA2B44 at medium gain setting while battery state was 4.1V"


def told(path) -> dict:
    facts = facts_of(path).as_json()
    return {k: pytest.approx(v) if isinstance(v, float) else v for k, v in facts.items()}


def test_exif_of_a_photo(tmp_path):
    path = told_photo(tmp_path / "a.jpg", place=(-33.5, 151.25), taken="2023:05:23 07:08:09",
                      exif={315: "Ada Invented", 271: "Invented", 272: "Cam 1"})  # fmt: skip

    assert told(path) == {"latitude": -33.5, "longitude": 151.25, "when": "2023-05-23T07:08:09", "rights": "Ada Invented",
                          "recorder": "Invented Cam 1", "kind": "EXIF"}  # fmt: skip


def test_exif_of_heic_png_webp_tiff_and_raw(tmp_path):
    import pillow_heif

    exif = Image.Exif()
    exif.get_ifd(0x8825).update(
        {1: "N", 2: (51.0, 18.0, 36.0), 3: "W", 4: (4.0, 30.0, 0.0), 31: 12.5}
    )
    exif.get_ifd(0x8769).update({36867: "2023:05:23 07:08:09", 36881: "+02:00"})
    image = Image.fromarray(picture())
    for name in ("a.png", "a.webp", "a.tif"):
        image.save(tmp_path / name, exif=exif.tobytes())
    pillow_heif.from_pillow(image).save(tmp_path / "a.heic", exif=exif.tobytes())
    for name in ("a.png", "a.webp", "a.tif", "a.heic"):
        assert told(tmp_path / name) == {
            "latitude": 51.31, "longitude": -4.5, "uncertainty_m": 12.5, "when": "2023-05-23T07:08:09+02:00", "kind": "EXIF",
        }, name  # fmt: skip
    raw = write_dng(tmp_path / "a.dng", picture() / 255.0, (255, 0, 255))
    assert told(raw) == {"recorder": "Invented Camera", "kind": "EXIF"}


@pytest.mark.parametrize("gps, unused", [
    ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, ("its place is 0/0: no fix",)),
    ({1: "N", 2: (95.0, 0.0, 0.0), 3: "E", 4: (4.0, 0.0, 0.0)}, ("its place 95, 4 is none on the globe",)),
    ({1: "N", 2: (IFDRational(0, 0), 0.0, 0.0), 3: "E", 4: (4.0, 0.0, 0.0)}, None),
    ({1: "N", 2: (51.0, 0.0, 0.0)}, None), ({9: "V", 1: "N", 2: (51.0, 0.0, 0.0), 3: "E", 4: (4.0, 0.0, 0.0)}, None),
])  # fmt: skip
def test_a_place_that_is_none_is_unknown(tmp_path, gps, unused):
    facts = facts_of(told_photo(tmp_path / "a.jpg", place=gps))

    assert facts.latitude is None and facts.unused == (unused or ())


@pytest.mark.parametrize("taken, when, unused", [
    ("2023:05:23 07:08:09", "2023-05-23T07:08:09", ""), ("1970:01:01 00:00:12", None, "1970-01-01 is that of a clock never set"),
    ("2000:01:01 00:01:00", None, "clock never set"), ("2000:01:01 14:00:00", "2000-01-01T14:00:00", ""),
    ("0000:00:00 00:00:00", None, ""), ("2023:13:40 00:00:00", None, "is none"), ("2099:05:05 10:00:00", None, "not believed"),
    ("    :  :     :  :  ", None, ""), ("1962:07:01 12:00:00", "1962-07-01T12:00:00", ""),
])  # fmt: skip
def test_a_clock_that_was_never_set_gives_no_date(tmp_path, taken, when, unused):
    facts = facts_of(told_photo(tmp_path / "a.jpg", taken=taken))

    assert facts.when == when and (unused in "; ".join(facts.unused)) and bool(facts.unused) == bool(unused)  # fmt: skip


def test_xmp_names_the_taxon_the_maker_and_the_terms(tmp_path):
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description dwc:scientificName="Parus major" '
        'cc:license="https://creativecommons.org/licenses/by/4.0/"><dc:creator><rdf:Seq><rdf:li>Ada &amp; Bo</rdf:li>'
        "</rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>"
    )

    assert told(told_photo(tmp_path / "a.jpg", xmp=xmp)) == {
        "species": "Parus major", "licence": "https://creativecommons.org/licenses/by/4.0/", "rights": "Ada & Bo", "kind": "EXIF",
    }  # fmt: skip


@pytest.mark.parametrize("chunk, expected", [
    (guano(Timestamp="2024-05-31T08:25:31+02:00", Loc_Position="51.2345 -4.4321", Loc_Accuracy="7", Species_Manual_ID="Parus major",
           Make="Open Acoustic Devices", Model="AudioMoth"),
     {"latitude": 51.2345, "longitude": -4.4321, "uncertainty_m": 7.0, "when": "2024-05-31T08:25:31+02:00", "species": "Parus major",
      "recorder": "Open Acoustic Devices AudioMoth", "kind": "GUANO"}),
    (guano(Timestamp="2024-05-31 08:25:31", Loc_Position="51.2345, 4.4321", odd="", Note="a: b"),
     {"latitude": 51.2345, "longitude": 4.4321, "when": "2024-05-31T08:25:31", "kind": "GUANO"}),
    (guano(Timestamp="yesterday", Loc_Position="nowhere", Species_Auto_ID="PIPPIP"),
     {"kind": "GUANO", "unused": ("'PIPPIP' was named by a program (Species Auto ID)",)}),
    (comment(MOTH.format("")), {"when": "2023-05-23T19:00:05Z", "recorder": "AudioMoth 24F3190361DA2B44", "kind": "AudioMoth"}),
    (comment(MOTH.format("+2")), {"when": "2023-05-23T19:00:05+02:00", "recorder": "AudioMoth 24F3190361DA2B44", "kind": "AudioMoth"}),
    (comment(MOTH.format("-3:30")), {"when": "2023-05-23T19:00:05-03:30", "recorder": "AudioMoth 24F3190361DA2B44", "kind": "AudioMoth"}),
    (comment("Recorded at 00:00:10 01/01/1970 (UTC) by AudioMoth 24F3190361DA2B44"),
     {"recorder": "AudioMoth 24F3190361DA2B44", "kind": "AudioMoth", "unused": ("its date 1970-01-01 is that of a clock never set",)}),
    (bext("2021-04-03", "05-06-07", "Zoom F3"), {"when": "2021-04-03T05:06:07", "recorder": "Zoom F3", "kind": "BWF"}),
    (wamd(model="SM4BAT", timestamp="2014-04-02 22:59:14-05:00", gps="WGS84,42.5,N,71.25,W,30", manual="Myotis lucifugus"),
     {"latitude": 42.5, "longitude": -71.25, "when": "2014-04-02T22:59:14-05:00", "species": "Myotis lucifugus", "recorder": "SM4BAT",
      "kind": "WAMD"}),
    (wamd(gps="WGS84, -42.5, 71.25"), {"latitude": -42.5, "longitude": 71.25, "kind": "WAMD"}),
    ((b"guan", b"\xff\xfe no notes at all"), {}), ((b"wamd", b"\1\0\xff\xff\xff\xff"), {}), ((b"LIST", b"INFOICMT\xff\xff\xff\x7f"), {}),
])  # fmt: skip
def test_notes_of_recorders(tmp_path, chunk, expected):
    assert told(told_wav(tmp_path / "a.wav", chunk)) == expected


def test_tags_of_other_formats(tmp_path):
    import av

    def write(name: str, codec: str, **tags: str) -> dict:
        with av.open(str(tmp_path / name), "w") as out:
            out.metadata.update(tags)
            stream = out.add_stream(codec, rate=48_000, layout="mono")
            frame = av.AudioFrame(
                format=stream.codec_context.format.name, layout="mono", samples=1152
            )
            frame.sample_rate = 48_000
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return told(tmp_path / name)

    assert write("a.flac", "flac", SENSORLOCATION="-27.5+153.25", RECORDINGSTART="2019-10-12T05:30:00+10:00") == {
        "latitude": -27.5, "longitude": 153.25, "when": "2019-10-12T05:30:00+10:00", "kind": "tags"}  # fmt: skip
    assert write("b.mp3", "libmp3lame", title="Great Tit (Parus major major)", artist="Ada Invented", comment="xeno-canto XC1",
                 copyright="2016 Ada Invented CC BY-NC-SA 4.0") == {
        "species": "Parus major major", "rights": "2016 Ada Invented CC BY-NC-SA 4.0", "licence": "CC BY-NC-SA 4.0", "kind": "tags"}  # fmt: skip
    assert write("c.mp3", "libmp3lame", title="Song (Radio edit)") == {}


def test_facts_come_out_of_a_decode_process_and_lies_do_not(tmp_path):
    path = told_photo(tmp_path / "a.jpg", place=(10.0, 20.0))
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe1\xff\xffExif\0\0II*\0\xff\xff\xff\xff")
    with DecodePool(1) as pool:
        for name in ("a.jpg", "bad.jpg", "absent.jpg"):
            pool.submit(Task("facts", tmp_path / name, {})).result()
    assert MediaFacts.from_json(json.loads(pool.notes[path])) == facts_of(path)
    assert facts_of(tmp_path / "bad.jpg") == MediaFacts()
    assert MediaFacts.from_json({"latitude": "x", "species": 3, "unused": "no", "when": "2020" * 999}).when == ("2020" * 100)  # fmt: skip
    assert MediaFacts.from_json([1]) == MediaFacts()
