"""One command of evaluation: its tables agree, its words name what is wrong, its figures do not fall."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from tiny_set import NAMES, tiny, write

from prom3e_index.errors import InputError
from prom3e_index.evaluation.retrieval import stored_ranks as raw
from prom3e_index.evaluation.retrieval.run import RetrievalConfig, evaluate_retrieval, redraw
from prom3e_index.evaluation.sources import read_eval


def test_one_command_writes_tables_that_agree_and_redraw(tmp_path):
    data = tiny(120, seed=21)
    write(tmp_path / "d.npz", data, split=np.array(["train"] * 50 + ["val"] * 30 + ["test"] * 40))
    config = RetrievalConfig(
        tmp_path / "d.npz", tmp_path / "out", "mini", directions=("image+sat->text",)
    )
    results = evaluate_retrieval(config)
    assert results["facts"]["rows"] == 40 and "chosen on" in results["facts"]["weights"]
    told = json.loads((tmp_path / "out/results.json").read_text())
    keys = {
        "given",
        "target",
        "space",
        "match",
        "recall@1",
        "recall@5",
        "recall@10",
        "mrr",
        "interval",
        "delta",
        "rows",
        "gallery",
    }
    assert all(keys <= r.keys() for r in told["results"])
    scored, _ = raw.load(tmp_path / "out/ranks.npz")
    for s, r in zip(scored, told["results"], strict=True):
        assert (list(s.given), s.target, s.space, s.match) == (
            r["given"],
            r["target"],
            r["space"],
            r["match"],
        )
        assert r["recall@5"] == pytest.approx(float(s.first.recall(5).mean()))
    with (tmp_path / "out/results.csv").open() as f:
        lines = list(csv.DictReader(f))
    assert [float(x["recall@1"]) for x in lines] == pytest.approx(
        [r["recall@1"] for r in told["results"]]
    )
    assert {"ridge", "encoder+csls"} <= {r["space"] for r in told["results"]}
    page = (tmp_path / "out/report.html").read_text()
    assert "http://" not in page and "https://" not in page and "data:image/png" in page
    before = (tmp_path / "out/results.json").read_bytes()
    redraw(tmp_path / "out")
    assert (tmp_path / "out/results.json").read_bytes() == before


def test_a_bundle_is_evaluated_through_its_own_index(bundle_path, tmp_path):
    results = evaluate_retrieval(
        RetrievalConfig(bundle_path, tmp_path / "o", species="true_species")
    )
    assert results["facts"]["rows"] == 60 and results["facts"]["weights"] == "the model's own"
    split = results["error_split"]
    assert split and all(r["found"] == 1 for r in split)
    assert all(r["index"] == pytest.approx(r["half"], abs=0.05) for r in split)
    obscured = read_eval(bundle_path, NAMES, 512)
    hidden = np.array([bool(v) for v in obscured.columns["obscured"]])
    assert not obscured.present[hidden, 2].any()


def test_wrong_input_is_named(tmp_path):
    data = tiny(60, seed=31)
    write(tmp_path / "d.npz", data)
    write(tmp_path / "same.npz", data.rows(np.arange(30)))
    base = RetrievalConfig(tmp_path / "d.npz", tmp_path / "o", "mini")
    from dataclasses import replace

    with pytest.raises(InputError, match=r"row \d+ of .*d.npz \(\d+\) is row \d+ of .*same.npz"):
        evaluate_retrieval(replace(base, validation=tmp_path / "same.npz"))
    with pytest.raises(InputError, match="no column 'specis'; nearest: species|nearest: species"):
        evaluate_retrieval(replace(base, species="specis"))
    with pytest.raises(InputError, match="space 'hybrd' is unknown"):
        evaluate_retrieval(replace(base, spaces=("hybrd",)))
    with pytest.raises(InputError, match="neither an index nor embeddings"):
        evaluate_retrieval(replace(base, data=tmp_path))
    with pytest.raises(InputError, match="at least two"):
        evaluate_retrieval(replace(base, rows=1))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/ranks.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="holds no stored ranks"):
        redraw(tmp_path / "bad")
    write(tmp_path / "s.npz", data, split=np.array(["train"] * 40 + ["val"] * 20))
    with pytest.raises(InputError, match="no test rows; nothing may be chosen"):
        evaluate_retrieval(replace(base, data=tmp_path / "s.npz"))
    some = evaluate_retrieval(replace(base, spaces=("encoder", "hybrid")))
    assert {r["space"] for r in some["results"]} == {"encoder", "hybrid"}
    encoder_only = evaluate_retrieval(replace(base, model=None, spaces=("encoder",)))
    assert {r["space"] for r in encoder_only["results"]} == {"encoder"}


def test_a_table_is_encoded_once_and_then_found(world, tmp_path):
    from typer.testing import CliRunner

    from prom3e_index.cli.app import app

    out = tmp_path / "e"
    ask = [
        "evaluate",
        "retrieval",
        str(world / "observations.csv"),
        "--model",
        "mini",
        "--species",
        "true_species",
        "-o",
        str(out),
    ]
    done = CliRunner().invoke(app, ask)
    assert done.exit_code == 0, done.output
    assert "image → text" in done.output
    made = (out / "embeddings.npz").stat().st_mtime_ns
    assert CliRunner().invoke(app, ask).exit_code == 0
    assert (out / "embeddings.npz").stat().st_mtime_ns == made
    other = [*ask[:3], "--model", "mini", "--direction", "image->text", "--species", "family", "-o"]
    assert CliRunner().invoke(app, [*other, str(out)]).exit_code == 0
    assert (out / "embeddings.npz").stat().st_mtime_ns == made
    assert len(list(out.glob("embeddings-*.npz"))) == 1
    again = CliRunner().invoke(app, [*ask[:3], "-o", str(out)])
    assert isinstance(again.exception, InputError) and "give model" in str(again.exception)
    with np.load(out / "embeddings.npz") as z:
        assert {"genus", "family", "latitude", "obscured"} <= set(z.files)


def test_recall_log_is_not_undercut(tmp_path):
    """The demo world's figures, against the log of an earlier run."""
    import importlib.util

    from conftest import ROOT

    spec = importlib.util.spec_from_file_location("recall_benchmark", ROOT / "benchmarks/recall.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    log = json.loads(bench.LOG.read_text())["300"]
    assert bench.compare(bench.measure(tmp_path, 300), log) == []
    assert bench.compare({k: v - 0.03 for k, v in log.items()}, log) and bench.compare({}, log)
