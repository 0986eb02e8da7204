"""What tests of changes share: a small index of places, and one loaded model."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from prom3e_index.bundle.filters import Filter
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle


def quiet(*_):
    return


class Heard(list):
    """Takes down the stages that it is told as progress."""

    def __call__(self, stage, *_):
        self.append(stage)


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
    from prom3e_index.indexer.verify import verify

    return all(c.ok for c in verify(bundle) if c.name not in but)


def manifest_of(index: Path) -> dict:
    return json.loads((index / "manifest.json").read_text())


def rewrite_manifest(index: Path, **values) -> None:
    (index / "manifest.json").write_text(json.dumps({**manifest_of(index), **values}))


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """An index of 24 places, to be copied."""
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig

    folder = tmp_path_factory.mktemp("base")
    table = places(folder / "t.csv", [f"a{i}" for i in range(24)])
    build(BuildConfig(table=table, out=folder / "i.p3i", model="mini"))
    return folder / "i.p3i"


@pytest.fixture
def index(base, tmp_path):
    shutil.copytree(base, tmp_path / "i.p3i")
    return tmp_path / "i.p3i"


@pytest.fixture(scope="session")
def mini():
    """One loaded model."""
    from prom3e_index.models.folder import Model

    model = Model.open("mini")
    for m in model.modalities:
        model.encoder(m)
    return model


@pytest.fixture
def fast(monkeypatch, mini):
    """One loaded model, no new certificates, calibration or statistics: none of them decides what is found."""
    from prom3e_index.bundle.opened import BundleFolder
    from prom3e_index.indexer import as_built, change, compact, rewrite, write_segment

    monkeypatch.setattr(as_built, "model_of", lambda *_: mini)
    for folder in (Bundle, BundleFolder):
        monkeypatch.setattr(folder, "model", lambda self, *a, **k: mini)
    for module in (change, compact):
        monkeypatch.setattr(module, "certified", lambda folder, manifest, *_: manifest)
    monkeypatch.setattr(change, "calibrated", lambda folder, manifest, *_: manifest)
    monkeypatch.setattr(compact, "recalibrated", lambda folder, old, manifest, *_: manifest)
    monkeypatch.setattr(change, "tuned", lambda folder, manifest, *_: manifest)
    for module in (rewrite, write_segment):
        monkeypatch.setattr(
            module,
            "write_statistics",
            lambda m, stage, *_: (stage / "statistics.json").write_text("{}"),
        )


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a command in this process: (exit code, stdout, stderr); with `answer`, as if somebody typed it at a terminal."""
    import io
    import sys

    from prom3e_index.cli import app

    def call(*words, answer: str | None = None):
        stdin = io.StringIO(answer or "")
        stdin.isatty = lambda: answer is not None
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "argv", ["prom3e-index", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err

    return call
