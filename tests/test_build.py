"""Building: nothing lost, nothing twice, whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer import build as build_module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.verify import verify
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
from prom3e_index.search.run import Bundle


def table(folder: Path, lines: list[str]) -> str:
    path = folder / "t.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_vectors_follow_from_encoder_and_mvae_by_hand(world, bundle):
    """Embeddings, completion and gallery of every row recomputed one row at a time."""
    import torch

    from prom3e_index.media.audio import audio_features
    from prom3e_index.media.images import image_pixels
    from prom3e_index.tables.names import taxon_text

    model = Model.open("mini")
    with (world / "observations.csv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert bundle.rows == len(rows) == 60
    for i in range(0, 60, 7):
        row, x, has = rows[i], torch.zeros(1, 6, 512), torch.zeros(1, 6, dtype=torch.bool)
        items = {}
        if row["image"]:
            items[0] = [image_pixels(world / row["image"], model.image_spec())]
        if row["satellite"]:
            items[1] = [image_pixels(world / row["satellite"], model.image_spec("sat"), tile=True)]
        if row["decimalLatitude"]:
            items[2] = [(float(row["decimalLatitude"]), float(row["decimalLongitude"]))]
        if row["elevation"]:
            names = ["elevation", *(f"bio_{b}" for b in range(1, 20))]
            items[3] = np.array([[float(row[n]) for n in names]], np.float32)
        if row["scientificName"]:
            items[4] = [taxon_text({**row, "species": ""}, row["scientificName"])]
        if row["audio"]:
            items[5] = [audio_features(world / row["audio"], model.audio_spec())]
        for m, item in items.items():
            x[0, m] = torch.from_numpy(model.encoder(model.modalities[m]).encode(item)[0])
            has[0, m] = True
            stored = np.asarray(bundle.embeddings(model.modalities[m])[i], np.float32)
            assert np.abs(stored - x[0, m].numpy()).max() < 1e-3
        assert np.array_equal(bundle.present[i], has[0].numpy())
        p = model.mvae.posterior(x, has)
        points = {"expectation": (1, -1), "mean": (0,)}[model.decode]
        decoded = sum(model.mvae.decode(p.mean + e * p.sigma)[0] for e in points)
        mean = torch.nn.functional.normalize(decoded, dim=-1)
        for m, name in enumerate(model.modalities):
            vector = np.asarray(bundle.vectors(name)[i], np.float32)
            epsilon = bundle.manifest["epsilon"][name]
            mixed = torch.nn.functional.normalize(
                (1 - epsilon) * x[0, m] + epsilon * mean[m], dim=-1
            )
            expected = mixed if has[0, m] else mean[m]
            assert np.abs(vector[:512] - expected.numpy()).max() < 2e-3
            assert np.abs(vector[512:] - p.mean[0].numpy()).max() < 2e-3
        sigma = bundle.sql("SELECT sigma_l1 FROM observations WHERE row = ?", [i])[0][0]
        assert sigma == pytest.approx(float(p.sigma.sum()), rel=1e-4)


def test_verify_passes_and_finds_harm(bundle_path, tmp_path):
    assert all(c.ok for c in verify(Bundle.open(bundle_path)))
    for name in ("faiss/image.faiss", "vectors/loc.npy", "embeddings/text.npy"):
        copy = tmp_path / name.replace("/", "-")
        shutil.copytree(bundle_path, copy)
        data = bytearray((copy / name).read_bytes())
        data[-5] ^= 0xFF
        (copy / name).write_bytes(data)
        failed = [c.name for c in verify(Bundle.open(copy)) if not c.ok]
        assert "checksums" in failed


def test_every_row_is_indexed_or_rejected_with_its_reason(tmp_path, world, monkeypatch):
    shutil.copy(world / "photos" / sorted(os.listdir(world / "photos"))[0], tmp_path / "good.jpg")
    (tmp_path / "bad.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:900])
    path = table(tmp_path, [
        "id,image,lat,lon,name",
        "a,good.jpg,1,2,Pica pica",
        "b,bad.jpg,91,0,Pica pica",
        "c,bad.jpg,,,",
        "d,,,,",
        ",good.jpg,,,",
        "f,,46.8,-121.7,",
        "g,,,,x,too many",
    ])  # fmt: skip
    out = tmp_path / "i.p3i"
    with monkeypatch.context() as patch:  # stopped at the last step: nothing is counted twice
        patch.setattr(build_module, "certified", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(BuildConfig(table=path, out=out, model="mini"))
    assert not out.exists()
    manifest = build(BuildConfig(table=path, out=out, model="mini"))
    bundle = Bundle.open(out)
    rejected = {r[0]: r[1] for r in bundle.sql("SELECT id, reason FROM rejected")}
    parquet = duckdb.sql(f"SELECT id, reason FROM '{out}/rejected.parquet'").fetchall()
    lost = bundle.sql(
        "SELECT o.id, l.modality, l.reason FROM lost l JOIN observations o USING (row)"
    )

    assert manifest["counts"] == {
        "rows_in": 7,
        "rows_indexed": 3,
        "rows_rejected": 4,
        "files_lost": 2,
        "observations": 3,
        "rows": 3,
    }
    assert [r[0] for r in bundle.sql("SELECT id FROM observations ORDER BY row")] == ["a", "b", "f"]
    assert "truncated" in rejected["c"] and "nothing to search by" in rejected["d"]
    assert any("no id" in r[1] for r in parquet) and any(
        "6 cells where the header has 5" in r[1] for r in parquet
    )
    assert {(r[0], r[1]) for r in lost} == {("b", "image"), ("b", "loc")}


@pytest.mark.parametrize("policy, kept", [("first", 1.0), ("last", 3.0)])
def test_duplicate_ids_by_policy(tmp_path, policy, kept):
    path = table(tmp_path, ["id,lat,lon", "x,1,1", "y,2,2", "x,3,3"])
    manifest = build(
        BuildConfig(table=path, out=tmp_path / "i.p3i", duplicates=policy, model="mini")
    )
    bundle = Bundle.open(tmp_path / "i.p3i")

    assert manifest["counts"]["rows_rejected"] == 1
    assert bundle.sql("SELECT latitude FROM observations WHERE id = 'x'") == [(kept,)]
    with pytest.raises(
        InputError, match="1 ids stand in several rows; the first is 'x', 2 times, from row 1"
    ):
        build(BuildConfig(table=path, out=tmp_path / "e.p3i", model="mini"))


@pytest.mark.parametrize("n", [1, 2])
def test_smallest_tables(tmp_path, n):
    path = table(tmp_path, ["id,lat,lon", *(f"i{k},{k + 1},{k}" for k in range(n))])
    build(BuildConfig(table=path, out=tmp_path / "i.p3i", model="mini"))
    assert Bundle.open(tmp_path / "i.p3i").rows == n


def test_nothing_left_and_no_rows(tmp_path):
    with pytest.raises(
        InputError, match="Nothing of .* is left to index; the first reason: nothing to search"
    ):
        build(
            BuildConfig(
                table=table(tmp_path, ["id,lat,lon", "a,,"]), out=tmp_path / "a.p3i", model="mini"
            )
        )
    with pytest.raises(InputError, match="no rows"):
        build(
            BuildConfig(table=table(tmp_path, ["id,lat,lon"]), out=tmp_path / "b.p3i", model="mini")
        )


def test_ids_without_column_strange_ids_and_typed_metadata(tmp_path):
    path = table(
        tmp_path, ["lat,lon,depth,code,note", "1,1,5,007,'; DROP TABLE x", "2,2,6.5,008,🦉"]
    )
    build(BuildConfig(table=path, out=tmp_path / "i.p3i", model="mini"))
    bundle = Bundle.open(tmp_path / "i.p3i")

    rows = bundle.sql("SELECT id, depth, code, note FROM observations ORDER BY row")
    assert rows == [("row-1", 5.0, "007", "'; DROP TABLE x"), ("row-2", 6.5, "008", "🦉")]


def test_equal_files_and_names_are_encoded_once(tmp_path, world, monkeypatch):
    photo = sorted(os.listdir(world / "photos"))[0]
    shutil.copy(world / "photos" / photo, tmp_path / "a.jpg")
    path = table(tmp_path, ["id,image,name", *(f"{k},a.jpg,Pica pica" for k in range(40))])
    counted = {"image": 0, "text": 0}
    original = build_module.open_model

    def counting(config):
        model = original(config)
        for m in counted:
            encoder = model.encoder(m)
            encode = encoder.encode
            encoder.encode = lambda b, m=m, encode=encode: (
                counted.__setitem__(m, counted[m] + len(b)),
                encode(b),
            )[1]
        return model

    monkeypatch.setattr(build_module, "open_model", counting)
    build(BuildConfig(table=path, out=tmp_path / "i.p3i", model="mini"))
    assert counted == {"image": 1, "text": 1}


def test_embeddings_are_indexed_like_the_table_they_came_from(tmp_path, world, bundle):
    from prom3e_index.indexer.npz import encode_to_npz, infer_npz

    source = tmp_path / "e.npz"
    done = encode_to_npz(
        BuildConfig(table=str(world / "observations.csv"), out=source, model="mini"),
        lambda *_: None,
    )
    build(BuildConfig(table=str(source), out=tmp_path / "i.p3i", model="mini"))
    again = Bundle.open(tmp_path / "i.p3i")

    assert done["rows"] == 60 and np.array_equal(again.present, bundle.present)
    for m in bundle.modalities:
        assert np.allclose(again.vectors(m), bundle.vectors(m), atol=2e-3)
    assert again.sql("SELECT id FROM observations ORDER BY row") == bundle.sql(
        "SELECT id FROM observations ORDER BY row"
    )
    infer_npz(source, "mini", None, "mean", None, tmp_path / "o.npz")
    with np.load(tmp_path / "o.npz") as z:
        assert np.allclose(
            z["mean"], np.asarray(bundle.vectors("image")[:, 512:], np.float32), atol=2e-3
        )
        assert np.allclose(z["sigma_l1"], [r[0] for r in bundle.sql("SELECT sigma_l1 FROM observations ORDER BY row")],
                           rtol=1e-4)  # fmt: skip


def test_climate_from_a_raster_where_the_table_has_none(tmp_path):
    from prom3e_index.world import planet

    np.save(tmp_path / "c.npy", planet.raster())
    path = table(tmp_path, ["id,lat,lon", "a,63.2,-34.8", "b,59.4,85.3", "sea,10.2,20.7"])
    build(BuildConfig(table=path, out=tmp_path / "i.p3i", climate=tmp_path / "c.npy", model="mini"))
    bundle = Bundle.open(tmp_path / "i.p3i")
    cells = planet.raster()[[13, 15], [72, 132]].astype(np.float32)
    expected = Model.open("mini").encoder("env").encode(cells)

    assert bundle.manifest["observed"]["env"] == 2
    assert np.abs(np.asarray(bundle.embeddings("env")[:2], np.float32) - expected).max() < 1e-3
    assert [r[0] for r in bundle.sql("SELECT row FROM lost WHERE modality = 'env'")] == [2]


@pytest.mark.parametrize("harm, words", [
    (lambda p: (p / "manifest.json").unlink(), "is no index"),
    (lambda p: (p / "manifest.json").write_text("{"), "damaged"),
    (lambda p: (p / "faiss" / "sat.faiss").unlink(), "lacks faiss/sat.faiss"),
    (lambda p: (p / "vectors" / "sat.npy").write_bytes(b"x"), "1 bytes, the manifest says"),
])  # fmt: skip
def test_damaged_bundles_are_refused(tmp_path, bundle_path, harm, words):
    copy = tmp_path / "c.p3i"
    shutil.copytree(bundle_path, copy)
    harm(copy)
    with pytest.raises(BundleError, match=words):
        Bundle.open(copy)


def test_a_bundle_of_the_future_and_one_that_points_outside(tmp_path, bundle_path):
    copy = tmp_path / "c.p3i"
    shutil.copytree(bundle_path, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))
    with pytest.raises(BundleError, match="format version 99, this program reads up to 2"):
        Bundle.open(copy)
    outside = {**manifest, "files": {"../../etc/passwd": {"bytes": 1, "sha256": ""}}}
    (copy / "manifest.json").write_text(json.dumps(outside))
    with pytest.raises(BundleError, match="outside the index"):
        Bundle.open(copy)


def test_memory_does_not_grow_with_rows(tmp_path):
    """Ten times the rows, at most 1.2 times the resident memory."""
    script = (
        "import sys, resource; from pathlib import Path; from prom3e_index.indexer.build import build; from prom3e_index.indexer.work import BuildConfig; "
        "build(BuildConfig(table=sys.argv[1], out=Path(sys.argv[2]), model='mini')); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for n in (2_000, 20_000):
        rows = [
            f"{i},{(i * 7919) % 179 - 89.5},{(i * 104729) % 359 - 179.5},Genus{i % 50} sp"
            for i in range(n)
        ]
        path = tmp_path / f"{n}.csv"
        path.write_text("\n".join(["id,lat,lon,name", *rows]))
        done = subprocess.run([sys.executable, "-c", script, str(path), str(tmp_path / f"{n}.p3i")],
                              check=True, capture_output=True, text=True)  # fmt: skip
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] <= 1.2 * peaks[0], peaks
