"""The command line: outputs, exit codes, one line per error."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import shared


@pytest.fixture(scope="module")
def run(bundle_path):
    def call(*words, index=bundle_path):
        env = {**os.environ, "PROM3E_INDEX": str(index)}
        return subprocess.run([sys.executable, "-m", "prom3e_index.cli.app", *map(str, words)], capture_output=True,
                              text=True, env=env)  # fmt: skip

    return call


@pytest.fixture
def inside(bundle_path, monkeypatch, capsys):
    """Run a command in this process: (exit code, stdout, stderr)."""
    from prom3e_index.cli import app

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["prom3e-index", *map(str, words)])
        monkeypatch.setenv("PROM3E_INDEX", str(bundle_path))
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err

    return call


def test_every_format_holds_the_same_hits(inside, tmp_path):
    ask = ("query", "--location", "10,20", "--target", "image", "-k", "5")
    answer = json.loads(inside(*ask, "--format", "json")[1])
    ids = [h["id"] for h in answer["hits"]]
    lines = [json.loads(line) for line in inside(*ask, "--format", "jsonl")[1].splitlines()]
    rows = list(csv.DictReader(io.StringIO(inside(*ask, "--format", "csv")[1])))
    shapes = json.loads(inside(*ask, "--format", "geojson")[1])["features"]
    inside(*ask, "--format", "parquet", "-o", tmp_path / "h.parquet")
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "h.parquet").to_pylist()
    text = inside(*ask)[1]

    assert ids == [r["id"] for r in lines] == [r["id"] for r in rows] == [r["id"] for r in table]
    assert ids == [f["properties"]["id"] for f in shapes]
    for hit, feature in zip(answer["hits"], shapes, strict=True):
        if hit["latitude"] is None:
            assert feature["geometry"] is None
        else:
            assert feature["geometry"]["coordinates"] == [hit["longitude"], hit["latitude"]]
    for hit in answer["hits"]:
        assert hit["id"] in text and ("completed" if hit["completed"] else "observed") in text


def test_several_modalities_and_an_embedding(inside, world, tmp_path, bundle):
    photo, song = next(world.glob("photos/*")), next(world.glob("songs/*.wav"))
    code, out, _ = inside(
        "query",
        "--image",
        photo,
        "--audio",
        song,
        "--location",
        "1,2",
        "--target",
        "text",
        "-f",
        "json",
    )
    assert code == 0 and list(json.loads(out)["query"]["given"]) == ["image", "loc", "audio"]
    np.save(tmp_path / "v.npy", np.asarray(bundle.embeddings("loc")[4]))
    code, out, _ = inside("query", "--embedding", tmp_path / "v.npy", "--as", "location", "-t", "loc", "--space", "encoder",
                          "-f", "json")  # fmt: skip
    assert json.loads(out)["hits"][0]["score"] > 0.99
    code, out, _ = inside("query", "--env", ",".join(["0.1"] * 20), "-k", "1", "-f", "json")
    assert code == 0 and len(json.loads(out)["hits"]) == 1


@pytest.mark.parametrize("words, said", [
    (("query", "--location", "91,0"), "latitude 91 is outside"),
    (("query", "--location", "1,1", "-k", "0"), "k is 0"),
    (("query", "--location", "1,1", "--format", "xml"), "Unknown format 'xml'"),
    (("query", "--location", "1,1", "--format", "parquet"), "needs --output"),
    (("query", "--embedding", "x.npy"), "go together"),
    (("query", "--env", "1,2,x"), "20 numbers"),
    (("query", "--location", "1,1", "--near", "here"), "--near is"),
    (("query", "--location", "1,1", "--where", "order = 'x'"), "double quotes"),
    (("query", "--image", "none.jpg"), "does not exist"),
    (("query", "--text", "x", "--index", "nowhere.p3i"), "is no index"),
    (("build", "nowhere.csv", "--index", "x.p3i"), "nowhere.csv does not exist"),
    (("build", "nowhere.csv", "--map", "a"), "COLUMN=FIELD"),
    (("build", "nowhere.csv", "--model", "huge", "--index", "x.p3i"), "neither a built-in model"),
    (("build", "nowhere.csv", "--memory", "lots"), "--memory needs a number and a unit, as 8GB"),
    (("build", "nowhere.csv", "--latency", "5"), "--latency is a time as 5ms"),
    (("build", "nowhere.csv", "--kind", "annoy"), "known: exact, ivf-f16"),
    (("build", "nowhere.csv", "--target-recall", "2"), "must lie above 0 and up to 1"),
    (("query", "--location", "1,1", "--at", "7"), "has no generation 7 to look at; there are 1"),
    (("remove",), "either --where PREDICATE or --ids FILE"),
    (("remove", "--ids", "none.txt"), "cannot be read as lines"),
    (("add", "nowhere.csv"), "nowhere.csv does not exist"),
    (("compact", "--index", "nowhere.p3i"), "is no index"),
    (("export", "x.xlsx"), "does not say in which format"),
    (("infer", "nowhere.npz", "-o", "o.npz"), "cannot be read"),
])  # fmt: skip
def test_errors_are_one_line_and_exit_2(inside, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = inside(*words)

    assert code == 2 and said in err and out == ""
    assert err.startswith("Error: ") and len(err.strip().splitlines()) == 1


def test_info_verify_export_models_doctor(inside, tmp_path, bundle):
    code, out, _ = inside("info")
    assert code == 0 and "60 observations" in out and "R@10" not in out
    assert "R@10" in inside("info", "--search")[1]
    assert json.loads(inside("info", "--json")[1])["rows"] == 60
    code, out, _ = inside("verify")
    assert code == 0 and "FAIL" not in out and "ok   re-encode audio" in out
    for ending in ("csv", "parquet", "geojson"):
        assert inside("export", tmp_path / f"m.{ending}")[0] == 0
    ids = [r[0] for r in bundle.sql("SELECT id FROM observations ORDER BY row")]
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as f:
        assert [r["id"] for r in csv.DictReader(f)] == ids
    shapes = json.loads((tmp_path / "m.geojson").read_text())["features"]
    assert [f["properties"]["id"] for f in shapes] == ids
    assert inside("export", tmp_path / "e.parquet", "--what", "embeddings")[0] == 0
    from pyarrow import parquet

    rows = parquet.read_table(tmp_path / "e.parquet").to_pylist()
    for i, m in enumerate(bundle.modalities):
        for row in (0, 31, 59):
            stored = np.asarray(bundle.embeddings(m)[row], np.float32)
            assert (rows[row][m] is None) == (not bundle.present[row, i])
            assert rows[row][m] is None or np.array_equal(rows[row][m], stored)
    assert "mini" in inside("models", "list")[1]
    code, out, _ = inside("models", "show", "mini")
    assert "knows only the demo world" in out and "9.2 MB" in out
    assert "against hubs: none by default; bank of training queries: yes" in out
    assert "not on this machine" in inside("models", "show", "taxabind")[1]
    assert "write access" in inside("doctor")[1]


def test_an_index_is_changed_looked_back_at_and_compacted(inside, bundle_path, world, tmp_path):
    index = tmp_path / "i.p3i"
    shutil.copytree(bundle_path, index)
    table = tmp_path / "more.csv"
    table.write_text("id,lat,lon\nnew-1,10,20\nnew-2,91,0\ndemo-7-000000,1,2\n")
    code, out, _ = inside("add", table, "--index", index)
    assert code == 0 and "1 added, 1 were there already, 1 rejected" in out
    assert (
        f"those stay as they are; what the table has otherwise of them: prom3e-index update {table}"
        in out
    )
    assert "generation 2, 61 observations" in out and "segments/000002/rejected.parquet" in out
    (tmp_path / "ids.txt").write_bytes("demo-7-000001\r\nnobody\n\n".encode("utf-8-sig"))
    code, out, err = inside("remove", "--ids", tmp_path / "ids.txt", "--index", index)
    assert code == 1 and "1 removed" in out and "1 ids are not in the index: 'nobody'" in err
    code, out, _ = inside("remove", "--where", "latitude > 400", "--index", index)
    assert code == 0 and "nothing to remove" in out
    assert "1 row until compact" in inside("info", "--index", index)[1]
    code, out, _ = inside("info", "--search", "--index", index)
    assert "segments: 2, 1 removed rows until compact" in out
    ask = ("query", "--location", "10,20", "-k", "99", "-f", "json", "--index", index)
    now, then = (json.loads(inside(*ask, *at)[1]) for at in ((), ("--at", 1)))
    held = {h["id"] for h in now["hits"]}
    assert len(held) == 60 and "new-1" in held and "demo-7-000001" not in held
    assert len(then["hits"]) == 60 and "demo-7-000001" in {h["id"] for h in then["hits"]}
    checked = json.loads(inside(*ask, "--exact")[1])
    assert [h["id"] for h in checked["hits"]] == [h["id"] for h in now["hits"]]
    assert checked["search"]["path"].endswith("exact scan")
    code, out, _ = inside("certify", "--queries", 12, "--keep", "--index", index)
    assert code == 0 and "generation 4, 60 observations" in out
    code, out, _ = inside("history", "--index", index)
    assert [line.split()[2] for line in out.splitlines()] == ["build", "add", "remove", "certify"]
    code, out, _ = inside("compact", "--index", index)
    assert code == 0 and "generation 5, 60 observations" in out and "until compact" not in out
    assert "1 removed row left the files; generations 1 to 4 can no longer be looked at" in out
    assert inside("verify", "--index", index)[0] == 0
    assert "(compacted away)" in inside("history", "--index", index)[1]


def test_doctor_proves_the_paths_of_the_search(inside, monkeypatch):
    from prom3e_index.bundle.faiss.search import Gallery

    code, out, _ = inside("doctor", "--conformance")
    lines = [line for line in out.splitlines() if line[:4] in ("ok  ", "FAIL")]
    assert code == 0 and [line.split()[1].rstrip(":") for line in lines][:6] == [
        "exact", "ivf-f16", "ivf-sq8", "ivf-rabitq4", "ivf-pqfs", "hnsw-sq8",
    ]  # fmt: skip
    search = Gallery.search
    monkeypatch.setattr(Gallery, "search", lambda self, q, k, subset=None, exactly=False:
                        search(self, q, k, None, exactly))  # fmt: skip
    code, out, _ = inside(
        "doctor", "--conformance"
    )  # a search that ignores its filter is found out
    assert code == 1 and "FAIL exact: 0.0% of the rows by chance: hits that are not eligible" in out


def test_infer_on_the_golden_model(inside, tmp_path):
    folder = shared("fixtures/golden_given")
    expected = np.load(folder / "expected.npz")
    code, _, err = inside("infer", folder / "inputs.npz", "--model", folder, "--given", "loc,image", "--decode", "mean",
                          "-o", tmp_path / "o.npz")  # fmt: skip
    assert code == 0, err
    with np.load(tmp_path / "o.npz") as z:
        for name in ("mean", "log_variance", "tokens", "reconstructed"):
            assert np.abs(z[name] - expected[f"{name}__2_0"]).max() < 1e-5
        assert np.allclose(
            z["sigma_l1"], np.exp(expected["log_variance__2_0"] / 2).sum(1), rtol=1e-5
        )


def test_encode_then_build_from_a_hub_copy(inside, hub, encoders_given, tmp_path):
    """The main job on the fixture table with the published-format models."""
    code, out, err = inside("encode", encoders_given / "table.csv", "--model", "taxabind", "--hub", hub, "--media",
                            encoders_given / "media", "--climate", encoders_given / "bioclim_elevation_scaled.npy",
                            "-o", tmp_path / "e.npz")  # fmt: skip
    assert code == 0, err
    expected = np.load(encoders_given / "expected.npz")
    files = [str(f) for f in expected["image_files"]]
    with (encoders_given / "table.csv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    with np.load(tmp_path / "e.npz") as z:
        assert [r["id"] for r in rows] == z["ids"].tolist()
        for i, row in enumerate(rows):
            if row["image_url"] in files:
                want = expected["image_unit"][files.index(row["image_url"])]
                assert z["present"][i, 0] and np.abs(z["embeddings"][i, 0] - want).max() < 1e-3


def test_an_output_that_is_closed_early_is_no_error(run):
    done = subprocess.run(f"{sys.executable} -m prom3e_index.cli.app --help | head -1", shell=True, capture_output=True,
                          text=True)  # fmt: skip
    assert "Traceback" not in done.stderr
    assert run("--version").stdout.startswith("prom3e-index 0.1.0")


def test_report_holds_its_pictures_and_escapes_what_it_shows(bundle, tmp_path):
    from prom3e_index.evaluation.directions import recall_table
    from prom3e_index.search.query import Query
    from prom3e_index.show.recall_section import recall_text
    from prom3e_index.show.report import write_report

    answer = bundle.search(Query(text="<script>alert(1)</script>", target="image", k=3))
    x = np.stack([np.asarray(bundle.embeddings(m), np.float32) for m in bundle.modalities], axis=1)
    labels = np.array(
        [r[0] for r in bundle.sql("SELECT true_species FROM observations ORDER BY row")],
        dtype=object,
    )
    records = recall_table(bundle.model(), x, bundle.present, labels)
    write_report(tmp_path / "r.html", bundle, [answer], records, None)
    page = (tmp_path / "r.html").read_text()

    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "http://" not in page and "https://" not in page and "data:image" in page
    assert recall_text(records).splitlines()[-1].startswith("mean")


def test_recall_equals_a_plain_loop(bundle):
    """One direction of the recall table recomputed with loops."""
    from prom3e_index.evaluation.directions import directions
    from prom3e_index.models.folder import Weights

    x = np.stack([np.asarray(bundle.embeddings(m), np.float32) for m in bundle.modalities], axis=1)
    labels = np.array(
        [r[0] for r in bundle.sql("SELECT true_species FROM observations ORDER BY row")],
        dtype=object,
    )
    names = bundle.modalities
    d = next(
        d
        for d in directions(bundle.model(), x, bundle.present, labels)
        if (d.given, d.target) == ("loc", "image")
    )
    have = [i for i in range(60) if bundle.present[i, 0]]
    ranks = []
    for i in range(60):
        if not bundle.present[i, names.index("loc")]:
            continue
        scored = sorted((-float(x[i, names.index("loc")] @ x[j, 0]), j) for j in have if j != i)
        right = [n + 1 for n, (_, j) in enumerate(scored) if labels[j] == labels[i]]
        if right:
            ranks.append(right[0])
    assert sorted(d.first([("encoder", Weights())])[0].rank().tolist()) == sorted(ranks)


def test_training_commands_train_and_name_what_is_wrong(inside, tmp_path):
    import torch

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 6, 512)).astype(np.float32)
    split = np.array(["train"] * 30 + ["val"] * 30)
    np.savez(
        tmp_path / "e.npz",
        embeddings=x,
        species=np.array([f"s{i // 3}" for i in range(60)]),
        split=split,
    )
    small = ("--embed-dim", 16, "--heads", 2, "--mlp-dim", 16, "--batch-size", 10, "--steps", 4)
    train = ("train", "mvae", tmp_path / "e.npz", "--out", tmp_path / "own", *small)

    code, out, err = inside(
        *train, "--set", "noise=none", "--set", "validate=2", "--export", "published"
    )
    assert code == 0 and "30 rows trained on" in out and "mean of 30 directions" in out
    assert "step 4/4  loss" in err
    assert sorted(p.name for p in (tmp_path / "own/published").iterdir()) == [
        "config.json",
        "model.safetensors",
        "seen.npz",
    ]

    for more, words in {
        ("--set", "niose=none"): "Unknown setting 'niose'; nearest: noise",
        ("--set", "lr=1e-3", "--lr", "0.5"): "--set lr=1e-3 and --lr 0.5 say the same setting",
        ("--set", "noise"): "--set is SETTING=VALUE, not 'noise'",
        ("--recipe", "bset"): "--recipe 'bset'; nearest: best",
        ("--add", "dna"): "--add is NAME:WIDTH",
        ("--init", "taxabind"): "cannot be chosen with --init",
        ("--export", "onnx"): "only `published` is known",
        ("--lr", "0.5"): "now 0.5. Give the settings it began with",
        ("--heads", "3"): "--heads is given 2 times",
    }.items():
        code, out, err = inside(*train, *more)
        assert code == 2 and words in err and err.count("Error:") == 1, (more, err)
    code, out, err = inside(*train[:7], "--heads", "3", *train[9:])
    assert code == 2 and "embed_dim 16 is no multiple of heads 3" in err
    if not torch.cuda.is_available():
        code, _, err = inside(*train, "--device", "cuda")
        assert code == 2 and "torch sees no CUDA device here" in err
    code, _, err = inside(
        "train", "align", "sat", "nowhere.csv", "--out", tmp_path / "x", "--init", tmp_path
    )
    assert code == 2 and "--anchor is needed" in err
