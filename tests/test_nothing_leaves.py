"""What must not leave an index in files: hidden places, licences read too openly, invented observers; nor be written over."""

from __future__ import annotations

import csv
import json
import zipfile

import pytest
from exported import SECRET, index_of, table

from prom3e_index import Bundle, Filter, Query
from prom3e_index.errors import InputError
from prom3e_index.exports.answers import write_hits
from prom3e_index.exports.attribution import SIGNS
from prom3e_index.exports.check import faults
from prom3e_index.exports.rows import Rows
from prom3e_index.exports.write import write_export
from prom3e_index.licences import code_of

LOOSE = (
    "CC BY 4.0 NC", "CC-BY 4.0-NC", "https://creativecommons.org/licenses/by/4.0/ NC", "CC BY, no commercial use",
    "CC BY (personal use only)", "CC BY nicht kommerziell", "Attribution: (c) Jane Doe", "no CC BY", "not CC0",
    "creativecommons.org/licenses/by_nc/4.0", "CC0 not granted", "CC0 for data, photos (c) Jane", "not public domain",
    "Public domain? unknown", "creativecommons.org/licenses/by-nc%2Dnd/4.0",
)  # fmt: skip
STRICT = {
    "Creative Commons Attribution NC 4.0": "BY-NC", "Creative Commons Attribution-NC": "BY-NC", "Attribution-NC-ND 3.0": "BY-NC-ND",
    "https://creativecommons.org/licenses/by/4.0/deed.no": "BY", "(c) Ask No Sa, some rights reserved (CC BY)": "BY",
    "No known copyright restrictions": "PDM", "CC BY-ND (Attribution-NoDerivatives)": "BY-ND", "Attribution License": "BY",
}  # fmt: skip
HEAD = (
    "id", "scientificName", "decimalLatitude", "decimalLongitude", "eventDate", "license", "rightsHolder", "recordedBy",
    "individualCount", "occurrenceStatus", "image", "photo_license", "coordinates_obscured", "behavior", "sex", "notes",
    "Lat_exact", "habitat", "higherGeography", "fieldNotes", "env0", "confidence", "time_observed_at",
)  # fmt: skip
BIRD = dict(
    scientificName="Pica pica",
    decimalLatitude="48.1",
    decimalLongitude="16.3",
    eventDate="2024-05-01",
    license="CC BY 4.0",
)
TOLD = ("notes", "Lat_exact", "habitat", "higherGeography", "fieldNotes", "env0")
HIDDEN = dict(
    coordinates_obscured="true", behavior="nests at 48.21111 16.37777", sex="female", notes="by the pond", Lat_exact="48.21111",
    habitat="PONDX", higherGeography="Europe | PONDX", fieldNotes="notes at 48.21111", env0="11.123", confidence="0.98765",
    time_observed_at="2024-05-01T10:30:15.123Z",
)  # fmt: skip
ROWS = [
    dict(id="a", **BIRD, **HIDDEN),
    dict(id="b", **BIRD, **{**HIDDEN, "coordinates_obscured": "false"}),
    dict(id="c", **BIRD, rightsHolder="Museum"),
    dict(id="d", **BIRD, rightsHolder="Museum", recordedBy="Ann"),
    dict(id="e", **BIRD, image="https://example.org/1.jpg", photo_license="CC BY-NC"),
    dict(id="f g", **BIRD, sex="male"),
    dict(id="f\tg", **BIRD, sex="female"),
]  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaves")
    return index_of(table(folder / "t.csv", ROWS, HEAD), folder / "i.p3i")


def read(path):
    with path.open(encoding="utf-8", newline="") as f:
        return {r["id"]: r for r in csv.DictReader(f)}


def test_a_licence_that_is_restricted_or_doubted_is_not_known():
    assert {t: code_of(t) for t in LOOSE} == dict.fromkeys(LOOSE, "unknown")
    assert {t: code_of(t) for t in STRICT} == STRICT


def test_rows_with_an_obscured_place_keep_what_is_known_to_tell_none(index, tmp_path):
    with Bundle.open(index) as bundle:
        write_export(bundle, tmp_path / "o.csv")
    found = read(tmp_path / "o.csv")
    for name in TOLD:
        if name in found["a"]:
            assert (found["a"][name], found["b"][name]) == ("", HIDDEN[name]), name
    assert sum(n in found["a"] for n in TOLD) >= 5
    assert found["a"]["behavior"] == "" and found["b"]["behavior"] == HIDDEN["behavior"]
    for name in ("sex", "confidence", "time_observed_at"):
        assert found["a"].get(name, HIDDEN[name]) == HIDDEN[name], name
    assert found["a"]["row"] == "0" and found["a"]["is_part"] == found["b"]["is_part"]


def test_an_archive_invents_no_observer_and_names_the_strictest_licence(index, tmp_path):
    with Bundle.open(index) as bundle:
        done = write_export(bundle, tmp_path / "o.zip")
    with zipfile.ZipFile(tmp_path / "o.zip") as z:
        lines = [line.split("\t") for line in z.read("occurrence.txt").decode().splitlines()]
        eml, rights = z.read("eml.xml").decode(), z.read("rights.txt").decode()
    found = {r[0]: dict(zip(lines[0], r, strict=True)) for r in lines[1:]}
    assert [(found[i]["recordedBy"], found[i]["basisOfRecord"]) for i in "cd"] == [
        ("", "Occurrence"), ("Ann", "HumanObservation"),
    ]  # fmt: skip
    assert done.licence == "BY-NC" and "BY-NC" in rights
    assert "licenses/by-nc/4.0/legalcode" in eml[eml.index("<intellectualRights>") :]
    assert found["f g"]["sex"] == "male"
    assert any("differs from another's in blanks alone" in n for n in done.notes)
    assert not any("further photos" in n for n in done.notes)


def test_a_count_of_none_is_published_as_absent_and_a_fault(index):
    import pyarrow as pa

    from prom3e_index.exports.occurrences import Occurrences

    with Bundle.open(index) as bundle:
        occurrences = Occurrences(Rows.chosen(bundle))
        (batch,) = Rows.chosen(bundle).batches()
        n = batch.num_rows

        def status(count, stated):
            held = {"individualCount": count, "occurrenceStatus": stated}
            columns = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
            columns |= {k: pa.array([v] * n, pa.string()) for k, v in held.items()}
            of = pa.RecordBatch.from_pydict(columns)
            from prom3e_index.exports.check import _of_values

            said = [what for what, _, mask in _of_values(of) if mask.any() and "count of 0" in what]
            return occurrences.columns(of)["occurrenceStatus"].to_pylist()[0], said

        assert status("0", None) == ("absent", ["with a count of 0 and no occurrenceStatus"])
        assert status("0.0", "present") == (
            "present", ["with a count of 0 and an occurrenceStatus that is not absent"],
        )  # fmt: skip
        assert status("10", None) == ("present", []) and status(None, None) == ("present", [])
        assert not any("count of 0" in str(f) for f in faults(Rows.chosen(bundle)))


def test_no_filter_compares_with_a_column_of_hidden_places(older_index):
    with Bundle.open(older_index) as bundle:
        for where in (
            "private_latitude > 13", "observations.private_latitude > 13", "lower(\"PRIVATE_LATITUDE\") LIKE '4%'",
            f"id = 'x' OR private_latitude = '{SECRET}'",
        ):  # fmt: skip
            with pytest.raises(InputError, match="true places that are hidden"):
                Rows.chosen(bundle, Filter(where=where))
        assert len(Rows.chosen(bundle, Filter(where="locality = 'the nest'"))) >= 1


@pytest.mark.parametrize("format", ["csv", "geojson", "parquet", "gpkg", "geoparquet"])
def test_an_answer_names_its_licence_and_no_folder_of_this_machine(bundle_path, tmp_path, format):
    with Bundle.open(bundle_path) as bundle:
        answer = bundle.search(Query(location=(10, 11), target="image", k=5))
        out = tmp_path / f"a.{format}"
        done = write_hits(answer, bundle, out, format)
        folders = {str(bundle.segment_of(h.row)[0].media) for h in answer.hits if h.media}
    assert len(answer.hits) == 5 and folders
    assert {f.name for f in done.beside} >= {
        f"a.{format}.ATTRIBUTION.csv",
        f"a.{format}.CITATION.txt",
    }
    assert done.licence and done.licence in (tmp_path / f"a.{format}.CITATION.txt").read_text()
    if format == "geojson":
        assert json.loads(out.read_text())["license"] == done.licence
    if format in ("gpkg", "geoparquet"):
        assert not any(f.encode() in out.read_bytes() for f in folders)


def test_a_hit_with_an_obscured_place_shows_no_tile(bundle_path):
    with Bundle.open(bundle_path) as bundle:
        question = Query(location=(10, 11), target="sat", k=50, filter=Filter(where="has_sat"))
        tiles = dict(bundle.sql("SELECT row, sat FROM observations"))
        seen = {False: 0, True: 0}
        for hit in bundle.search(question).hits:
            shown = bool(hit.media) and hit.media.endswith(tiles[hit.row])
            hidden = bool(hit.fields["obscured"])
            seen[hidden] += 1
            assert shown is not hidden
    assert seen[False] and seen[True]


def test_nothing_is_written_into_an_index(index, tmp_path):
    before = {p: p.read_bytes() for p in sorted(index.rglob("*")) if p.is_file()}
    (tmp_path / "link").symlink_to(index)
    with Bundle.open(index) as bundle:
        for out in (
            index / "manifest.json",
            index / "new.json",
            index / "faiss" / "x.csv",
            tmp_path / "link" / "y.csv",
        ):
            with pytest.raises(InputError, match="in the folder of an index"):
                write_export(bundle, out, format="geojson" if out.suffix == ".json" else None)
    assert {p: p.read_bytes() for p in sorted(index.rglob("*")) if p.is_file()} == before


@pytest.mark.parametrize("name", SIGNS)
def test_what_stands_beside_is_replaced_only_where_an_export_wrote_it(index, tmp_path, name):
    out = tmp_path / "o.csv"
    other = tmp_path / f"o.csv.{name}"
    with Bundle.open(index) as bundle:
        write_export(bundle, out)
        write_export(bundle, out)  # its own are replaced
        whole = out.read_bytes()
        for make in (lambda: other.write_text("mine"), other.mkdir):
            if other.exists():
                other.unlink()
            make()
            with pytest.raises(InputError, match="is not .* of an earlier export"):
                write_export(bundle, out, chosen=Filter(where="id = 'a'"))
            assert out.read_bytes() == whole
        with pytest.raises(InputError, match="no name of a file"):
            write_export(bundle, out.with_name("-").relative_to(tmp_path), format="csv")
