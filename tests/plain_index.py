"""Small indexes of made-up embeddings and names, built in a moment: no media, no certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prom3e_index.indexer.build as build_module
import prom3e_index.indexer.change as change_module
import prom3e_index.indexer.compact as compact_module
import prom3e_index.indexer.rewrite as rewrite_module
import prom3e_index.indexer.write_segment as segment_module
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle

NAMES = ("image", "sat", "loc", "env", "text", "audio")


def quiet(*_: Any) -> None:
    return


@contextmanager
def without_measuring(statistics: bool = False) -> Iterator[None]:
    """No certificates, no calibration, and no statistics unless asked for: none decides what is found."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (build_module, change_module, compact_module):
            patch.setattr(module, "certified", lambda folder, manifest, *_: manifest)
        for module in (build_module, change_module):
            patch.setattr(module, "calibrated", lambda folder, manifest, *_: manifest)
        patch.setattr(compact_module, "recalibrated", lambda folder, old, manifest, *_: manifest)
        for module in (segment_module, rewrite_module) if not statistics else ():
            patch.setattr(
                module,
                "write_statistics",
                lambda model, stage, *_: (stage / "statistics.json").write_text('{"samples":{}}'),
            )
        yield


def rows(n: int, seed: int = 0, share: float = 0.6) -> tuple[Any, Any]:
    """Embeddings (n, 6, 512), unit rows with a common direction, and presence; every row has a place."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6, 512)).astype(np.float32) + rng.normal(size=512) * 0.7
    x = (x / np.linalg.norm(x, axis=2, keepdims=True)).astype(np.float32)
    present = rng.random((n, 6)) < share
    present[:, 2] = True
    return np.where(present[:, :, None], x, 0), present


def write(path: Path, x: Any, present: Any, first: int = 0, **columns: Any) -> str:
    """Write them as `.npz` with ids `o0`, `o1`, … and metadata columns."""
    ids = np.array([f"o{first + i}" for i in range(len(x))])
    np.savez(path, embeddings=x, present=present, ids=ids, modalities=np.array(NAMES), **columns)
    return str(path)


def made(folder: Path, parts: list[str], statistics: bool = False, **settings: Any) -> Bundle:
    """An index of the first part, the others added one by one."""
    out = folder / "i.p3i"
    with without_measuring(statistics):
        build(BuildConfig(table=parts[0], out=out, **settings, model="mini"))
        for part in parts[1:]:
            add(out, BuildConfig(table=part, out=out, model="mini"), quiet)
    return Bundle.open(out)


def reseal(index: Path, name: str) -> None:
    """Have the manifest say what a file that was changed is now."""
    import json

    from prom3e_index.bundle.manifest import checksum

    values = json.loads((index / "manifest.json").read_text())
    path = index / name
    values["files"][name] = {"bytes": path.stat().st_size, "sha256": checksum(path)}
    (index / "manifest.json").write_text(json.dumps(values))
