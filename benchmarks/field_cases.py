"""The situations that `field.py` runs: tables, dates, places, names, files. Each says what must stand in the index."""

from __future__ import annotations

from datetime import date

from field_trial import PLACE, Trial, case, holds, near, same


@case("01a", "I", "Camtrap DP folder")
def camtrap(t: Trial) -> str:
    i = t.built("01/camtrapdp", duplicates="error")
    names = i.column("scientific_name")
    same(i.counts["rows_in"] >= 7, True, "seven observations")
    same({"Vulpes vulpes", "Anas platyrhynchos", "Rattus norvegicus"} <= set(names), True, "names")
    same(i.observed["image"] >= 5, True, "photos")
    same(i.observed["loc"], i.counts["rows"], "places from deployments, also of further photos")
    same(i.taxon("Vulpes vulpes") >= 3, True)
    return f"{i.counts['rows_indexed']} rows, {i.observed['image']} photos, places and dates of the deployments"


@case("02a", "B", "eBird EBD")
def ebd(t: Trial) -> str:
    i = t.built("02/ebd_XX-IN_relAug-2024.txt")
    rows = i.rows("id", "scientific_name", "common_name", "event_start")
    same(
        rows[0],
        (
            "URN:CornellLabOfOrnithology:EBIRD:OBS900000000",
            "Perisoreus canadensis",
            "Canada Jay",
            date(2024, 7, 10),
        ),
    )
    same(i.observed["text"], len(rows), "names")
    return f"{len(rows)} rows with id, names, place and date"


@case("02b", "A", "one unclosed quote in an unquoted table of 300 rows")
def stray(t: Trial) -> str:
    i = t.built("43/stray_quote_300.tsv")
    same((i.counts["rows_indexed"], i.counts["rows_rejected"]), (300, 0))
    same(i.column("id"), [f"a{n}" for n in range(300)])
    holds(i.said(), r"quot.*line")
    return "300 rows; the line is named"


@case("03a", "OK", "GBIF Darwin Core Archive")
def gbif_archive(t: Trial) -> str:
    i = t.built("03/0001234-240101000000000.zip")
    same(i.lost("place"), 1, "the place 0, 0")
    refused = [r["text"] for r in i.understood["rejected"]]
    same(all("absent" in r.lower() for r in refused), True, str(refused))
    return f"{i.counts['rows_indexed']} rows, {i.counts['rows_rejected']} absence refused"


@case("03b", "F", "five photos of one occurrence in multimedia.txt")
def five_photos(t: Trial) -> str:
    i = t.built("03/0001234-240101000000000.zip")
    u = i.understood
    lost = [r for f in u["fields"] if f["name"] == "image" for r in f["lost"]]
    same(
        sum(r["rows"] for r in lost) + i.observed["image"] >= 5,
        True,
        "five photos indexed or said to be lost",
    )
    return f"{i.observed['image']} indexed, {sum(r['rows'] for r in lost)} counted as not fetched; {u['remote']} addresses for --urls"


@case("03d", "OK", "GBIF SIMPLE_CSV zip")
def simple(t: Trial) -> str:
    i = t.built("03/0001235-240101000000000.zip")
    same(i.lost("place"), 1, "the place 0, 0")
    refused = [r["text"] for r in i.understood["rejected"]]
    same(all("absent" in r.lower() for r in refused), True, str(refused))
    return f"{i.counts['rows_indexed']} rows, {i.counts['rows_rejected']} absence refused"


@case("04ab", "F", "iNaturalist export with line breaks in cells; its photos lie beside it")
def inaturalist(t: Trial) -> str:
    i = t.built("04/observations-400001.csv")
    same(i.observed["image"], 2, "photos found by their addresses")
    same(i.counts["rows_in"], 5)
    return "5 rows; 2 photos by the addresses' ends"


@case("04c", "F", "300 rows with addresses only")
def urls(t: Trial) -> str:
    done = t.program("look", t.files / "04/inat_300_urls.csv", "--urls", t.work / "u.txt")
    same(done.returncode, 0, done.stderr)
    lines = (t.work / "u.txt").read_text().splitlines()
    same(
        (len(lines), lines[299]),
        (300, "https://inaturalist-open-data.s3.amazonaws.com/photos/299/medium.jpg"),
    )
    same(len(done.stdout.splitlines()) < 30, True, "summed up")
    return "one line for 300 losses, --urls writes 300 addresses"


@case("05a", "K", "semicolons and decimal commas")
def commas(t: Trial) -> str:
    i = t.built("05/waarnemingen_decimaalkomma.csv")
    near(i.rows(*PLACE), [(51.2345, 4.4321), (50.8503, 4.3517), (-0.5, 12.25)])
    near(i.column("coordinate_uncertainty_m"), [12.5, 10, None])
    return "3 places"


@case("05b", "C", "Excel's sep=; line")
def sep(t: Trial) -> str:
    i = t.built("05/excel_sep_line.csv")
    same(i.column("id"), ["B1", "B2"])
    near(i.rows(*PLACE), [(51.2345, 4.4321), (50.8503, 4.3517)])
    return "2 rows"


@case("05c", "OK", "Excel ate the decimal point")
def thousands(t: Trial) -> str:
    i = t.built("05/excel_thousands.csv")
    same((i.observed["loc"], i.lost("place")), (0, 2))
    return "places lost with a reason, counted"


@case("06a", "D", "dates of every form")
def dates(t: Trial) -> str:
    i = t.built("06/dates.csv")
    got = dict(i.rows("id", "event_start"))
    day = date(2023, 5, 23)
    for key in ("us", "eu", "dotted", "tz", "text", "short", "compact", "exif", "space", "unix_ms"):
        if key in ("us", "eu"):
            continue  # the column has both orders
        same(got[key], date(2023, 5, 24) if key == "unix_ms" else day, key)
    same(got["java"], date(1930, 4, 1), "java")
    known = sum(v is not None for v in got.values())
    same(known + i.lost("date"), 18, "known and counted as lost")
    return f"{known} of 18 read, {i.lost('date')} counted as lost with reasons"


@case("06b", "D", "date unreadable, year, month and day filled")
def parts(t: Trial) -> str:
    i = t.built("06/dates_with_parts.csv")
    got = dict(i.rows("id", "event_start"))
    same(got["d1"], date(2023, 5, 23), "d1")
    same(got["d2"], date(1930, 4, 1), "d2")
    same(got["d3"], date(2023, 5, 4), "d3")
    same(got["d4"], date(2023, 5, 1), "d4")
    same(got["d5"] is not None, True, "d5")
    return "5 dates"


@case("07a", "K", "degrees, minutes, seconds; hemispheres; Unicode minus")
def dms(t: Trial) -> str:
    i = t.built("07/dms.csv")
    near(i.rows(*PLACE), [
        (51 + 14 / 60 + 4.2 / 3600, 4 + 25 / 60 + 55.6 / 3600), (51.2345, 4.4321),
        (51 + 14.070 / 60, 4 + 25.926 / 60), (51.2345, -4.4321), (-33.85, 151.21)])  # fmt: skip
    return "5 places"


@case("07c", "K", "only verbatimLatitude and verbatimLongitude")
def verbatim(t: Trial) -> str:
    near(t.built("07/verbatim_only.csv").rows(*PLACE), [(51.2345, 4.4321), (50.85, 4.35)])
    return "2 places"


@case("08", "I", "observations.xlsx")
def excel(t: Trial) -> str:
    i = t.built("08/observations.xlsx")
    same(i.observed["image"], 3)
    return f"{i.counts['rows_indexed']} rows, 3 photos; {i.column('event_start')}"


@case("09a", "OK", "one Parquet part with list columns")
def part(t: Trial) -> str:
    i = t.built("09/part_liststring.parquet")
    return f"{i.counts['rows_indexed']} rows"


@case("09b", "I", "the GBIF snapshot as a folder of parts")
def parts_folder(t: Trial) -> str:
    one = [t.built(f"09/occurrence.parquet/00000{n}").counts["rows_in"] for n in (0, 1)]
    i = t.built("09/occurrence.parquet")
    same(i.counts["rows_in"], sum(one))
    return f"{sum(one)} rows of two parts"


@case("10a", "I", "GeoPackage, GeoJSON, Shapefile")
def geo(t: Trial) -> str:
    seen = {}
    for name in ("obs.gpkg", "obs.geojson", "obs.geojsonl", "shp/obs.shp"):
        i = t.built(f"10/{name}")
        seen[name] = i.rows(*PLACE)
        same(len(i.column("scientific_name")), 3, name)
    first = seen["obs.gpkg"]
    for name, places in seen.items():
        near([p for p in places if p[0] is not None], [p for p in first if p[0] is not None], name)
    return f"4 formats, the same places {first[0]}"


@case("11a", "I", "Xeno-canto API answer")
def xc_api(t: Trial) -> str:
    i = t.built("11/xc_api.json")
    same(set(i.column("scientific_name")) <= {"Parus major", "Parus major newtoni"}, True, "names")
    same(i.column("rights_holder")[0], "Ada Invented")
    return (
        f"{i.counts['rows_indexed']} rows, {i.observed['audio']} recordings found, the rest counted"
    )


@case("11b", "B", "Xeno-canto CSV")
def xc_csv(t: Trial) -> str:
    i = t.built("11/xc_recordings.csv", media=t.files / "11/audio")
    same((i.observed["audio"], i.observed["text"]), (3, 3))
    same(i.column("rights_holder")[0], "Ada Invented")
    holds(str(i.column("license")[0]), "by-nc-sa")
    beside = t.built("11/xc_recordings.csv")
    same(beside.observed["audio"], 3, "found in audio/ beside the table")
    return "3 recordings, names, licence, recordist"


@case("13", "B/L", "Wildlife Insights")
def insights(t: Trial) -> str:
    i = t.built("13/images.csv")
    same(i.counts["rows_indexed"], 4)
    same((i.observed["image"], i.observed["loc"]), (4, 4))
    same(i.taxon("Vulpes vulpes"), 1)
    same(
        [n for n in i.column("text") if n and ("blank" in n.lower() or "cv" in n.lower())],
        [],
        "no taxa",
    )
    near(i.rows(*PLACE)[:2], [(51.2, 4.4), (51.3, 4.5)])
    return "4 photos, deployments' places, Blank and No CV Result are no taxa"


@case("26a", "E", "authors in scientificName; --taxon 'Parus major'")
def authors(t: Trial) -> str:
    i = t.built("26/ipt_occurrence.csv")
    same(i.taxon("Parus major"), 3)
    same(i.taxon("Parus major Linnaeus"), 3)
    same(i.taxon("Mentha x piperita"), 1)
    same(i.taxon("great tit") >= 1, True)
    return "3 rows with the subspecies; by author, hybrid and common name too"
