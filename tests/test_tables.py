"""Observation tables: real ones of every convention, and broken ones."""

from __future__ import annotations

import csv
import gzip

import pytest
from conftest import shared

from prom3e_index.errors import InputError, TableError
from prom3e_index.tables import read_observations
from prom3e_index.tables.normalise import coordinates


def rows_of(path, **options):
    table = read_observations(path, **options)
    return [row for batch in table.batches(500) for row in batch.to_pylist()], table


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_birds_match_a_plain_reading():
    path = shared("data/birds24/observations.csv")
    rows, table = rows_of(path)
    with path.open(encoding="utf-8", newline="") as f:
        plain = list(csv.DictReader(f))

    assert table.format == "csv" and len(rows) == len(plain) == 1040
    for row, raw in zip(rows, plain, strict=True):
        assert row["id"] == raw["occurrenceID"]
        assert row["latitude"] == float(raw["decimalLatitude"])
        assert row["image"] == (raw["image"] or None) and row["audio"] == (raw["audio"] or None)
        higher = [raw[r] for r in ("kingdom", "phylum", "class", "order", "family")]
        assert row["text"] == " ".join([*higher, *raw["scientificName"].split()[:2]])
        assert row["koppen"] == (raw["koppen"] or None)


@pytest.mark.parametrize("name, format, count", [
    ("krems.csv", "inaturalist", 795), ("linz.csv", "inaturalist", 1140), ("wien.csv.gz", "inaturalist", 6203),
    ("observations.csv", "csv", 50), ("observations.parquet", "parquet", 50), ("observations_dwca.csv", "csv", 50),
    ("dwca-simple-csv.zip", "gbif", 3), ("dwca-simple-dir", "dwca", 4), ("dwca-star-test-archive.zip", "dwca", 4),
    ("gbif-results.zip", "dwca", 158), ("gbif_download_example.zip", "dwca", 470),
])  # fmt: skip
def test_real_tables_are_recognised_and_whole(name, format, count):
    rows, table = rows_of(shared("data/tables") / name)

    assert (table.format, len(rows) + len(table.rejected)) == (format, count)
    assert all(row["id"] for row in rows)


def test_one_table_in_three_containers_gives_the_same_rows():
    folder = shared("data/tables")
    a, _ = rows_of(folder / "observations.csv")
    b, _ = rows_of(folder / "observations.parquet")

    for field in ("id", "latitude", "longitude", "scientific_name", "license", "obscured"):
        assert [r[field] for r in a] == [r[field] for r in b], field
    # The Parquet file holds moments in UTC, the CSV local times: at most a day apart.
    days = [(p["event_start"], q["event_start"]) for p, q in zip(a, b, strict=True)]
    assert all((p is None) == (q is None) for p, q in days)
    assert all(abs((p - q).days) <= 1 for p, q in days if p is not None)


def test_obscured_coordinates_keep_their_uncertainty():
    path = shared("data/tables/linz.csv")
    rows, _ = rows_of(path)
    with path.open(encoding="utf-8", newline="") as f:
        flags = [r["coordinates_obscured"] == "true" for r in csv.DictReader(f)]

    assert [r["obscured"] for r in rows] == flags and any(flags)
    assert all(r["latitude"] is not None for r, f in zip(rows, flags, strict=True) if f)
    assert (
        max(r["coordinate_uncertainty_m"] or 0 for r, f in zip(rows, flags, strict=True) if f)
        > 20_000
    )


def test_taxabench_folder(tmp_path):
    header = "Unnamed: 0,image_url,sound_url,id,observed_on,license,latitude,longitude,scientific_name,sound_format"
    write(tmp_path / "test_df.csv", header + "\n0,https://x/1.jpg,https://x/1.m4a,11,2020-05-01,CC0,1.5,2.5,Pica pica,m4a\n"
          "1,https://x/2.jpg,,12,2020-05-02,,3,4,Corvus corax,wav\n")  # fmt: skip
    for name in ("taxabench_images/11.jpg", "taxabench_images/12.jpg", "taxabench_sound/11.m4a",
                 "taxabench_sound/12.mp3", "sat_images/sentinel/11_1.5_2.5.jpeg"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rows, table = rows_of(tmp_path)

    assert table.format == "taxabench"
    assert [r["image"] for r in rows] == ["taxabench_images/11.jpg", "taxabench_images/12.jpg"]
    assert [r["audio"] for r in rows] == ["taxabench_sound/11.m4a", "taxabench_sound/12.mp3"]
    assert [r["sat"] for r in rows] == ["sat_images/sentinel/11_1.5_2.5.jpeg", None]


def test_inaturalist_open_data(tmp_path):
    files = {
        "observations": "observation_uuid\tobserver_id\tlatitude\tlongitude\tpositional_accuracy\ttaxon_id\tquality_grade"
        "\tobserved_on\nu1\t7\t1.0\t2.0\t5\t30\tresearch\t2020-01-01\nu2\t8\t\t\t\t20\tcasual\t\n",
        "photos": "photo_uuid\tphoto_id\tobservation_uuid\tobserver_id\textension\tlicense\twidth\theight\tposition\n"
        "p1\t101\tu1\t7\tjpg\tCC-BY\t1\t1\t1\np0\t100\tu1\t7\tjpeg\tCC0\t1\t1\t0\n",
        "taxa": 'taxon_id\tancestry\trank_level\trank\tname\tactive\n10\t\t70\tkingdom\tAnimalia\ttrue\n'
        '20\t10\t20\tgenus\tPi"ca\ttrue\n30\t10/20\t10\tspecies\tPica pica\ttrue\n',
        "observers": "observer_id\tlogin\tname\n7\tann\tAnn B.\n8\tbob\t\n",
    }  # fmt: skip
    for name, text in files.items():
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt") as f:
            f.write(text)
    (tmp_path / "photos/100").mkdir(parents=True)
    (tmp_path / "photos/100/medium.jpeg").touch()
    rows, table = rows_of(tmp_path)
    by_id = {r["id"]: r for r in rows}

    assert table.format == "inaturalist-open-data"
    assert by_id["u1"]["image"] == "photos/100/medium.jpeg" and by_id["u1"]["license"] == "CC0"
    assert by_id["u1"]["text"] == "Animalia Pica pica" and by_id["u2"]["genus"] == 'Pi"ca'
    assert [by_id[k]["rights_holder"] for k in ("u1", "u2")] == ["Ann B.", "bob"]


def test_duckdb_table(tmp_path):
    import duckdb

    con = duckdb.connect(str(tmp_path / "a.duckdb"))
    con.execute(
        "CREATE TABLE birds AS SELECT 'x1' AS id, 10.0 AS lat, 20.0 AS lon, 'Pica pica' AS name"
    )
    con.execute("CREATE TABLE other (a INT)")
    con.close()
    rows, table = rows_of(f"{tmp_path / 'a.duckdb'}::birds")

    assert (
        table.format == "duckdb" and rows[0]["latitude"] == 10.0 and rows[0]["text"] == "Pica pica"
    )
    with pytest.raises(TableError, match="tables birds, other"):
        read_observations(tmp_path / "a.duckdb")


def test_encodings_delimiters_and_ragged_lines(tmp_path):
    latin = write(tmp_path / "l.csv", "id;name;lat;lon\n1;Grünspecht;48.1;16.3\n", "latin-1")
    rows, _ = rows_of(latin)
    assert rows[0]["common_name"] == "Grünspecht" and rows[0]["latitude"] == 48.1
    utf16 = write(tmp_path / "u.csv", "id\tname\n1\tGrünspecht\n", "utf-16")
    assert rows_of(utf16)[0][0]["common_name"] == "Grünspecht"
    bom = write(tmp_path / "b.csv", "id,name\n1,x\n", "utf-8-sig")
    assert rows_of(bom)[0][0]["id"] == "1"
    ragged = write(tmp_path / "r.csv", 'id,name,lat\n1,a,2\n2,b\n3,c,4,5\n4,"d, e",6\n')
    rows, table = rows_of(ragged)
    assert [r["id"] for r in rows] == ["1", "2", "4"] and [line for line, _ in table.rejected] == [
        4
    ]


@pytest.mark.parametrize("lat, lon, reason", [
    ("91", "0", "latitude 91 is outside"), ("0", "181", "longitude 181 is outside"),
    ("121.7", "46.8", "look swapped"), ("x", "1", "'x' is no number"), ("1", "", "longitude is missing"),
    ("inf", "1", "no number"), ("-", "-", None), ("", "", None), ("NaN", "nan", None),
])  # fmt: skip
def test_coordinates_are_checked(lat, lon, reason):
    latitude, longitude, why = coordinates(lat, lon)

    assert latitude is None and longitude is None
    assert (why is None) if reason is None else reason in why


def test_media_outside_the_folder_is_refused_unless_asked(tmp_path):
    folder = tmp_path / "t"
    folder.mkdir()
    (tmp_path / "secret.jpg").touch()
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "in.jpg").touch()
    table = write(
        folder / "t.csv",
        "id,image\n1,../secret.jpg\n2,/etc/passwd\n3,link.jpg\n4,in.jpg\n5,http://x/a.jpg\n",
    )
    rows, _ = rows_of(table)

    assert [r["image"] for r in rows] == [None, None, None, "in.jpg", None]
    assert all("outside" in r["problems"][0]["reason"] for r in rows[:3])
    assert "remote" in rows[4]["problems"][0]["reason"]
    assert [r["image"] for r in rows_of(table, allow_outside=True)[0]][:2] == [
        "../secret.jpg",
        "/etc/passwd",
    ]


def test_missing_columns_name_the_near_ones(tmp_path):
    table = write(tmp_path / "t.csv", "key,imagge,remark\n1,a.jpg,x\n")
    with pytest.raises(TableError, match="nearest: imagge"):
        read_observations(table)
    with pytest.raises(InputError, match="no column 'imag'.*nearest: imagge"):
        read_observations(table, {"imag": "image"})
    with pytest.raises(InputError, match="no field 'imgae'.*nearest: image"):
        read_observations(table, {"imagge": "imgae"})
    (tmp_path / "a.jpg").touch()
    rows, mapped = rows_of(table, columns={"imagge": "image", "key": "id"})
    assert rows[0]["image"] == "a.jpg" and mapped.extra == {"remark": "remark"}


@pytest.mark.parametrize("content, words", [
    (b"", "empty"), (b"\0\1\2binary" * 100, "binary"), (b"PK\3\4garbage", "damaged zip"),
    (b"PAR1garbagePAR1", "Parquet"), (b"\x1f\x8bgarbage", "damaged gzip"), (b"\n\n", "header is needed"),
])  # fmt: skip
def test_files_that_are_no_tables(tmp_path, content, words):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(TableError, match=words):
        read_observations(tmp_path / "f")
