"""More situations: daily use, archives, records, identity, video."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date

from field_trial import PLACE, ROOT, Trial, case, holds, near, same


def _names(t: Trial) -> dict[str, str | None]:
    i = t.built("37/names.csv")
    return dict(i.rows("id", "text"))


@case("27a", "N", "a table of queries")
def batch(t: Trial) -> str:
    same(
        t.program(
            "build", t.files / "30/obs.csv", "--model", "mini", "-i", t.work / "i.p3i"
        ).returncode,
        0,
    )
    table = t.work / "q.csv"
    photos = sorted((t.files / "30/photos").iterdir())
    for p in photos:
        shutil.copy(p, t.work)
    table.write_text(
        "id,image,scientificName\n"
        + "".join(f"q{n},{p.name},\n" for n, p in enumerate(photos))
        + "t,,Parus major\nbad,nowhere.jpg,\n"
    )
    out = t.work / "a.jsonl"
    done = t.program(
        "query",
        "--queries",
        table,
        "-i",
        t.work / "i.p3i",
        "--target",
        "image",
        "-k",
        1,
        "-o",
        out,
    )
    same(done.returncode, 0, done.stderr)
    text = out.read_text()
    for name in ("q0", "q1", "q2", '"t"', "bad"):
        holds(text, name)
    return f"{len(text.splitlines())} lines; the one without a file has its reason"


@case("27b", "N", "two photos in one query")
def two_photos(t: Trial) -> str:
    i = t.built("30/obs.csv")
    photos = sorted((t.files / "30/photos").iterdir())
    answer = i.search(image=photos[:2], target="image", k=3)
    holds(" ".join(answer.notes), "2 photos|2 image|averag")
    return "averaged, and said"


@case("28", "N", "a table from a pipe")
def pipe(t: Trial) -> str:
    command = f"head -3 {t.files}/28/obs.csv | {sys.executable} -m prom3e_index.cli.app build - --model mini -i {t.work}/p.p3i"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env)
    same(done.returncode, 0, done.stderr)
    holds(done.stdout, r"^2 rows in|2 (rows|observations)")
    return "2 rows from stdin"


@case("30b", "N", "index and photos moved together")
def moved(t: Trial) -> str:
    shutil.copytree(t.files / "30", t.work / "a")
    same(
        t.program(
            "build", t.work / "a/obs.csv", "--model", "mini", "-i", t.work / "a/i.p3i"
        ).returncode,
        0,
    )
    os.rename(t.work / "a", t.work / "b")
    done = t.program(
        "query",
        "-i",
        t.work / "b/i.p3i",
        "--text",
        "Parus major",
        "--target",
        "image",
        "-k",
        1,
        "--format",
        "json",
    )
    same(done.returncode, 0, done.stderr)
    path = json.loads(done.stdout)["hits"][0]["media"]
    same(os.path.isfile(path), True, path)
    return "the hits' paths are those of the new place"


@case("32a", "B", "BirdNET result table and selection table")
def birdnet(t: Trial) -> str:
    i = t.built("32/BirdNET_CombinedTable.csv")
    same([n for n in i.column("scientific_name")], ["Parus major", "Turdus merula", "Parus major"])
    near(i.rows("start_s", "end_s"), [(0, 3), (3, 6), (6, 9)])
    j = t.built("32/SITE1_20240531_052500.BirdNET.selection.table.txt")
    near(j.rows("start_s", "end_s"), [(0, 3), (3, 6)])
    same(j.column("common_name"), ["Great Tit", "Eurasian Blackbird"])
    return f"spans embedded: {i.observed['audio']} and {j.observed['audio']}"


@case("33a", "B/E", "camtrapR record table")
def camtrapr(t: Trial) -> str:
    i = t.built("33/record_table.csv")
    same(i.observed["image"], 3)
    same([x for x in i.column("text") if x == "Leopard"], [], "'Leopard Cat' is no 'Leopard'")
    same(i.column("common_name")[0], "Leopard Cat")
    return "Directory + FileName joined; Leopard Cat stays whole"


@case("34", "C", "code pages: Windows-1252, GBK, UTF-16, CR, comments, blank lines")
def pages(t: Trial) -> str:
    same(
        t.built("34/excel_cp1252_dash.csv").column("common_name"),
        ["Kohlmeise – groß", "L’oiseau ‘pie’ €"],
    )
    same(t.built("34/excel_zh_gbk.csv").column("common_name"), ["大山雀", "麻雀", "喜鹊"])
    same(len(t.built("34/excel_unicode_text_utf16.txt").column("id")), 3)
    same(t.built("34/mac_cr_only.csv").column("id"), ["1", "2"])
    same(t.built("34/comment_lines.csv").column("id"), ["1"])
    same(t.built("34/blank_first_lines.csv").column("id"), ["1"])
    return "six tables right"


@case("35", "L", "absences and zero counts")
def absent(t: Trial) -> str:
    i = t.built("35/absent.csv")
    same(set(i.column("species")), {"Elanus caeruleus"})
    same(len(i.column("id")), i.counts["rows_in"] - i.counts["rows_rejected"])
    same(i.counts["rows_rejected"] >= 2, True, "absences are refused")
    holds(i.said(), "absent|absence|zero|none was")
    return f"{i.counts['rows_rejected']} absences refused with a reason"


@case("37", "E", "names of every form")
def names(t: Trial) -> str:
    got = _names(t)
    wanted = {
        "n0": "Parus major", "n1": "Mentha piperita", "n2": "Mentha piperita", "n3": "Mentha piperita",
        "n4": "Cuprocyparis leylandii", "n6": "Corvus corone", "n7": "Corvus corone", "n8": "Rosa", "n12": "Rosa",
        "n15": "Bombus terrestris", "n16": "Amanita muscaria", "n19": "Parus major", "n22": "Parus major",
        "n26": "Coccinella 7-punctata", "n27": "Polygonia c-album",
    }  # fmt: skip
    for key, name in wanted.items():
        same(got.get(key), name, key)
    for key in ("n14",):
        same(got.get(key) in (None, "Anas"), True, f"{key} {got.get(key)!r}")
    rows = dict(t.built("37/symbiota_like.csv").rows("id", "text"))
    same(rows["S1"].split()[-2:], ["Rosa", "canina"])
    same(rows["S3"].split()[-2:], ["Mentha", "piperita"])
    return f"{len(wanted)} forms; genus + epithet"


@case("38a", "B", "BirdCLEF metadata: filename is the recording")
def birdclef(t: Trial) -> str:
    i = t.built("38/train_metadata.csv")
    same(i.observed["audio"], 3)
    same(i.column("common_name")[0], "Great Tit")
    return "3 recordings under train_audio/"


@case("39", "J", "sampling-event archive")
def events(t: Trial) -> str:
    i = t.built("39/dwca-sampling-event.zip")
    same(i.observed["text"] >= 1, True, "names of occurrences")
    same(any(str(k).startswith("row-") for k in i.column("id")), False, "ids")
    same(i.observed["loc"], i.counts["rows_indexed"], "places of events")
    return f"{i.counts['rows_indexed']} occurrences with their events' places"


@case("40", "M", "occurrenceID '1' in two data sets")
def identity(t: Trial) -> str:
    i = t.built("40/0001236-240101000000000.csv")
    same(i.column("id"), [f"900000000{n}" for n in range(1, 6)])
    return "5 rows by gbifID"


@case("41b", "E/L", "common names and 'empty' in the column species")
def common(t: Trial) -> str:
    i = t.built("41/camera_common_names.csv")
    same(i.observed["image"], 3)
    same(i.column("common_name")[:2], ["Red Fox", "Roe Deer"])
    same(i.column("text")[2], None, "empty is no taxon")
    same([x for x in i.column("text") if x in ("Red", "Roe")], [])
    return "Red Fox, Roe Deer; empty has no name"


@case("43c", "OK", "inches, ragged rows, backslashes")
def ragged(t: Trial) -> str:
    same(t.built("43/inches_300.csv").counts["rows_in"], 300)
    same(t.built("43/backslash_escape.csv").column("id"), ["a1", "a2", "a3"])
    i = t.built("43/ragged_300.csv")
    same(i.counts["rows_in"], 299)  # and one line is empty
    return f"ragged: {i.counts['rows_indexed']} + {i.counts['rows_rejected']} = 299"


@case("44", "J/C", "archives: unmapped columns, windows-1252, constants, CRLF; one tab more")
def archives(t: Trial) -> str:
    seen = []
    for name in (
        "dwca_unmapped_trailing_columns",
        "dwca_windows1252",
        "dwca_constant_coordinates",
        "dwca_crlf_lines",
    ):
        i = t.built(f"44/{name}.zip")
        same((i.counts["rows_rejected"], i.counts["rows_indexed"] > 0), (0, True), name)
        seen.append(i.counts["rows_indexed"])
    same(t.built("44/rows_one_tab_more.tsv").column("id"), ["u1", "u2"])
    return f"{seen} rows, none refused"


@case("45b", "B", "auk's read_ebd")
def auk(t: Trial) -> str:
    i = t.built("45/auk_read_ebd.csv")
    same([str(d) for d in i.column("event_start")], ["2024-07-11", "2024-07-12"])
    return f"dates; ids {i.column('id')[:1]}"


@case("46b", "G", "camera-trap video as photo")
def video(t: Trial) -> str:
    (t.work / "t.csv").write_text("id,image\nv,camera_video.mp4\n")
    shutil.copy(t.files / "46/camera_video.mp4", t.work)
    i = t.built(str(t.work / "t.csv"))
    same(i.observed["image"], 1)
    return "a frame of it"


@case("47a", "OK", "--where on a column with X among counts")
def counts(t: Trial) -> str:
    same(
        t.program(
            "build", t.files / "47/ebd_counts.txt", "--model", "mini", "-i", t.work / "i.p3i"
        ).returncode,
        0,
    )
    done = t.program(
        "query",
        "-i",
        t.work / "i.p3i",
        "--text",
        "Mallard",
        "--target",
        "loc",
        "--where",
        '"OBSERVATION COUNT" > 3',
    )
    same(done.returncode in (0, 2), True)
    if done.returncode == 2:
        holds(done.stderr, "TRY_CAST")
        return "refused with what to write"
    return "works"


@case("48a", "D", "intervals of every shape")
def intervals(t: Trial) -> str:
    got = {
        k: (a, b)
        for k, a, b in t.built("48/iso_intervals.csv").rows("id", "event_start", "event_end")
    }
    same(got["b"], (date(2007, 11, 13), date(2007, 11, 15)))
    same(got["c"], (date(2021, 1, 1), date(2022, 12, 31)))
    same(got["d"], (date(2007, 3, 1), date(2008, 5, 11)))
    same(got["e"], (date(2009, 2, 20), date(2009, 2, 20)))
    same(got["f"], (date(2021, 6, 1), date(2021, 8, 31)))
    same(got["j"], (date(2021, 5, 17), date(2021, 5, 17)))
    same(got["k"], (date(2023, 5, 17), date(2023, 5, 17)))
    return "every interval"


@case("49", "B", "--where on elevation of a climate table")
def elevation(t: Trial) -> str:
    from prom3e_index import Filter

    i = t.built("49/climate.csv")
    same(
        i.search(
            text="Parus major", target="loc", filter=Filter(where="elevation > 1"), k=5
        ).search["eligible"],
        2,
    )
    same(i.observed["env"], 3)
    near(i.rows(*PLACE), [(51.1, 4.1), (51.2, 4.2), (51.3, 4.3)])
    return "2 of 3 rows"
