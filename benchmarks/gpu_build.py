"""A build of embeddings on the card, `mini`'s MVAE, six modalities: where its time goes; a part of `gpu.py`.

    python benchmarks/gpu_build.py [--rows 1000000] [--device cuda] [--folder /tmp]

The file of embeddings is made on the device first and not counted. Files take 36 kB a row on the disk meanwhile. Beside
it a smaller build on the card and on the processor, in the same run, and how far their vectors differ.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from gpu_rows import Row, Size

PART = "build"
NAMES = ("image", "sat", "loc", "env", "text", "audio")
WIDTH, SPECIES = 512, 2000
FILES = (
    "encode_table",
    "write_metadata",
    "describe_files",
    "publish",
    "reading and writing blocks",
    "reading rows and writing lists",
)
"""What reads and writes files, of the steps that are timed."""
STEPS = {
    "encode_table": "prom3e_index.indexer.build",
    "write_statistics": "prom3e_index.indexer.write_segment",
    "write_metadata": "prom3e_index.indexer.write_segment",
    "write_indexes": "prom3e_index.indexer.write_segment",
    "train": "prom3e_index.bundle.faiss.write",
    "finder": "prom3e_index.bundle.faiss.write",
    "complete": "prom3e_index.indexer.engine",
    "describe_files": "prom3e_index.indexer.build",
    "summarise": "prom3e_index.indexer.build",
    "tuned": "prom3e_index.indexer.certify",
    "certify": "prom3e_index.indexer.certify",
    "calibrated": "prom3e_index.indexer.build",
    "publish": "prom3e_index.indexer.build",
    "_on_card": "prom3e_index.indexer.complete",
    "_on_processor": "prom3e_index.indexer.complete",
}


def plain_model(folder: Path) -> Path:
    """`mini` without its encoders, which embeddings need not and which import much."""
    from prom3e_index.models.folder import BUILT_IN

    folder.mkdir()
    for name in ("model.safetensors", "config.json", "bank.safetensors", "confidence.json"):
        shutil.copy(BUILT_IN / "mini" / name, folder / name)
    text = (BUILT_IN / "mini" / "model.toml").read_text()
    head, _, rest = text.partition("[encoder.image]")
    (folder / "model.toml").write_text(head + "[mvae]" + rest.partition("[mvae]")[2])
    return folder


def table(path: Path, n: int, device: str, lacking: tuple[int, ...] = ()) -> None:
    """An `.npz` of n rows of species' clusters, in half precision, a third of the modalities lacking.

    Args:
        path: The file.
        n: Rows.
        device: Where they are made.
        lacking: Places of modalities that no row has.
    """
    draw = torch.Generator(device).manual_seed(0)
    rng = np.random.default_rng(0)
    centres = torch.randn(SPECIES, len(NAMES), WIDTH, device=device, generator=draw)
    species = rng.integers(0, min(SPECIES, max(8, n // 50)), n)
    present = rng.random((n, len(NAMES))) < 0.7
    present[np.arange(n), rng.integers(0, len(NAMES), n)] = True
    present[:, lacking] = False
    present[:, 0] |= ~present.any(axis=1)
    shape = (n, len(NAMES), WIDTH)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        with z.open("embeddings.npy", "w", force_zip64=True) as f:
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(f, header)
            for at in range(0, n, 1 << 15):
                which = torch.from_numpy(species[at : at + (1 << 15)]).to(device)
                x = centres[which]
                x = x + torch.randn(x.shape, device=device, generator=draw)
                x = torch.nn.functional.normalize(x, dim=2).half()
                f.write(x.cpu().numpy().tobytes())
        others = {
            "present": present,
            "ids": np.array([f"o{i}" for i in range(n)]),
            "species": np.array([f"Genus species{s}" for s in range(SPECIES)])[species],
        }
        for name, values in others.items():
            with z.open(f"{name}.npy", "w") as f:
                np.lib.format.write_array(f, values)


def built(table_file: Path, out: Path, model: Path, device: str) -> tuple[float, dict[str, float]]:
    """Build; seconds in all and by step."""
    from prom3e_index.bundle.faiss.write import finder as find
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig

    taken: dict[str, float] = {}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*a: Any, **k: Any) -> Any:
            begun = time.perf_counter()
            try:
                return call(*a, **k)
            finally:
                taken[name] = taken.get(name, 0) + time.perf_counter() - begun

        return run

    with ExitStack() as stack:
        for name, module in STEPS.items():
            __import__(module)
            call = getattr(sys.modules[module], name)
            made = (lambda *a: timed("finder", find(*a))) if name == "finder" else timed(name, call)
            stack.enter_context(patch(f"{module}.{name}", made))
        begun = time.perf_counter()
        config = BuildConfig(table=str(table_file), out=out, model=str(model), device=device)
        build(config)
        whole = time.perf_counter() - begun
    centres = taken.pop("train", 0) + taken.pop("finder", 0)
    taken["reading rows and writing lists"] = taken.pop("write_indexes") - centres
    taken["centres and lists of rows"] = centres
    work = taken.pop("_on_card", 0) + taken.pop("_on_processor", 0)
    taken["reading and writing blocks"] = taken.pop("complete") - work
    taken["completion"] = work
    taken["the rest"] = whole - sum(taken.values())
    return whole, taken


def split(taken: dict[str, float]) -> str:
    """Steps, the longest first."""
    order = sorted(taken.items(), key=lambda p: -p[1])
    return ", ".join(f"{k} {v:.1f}" for k, v in order if v >= 0.05)


def difference(one: Path, other: Path) -> str:
    """How far two indexes of the same rows differ."""
    most = 0.0
    for m in NAMES:
        a, b = (np.load(p / "vectors" / f"{m}.npy", mmap_mode="r") for p in (one, other))
        for at in range(0, len(a), 8192):
            gap = a[at : at + 8192].astype(np.float32) - b[at : at + 8192].astype(np.float32)
            most = max(most, float(np.abs(gap).max()))
    recalls = []
    for path in (one, other):
        targets = json.loads((path / "manifest.json").read_text())["certificate"]["targets"]
        recalls.append(min(t["recall@10"] or 0 for t in targets.values()))
    return f"vectors differ by {most:.1e} at most; lowest recall@10 {recalls[0]} and {recalls[1]}"


def attempt(what: str, call: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    """Rows, or one that says why there are none."""
    try:
        yield from call()
    except Exception as e:
        traceback.print_exc()
        yield Row(PART, what, f"not measured: {str(e)[:160] or type(e).__name__}")


def rows(size: Size, device: str, n: int | None = None, folder: str | None = None) -> Iterator[Row]:
    """The builds: a small one on both, then the large one."""
    few = 300 if size.small else 5_000 if size.trial else 20_000
    n = n or (0 if size.small else 60_000 if size.trial else 1_000_000)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        model = plain_model(place / "model")

        def both() -> Iterator[Row]:
            table(place / "few.npz", few, device, (1, 2, 3, 5) if size.small else ())
            if device != "cpu":  # what starts once in a process is not counted twice
                built(place / "few.npz", place / "first.p3i", model, device)
            card, by_card = built(place / "few.npz", place / "card.p3i", model, device)
            cpu, by_cpu = built(place / "few.npz", place / "cpu.p3i", model, "cpu")
            check = difference(place / "card.p3i", place / "cpu.p3i")
            yield Row(PART, f"{few:,} rows, processor", f"{cpu:.1f} s", split(by_cpu))
            yield Row(PART, f"{few:,} rows, {device}", f"{card:.1f} s", split(by_card), check)

        def large() -> Iterator[Row]:
            table(place / "many.npz", n, device)
            whole, taken = built(place / "many.npz", place / "many.p3i", model, device)
            files = sum(taken.get(k, 0) for k in FILES)
            made = json.loads((place / "many.p3i" / "manifest.json").read_text())
            targets = made["certificate"]["targets"].values()
            check = f"lowest recall@10 {min(t['recall@10'] for t in targets)}"
            check += (
                f"; confidence {made['confidence'].get('file', made['confidence'].get('reason'))}"
            )
            share = f"{files / whole:.0%} reading and writing"
            what = f"{n:,} rows, {device}, {share}"
            yield Row(PART, what, f"{whole:.1f} s", split(taken), check)

        if n:
            yield from attempt(f"{n:,} rows", large)
            for old in place.glob("many*"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        yield from attempt(f"{few:,} rows", both)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--folder")
    parser.add_argument("--trial", action="store_true")
    given = parser.parse_args()
    size = Size(given.device == "cpu", given.trial, 0, 0)
    for row in rows(size, given.device, given.rows, given.folder):
        print(row, flush=True)


if __name__ == "__main__":
    main()
