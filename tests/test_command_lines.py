"""Wrong command lines: one line on stderr, exit code 2, nothing on stdout; and options that commands share."""

from __future__ import annotations

import os
import shutil
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def place(tmp_path_factory, bundle_path):
    """A folder of things that are not what a command wants."""
    folder = tmp_path_factory.mktemp("wrong")
    rng = np.random.default_rng(0)
    for name in ("bin.jpg", "bin.npz", "bin.npy", "bin.csv", "bin.duckdb", "bin.parquet"):
        (folder / name).write_bytes(rng.bytes(700))
    for name in ("empty.csv", "empty.npz", "empty.npy", "empty.jpg", "empty.zip"):
        (folder / name).write_bytes(b"")
    (folder / "dir").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder / "one.csv").write_text("id,lat,lon\nx,1,2\n")
    (folder / "twice.csv").write_text("id,lat,lon\nx,1,2\nx,1,2\n")
    (folder / "head.csv").write_text("id,lat,lon\n")
    for name, text in {"broken": "x = [", "bare": "name = 'a'\n", "list": "[]"}.items():
        (folder / name).mkdir()
        (folder / name / ("config.json" if name == "list" else "model.toml")).write_text(text)
    for name, text in {"half": "{", "array": "[]", "later": '{"format_version": 99}'}.items():
        (folder / name).mkdir()
        (folder / name / "manifest.json").write_text(text)
    np.savez(folder / "other.npz", a=np.zeros(3))
    np.savez(folder / "flat.npz", embeddings=np.zeros((3, 4), np.float32))
    np.savez(folder / "none.npz", embeddings=np.zeros((0, 6, 512), np.float32))
    np.savez(folder / "objects.npz", embeddings=np.array([{}], object))
    x = rng.normal(size=(3, 6, 512)).astype(np.float32)
    np.savez(folder / "short.npz", embeddings=x, present=np.ones((2, 6), bool))
    np.savez(folder / "good.npz", embeddings=x)
    np.savez(folder / "complex.npz", embeddings=x.astype(np.complex64))
    (folder / "cut.npz").write_bytes((folder / "good.npz").read_bytes()[:5_000])
    x[1, 2, 7] = np.nan
    np.savez(folder / "nan.npz", embeddings=x)
    np.save(folder / "nan.npy", np.full(512, np.nan))
    np.save(folder / "complex.npy", np.ones(512) + 1j)
    np.save(folder / "objects.npy", np.array([{}], object))
    shutil.copytree(bundle_path, folder / "i.p3i")
    return folder


@pytest.fixture
def inside(place, monkeypatch, capsys):
    from prom3e_index.cli import app

    def call(*words):
        monkeypatch.chdir(place)
        monkeypatch.setenv("PROM3E_INDEX", "i.p3i")
        monkeypatch.setattr(sys, "argv", ["prom3e-index", *words])
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err

    return call


LONG = "x" * 5000
HERE = ("query", "--location", "1,1")
WRONG = [
    # of any command
    "nosuch", "--nosuch", "models nosuch", "train nosuch", "evaluate nosuch", "query --nosuch 1", "query -k", "build", "export",
    "query -k x", "build one.csv extra",
    # build: what is read
    *(f"build {t} -i o.p3i" for t in ("nowhere.csv", "dir", "empty.csv", "bin.csv", "bin.duckdb", "bin.duckdb::x", "bin.parquet",
      "bin.npz", "empty.npz", "other.npz", "flat.npz", "objects.npz", "none.npz", "empty.zip", "head.csv", "twice.csv", "loop", "i.p3i", LONG)),
    # build: options
    "build one.csv -i one.csv", "build one.csv -i dir", "build one.csv -i i.p3i", "build one.csv -i one.csv/o.p3i",
    *(f"build one.csv -i o.p3i {m}" for m in ("--format xml", "--map q=id", "--map id", "--map id=id --map id=text", "--climate nowhere.npy",
      "--climate bin.npy", "--duplicates some", "--device tpu", "--device cuda:x", "--workers 0", "--workers -2", "--batch-size 0", "--timeout 0",
      "--target-recall nan", "--memory nanGB", "--latency 0ms", "--kind x", "--hubs x", "--model nosuch", "--model broken", "--model bare",
      "--model dir", "--model hf:a/b", "--hub nowhere", "--hub one.csv")),
    # query
    "query", "query --text=", "query --text x --index nowhere", "query --text x --index half", "query --text x --index array",
    "query --text x --index later", "query --text x --index one.csv", "query --text x --index .", f"query --text x --index {LONG}",
    *(f"query --location={v}" for v in ("", "1", "1,2,3", "nan,1", "1,inf", "a,b", "91,0", "0,181", LONG)),
    *(f"query --env={v}" for v in ("", "1", "1," * 19 + "x", "nan," * 19 + "1", "nowhere.npy", "bin.npy")),
    *(f"query --embedding {f} --as image" for f in ("nowhere.npy", "bin.npy", "empty.npy", "nan.npy", "complex.npy", "objects.npy",
      "good.npz", "dir")),
    # changes
    "add nowhere.csv", "add bin.csv", "add twice.csv", "update dir", "update none.npz", "add one.csv -i dir", "remove",
    "remove --where x --ids y", "remove --ids nowhere", "remove --ids dir", "remove --ids bin.jpg", "rebuild --kind x", "certify --sample 0", "certify --queries 0",
    *(f"{c} -i {i}" for c in ("compact", "rebuild", "certify", "history", "info", "verify") for i in ("nowhere", "half", "later")),
    # files that are written
    "export x.xlsx", "export dir --format csv", "export nofolder/x.csv", "export one.csv/x.csv", "export x.csv --what y",
    "export x.csv --what embeddings", f"export {LONG}.csv", "encode nowhere.csv -o e.npz", "encode one.csv -o one.csv",
    "encode one.csv -o e.npz --species q", "encode one.csv -o e.npz --column q", "encode head.csv -o e.npz",
    *(f"infer {f} -o o.npz" for f in ("nowhere.npz", "dir", "bin.npz", "other.npz", "flat.npz", "none.npz", "short.npz", "objects.npz", "nan.npz")),
    *(f"infer good.npz -o o.npz {m}" for m in ("--given x", "--given=", "--decode x", "--decode sample", "--decode sample --seed -1",
      "--model list", "--device tpu")), "infer good.npz -o nofolder/o.npz",
    "diversity one.csv -o d.tif", "map --taxon x -o m.tif", "infer cut.npz -o o.npz", "infer complex.npz -o o.npz",
    # models, worlds, training, evaluation
    "models show nosuch", "models show broken", "models show bare", "models show list", "models pull nosuch",
    "world one.csv", "world w --observations 0", "world w --seed -1", "demo one.csv",
    *(f"train mvae {f} -o m" for f in ("nowhere.npz", "dir", "bin.npz", "other.npz", "none.npz", "one.csv")),
    *(f"train mvae good.npz -o m {m}" for m in ("--recipe x", "--lr nan", "--lr=-1", "--steps 0", "--batch-size 0", "--registers=-1",
      "--seed=-1", "--set x", "--init nowhere", "--add dna", "--device tpu")), "train mvae good.npz -o i.p3i --steps 1",
    "train align nosuch one.csv -o a --init dir", "train align sat nowhere.csv -o a --init dir --anchor mini",
    "train align loc one.csv -o a --init package:x --anchor mini", "train patch dir dir one.csv -o p",
    "evaluate retrieval nowhere.csv -o v --model mini", "evaluate retrieval i.p3i -o v --rows 0", "evaluate retrieval i.p3i -o v --climate c.npy",
    "evaluate retrieval i.p3i -o v --seed=-1", "evaluate retrieval half -o v", "evaluate uncertainty i.p3i -o v --rows=-3",
    "evaluate probe i.p3i -o v --task classification", "evaluate probe i.p3i -o v --labels nosuch --task classification",
    "evaluate redraw nowhere", "evaluate redraw dir",
]  # fmt: skip


def test_wrong_input_is_one_line_and_exit_code_2(inside, place):
    """Every line that is wrong, so that all of them are told."""
    before = sorted(p.name for p in (place / "i.p3i").rglob("*"))
    failed = []
    for line in WRONG:
        code, out, err = inside(*line.split(" "))
        said = (
            err.splitlines()
        )  # the last line is the error; above it stand stages and what was understood
        right = code == 2 and not out and sum(w.startswith("Error: ") for w in said) == 1
        right &= said[-1:] == [w for w in said if w.startswith("Error: ")]
        if not right or "Traceback" in err or "fault of the program" in err or len(said[-1]) > 700:
            failed.append((line[:80], code, out[-200:], err[-300:]))
    assert not failed
    assert sorted(p.name for p in (place / "i.p3i").rglob("*")) == before


@pytest.mark.parametrize("words, said", [
    (("-k", "0"), "k is 0"),
    (("-t", "nosuch"), "'nosuch'"),
    (("-t", ""), "--target is empty"),
    (("--taxon", " "), "--taxon is empty"),
    (("--space", "x"), "'x'"),
    (("--delta", "nan"), "--delta is nan"),
    (("--near", "1,1,-5km"), "near"),
    (("--bbox", "nan,0,1,1"), "bbox is nan,0,1,1"),
    (("--from", "2024-02-30"), "2024-02-30"),
    (("--from", "2024-05-02", "--to", "2024-05-01"), "--from 2024-05-02 lies after --to 2024-05-01"),
    (("--group-by", "famly"), "nearest: family"),
    (("--at", "-1"), "no generation -1"),
    (("--format", "jsn"), "nearest: json"),
    (("-o", "dir"), "dir is a folder"),
    (("-o", "nofolder/x"), "there is no folder"),
    (("-o", "one.csv/x"), "there is no folder"),
    (("-o", LONG), "File name too long"),
    (("--where", "'" + "x" * 12_000), "unterminated"),
    (("--model", "broken"), "broken"),
    (("--image", "bin.jpg"), "bin.jpg"),
    (("--image", "dir"), "dir"),
    (("--audio", "one.csv"), "one.csv"),
])  # fmt: skip
def test_a_query_that_is_wrong_says_what(inside, words, said):
    code, out, err = inside(*HERE, *words)
    assert code == 2 and not out and said in err and err.count("\n") == 1, err
    assert len(err) < 700 and "fault of the program" not in err


def test_a_fault_of_the_program_is_one_line_and_debug_shows_where(inside, monkeypatch):
    from prom3e_index.models import folder

    def broken():
        raise ZeroDivisionError("by\nzero \x1b[2J")

    monkeypatch.setattr(folder, "built_in", broken)
    code, _, err = inside("models", "list")
    assert code == 2 and err.startswith("Error: unexpected ZeroDivisionError: by zero \\x1b[2J.")
    assert err.count("\n") == 1 and "--debug" in err
    monkeypatch.setenv("PROM3E_DEBUG", "1")
    from prom3e_index.cli import app

    monkeypatch.setattr(sys, "argv", ["prom3e-index", "models", "list"])
    with pytest.raises(ZeroDivisionError):
        app.main()


def options(command):
    return {o for p in command.params for o in p.opts if o.startswith("--")}


def test_commands_that_read_tables_take_the_same_options():
    from typer.main import get_command

    from prom3e_index.cli.app import app
    from prom3e_index.cli.options import EncodeOptions, RowOptions, TableOptions

    def names(group):
        return {f"--{n.replace('_', '-')}" for n in group.__dataclass_fields__}

    top = get_command(app).commands
    evaluate, train = top["evaluate"].commands, top["train"].commands
    assert {"--climate", "--duplicates", "--allow-outside", "--map"} <= names(RowOptions)
    for command in (
        top["build"],
        top["encode"],
        *(evaluate[c] for c in ("retrieval", "probe", "uncertainty")),
    ):
        assert names(EncodeOptions) <= options(command), command.name
    for command in (top["add"], top["update"]):
        assert names(RowOptions) <= options(command), command.name
        assert not {"--exif-transpose", "--audio-window"} & options(command)
    for command in (train["align"], train["patch"]):
        assert names(TableOptions) <= options(command), command.name
    assert "--device" in options(top["infer"])


def test_groups_reach_the_configuration(tmp_path):
    from pathlib import Path

    from prom3e_index.cli.options import EncodeOptions, RowOptions, config_from

    options = EncodeOptions(
        table_format="csv", map=["a=id", "b=c=text"], media=Path("m"), allow_outside=True, climate=Path("r.npy"),
        duplicates="last", batch_size=3, workers=2, timeout=7.0, restart=True, strict=True, exif_transpose=True,
        audio_window=True,
    )  # fmt: skip
    config = config_from("t.csv", tmp_path, options, model="x", hub=None, device="cpu")
    assert (config.table, config.out, config.model, config.columns) == (
        "t.csv",
        tmp_path,
        "x",
        {"a": "id", "b=c": "text"},
    )
    assert (config.format, config.media, config.allow_outside, config.climate) == (
        "csv",
        Path("m"),
        True,
        Path("r.npy"),
    )
    assert (config.duplicates, config.batch_size, config.workers, config.timeout_s) == (
        "last",
        3,
        2,
        7.0,
    )
    assert config.restart and config.strict
    assert config.exif_transpose and config.audio_windows
    plain = config_from("t.csv", tmp_path, RowOptions())
    assert not plain.exif_transpose and plain.workers == os.cpu_count() and plain.columns == {}
    assert options.given() == [
        "--table-format", "--map", "--media", "--allow-outside", "--duplicates", "--strict", "--climate", "--batch-size",
        "--workers", "--timeout", "--restart", "--exif-transpose", "--audio-window",
    ]  # fmt: skip
    assert RowOptions().given() == []


def test_evaluate_encodes_a_table_that_needs_every_option(inside, place, world):
    """Rows twice, photos elsewhere, no climate of their own: what `build` takes, `evaluate` takes."""
    lines = (world / "observations.csv").read_text().splitlines()
    (place / "double.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    ask = ("evaluate", "probe", "double.csv", "-o", "probed", "--model", "mini", "--labels", "family", "--task", "classification",
           "--media", str(world), "--climate", str(world / "climate.npy"), "--representation", "encoder", "--given", "loc")  # fmt: skip
    code, _, err = inside(*ask)
    assert code == 2 and "--duplicates" in err
    code, out, err = inside(*ask, "--duplicates", "first", "--restart")
    assert code == 0 and "family" in out, err
    with np.load(place / "probed/embeddings.npz") as z:
        assert len(z["ids"]) == len(lines) - 1
