"""Changing an index: what is added, replaced, removed; crashes at every file operation; damage and repair."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from faults import Killed, faults

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import BundleError, InputError, MismatchError
from prom3e_index.indexer import certify as certify_module
from prom3e_index.indexer import change as change_module
from prom3e_index.indexer import compact as compact_module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.certify import cross_modal
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.generation import strays
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig, locked
from prom3e_index.models.folder import Model
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


def quiet(*_):
    return


def places(path: Path, ids, shift=0.0, name="Pica pica") -> str:
    """A table of places, the id's position deciding the place."""
    with path.open("w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["id", "lat", "lon", "name", "eventDate"])
        for i, key in enumerate(ids):
            out.writerow(
                [key, (i * 37) % 160 - 80 + shift, (i * 71) % 350 - 175, name, "2024-05-01"]
            )
    return str(path)


def ids_of(bundle) -> set[str]:
    return {r[0] for r in bundle.sql("SELECT id FROM observations")}


def answers(bundle, targets=None):
    """Ids and scores of a few questions in every target, rows left out since they may be given anew."""
    out = []
    for target in targets or bundle.modalities:
        for where in (None, "latitude > 0"):
            hits = bundle.search(
                Query(location=(10, 20), target=target, k=5, filter=Filter(where=where))
            ).hits
            out.append([(h.fields["id"], round(h.score, 4)) for h in hits])
    return out


def state_of(bundle):
    return bundle.manifest["generation"], ids_of(bundle), answers(bundle, ["loc"])


def sound(bundle, but=()) -> bool:
    return all(c.ok for c in verify(bundle) if c.name not in but)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """An index of 24 places, to be copied."""
    folder = tmp_path_factory.mktemp("base")
    table = places(folder / "t.csv", [f"a{i}" for i in range(24)])
    build(BuildConfig(table=table, out=folder / "i.p3i"))
    return folder / "i.p3i"


@pytest.fixture
def index(base, tmp_path):
    shutil.copytree(base, tmp_path / "i.p3i")
    return tmp_path / "i.p3i"


@pytest.fixture(scope="module")
def model():
    model = Model.open("mini")
    for m in model.modalities:
        model.encoder(m)
    return model


@pytest.fixture
def fast(monkeypatch, model):
    """One loaded model and no new certificates: neither writes a file."""
    monkeypatch.setattr(change_module, "open_model", lambda config: model)
    monkeypatch.setattr(Bundle, "model", lambda self, *a, **k: model)
    monkeypatch.setattr(
        "prom3e_index.bundle.opened.BundleFolder.model", lambda self, *a, **k: model
    )
    for module in (change_module, compact_module):
        monkeypatch.setattr(module, "certified", lambda folder, manifest, *_: manifest)


def test_add_encodes_only_new_rows_and_equals_a_build_of_all(index, tmp_path, monkeypatch, world):
    every = places(tmp_path / "all.csv", [f"a{i}" for i in range(40)])
    encoded = []
    from prom3e_index.encoders import place

    encode = place.GeoClipLocation.encode
    monkeypatch.setattr(place.GeoClipLocation, "encode",
                        lambda self, x: encoded.append(len(x)) or encode(self, x))  # fmt: skip
    manifest = add(index, BuildConfig(table=every, out=index), quiet).manifest
    assert sum(encoded) == 16
    again = add(index, BuildConfig(table=every, out=index), quiet)
    build(BuildConfig(table=every, out=tmp_path / "whole.p3i"))
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
    manifest = add(index, BuildConfig(table=table, out=index), quiet, update=True).manifest
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
            assert not [t for t in traces if t in path.read_bytes()], path
    bundle = Bundle.open(index)
    assert answers(bundle) == without and sound(bundle) and not strays(index)
    assert sorted(p.name for p in index.iterdir()) == ["manifest.json", "segments"]
    with pytest.raises(BundleError, match="no generation 1 to look at; there are 3"):
        Bundle.open(index, at=1)


def test_history_and_a_reader_of_an_old_generation(index, tmp_path, fast):
    reader = Bundle.open(index)  # nothing of it was read yet
    expected = answers(Bundle.open(index))
    add(index, BuildConfig(table=places(tmp_path / "n.csv", ["n1", "n2"]), out=index), quiet)
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
    add(index, BuildConfig(table=places(tmp_path / "s.csv", STRANGE), out=index), quiet)
    table = places(tmp_path / "u.csv", STRANGE[::2], shift=3)
    add(index, BuildConfig(table=table, out=index), quiet, update=True)
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
        assert answer.hits == () and "no observation" in answer.search["notes"][0]
        assert bundle.rows == 0 and sound(bundle)
        compact(index, quiet)
    add(index, BuildConfig(table=places(tmp_path / "n.csv", ["n"]), out=index), quiet)
    (hit,) = Bundle.open(index).search(Query(location=(1, 2), target="image", k=k)).hits
    assert hit.fields["id"] == "n" and sound(Bundle.open(index))


def test_what_cannot_be_changed_is_said(index, tmp_path, fast):
    bad = tmp_path / "bad.csv"
    bad.write_text("lat,lon\n1,2\n")
    with pytest.raises(InputError, match="has no ids, so its rows cannot be told"):
        add(index, BuildConfig(table=str(bad), out=index), quiet)
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
        add(index, BuildConfig(table=places(tmp_path / "n.csv", ["n"]), out=index), quiet)


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

    np.save(tmp_path / "c.npy", planet.raster())
    table = places(tmp_path / "t.csv", ["a", "b"])
    monkeypatch.chdir(tmp_path)
    build(BuildConfig(table=table, out=tmp_path / "i.p3i", climate=Path("c.npy")))
    monkeypatch.chdir("/")
    more = places(tmp_path / "n.csv", ["n", "a", "b"])
    assert add(tmp_path / "i.p3i", BuildConfig(table=more, out=tmp_path), quiet).manifest["observed"]["env"] == 3  # fmt: skip
    (tmp_path / "c.npy").unlink()
    more = places(tmp_path / "m.csv", ["m"])
    with pytest.raises(InputError, match="climate raster .*c.npy, which is not there"):
        add(tmp_path / "i.p3i", BuildConfig(table=more, out=tmp_path), quiet)


def test_a_manifest_that_leads_outside_is_refused(index):
    path = index / "manifest.json"
    said = json.loads(path.read_text())
    for part in (
        {"segments": [{**said["segments"][0], "name": "../other.p3i"}]},
        {"deleted": {"file": "../bits.npy", "rows": 1}},
    ):
        path.write_text(json.dumps({**said, **part}))
        with pytest.raises(BundleError, match="which it needs; refused"):
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
    build(BuildConfig(table=str(tmp_path / "folder 0's/t.csv"), out=tmp_path / "i.p3i"))
    add(
        tmp_path / "i.p3i",
        BuildConfig(table=str(tmp_path / "folder 1's/t.csv"), out=tmp_path),
        quiet,
    )
    for _ in range(2):
        hits = Bundle.open(tmp_path / "i.p3i").search(Query(text="x", target="image")).hits
        files = {h.fields["id"]: h.media for h in hits}
        assert files == {f"row{i}": str(tmp_path / f"folder {i}'s" / "p.jpg") for i in range(2)}
        compact(tmp_path / "i.p3i", quiet)


# What a crash may leave: the old generation or the new one, whole.


def operations(tmp_path):
    new = [*(f"a{i}" for i in range(20, 24)), "n1", "n2"]
    table = places(tmp_path / "new.csv", new, shift=2)

    def prepared(index):
        remove(index, Filter(where="id = 'a1'"), None, quiet)

    config = BuildConfig(table=table, out=tmp_path / "i.p3i", workers=1)
    return {
        "add": (lambda i: None, lambda i: add(i, config, quiet)),
        "update": (lambda i: None, lambda i: add(i, config, quiet, update=True)),
        "remove": (lambda i: None, lambda i: remove(i, Filter(where="id = 'a2'"), None, quiet)),
        "compact": (prepared, lambda i: compact(i, quiet)),
    }


@pytest.mark.parametrize("name", ["add", "update", "remove", "compact"])
def test_a_failure_at_every_file_operation_loses_nothing(base, tmp_path, fast, name):
    before, run = operations(tmp_path)[name]
    prepared, index = tmp_path / "prepared.p3i", tmp_path / "i.p3i"
    shutil.copytree(base, prepared)
    before(prepared)

    def fresh():
        for path in tmp_path.glob("i.p3i*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(prepared, index)

    fresh()
    old = state_of(Bundle.open(index))
    with faults(index) as watch:  # a crash while reading leaves what the last write left
        run(index)
    new = state_of(Bundle.open(index))
    points, kept = watch.seen, {"old": 0, "new": 0}
    assert points > 10
    for at in range(1, points + 1):
        error = ("killed", "ENOSPC")[at % 2]
        fresh()
        with faults(index, at, error), pytest.raises((Killed, OSError, BundleError)):
            run(index)
        bundle = Bundle.open(index)
        state = state_of(bundle)
        assert state in (old, new), (at, error)
        assert at % 10 or sound(bundle, but=("files",)), (at, error)
        kept["old" if state == old else "new"] += 1
        if at % 20 == 0:  # the same command goes on where it stopped, and clears what was left
            run(index)
            assert ids_of(Bundle.open(index)) == new[1] and not strays(index), (at, error)
    assert kept["old"] and kept["old"] + kept["new"] == points
    sys.stderr.write(
        f"\n{name}: {points} injected failures, {kept['old']} old, {kept['new']} new\n"
    )


_CHILD = """
import sys
from pathlib import Path
from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.certify import cross_modal
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
for m in Model.open("mini").modalities: Model.open("mini").encoder(m)
index, table = Path(sys.argv[1]), sys.argv[2]
quiet = lambda *_: None
sys.stdout.write("ready\\n"); sys.stdout.flush()
add(index, BuildConfig(table=table, out=index), quiet)
remove(index, Filter(where="id = 'a2'"), None, quiet)
compact(index, quiet)
"""


def test_sigkill_at_random_moments(base, tmp_path):
    index, rng = tmp_path / "i.p3i", np.random.default_rng(11)
    table = places(tmp_path / "n.csv", [f"n{i}" for i in range(8)])
    first = {f"a{i}" for i in range(24)}
    grown = first | {f"n{i}" for i in range(8)}
    for _ in range(4):
        for path in tmp_path.glob("i.p3i*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(base, index)
        child = subprocess.Popen([sys.executable, "-c", _CHILD, str(index), table],
                                 stdout=subprocess.PIPE)  # fmt: skip
        child.stdout.readline()
        time.sleep(float(rng.uniform(0, 9)))
        child.send_signal(signal.SIGKILL)
        child.wait()
        bundle = Bundle.open(index)
        assert ids_of(bundle) in (first, grown, grown - {"a2"})
        assert sound(bundle, but=("files",))
        add(index, BuildConfig(table=table, out=index), quiet)
        assert ids_of(Bundle.open(index)) in (grown, grown - {"a2"}) and not strays(index)


@pytest.mark.parametrize("whole", [False, True])
def test_a_half_made_plan_is_begun_anew_and_a_damaged_whole_one_said(index, tmp_path, fast, whole):
    table = places(tmp_path / "n.csv", ["n1"])
    with pytest.raises(ZeroDivisionError):  # stopped after its plan
        add(index, BuildConfig(table=table, out=index), lambda stage, *_: stage == "read" or 1 / 0)
    work = Path(str(index) + ".adding")
    (work / "plan.duckdb").write_bytes(b"cut off")
    if whole:
        with pytest.raises(BundleError, match="plan.duckdb is damaged.*--restart"):
            add(index, BuildConfig(table=table, out=index), quiet)
    else:
        (work / "planned.json").unlink(missing_ok=True)
    done = add(index, BuildConfig(table=table, out=index, restart=whole), quiet)
    assert done.added == 1 and sound(Bundle.open(index))


def test_reading_writes_nothing_and_a_read_only_index_says_so(index, fast):
    with faults(index, 1, "EROFS"):
        bundle = Bundle.open(index)
        assert answers(bundle) and sound(bundle)
        with pytest.raises(OSError, match="Read-only file system"):
            remove(index, Filter(where="true"), None, quiet)
    assert answers(Bundle.open(index)) == answers(bundle)


# Damage.


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("part", ["faiss/image.faiss", "vectors/image.npy"])
@pytest.mark.parametrize("harm, words", [
    (flip, "checksum"),
    (lambda p: p.write_bytes(p.read_bytes()[:-9]), "bytes, the manifest says"),
    (lambda p: p.unlink(), "lacks"),
    (lambda p: shutil.copy(p.with_name(p.name.replace("image", "sat")), p), "comes from another index"),
])  # fmt: skip
def test_damaged_files_are_refused_and_rebuilt(index, fast, part, harm, words):
    expected = answers(Bundle.open(index))
    shutil.copy(index / part, index / "keep")
    harm(index / part)
    (index / "keep").unlink()
    with pytest.raises(BundleError, match=words):
        answers(Bundle.open(index))
    compact(index, quiet, action="rebuild")
    again = answers(Bundle.open(index))
    assert [[i for i, _ in line] for line in again] == [[i for i, _ in line] for line in expected]
    assert np.allclose([s for line in again for _, s in line],
                       [s for line in expected for _, s in line], atol=2e-3)  # fmt: skip
    assert sound(Bundle.open(index))


def test_everything_that_is_derived_is_rebuilt(index, fast):
    expected = answers(Bundle.open(index))
    for name in ("records.arrow", "statistics.json", "rejected.parquet", "faiss/sat.faiss"):
        flip(index / name)
    with pytest.raises(BundleError, match="records.arrow has checksum"):
        answers(Bundle.open(index))
    compact(index, quiet, action="rebuild")
    assert answers(Bundle.open(index)) == expected and sound(Bundle.open(index))


def test_what_cannot_be_made_again_is_said(index, fast):
    flip(index / "embeddings" / "loc.npy")
    with pytest.raises(BundleError, match="nothing here can make it again"):
        compact(index, quiet, action="rebuild")
    assert ids_of(Bundle.open(index)) == {f"a{i}" for i in range(24)}


def test_a_bitmap_that_was_changed_is_refused(index, fast):
    remove(index, Filter(where="row = 3"), None, quiet)
    path = next((index / "deleted").glob("*.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    with pytest.raises(BundleError, match="removed rows would be found again"):
        Bundle.open(index)


# An index large enough for lists.


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """An index of 3,000 places in lists of 8-bit codes."""
    folder = tmp_path_factory.mktemp("listed")
    table = places(folder / "t.csv", [f"a{i}" for i in range(3_000)])
    wish = Wish(recall=0.9, kind="ivf-sq8")
    build(BuildConfig(table=table, out=folder / "i.p3i", wish=wish))
    return folder / "i.p3i"


def test_the_certificate_is_what_numpy_finds(listed):
    bundle = Bundle.open(listed)
    model, made = bundle.model(), bundle.manifest["certificate"]
    for target in ("image", "audio"):
        m = made["targets"][target]
        queries = cross_modal(bundle, model, target, certify_module.QUERIES, seed=1)
        vectors = np.asarray(bundle.vectors(target), np.float64)
        exact = np.round(queries.astype(np.float64) @ vectors.T, 6)
        for k in (1, 10, 100):  # each by a search of its own: for more hits more lists are read
            _, found, _ = bundle.nearest(target, queries, k)
            least = -np.sort(-exact, axis=1)[:, k - 1 : k]
            share = (np.take_along_axis(exact, found[:, :k], 1) >= least - 3e-6).mean()
            assert m[f"recall@{k}"] == pytest.approx(share, abs=2e-3)
        assert m["kind"] == "ivf-sq8" and m["recall@10"] >= 0.88
        assert [f["short"] for f in m["filtered"]] == [0] * len(m["filtered"]) != []
        assert 0 < m["p50_ms"] <= m["p95_ms"] <= m["p99_ms"] and m["batch_qps"] > 0
        width = vectors.shape[1]
        assert 3 * width < m["disk_bytes_per_row"] < 3 * width + 64 * width * 4 / 3_000 * 64
    assert made["rows"] == 3_000 and made["generation"] == 1 and made["versions"]["faiss"]


def test_lists_and_exact_segments_answer_as_one(listed, tmp_path, fast):
    index = tmp_path / "i.p3i"
    shutil.copytree(listed, index)
    table = places(tmp_path / "n.csv", [f"n{i}" for i in range(40)], shift=0.5)
    add(index, BuildConfig(table=table, out=index), quiet)
    remove(index, Filter(where="row % 7 = 0"), None, quiet)
    bundle = Bundle.open(index)
    kinds = [s["index"]["image"]["kind"] for s in bundle.manifest["segments"]]
    rng, live = np.random.default_rng(0), bundle.live
    vectors = np.asarray(bundle.vectors("image"), np.float32)
    queries = vectors[rng.choice(live, 16)] + 0.02 * rng.normal(size=(16, vectors.shape[1]))
    queries = queries.astype(np.float32)
    rare = live[rng.random(len(live)) < 0.02]

    assert kinds == ["ivf-sq8", "exact"] and len(live) == 3_040 - 435
    for rows in (None, rare, live[:2_400], np.zeros(0, np.int64)):
        eligible = live if rows is None else rows
        for k in (1, 10, 60):
            scores, found, _ = bundle.nearest("image", queries, k, rows)
            certain, exact, path = bundle.nearest("image", queries, k, rows, exactly=True)
            want = min(k, len(eligible))
            assert found.shape == exact.shape == (16, want) and np.isin(found, eligible).all()
            if want == 0:
                continue
            truth = -np.sort(-(queries @ vectors[eligible].T), axis=1)[:, :want]
            assert np.allclose(certain, truth, atol=2e-4) and "exact scan" in path
            assert (scores >= truth[:, -1:] - 2e-4).mean() > 0.85
