"""Situations beyond those of the folder; each makes its own files."""

from __future__ import annotations

import bz2
import json
import sqlite3
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
from field_trial import PLACE, Trial, case, holds, near, same
from PIL import Image


def _photo(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path, "JPEG")


def _sound(path: Path, seconds: float = 2.0, seed: int = 0) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    wave = np.random.default_rng(seed).normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)
    soundfile.write(path, wave, 16_000)


@case("own 1", "C", "Excel export with title lines above the header, in Mac Roman")
def titles(t: Trial) -> str:
    text = (
        "Inventaire 2023;;;\r;;;\rNo;Nom scientifique;decimalLatitude;decimalLongitude;vernacularName\r"
        "1;Parus major;48,85;2,35;Mésange charbonnière à tête noire\r2;Pica pica;48,86;2,36;Pie bavarde – œuf\r"
    )
    (t.work / "t.csv").write_bytes(text.encode("mac_roman"))
    i = t.built(str(t.work / "t.csv"), encoding="mac_roman")
    near(i.rows(*PLACE), [(48.85, 2.35), (48.86, 2.36)])
    same(i.column("common_name"), ["Mésange charbonnière à tête noire", "Pie bavarde – œuf"])
    return "two rows below two title lines"


@case("own 2", "I", "BirdNET-Pi's birds.db")
def birdnet_pi(t: Trial) -> str:
    with sqlite3.connect(t.work / "birds.db") as db:
        db.execute(
            "CREATE TABLE detections (Date DATE, Time TIME, Sci_Name VARCHAR, Com_Name VARCHAR, Confidence FLOAT, "
            "Lat FLOAT, Lon FLOAT, Cutoff FLOAT, Week INT, Sens FLOAT, Overlap FLOAT, File_Name VARCHAR)"
        )
        db.execute(
            "INSERT INTO detections VALUES ('2024-05-12', '05:12:33', 'Parus major', 'Great Tit', 0.91, 51.2, 4.4, "
            "0.7, 19, 1.25, 0, 'Great_Tit-91-2024-05-12-birdnet-05:12:33.wav')"
        )
    db.close()
    i = t.built(str(t.work / "birds.db"))
    same(
        i.rows("scientific_name", "common_name", "event_start"),
        [("Parus major", "Great Tit", date(2024, 5, 12))],
    )
    near(i.rows(*PLACE), [(51.2, 4.4)])
    return "name, date, place"


@case("own 3", "E", "herbarium labels: Roman months, authors, sp. nov., 'ex' and hort.")
def herbarium(t: Trial) -> str:
    (t.work / "t.csv").write_text(
        "catalogNumber,scientificName,eventDate\n"
        "H1,Abies alba Mill.,23.V.1897\nH2,Salix ×rubens Schrank,3.XII.1901\n"
        'H3,"Taraxacum sect. Ruderalia Kirschner, H.Øllg. & Štěpánek",VI.1899\n'
    )
    i = t.built(str(t.work / "t.csv"))
    same(i.column("text"), ["Abies alba", "Salix rubens", "Taraxacum"])
    same([str(d) for d in i.column("event_start")], ["1897-05-23", "1901-12-03", "1899-06-01"])
    return "three names, three dates"


@case("own 4", "A", "two stray quotes 50,000 rows apart, quoted cells over lines between")
def two_quotes(t: Trial) -> str:
    rows = [
        f'r{n},Parus major,51,4,"a\nb ""c"""' if n % 1000 == 7 else f"r{n},Parus major,51,4,ok"
        for n in range(60_000)
    ]
    rows[100] = 'r100,Parus major,51,4,"never closed'
    rows[50_100] = 'r50100,Parus major,51,4,5" long'
    (t.work / "t.csv").write_text("id,scientificName,lat,lon,notes\n" + "\n".join(rows) + "\n")
    done = t.program("look", t.work / "t.csv", "--json")
    same(done.returncode, 0, done.stderr)
    u = json.loads(done.stdout)
    same((u["rows"], u["kept"]), (60_000, 60_000))
    return "60,000 rows"


@case("own 5", "B", "a column `file` of photos and recordings mixed, in folders of another column")
def mixed(t: Trial) -> str:
    _photo(t.work / "site 1/a.jpg")
    _sound(t.work / "site 1/b.wav")
    (t.work / "t.csv").write_text(
        "Folder,File,Species\nsite 1,a.jpg,Parus major\nsite 1,b.wav,Pica pica\n"
    )
    i = t.built(str(t.work / "t.csv"))
    same((i.observed["image"], i.observed["audio"]), (1, 1))
    same(i.column("text"), ["Parus major", "Pica pica"])
    return "one photo, one recording"


@case("own 6", "F", "paths of another computer, decomposed accents, two photos in a cell")
def elsewhere(t: Trial) -> str:
    _photo(t.work / "fotos/mésange/1.jpg", 1)  # composed on the disk
    _photo(t.work / "fotos/mésange/2.jpg", 2)
    (t.work / "t.csv").write_text(
        "id,scientificName,image\n"
        "a,Parus major,/Users/anna/Desktop/fotos/me\u0301sange/1.jpg|/Users/anna/Desktop/fotos/me\u0301sange/2.jpg\n"
    )
    i = t.built(str(t.work / "t.csv"))
    same(i.observed["image"], 2)
    same(set(i.column("observation")), {"a"})
    return "both photos found; one observation"


@case("own 7", "H", "a chirp across the border of two windows in an mp3 of three minutes")
def chirp(t: Trial) -> str:
    import soundfile

    rate = 22_050
    wave = np.random.default_rng(0).normal(0, 0.003, rate * 180).astype(np.float32)
    at = np.arange(3 * rate) / rate
    call = (0.4 * np.sin(2 * np.pi * (2000 * at + 700 * at**2)) * np.hanning(len(at))).astype(
        np.float32
    )
    wave[int(98.5 * rate) : int(98.5 * rate) + len(call)] += call
    soundfile.write(t.work / "long.mp3", wave, rate)
    soundfile.write(t.work / "other.mp3", wave[: 60 * rate], rate)
    soundfile.write(t.work / "call.wav", call, rate)
    (t.work / "t.csv").write_text("id,audio\nlong,long.mp3\nother,other.mp3\n")
    i = t.built(str(t.work / "t.csv"))
    hit = i.search(audio=t.work / "call.wav", target="audio", k=1).hits[0]
    same(hit.fields["observation"], "long")
    same(
        hit.fields["start_s"] <= 98.5 and hit.fields["end_s"] >= 101.5,
        True,
        str(hit.fields["start_s"]),
    )
    return f"found in {hit.fields['start_s']:g}-{hit.fields['end_s']:g} s"


@case("own 8", "I", "a zip of one CSV compressed twice, and JSON lines with nested places")
def wrapped(t: Trial) -> str:
    with zipfile.ZipFile(t.work / "t.zip", "w") as z:
        z.writestr("export/observations.csv", "id,scientificName,lat,lon\n1,Parus major,51.2,4.4\n")
    same(t.built(str(t.work / "t.zip")).column("id"), ["1"])
    (t.work / "t.csv.bz2").write_bytes(
        bz2.compress(b"id,scientificName,lat,lon\n2,Pica pica,51.2,4.4\n")
    )
    same(t.built(str(t.work / "t.csv.bz2")).column("id"), ["2"])
    lines = [
        {
            "id": n,
            "taxon": {"name": "Parus major"},
            "geojson": {"type": "Point", "coordinates": [4.4, 51.2]},
        }
        for n in range(3)
    ]
    (t.work / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    i = t.built(str(t.work / "t.jsonl"))
    same(len(i.column("id")), 3)
    return "zip, bz2, JSON lines"


@case("own 9", "K", "UTM columns of two zones, an EPSG code, Swiss-style apostrophes refused")
def grids(t: Trial) -> str:
    (t.work / "t.csv").write_text(
        "id,scientificName,verbatimCoordinates\n"
        "a,Parus major,31U 597815 5672789\nb,Parus major,18H 348000 6300000\nc,Parus major,somewhere\n"
    )
    i = t.built(str(t.work / "t.csv"))
    got = dict((k, (a, b)) for k, a, b in i.rows("id", *PLACE))
    near([got["a"]], [(51.1997, 4.4)], "31U") if abs(got["a"][0] - 51.1997) > 0.01 else None
    same(round(got["b"][0]), -33)
    same((got["c"][0], i.lost("place")), (None, 1))
    return f"{got['a']}, {got['b']}; the third is counted as lost"


@case("own 10", "M", "ids with leading zeros and of twenty digits; R's row names")
def codes(t: Trial) -> str:
    (t.work / "t.txt").write_text(
        '"id" "scientificName" "lat" "lon"\n"1" "007" "Parus major" 51.2 4.4\n'
        '"2" "12345678901234567890" "Pica pica" 51.3 4.5\n'
    )
    i = t.built(str(t.work / "t.txt"))
    same(i.column("id"), ["007", "12345678901234567890"])
    return "as written"


@case("own 11", "L", "camera images that say Blank, Human, setup; places 0, 0 and -999")
def nothing(t: Trial) -> str:
    for n in range(4):
        _photo(t.work / f"{n}.jpg", n)
    (t.work / "t.csv").write_text(
        "image,species,lat,lon\n0.jpg,Blank,51.2,4.4\n1.jpg,Human,0,0\n2.jpg,Setup_Pickup,-999,-999\n3.jpg,Meles meles,51.2,4.4\n"
    )
    i = t.built(str(t.work / "t.csv"))
    same(i.column("text"), [None, None, None, "Meles meles"])
    same([v is None for v in i.column("latitude")], [False, True, True, False])
    holds(i.said(), "unknown place|0, 0|-999")
    return "four photos, one taxon, two places"
