"""Changing an index: what is added, replaced and removed, and what stays as it was."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from changes import answers, ids_of, places, quiet, sound

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError, InputError, MismatchError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.generation import strays
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle

STRANGE = [
    "007",
    "7",
    "1e5",
    "it's",
    'a"b',
    "🦉",
    "x" * 10_000,
    "; DROP TABLE observations",
    "nil",
]


def test_add_encodes_only_new_rows_and_equals_a_build_of_all(index, tmp_path, monkeypatch, world):
    every = places(tmp_path / "all.csv", [f"a{i}" for i in range(40)])
    encoded = []
    from prom3e_index.encoders import place

    encode = place.GeoClipLocation.encode
    monkeypatch.setattr(place.GeoClipLocation, "encode",
                        lambda self, x: encoded.append(len(x)) or encode(self, x))  # fmt: skip
    manifest = add(index, BuildConfig(table=every, out=index, model="mini"), quiet).manifest
    assert sum(encoded) == 16
    again = add(index, BuildConfig(table=every, out=index, model="mini"), quiet)
    build(BuildConfig(table=every, out=tmp_path / "whole.p3i", model="mini"))
    grown, whole = Bundle.open(index), Bundle.open(tmp_path / "whole.p3i")

    assert manifest["history"][-1] | {"command": 0} == {
        "generation": 2, "created": manifest["created"], "action": "add", "added": 16, "removed": 0,
        "known": 24, "rejected": 0, "command": 0,
    }  # fmt: skip
    assert again.manifest["generation"] == 2 and (again.known, again.added) == (40, 0)
    assert answers(grown) == answers(whole)
    assert grown.manifest["certificate"]["rows"] == 40  # a tenth was passed
    assert sound(grown)
    for m in whole.modalities:
        assert np.array_equal(np.asarray(grown.embeddings(m)), whole.embeddings(m))
    assert [r[:2] for r in grown.sql("SELECT id, row FROM observations ORDER BY row")] == [
        (f"a{i}", i) for i in range(40)
    ]


def test_update_replaces_by_id_and_rejects_others(index, tmp_path, fast):
    table = places(tmp_path / "u.csv", ["a3", "a9", "stranger"], shift=1.5, name="Corvus corax")
    manifest = add(
        index, BuildConfig(table=table, out=index, model="mini"), quiet, update=True
    ).manifest
    bundle = Bundle.open(index)

    assert (manifest["rows"], manifest["places"], manifest["counts"]["rows_removed"]) == (24, 26, 2)
    assert ids_of(bundle) == {f"a{i}" for i in range(24)}
    assert bundle.sql("SELECT scientific_name, row FROM observations WHERE id = 'a9'") == [
        ("Corvus corax", 25)
    ]
    reasons = bundle.sql("SELECT id, reason FROM rejected")
    assert reasons == [("stranger", "no observation of the index has this id; add it")]
    hits = bundle.search(Query(location=(10, 20), target="loc", k=99)).hits
    assert len(hits) == 24 and sum(h.fields["scientific_name"] == "Corvus corax" for h in hits) == 2
    assert {h.row for h in bundle.search(Query(text="x", target="loc", filter=Filter(taxon="corvus corax"))).hits} == {24, 25}  # fmt: skip
    assert sound(bundle)


def test_removed_rows_are_gone_from_every_file_after_compact(index, fast, monkeypatch):
    gone = Bundle.open(index)
    traces = [b"a19", np.asarray(gone.embeddings("loc")[19]).tobytes()]
    traces = [
        t for t in traces if any(t in p.read_bytes() for p in index.rglob("*") if p.is_file())
    ]
    traces += [np.asarray(gone.vectors(m)[19]).tobytes() for m in gone.modalities]
    before = answers(gone)
    monkeypatch.setattr(sys, "argv", ["prom3e-index", "remove", "--where", "id = 'a19'"])
    remove(index, Filter(where="id = 'a19'"), None, quiet)
    monkeypatch.setattr(sys, "argv", ["prom3e-index", "compact"])
    bundle = Bundle.open(index)
    assert "a19" not in ids_of(bundle) and bundle.rows == 23
    without = answers(bundle)
    assert "a19" in str(before) and "a19" not in str(without)
    assert any(traces[-1] in p.read_bytes() for p in index.rglob("*") if p.is_file())

    compact(index, quiet)

    for path in index.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".json":
                data = re.sub(rb"[0-9a-f]{16,}", b"", data)  # a checksum may hold the id by chance
            own = traces[1:] if path.suffix in (".npy", ".faiss") else traces  # and so may numbers
            assert not [t for t in own if t in data], path
    bundle = Bundle.open(index)
    assert answers(bundle) == without and sound(bundle) and not strays(index)
    assert sorted(p.name for p in index.iterdir()) == ["manifest.json", "segments"]
    with pytest.raises(BundleError, match="no generation 1 to look at; there are 3"):
        Bundle.open(index, at=1)


def test_history_and_a_reader_of_an_old_generation(index, tmp_path, fast):
    reader = Bundle.open(index)  # nothing of it was read yet
    expected = answers(Bundle.open(index))
    add(
        index,
        BuildConfig(table=places(tmp_path / "n.csv", ["n1", "n2"]), out=index, model="mini"),
        quiet,
    )
    remove(index, None, ["a0", "n2"], quiet)
    assert answers(Bundle.open(index, at=1)) == expected
    assert ids_of(Bundle.open(index, at=2)) == {*(f"a{i}" for i in range(24)), "n1", "n2"}
    assert ids_of(Bundle.open(index)) == {*(f"a{i}" for i in range(1, 24)), "n1"}
    compact(index, quiet)
    assert answers(reader) == expected  # its files were taken away meanwhile
    history = json.loads((index / "manifest.json").read_text())["history"]
    assert [(h["action"], h["added"], h["removed"]) for h in history] == [
        ("build", 24, 0), ("add", 2, 0), ("remove", 0, 2), ("compact", 0, 0),
    ]  # fmt: skip


def test_strange_ids_are_added_removed_and_updated(index, tmp_path, fast):
    add(
        index,
        BuildConfig(table=places(tmp_path / "s.csv", STRANGE), out=index, model="mini"),
        quiet,
    )
    table = places(tmp_path / "u.csv", STRANGE[::2], shift=3)
    add(index, BuildConfig(table=table, out=index, model="mini"), quiet, update=True)
    assert ids_of(Bundle.open(index)) == {*(f"a{i}" for i in range(24)), *STRANGE}
    done = remove(index, None, [*STRANGE[:5], "07", "nobody"], quiet)
    assert (done.unknown, done.removed) == (("07", "nobody"), 5)
    assert ids_of(Bundle.open(index)) == {*(f"a{i}" for i in range(24)), *STRANGE[5:]}
    remove(index, None, STRANGE[5:], quiet)
    compact(index, quiet)
    assert ids_of(Bundle.open(index)) == {f"a{i}" for i in range(24)} and sound(Bundle.open(index))


@pytest.mark.parametrize("k", [1, 10])
def test_all_rows_removed_then_compacted_then_added(index, tmp_path, fast, k):
    remove(index, Filter(where="true"), None, quiet)
    for _ in range(2):
        bundle = Bundle.open(index)
        answer = bundle.search(Query(location=(1, 2), target="image", k=k))
        assert answer.hits == () and "no observation" in answer.search["notes"][1]
        assert bundle.rows == 0 and sound(bundle)
        compact(index, quiet)
    add(index, BuildConfig(table=places(tmp_path / "n.csv", ["n"]), out=index, model="mini"), quiet)
    (hit,) = Bundle.open(index).search(Query(location=(1, 2), target="image", k=k)).hits
    assert hit.fields["id"] == "n" and sound(Bundle.open(index))


def test_what_cannot_be_changed_is_said(index, tmp_path, fast):
    bad = tmp_path / "bad.csv"
    bad.write_text("lat,lon\n1,2\n")
    with pytest.raises(InputError, match="has no ids, so its rows cannot be told"):
        add(index, BuildConfig(table=str(bad), out=index, model="mini"), quiet)
    with pytest.raises(InputError, match="Say what to remove"):
        remove(index, Filter(), None, quiet)
    with pytest.raises(InputError, match="is no SQL predicate"):
        remove(index, Filter(where="1 = "), None, quiet)
    with locked(index, "add"):
        with pytest.raises(
            BundleError, match=f"changed by prom3e-index add, process {os.getpid()}"
        ):
            remove(index, Filter(where="true"), None, quiet)
    Path(str(index) + ".lock").write_text("prom3e-index add, process 999999")  # its writer died
    assert remove(index, Filter(where="row = 0"), None, quiet).manifest["generation"] == 2
    with pytest.raises(BundleError, match="is no index"):
        compact(tmp_path / "nothing.p3i", quiet)
    assert not (tmp_path / "nothing.p3i.lock").exists()


def test_an_index_of_another_model_is_not_added_to(index, tmp_path):
    manifest = json.loads((index / "manifest.json").read_text())
    manifest["fingerprints"]["mvae"] = "another"
    (index / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MismatchError, match="is not the one that"):
        add(
            index,
            BuildConfig(table=places(tmp_path / "n.csv", ["n"]), out=index, model="mini"),
            quiet,
        )


def test_an_index_of_format_1_becomes_one_of_format_2_and_needs_no_model_to_remove(tmp_path):
    old = Path(__file__).parent / "bundles" / "v1"
    shutil.copytree(old, tmp_path / "i.p3i")
    remove(tmp_path / "i.p3i", Filter(where="row = 0"), None, quiet)  # its model is another by now
    bundle = Bundle.open(tmp_path / "i.p3i")
    m = bundle.manifest
    assert (m["format_version"], m["generation"], bundle.rows, bundle.places) == (2, 2, 2, 3)
    assert [h["action"] for h in m["history"]] == ["build", "remove"]
    assert "is not the one that" in m["certificate"]["stale"]
    query = np.asarray(bundle.vectors("text")[:1], np.float32)
    assert sorted(bundle.nearest("text", query, 9)[1][0].tolist()) == [1, 2]
    assert len(bundle.eligible(Filter(taxon="inventata"))) == 1
    assert Bundle.open(tmp_path / "i.p3i", at=1).rows == 3


def test_added_rows_get_their_climate_from_the_raster_of_the_build(tmp_path, monkeypatch):
    from prom3e_index.world import planet

    np.save(tmp_path / "c.npy", np.nan_to_num(planet.raster()))  # the sea too has a climate
    table = places(tmp_path / "t.csv", ["a", "b"])
    monkeypatch.chdir(tmp_path)
    build(BuildConfig(table=table, out=tmp_path / "i.p3i", climate=Path("c.npy"), model="mini"))
    monkeypatch.chdir("/")
    more = places(tmp_path / "n.csv", ["n", "a", "b"])
    assert add(tmp_path / "i.p3i", BuildConfig(table=more, out=tmp_path, model="mini"), quiet).manifest["observed"]["env"] == 3  # fmt: skip
    (tmp_path / "c.npy").unlink()
    more = places(tmp_path / "m.csv", ["m"])
    with pytest.raises(InputError, match="climate raster .*c.npy, which is not there"):
        add(tmp_path / "i.p3i", BuildConfig(table=more, out=tmp_path, model="mini"), quiet)


def test_a_manifest_that_leads_outside_is_refused(index):
    path = index / "manifest.json"
    said = json.loads(path.read_text())
    for part in (
        {"segments": [{**said["segments"][0], "name": "../other.p3i"}]},
        {"deleted": {"file": "../bits.npy", "rows": 1}},
    ):
        path.write_text(json.dumps({**said, **part}))
        with pytest.raises(BundleError, match="not a segment's folder|outside the index; refused"):
            Bundle.open(index)
    path.write_text(json.dumps({k: v for k, v in said.items() if k != "segments"}))
    with pytest.raises(BundleError, match="lacks segments"):
        Bundle.open(index)


def test_a_reader_that_opens_while_generations_are_swapped(index, monkeypatch, fast):
    from prom3e_index.bundle import opened as bundle_module

    remove(index, Filter(where="id = 'a1'"), None, quiet)
    read, swapped = bundle_module.read_manifest, []

    def slow(*given):
        manifest = read(*given)
        if not swapped:  # between its manifest and its files, everything is written anew
            swapped.append(compact(index, quiet))
        return manifest

    monkeypatch.setattr(bundle_module, "read_manifest", slow)
    assert Bundle.open(index).manifest["generation"] == 3 and swapped


def test_compact_ends_unfinished_work_and_rebuild_keeps_what_is_not_given(index, tmp_path, fast):
    Path(str(index) + ".adding").mkdir()
    before = Bundle.open(index).manifest["wish"]
    compact(index, quiet, {"memory": 5e9}, "rebuild")
    assert Bundle.open(index).manifest["wish"] == {**before, "memory": 5e9}
    assert not Path(str(index) + ".adding").exists()


def test_media_of_several_folders_are_found_after_compact(tmp_path, world, fast):
    rows = list(csv.DictReader((world / "observations.csv").open()))
    with_photo = [r for r in rows if r["image"]][:2]
    for i, row in enumerate(with_photo):
        folder = tmp_path / f"folder {i}'s"
        folder.mkdir()
        shutil.copy(world / row["image"], folder / "p.jpg")
        (folder / "t.csv").write_text(f"id,image\nrow{i},p.jpg\n")
    build(
        BuildConfig(table=str(tmp_path / "folder 0's/t.csv"), out=tmp_path / "i.p3i", model="mini")
    )
    add(
        tmp_path / "i.p3i",
        BuildConfig(table=str(tmp_path / "folder 1's/t.csv"), out=tmp_path, model="mini"),
        quiet,
    )
    for _ in range(2):
        hits = Bundle.open(tmp_path / "i.p3i").search(Query(text="x", target="image")).hits
        files = {h.fields["id"]: h.media for h in hits}
        assert files == {f"row{i}": str(tmp_path / f"folder {i}'s" / "p.jpg") for i in range(2)}
        compact(tmp_path / "i.p3i", quiet)
