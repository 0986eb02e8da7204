"""Shared fixtures: a tiny world and its index, made by code; real data where the checkout has it beside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
if not Path(
    "/dev/nvidiactl"
).exists():  # without a card, its kernels are run by Triton's interpreter
    os.environ["TRITON_INTERPRET"] = "1"

pytest_plugins = ["changes", "decoders", "exported", "served", "pages", "stores"]

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("PROM3E_SHARED", ROOT.parent / "shared"))


def shared(name: str) -> Path:
    """A path of the real data; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"real data are not here: {path}")
    return path


def pytest_terminal_summary(terminalreporter) -> None:
    """Name every test that was skipped, under its reason: a green run says what it did not look at."""
    by_reason: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        by_reason.setdefault(reason.removeprefix("Skipped: "), []).append(report.nodeid)
    for reason, names in sorted(by_reason.items()):
        terminalreporter.write_line(f"skipped {len(names)}: {reason}")
        for name in names:
            terminalreporter.write_line(f"    {name}")


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """60 observations of the demo planet."""
    from prom3e_index.world import write_world

    folder = tmp_path_factory.mktemp("world") / "w"
    write_world(folder, 60, seed=7)
    return folder


@pytest.fixture(scope="session")
def bundle_path(world, tmp_path_factory) -> Path:
    """An index of the tiny world with `mini`."""
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig

    out = tmp_path_factory.mktemp("bundle") / "index.p3i"
    build(BuildConfig(table=str(world / "observations.csv"), out=out, model="mini"))
    return out


@pytest.fixture(scope="session")
def bundle(bundle_path):
    from prom3e_index.search.run import Bundle

    return Bundle.open(bundle_path)


@pytest.fixture(scope="session")
def encoders_given() -> Path:
    return shared("fixtures/encoders_given")


@pytest.fixture(scope="session")
def hub(encoders_given, tmp_path_factory) -> Path:
    """The tiny published-format models, with the location weights that their script makes."""
    import shutil
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("hub") / "hub"
    shutil.copytree(encoders_given / "hub", folder, copy_function=shutil.copyfile)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    script = encoders_given / "make_ecogeo.py"
    subprocess.run([sys.executable, script, "--seed", "1001", folder / "MVRL/ecogeo"], check=True)
    return folder
