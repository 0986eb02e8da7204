"""Files of embeddings: read in blocks, checked as they are read, their rows by the same rules as any table's."""

from __future__ import annotations

import json
import tracemalloc
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from prom3e_index.errors import ShapeError, TableError
from prom3e_index.schema import NAMES
from prom3e_index.tables.embedded import EmbeddedObservations
from prom3e_index.tables.embeddings import open_embeddings, read_embeddings
from prom3e_index.tables.pickled import read_array_dict

SIZES = (0, 1, 6, 7, 8, 15)
"""About blocks of 7 rows."""


def vectors(n, seed=0):
    """(n, 6, 8), some rows absent, and their unit rows in float64."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6, 8)).astype(np.float32)
    x[rng.random((n, 6)) < 0.3] = 0
    norm = np.linalg.norm(x.astype(np.float64), axis=2, keepdims=True)
    return x, x / np.where(norm > 0, norm, 1)


def read(path, kind, rows=7):
    parts = list(read_embeddings(path, kind, NAMES, 8, rows))
    ids = [i for p in parts for i in p.ids]
    if not parts:
        return np.zeros((0, 6, 8)), np.zeros((0, 6), bool), ids
    return (
        np.concatenate([p.embeddings for p in parts]),
        np.concatenate([p.present for p in parts]),
        ids,
    )


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("form", ["stored", "compressed", "by column", "by name", "float16"])
def test_npz_in_blocks_is_the_whole(tmp_path, n, form):
    x, unit = vectors(n)
    arrays = {
        "embeddings": x,
        "ids": np.array([f"é{i}" for i in range(n)], str),
        "note": np.arange(n),
    }
    if form == "by column":
        arrays["embeddings"] = np.asfortranarray(x)
    elif form == "float16":
        x = x.astype(np.float16)
        arrays["embeddings"], unit = x, unit_rows(x)
    elif form == "by name":
        arrays |= {m: x[:, i] for i, m in enumerate(NAMES)}
        del arrays["embeddings"]
    save = np.savez_compressed if form in ("compressed", "by column") else np.savez
    save(tmp_path / "e.npz", **arrays)
    got, present, ids = read(tmp_path / "e.npz", "npz")

    assert np.allclose(got, unit, atol=1e-6) and np.array_equal(present, unit.any(axis=2))
    assert ids == [f"é{i}" for i in range(n)]


def unit_rows(x):
    x = x.astype(np.float64)
    norm = np.linalg.norm(x, axis=2, keepdims=True)
    return x / np.where(norm > 0, norm, 1)


@pytest.mark.parametrize("n", SIZES)
def test_multinat_of_small_row_groups_and_npy_are_the_whole(tmp_path, n):
    x, unit = vectors(n, 3)
    kind = pa.list_(pa.float32())
    lists = {
        m: pa.array([v.tolist() if v.any() else None for v in x[:, i]], kind)
        for i, m in enumerate(NAMES)
    }
    table = pa.table({**lists, "occurrenceID": pa.array([f"o{i}" for i in range(n)], pa.string())})
    parquet.write_table(table, tmp_path / "m.parquet", row_group_size=4)
    np.save(tmp_path / "d.npy", {m: x[:, i] for i, m in enumerate(NAMES)}, allow_pickle=True)

    got, present, ids = read(tmp_path / "m.parquet", "multinat")
    assert np.allclose(got, unit, atol=1e-6) and np.array_equal(present, unit.any(axis=2))
    assert ids == [f"o{i}" for i in range(n)]
    got, present, ids = read(tmp_path / "d.npy", "npy")
    assert np.allclose(got, unit, atol=1e-6) and np.array_equal(present, unit.any(axis=2))
    assert ids == [f"row-{i + 1}" for i in range(n)]


def test_a_large_npz_takes_the_memory_of_a_block(tmp_path):
    n = 3_000
    x = np.random.default_rng(0).normal(size=(n, 6, 512)).astype(np.float32)  # 37 MB
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "e.npz", embeddings=x)
        tracemalloc.start()
        total = 0.0
        for batch in read_embeddings(tmp_path / "e.npz", "npz", NAMES, 512, 100):
            total += float(np.square(batch.embeddings).sum())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == pytest.approx(6 * n, rel=1e-4) and peak < 12e6, f"{peak:,} bytes"


def test_damaged_and_hostile_npz_are_refused(tmp_path):
    x, _ = vectors(50)
    np.savez(tmp_path / "good.npz", embeddings=x)
    data = bytearray((tmp_path / "good.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bit.npz").write_bytes(data)
    with pytest.raises(TableError, match="CRC"):
        read(tmp_path / "bit.npz", "npz")
    (tmp_path / "cut.npz").write_bytes(data[:-200])
    with pytest.raises(TableError, match="zip"):
        read(tmp_path / "cut.npz", "npz")
    np.savez(tmp_path / "object.npz", embeddings=x, note=np.array([{}] * 50, object))
    with pytest.raises(TableError, match="without pickles"):
        read(tmp_path / "object.npz", "npz")
    with zipfile.ZipFile(tmp_path / "good.npz") as z:
        raw = z.read("embeddings.npy")
    with zipfile.ZipFile(tmp_path / "long.npz", "w") as z:
        z.writestr("embeddings.npy", raw.replace(b"(50, 6, 8)", b"(99, 6, 8)"))
    with pytest.raises(TableError, match="not as long as its shape"):
        read(tmp_path / "long.npz", "npz")
    np.savez(tmp_path / "text.npz", embeddings=x, present=np.full((50, 6), "False"))
    with pytest.raises(TableError, match="not truth values"):
        read(tmp_path / "text.npz", "npz")
    with pytest.raises(ShapeError, match=r"\(50, 6, 8\).*\(n, 6, 16\)"):
        open_embeddings(tmp_path / "good.npz", "npz", NAMES, 16)


def test_pickled_arrays_of_a_false_length_are_refused(tmp_path):
    good = {m: np.ones((3, 8), np.float32) for m in NAMES}
    np.save(tmp_path / "d.npy", good, allow_pickle=True)
    data = (tmp_path / "d.npy").read_bytes()
    assert data.count(b"K\x03K\x08\x86") == 6
    (tmp_path / "huge.npy").write_bytes(data.replace(b"K\x03K\x08\x86", b"K\xffK\xff\x86", 1))
    with pytest.raises(TableError, match=r"an array of \(255, 255\) holds 96 bytes"):
        read_array_dict(tmp_path / "huge.npy")
    np.save(tmp_path / "two.npy", {**good, "sound": good["audio"]}, allow_pickle=True)
    with pytest.raises(TableError, match="two arrays of audio"):
        read(tmp_path / "two.npy", "npy")
    with pytest.raises(TableError, match="refused"):
        (tmp_path / "cut.npy").write_bytes(data[:-40])
        read_array_dict(tmp_path / "cut.npy")


def test_rows_are_read_by_the_rules_of_tables(tmp_path):
    np.savez(
        tmp_path / "e.npz",
        embeddings=vectors(5)[0],
        ids=np.array(["a", "b", "c", "d", ""]),
        latitude=np.array([1.5, np.nan, 999, 3, 4]),
        longitude=np.array([2.5, np.nan, 0, np.nan, 5]),
        event_date=np.array(
            ["2024-05-01", "2024-05-01T10:00Z/2024-05-03T10:00Z", "soon", "", "2024"]
        ),
        species=np.array(["Pica hudsonia (Sabine, 1823)", "PICA PICA", "", "Pica sp.", "Aus bus"]),
        family=np.array(["Corvidae", "", "", "", ""]),
        obscured=np.array(["false", "0", "no", "true", "private"]),
        image=np.array(["https://x/1.jpg", "in.jpg", "../out.jpg", "", ""]),
        koppen=np.array(["Dfb", "", "nan", "Cfb", ""]),
        bio=np.array([1.5, np.nan, 2, 3, 4]),
    )
    table = EmbeddedObservations(tmp_path / "e.npz", "npz", NAMES, 8)
    rows = [r for b in table.batches(2) for r in b.to_pylist()]

    assert [r["id"] for r in rows] == ["a", "b", "c", "d", None]
    assert [(r["latitude"], r["longitude"]) for r in rows] == [
        (1.5, 2.5),
        *[(None, None)] * 3,
        (4, 5),
    ]
    assert [str(r["event_end"]) for r in rows] == [
        "2024-05-01",
        "2024-05-03",
        "None",
        "None",
        "2024-12-31",
    ]
    assert [r["scientific_name"] for r in rows][:3] == [
        "Pica hudsonia (Sabine, 1823)",
        "PICA PICA",
        None,
    ]
    assert [r["family"] for r in rows] == ["Corvidae", *[None] * 4]
    assert [r["text"] for r in rows][:2] == ["Corvidae Pica hudsonia", "Pica pica"]
    assert [r["obscured"] for r in rows] == [False, False, False, True, True]
    assert [r["image"] for r in rows][:3] == ["https://x/1.jpg", "in.jpg", None]
    assert [r["koppen"] for r in rows] == ["Dfb", None, "nan", "Cfb", None]
    assert [r["bio"] for r in rows] == ["1.5", None, "2.0", "3.0", "4.0"]
    said = {(r["id"], p["modality"]): p["reason"] for r in rows for p in r["problems"]}
    assert (
        "999.0' stands for an unknown place" in said["c", "loc"]
        and "longitude is missing" in said["d", "loc"]
    )
    assert "'soon'" in said["c", "event_date"] and "outside" in said["c", "image"]
    assert table.fields["id"] == ("ids",) and json.dumps(rows[1], default=str, allow_nan=False)


def test_made_up_ids_are_no_ids(tmp_path):
    x, _ = vectors(4)
    np.savez(tmp_path / "none.npz", embeddings=x)
    np.savez(tmp_path / "marked.npz", embeddings=x, ids=np.arange(4), ids_invented=np.array(True))
    np.savez(tmp_path / "own.npz", embeddings=x, ids=np.arange(4), ids_invented=np.array(False))

    for name in ("none.npz", "marked.npz"):
        assert "id" not in EmbeddedObservations(tmp_path / name, "npz", NAMES, 8).fields
        assert read(tmp_path / name, "npz")[2] == ["row-1", "row-2", "row-3", "row-4"]
    assert read(tmp_path / "own.npz", "npz")[2] == ["0", "1", "2", "3"]


def test_npz_multinat_and_npy_give_the_same_embeddings(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 6, 8)).astype(np.float32)
    present = np.ones((9, 6), bool)
    present[::2, 5] = False
    x[~present] = 0
    unit = x / np.where(present, np.linalg.norm(x, axis=2), 1)[:, :, None]
    np.savez(
        tmp_path / "e.npz",
        embeddings=x,
        present=present,
        ids=np.arange(9),
        species=np.array(list("abcdefghi")),
    )
    names = ["image", "sat", "loc", "env", "text", "sound"]
    columns = {
        n: [x[i, m].tolist() if present[i, m] else None for i in range(9)]
        for m, n in enumerate(names)
    }
    parquet.write_table(pa.table({**columns, "id": [str(i) for i in range(9)], "species": list("abcdefghi")}),
                        tmp_path / "m.parquet")  # fmt: skip
    np.save(tmp_path / "d.npy", {n: x[:, m] for m, n in enumerate(names)}, allow_pickle=True)

    for file, kind in (("e.npz", "npz"), ("m.parquet", "multinat"), ("d.npy", "npy")):
        batches = list(read_embeddings(tmp_path / file, kind, NAMES, 8, rows=4))
        assert np.allclose(np.concatenate([b.embeddings for b in batches]), unit, atol=1e-6), kind
        assert np.array_equal(np.concatenate([b.present for b in batches]), present)
        ids = [f"row-{i + 1}" for i in range(9)] if kind == "npy" else [str(i) for i in range(9)]
        assert [i for b in batches for i in b.ids] == ids
    with pytest.raises(ShapeError, match=r"\(9, 6, 8\).*\(n, 6, 16\)"):
        list(read_embeddings(tmp_path / "e.npz", "npz", NAMES, 16))
    x[3, 2, 0] = np.nan
    np.savez(tmp_path / "nan.npz", embeddings=x, present=present)
    with pytest.raises(TableError, match="Row 3"):
        list(read_embeddings(tmp_path / "nan.npz", "npz", NAMES, 8))


def test_a_pickle_that_asks_for_more_than_arrays_is_refused(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    np.save(tmp_path / "evil.npy", {"image": Evil()}, allow_pickle=True)
    with pytest.raises(TableError, match="asks for (builtins|__builtin__).print"):
        read_array_dict(tmp_path / "evil.npy")
    (tmp_path / "raw.npy").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(TableError, match="refused"):
        read_array_dict(tmp_path / "raw.npy")


@pytest.mark.parametrize(
    "length, fits", [(1e-29, True), (1e29, True), (1e-40, False), (1e38, False)]
)
def test_a_length_that_single_precision_cannot_scale_is_said(tmp_path, length, fits):
    x = np.zeros((3, 6, 8), np.float32)
    x[:, 0] = unit_rows(np.random.default_rng(0).normal(size=(3, 1, 8)))[:, 0]
    x[1, 0] *= np.float32(length)
    np.savez(tmp_path / "e.npz", embeddings=x)
    if fits:
        got, present, _ = read(tmp_path / "e.npz", "npz")
        assert np.allclose(np.linalg.norm(got[:, 0].astype(np.float64), axis=1), 1, atol=1e-5)
        assert present[:, 0].all()
    else:
        with pytest.raises(TableError, match="Row 1 has an embedding of length 1.0e"):
            read(tmp_path / "e.npz", "npz")
