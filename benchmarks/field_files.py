"""Situations of files: photos and recordings of every kind, found or not, whole or long."""

from __future__ import annotations

import os
import shutil

from field_trial import PLACE, Trial, case, holds, same


@case("14", "F", "GUANO in recordings; the table has only paths")
def guano(t: Trial) -> str:
    i = t.built("14/obs.csv")
    same(i.observed["loc"], 2, "places")
    same(all(i.column("event_start")), True, "dates")
    return f"{i.rows(*PLACE)}, {i.column('event_start')}"


@case("15a", "I", "a folder of photos, no table; a folder of recordings")
def folder(t: Trial) -> str:
    i = t.built("15/photos")
    same(i.observed["image"], 4)
    same(sorted(set(i.column("scientific_name"))), ["Parus major", "Vulpes vulpes"])
    os.mkdir(t.work / "rec")
    for p in (t.files / "14").glob("*.WAV"):
        shutil.copy(p, t.work / "rec")
    j = t.built(str(t.work / "rec"))
    same(j.observed["audio"], 2)
    same([str(d) for d in j.column("event_start")], ["2024-05-31", "2024-05-31"])
    return "4 photos with species from folders; 2 recordings with dates from names"


@case("16", "G", "iPhone HEIC and HEIF, also one named .JPG; query by one")
def heic(t: Trial) -> str:
    i = t.built("16/obs.csv")
    same(i.observed["image"], 4)
    asked = t.files / "16/IMG_0001.HEIC"
    photos = dict(zip(i.column("id"), i.column("image"), strict=True))
    alike = {
        n for n, p in photos.items() if (t.files / "16" / p).read_bytes() == asked.read_bytes()
    }
    hits = i.search(image=asked, target="image", k=len(alike)).hits
    same({h.fields["id"] for h in hits}, alike, "it and the files with the same bytes")
    return f"4 photos; finds itself and its {len(alike) - 1} copies under other names first"


@case("17a", "G", "AVIF")
def avif(t: Trial) -> str:
    i = t.built("17/obs.csv")
    there = [p for p in i.column("image") if p is not None and (t.files / "17" / p).is_file()]
    same(i.observed["image"], len(there))
    same("b.avif" in there, True)
    return f"{len(there)} photos of as many formats"


@case("19a", "G", "WAV whose header says length 0")
def wav_zero(t: Trial) -> str:
    table = t.work / "t.csv"
    table.write_text("id,audio\na,header_length_zero.wav\nb,only_header_44.wav\n")
    for p in (t.files / "19").glob("*.wav"):
        shutil.copy(p, t.work)
    i = t.built(str(table))
    same(i.column("id"), ["a"])
    return "read to its end; the 44-byte file is refused with its reason"


@case(
    "20a",
    "H",
    "a call at minute 7 of 12, and one at minute 11 of a recorder muted until then (20c)",
)
def call(t: Trial) -> str:
    import numpy as np
    import soundfile

    sound, rate = soundfile.read(t.files / "20/call.flac", dtype="float32")
    wind = (0.003 * np.random.default_rng(0).normal(size=(2, 720 * rate))).astype(np.float32)
    wind[0, 420 * rate : 420 * rate + len(sound)] += sound
    for name, wave in zip(("calls", "wind"), wind, strict=True):
        soundfile.write(t.work / f"{name}.flac", wave, rate)
    shutil.copy(t.files / "20/recorder_muted_until_11min.flac", t.work / "muted.flac")
    table = t.work / "t.csv"
    table.write_text("id,audio\ncalls,calls.flac\nwind,wind.flac\nmuted,muted.flac\n")
    i = t.built(str(table))
    answer = i.search(audio=t.files / "20/call.flac", target="audio", k=3)
    found = {h.fields["observation"]: h for h in answer.hits}
    same(list(found)[2], "wind", "the recording without the call comes last")
    for name, at in (("calls", 420), ("muted", 660)):
        start, end = found[name].fields["start_s"], found[name].fields["end_s"]
        same(start <= at and end >= at + 3, True, f"{name}: window {start}-{end}")
    for name in ("wind", "calls"):
        same(i.column("observation").count(name), 143, f"windows of {name}")
    same(i.column("observation").count("muted"), 2, "windows of muted that are not silent")
    again = i.search(audio=f"{t.work / 'calls.flac'}@7:00-7:10", target="audio", k=1)
    same(again.hits[0].fields["start_s"], 420.0, "a span of the recording finds itself")
    scores = ", ".join(f"{n} {h.score:.2f}" for n, h in found.items())
    return f"found at 7:00 and 11:00 by its clip ({scores}); 141 silent windows left out"


@case("22", "F", "Windows paths")
def windows(t: Trial) -> str:
    same(t.built("22/obs.csv").observed["image"], 3)
    return "3 photos"


@case("24", "F", ".wav in the table, .WAV on the disk")
def letters(t: Trial) -> str:
    i = t.built("24/obs.csv")
    same((i.observed["audio"], i.observed["image"]), (1, 1))
    return "found; said"


@case("25", "F", "iNaturalist Open Data: empty position, several photos")
def open_data(t: Trial) -> str:
    i = t.built("25")
    photos = dict.fromkeys(i.column("observation"))
    same({"u-1", "u-2"} <= set(photos), True, "observations")
    same(i.observed["image"], 3, "photos there")
    holds(i.said() + str(i.rows("id", "image")), "900000013")
    return "both photos of u-1, the one of u-2; the absent one of u-4 is counted"
