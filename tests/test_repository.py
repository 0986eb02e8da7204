"""The repository's promises: import direction, packaging, late imports, documents that run."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

FOLDERS = ("prom3e_index", "indexer", "training", "cli")
SHIPPED = sorted(
    p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")
    if not any((ROOT / "prom3e_index" / f) in p.parents for f in FOLDERS[1:])
)  # fmt: skip

# A layer may import itself and what stands after it; a module has the layer of its longest name here.
LAYERS = [
    "cli", "server", "indexer", "training", "evaluation", "diversity", "maps", "exports", "show", "store", "search", "bundle", "models",
    "confidence", "mvae", "encoders", "models.weights", "models.device", "grid", "media", "policy", "tables", "policy.columns", "world",
    "schema", "licences", "errors",
]  # fmt: skip


def module_of(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    parts = (
        relative.parts if relative.parts[0] == "prom3e_index" else ("prom3e_index", *relative.parts)
    )
    return ".".join(parts).removesuffix(".__init__")


def layer(module: str) -> str | None:
    parts = module.split(".")[1:]
    names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((name for name in names if name in LAYERS), None)


def imports(path: Path, *, at_import: bool = False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(n) for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) for n in ast.walk(node)
    }  # fmt: skip
    inside = {
        id(n)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
        for n in ast.walk(f)
    }
    for node in ast.walk(tree):
        if id(node) in skipped or (at_import and id(node) in inside):
            continue
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


def test_imports_go_one_way():
    wrong = []
    for path in SHIPPED:
        mine = layer(module_of(path))
        if mine is None:  # the package's own start: only late imports
            continue
        for name in imports(path):
            theirs = layer(name) if name.startswith("prom3e_index.") else None
            if theirs and LAYERS.index(theirs) < LAYERS.index(mine):
                wrong.append(f"{module_of(path)} imports {name}")
            if name.split(".")[0] in FOLDERS[1:]:
                wrong.append(f"{module_of(path)} imports {name} by its bare folder name")
            if {mine, theirs} == {"indexer", "training"}:
                wrong.append(f"{module_of(path)} imports {name}")
    assert not wrong


ROOMS = (
    "tables", "policy", "media", "grid", "encoders", "mvae", "confidence", "models", "bundle", "search", "evaluation",
    "show", "world", "licences", "exports", "maps", "diversity", "store",
    "server",
)  # fmt: skip


def test_the_listing_of_the_package_is_the_design():
    listed = {p.name for p in (ROOT / "prom3e_index").iterdir() if p.name != "__pycache__"}
    files = {"__init__.py", "py.typed", "README.md", "schema.py", "errors.py"}

    assert listed == {*ROOMS, *FOLDERS[1:], *files}


def test_no_file_is_long():
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout.split()  # fmt: skip
    lines = {n: len((ROOT / n).read_text().splitlines()) for n in tracked if (ROOT / n).is_file()}

    assert len(lines) > 100
    assert {n: count for n, count in lines.items() if count > 350} == {}


def test_no_pickle_no_print_no_rshf():
    for path in SHIPPED:
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"allow_pickle=True|weights_only=False|import rshf|(?<![.\w])print\(", text
        ), path


def run_python(code: str, **env: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True,
                          env={**os.environ, **env})  # fmt: skip
    return done.stdout


HEAVY = (
    "torch",
    "faiss",
    "duckdb",
    "transformers",
    "numpy",
    "pyarrow",
    "open_clip",
    "PIL",
    "scipy",
    "laion_clap",
    "numba",
    "sklearn",
    "matplotlib",
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic",
    "prometheus_client",
    "ray",
)
LOADED = f"print(sorted(m for m in {HEAVY!r} if m in sys.modules))"


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nsys.argv = ['prom3e-index', '--help']\nfrom prom3e_index.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n" + LOADED
    )
    assert run_python(code).splitlines()[-1] == "[]"
    assert run_python("import sys, torch\n" + LOADED).strip() != "[]"  # the test can fail


def test_a_place_query_imports_only_what_it_needs(bundle_path):
    code = (
        "import sys\nfrom prom3e_index import Bundle, Query\n"
        f"Bundle.open({str(bundle_path)!r}).search(Query(location=(1.0, 2.0), env=[0.0] * 20))\n"
        "print(sorted(m for m in ('transformers', 'open_clip', 'torchvision', 'PIL', 'soundfile', 'laion_clap') "
        "if m in sys.modules))"
    )
    assert run_python(code).strip() == "[]"


def test_an_audio_query_imports_no_open_clip_and_no_laion(bundle_path, world):
    song = next(world.glob("songs/*"))
    code = (
        "import sys\nfrom prom3e_index import Bundle, Query\n"
        f"Bundle.open({str(bundle_path)!r}).search(Query(audio={str(song)!r}))\n"
        "print(sorted(m for m in ('open_clip', 'laion_clap') if m in sys.modules))"
    )
    assert run_python(code).strip() == "[]"


def test_public_names():
    import prom3e_index

    assert prom3e_index.__all__ == sorted(prom3e_index.__all__)
    for name in prom3e_index.__all__:
        assert getattr(prom3e_index, name).__name__ == name


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout's files, links kept, to build from."""
    folder = tmp_path_factory.mktemp("checkout") / "c"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\n")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def build(source: Path, out: Path, kind: str) -> Path:
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "-o", str(out), str(source)],
                   check=True, capture_output=True)  # fmt: skip
    return next(out.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def wheel_modules(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as z:
        return {
            n
            for n in z.namelist()
            if n.endswith((".py", ".toml", ".safetensors", ".json", ".parquet", "py.typed"))
        }


def test_wheel_sdist_and_wheel_from_sdist_hold_every_module(checkout, tmp_path):
    wanted = {module_of(p).replace(".", "/") for p in SHIPPED}
    wheel = build(checkout, tmp_path / "w", "wheel")
    have = wheel_modules(wheel)
    modules = {n.removesuffix(".py").removesuffix("/__init__") for n in have if n.endswith(".py")}
    sdist = build(checkout, tmp_path / "s", "sdist")
    with tarfile.open(sdist) as t:
        names = {n.partition("/")[2] for n in t.getnames()}
        t.extractall(tmp_path / "x", filter="data")
    again = build(next((tmp_path / "x").iterdir()), tmp_path / "v", "wheel")

    assert modules == wanted
    assert {
        f"prom3e_index/models/builtin/{n}/model.toml" for n in ("geoclip", "mini", "taxabind")
    } <= have
    assert "prom3e_index/grid/outlines.parquet" in have
    with zipfile.ZipFile(wheel) as z:
        page = {n for n in z.namelist() if n.startswith("prom3e_index/server/")}
    static = ROOT / "prom3e_index/server/static"
    shipped = {
        f"prom3e_index/server/static/{p.relative_to(static)}"
        for p in static.rglob("*")
        if p.is_file()
    }
    assert shipped <= page and len(shipped) > 5
    assert not [n for n in page if "/page/" in n or n.endswith((".tsx", ".ts", "package.json"))]
    assert not any(n.split("/")[0] in FOLDERS[1:] for n in have)
    assert {
        "tests/test_repository.py",
        "CHANGELOG.md",
        "indexer/build.py",
        "benchmarks/README.md",
    } <= names
    assert wheel_modules(again) == have
    assert wheel.stat().st_size < 25e6


def test_installed_wheel_runs_outside_the_checkout(checkout, tmp_path):
    wheel = build(checkout, tmp_path / "w", "wheel")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target",
                    str(tmp_path / "site"), str(wheel)], check=True, capture_output=True)  # fmt: skip
    code = "import prom3e_index.indexer.build as b, prom3e_index.cli.app, prom3e_index.training.stage_two.choose_use; print(b.__file__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})  # fmt: skip
    assert done.stdout.strip().startswith(str(tmp_path / "site"))


def test_editable_install_finds_the_folders(checkout, tmp_path):
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation",
                    "--target", str(tmp_path / "site"), "-e", str(checkout)], check=True, capture_output=True)  # fmt: skip
    links = list((tmp_path / "site").glob("*.pth"))
    assert links
    code = "import prom3e_index.training.losses as m; print(m.__file__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": links[0].read_text().strip()})  # fmt: skip
    assert done.stdout.strip().startswith(str(checkout))


def test_mini_is_small_and_honest():
    folder = ROOT / "prom3e_index/models/builtin/mini"
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) <= 25e6
    assert all(
        p.suffix in (".safetensors", ".json", ".toml") for p in folder.rglob("*") if p.is_file()
    )
    assert "knows only the demo world" in (folder / "model.toml").read_text()


def test_documents_are_short_and_speak_of_existing_files():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 50
    rooms = [f"prom3e_index/{room}" for room in ROOMS]
    for folder in (*FOLDERS, "benchmarks", "tests", *rooms, "prom3e_index/bundle/faiss"):
        text = (ROOT / folder / "README.md").read_text()
        assert len(text.splitlines()) <= (40 if folder in rooms else 64), folder
        assert folder not in rooms or "ay import" in text, folder
        for name in re.findall(r"^\| `([\w/.]+\.py)`", text, re.M):
            assert (ROOT / folder / name).is_file(), name
    assert "http" not in (ROOT / "constraints.txt").read_text().replace("httpcore", "").replace(
        "httpx", ""
    ).replace("-http", "")


def test_every_test_file_is_in_the_readme():
    text = (ROOT / "tests/README.md").read_text()
    files = {p.stem for p in (ROOT / "tests").glob("test_*.py")}

    assert set(re.findall(r"`(test_\w+)`", text)) == files


def test_every_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    for line in re.findall(r'^  ".*$', block, re.M):
        assert "#" in line, line


def test_every_command_is_in_the_readme_and_has_help():
    from typer.main import get_command

    from prom3e_index.cli.app import app

    text = (ROOT / "README.md").read_text() + (ROOT / "cli/README.md").read_text()
    for name, command in get_command(app).commands.items():
        assert re.search(rf"\b{name}\b", text), name
        assert command.help, name


def test_a_run_names_what_it_skipped(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_mvae.py::test_published_layout",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PROM3E_SHARED": str(tmp_path)})  # fmt: skip

    assert f"skipped 1: real data are not here: {tmp_path}" in done.stdout
    assert "    tests/test_mvae.py::test_published_layout" in done.stdout
