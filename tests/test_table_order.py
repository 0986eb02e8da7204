"""Tables of several files keep the order of the first file, and the first picture, whatever the threads."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pytest

from prom3e_index.tables import read_observations
from prom3e_index.tables.sources import open_source

META = (
    '<archive xmlns="http://rs.tdwg.org/dwc/text/"><core fieldsTerminatedBy="," ignoreHeaderLines="1" '
    'rowType="http://rs.tdwg.org/dwc/terms/Occurrence"><files><location>occurrence.csv</location></files>'
    '<id index="0"/><field index="1" term="http://rs.tdwg.org/dwc/terms/decimalLatitude"/>'
    '<field index="2" term="http://rs.tdwg.org/dwc/terms/decimalLongitude"/></core>{}</archive>'
)
EXTENSION = (
    '<extension fieldsTerminatedBy="," ignoreHeaderLines="1" rowType="http://rs.gbif.org/terms/1.0/{}">'
    '<files><location>{}</location></files><coreid index="0"/>'
    '<field index="1" term="http://purl.org/dc/terms/identifier"/>'
    '<field index="2" term="http://purl.org/dc/terms/type"/></extension>'
)


def cells(path):
    table = pa.Table.from_batches(list(open_source(path, None).batches()))
    return {name: table.column(name).to_pylist() for name in table.schema.names}


def test_an_archive_of_many_row_groups_keeps_order_and_first_pictures(tmp_path):
    """Large enough that two threads share the work: 260,000 media rows, first pictures before second ones."""
    n = 130_000
    ids = np.random.default_rng(0).permutation(n)
    (tmp_path / "meta.xml").write_text(
        META.format(EXTENSION.format("Multimedia", "multimedia.csv"))
    )
    (tmp_path / "occurrence.csv").write_text("id,lat,lon\n" + "".join(f"{i},1,2\n" for i in ids))
    with (tmp_path / "multimedia.csv").open("w") as f:
        f.write("core,link,type\n")
        for which in ("first", "second"):
            f.writelines(f"{i},{which}/{i}.jpg,StillImage\n" for i in np.sort(ids)[::-1])
    read = [cells(tmp_path) for _ in range(2)]

    for columns in read:
        assert columns["coreid"] == [str(i) for i in ids]
        assert columns["image"] == [[f"first/{i}.jpg", f"second/{i}.jpg"] for i in ids]


def test_media_are_told_by_kind_and_empty_links_are_none(tmp_path):
    (tmp_path / "meta.xml").write_text(
        META.format(EXTENSION.format("Multimedia", "m.csv") + EXTENSION.format("Audubon", "a.csv"))
    )
    (tmp_path / "occurrence.csv").write_text("id,lat,lon\n3,1,2\n1,1,2\n2,1,2\n")
    (tmp_path / "m.csv").write_text(
        "core,link,type\n1,,StillImage\n1,one.wav,Sound\n1,one.jpg,StillImage\n2,film.mp4,Video\n1,late.jpg,\n"
    )
    (tmp_path / "a.csv").write_text("core,link,type\n1,other.jpg,\n2,two.jpg,StillImage\n")
    for name in ("one.wav", "one.jpg", "film.mp4", "late.jpg", "other.jpg", "two.jpg"):
        (tmp_path / name).touch()
    rows = [r for b in read_observations(tmp_path).batches() for r in b.to_pylist()]

    assert [(r["id"], r["image"], r["audio"]) for r in rows] == [
        ("3", None, None),
        ("1", "one.jpg", "one.wav"),
        ("2", "two.jpg", None),  # its film stands behind
    ]


def test_a_core_with_pictures_of_its_own_keeps_them_where_media_have_none(tmp_path):
    core = META.format(EXTENSION.format("Multimedia", "m.csv")).replace(
        "</core>", '<field index="3" term="x/Image"/></core>'
    )
    (tmp_path / "meta.xml").write_text(core)
    (tmp_path / "occurrence.csv").write_text("id,lat,lon,img\n1,1,2,own1.jpg\n2,1,2,own2.jpg\n")
    (tmp_path / "m.csv").write_text("core,link,type\n2,two.jpg,StillImage\n")
    for name in ("own1.jpg", "own2.jpg", "two.jpg"):
        (tmp_path / name).touch()
    rows = [r for b in read_observations(tmp_path).batches() for r in b.to_pylist()]

    assert [r["image"] for r in rows] == ["own1.jpg", "two.jpg"]


@pytest.mark.parametrize("reverse", [False, True])
def test_open_data_keep_order_and_the_photo_of_lowest_position(tmp_path, reverse):
    """130,000 observations with two photos each; the licence is that of the photo that is taken."""
    n = 130_000
    order = np.arange(n)[::-1] if reverse else np.random.default_rng(1).permutation(n)
    with gzip.open(tmp_path / "observations.csv.gz", "wt", compresslevel=1) as f:
        f.write("observation_uuid\tobserver_id\tlatitude\tlongitude\ttaxon_id\tobserved_on?\n")
        f.writelines(f"u{i}\t7\t1\t2\t30\t2020-01-01\n" for i in order)
    with gzip.open(tmp_path / "photos.csv.gz", "wt", compresslevel=1) as f:
        f.write("photo_id\tobservation_uuid\textension\tlicense\tposition\n")
        f.writelines(f"b{i}\tu{i}\tjpg\tCC0\t{'1' if i % 3 else ''}\n" for i in range(n))
        f.writelines(
            f"a{i}\tu{i}\tjpg\t{'CC-BY' if i % 2 else ''}\t{0 if i % 3 else ''}\n" for i in range(n)
        )
    (tmp_path / "taxa.csv").write_text(
        "taxon_id\tancestry\trank_level\trank\tname\n30\t\t10\tspecies\tPica pica\n30\t\t10\tspecies\tPica rubra\n"
    )
    (tmp_path / "observers.csv").write_text("observer_id\tlogin\tname\n7\tann\tAnn\n7\tbob\tBob\n")
    columns = cells(tmp_path)

    assert columns["observation_uuid"] == [f"u{i}" for i in order]
    # Without positions the first line is first: photo b; else the one at position 0, a.
    assert columns["image"] == [
        [f"photos/{letter}{i}/medium.jpg" for letter in ("ab" if i % 3 else "ba")] for i in order
    ]
    assert columns["license"] == [
        "CC0" if i % 3 == 0 else "CC-BY" if i % 2 else None for i in order
    ]
    assert set(columns["scientific_name"]) == {"Pica pica"} and set(columns["rights_holder"]) == {
        "Ann"
    }


def test_of_the_same_id_the_first_row_is_kept(tmp_path):
    """The same id at both ends of a table that threads read in parts."""
    from prom3e_index.indexer.plan import open_plan, plan

    (tmp_path / "dwc").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "dwc/meta.xml").write_text(META.format(EXTENSION.format("Multimedia", "m.csv")))
    (tmp_path / "dwc/m.csv").write_text("core,link,type\n5,five.jpg,StillImage\n")
    lines = ["5,1,1", *(f"{i},2,2" for i in range(10, 9_000)), "5,3,3"]
    (tmp_path / "dwc/occurrence.csv").write_text("id,lat,lon\n" + "\n".join(lines) + "\n")
    con = open_plan(tmp_path / "work")
    rows = plan(con, read_observations(tmp_path / "dwc"), "first", lambda *_: None)
    kept = con.execute("SELECT row_in, latitude FROM planned WHERE id = '5'").fetchall()
    refused = con.execute("SELECT row_in, id FROM rejected").fetchall()
    con.close()

    assert rows == 8_991 and kept == [(0, 1.0)] and refused == [(8_991, "5")]
