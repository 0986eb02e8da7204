"""The page in a browser: Debian's Chromium through playwright, against a server of the tiny world's index."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from served import TOKEN, Served, serving

PAGE = Path(__file__).parent.parent / "prom3e_index/server/page"
STATIC = PAGE.parent / "static"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_QUIET = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""


@dataclass
class Seen:
    """What a browser was told and did while a page was open.

    Attributes:
        foreign: Addresses of others that it asked for; none was let through.
        errors: Of its console, and what was thrown.
        posts: Paths that were posted to.
    """

    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Starts Chromium, or the test is skipped where it is missing."""
    if not Path(CHROMIUM).is_file():
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        yield lambda *flags: p.chromium.launch(executable_path=CHROMIUM, args=[*_QUIET, *flags])


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Iterator[Any]:
    """Chromium with WebGL 2, which it draws without a GPU and slowly."""
    started = chromium()
    yield started
    started.close()


@pytest.fixture(scope="module")
def plain_browser(chromium: Any) -> Iterator[Any]:
    """Chromium without WebGL, for tests that need no map: the server draws it."""
    started = chromium("--disable-3d-apis")
    yield started
    started.close()


@pytest.fixture(scope="session")
def shown(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tiny world, served with a file of marks."""
    folder = tmp_path_factory.mktemp("shown")
    shutil.copytree(bundle_path, folder / "index.p3i")
    with serving(folder / "index.p3i", marks=folder / "marks.jsonl") as server:
        yield server


def unmark(served: Served) -> None:
    """Take all marks away, those of tests before."""
    for mark in served.client.get("/api/v1/marks").json()["marks"]:
        served.client.request("DELETE", f"/api/v1/marks?row={mark['row']}")


@contextmanager
def opened(browser: Any, served: Served, at: str = "/", wide: int = 1280, tall: int = 800, **given: Any) -> Iterator[tuple[Any, Seen]]:  # fmt: skip
    """A page of the server with the token's cookie; at its end the console, the policy and the network must be clean."""
    context = browser.new_context(viewport={"width": wide, "height": tall}, **given)
    seen = Seen()

    def route(r: Any) -> None:
        if r.request.url.startswith((served.url + "/", "blob:", "data:")):
            r.continue_()
        else:
            seen.foreign.append(r.request.url)
            r.abort()

    context.route("**/*", route)
    context.add_init_script(_VIOLATIONS)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda m: m.type == "error" and seen.errors.append(m.text))
    page.on("pageerror", lambda e: seen.errors.append(str(e)))
    page.on(
        "request",
        lambda r: r.method == "POST" and seen.posts.append(r.url.removeprefix(served.url)),
    )
    page.goto(f"{served.url}/?token={TOKEN}")
    if at != "/":
        page.goto(served.url + at)
    page.wait_for_selector(".filters", state="attached")
    try:
        yield page, seen
        assert page.evaluate("window.violations") == []
    finally:
        context.close()
    assert seen.foreign == []
    assert seen.errors == []


def until(page: Any, holds: str, seconds: float = 15.0) -> None:
    """Wait until an expression holds; playwright's own waiting evaluates text, which the page's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => !!({holds})"):
        assert time.monotonic() < end, f"never: {holds}"
        page.wait_for_timeout(50)


def answered(page: Any) -> list[int]:
    """Rows of the cards, once the page has an answer and is not asking."""
    page.wait_for_selector(".results[aria-busy=false]")
    return [
        int(v)
        for v in page.eval_on_selector_all(".results .card", "all => all.map((c) => c.dataset.row)")
    ]


@pytest.fixture(scope="session")
def installed_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the page's sources with what its lock names installed, or the test is skipped."""
    if shutil.which("npm") is None:
        pytest.skip("no npm: the page is not built again")
    folder = tmp_path_factory.mktemp("page") / "page"
    shutil.copytree(PAGE, folder, ignore=shutil.ignore_patterns("node_modules"))
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    if done.returncode:
        last = (done.stderr.strip() or "no word").splitlines()[-1]
        pytest.skip(f"npm cannot install what the page is built of: {last}")
    return folder


RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""Tags of the rules that the page is held to."""


@pytest.fixture(scope="session")
def axe(installed_page: Path) -> str:
    """The source of axe, to be run in a page that was opened with `bypass_csp`."""
    return (installed_page / "node_modules/axe-core/axe.min.js").read_text("utf-8")


def faults_of(page: Any) -> list[tuple[str, str, str, str]]:
    """What axe finds against the page as it stands: rule, how grave, first element, why.

    Names that lack the words which are seen are found too, by a rule that axe keeps among its experiments.
    """
    result = page.evaluate(
        """(tags) => axe.run(document, {
            resultTypes: ["violations"],
            runOnly: tags,
            rules: {"label-content-name-mismatch": {enabled: true}},
        })""",
        list(RULES),
    )
    return [
        (v["id"], v["impact"], v["nodes"][0]["html"][:200], v["nodes"][0].get("failureSummary", "")[:300])
        for v in result["violations"]
    ]  # fmt: skip


DATES = (
    "2024-06-25T04:30:00Z", "2024-06-26 04:59", "2024-06-26", "2024-07-01T23:05:10+02:00", "2024", "", "2024-05-01T00:00:00/2024-05-03T10:00:00",
    "2024-05-02T12:00",
)  # fmt: skip


@pytest.fixture(scope="session")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Observations of one species of the Earth, most with a time, served: 40 of them, a date of `DATES` each in turn."""
    from prom3e_index.indexer.build import build
    from prom3e_index.indexer.work import BuildConfig

    folder = tmp_path_factory.mktemp("timed")
    with (folder / "t.csv").open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["id", "scientificName", "decimalLatitude", "decimalLongitude", "eventDate"])
        for i in range(40):
            out.writerow([f"t-{i}", "Pica pica", 40 + i / 10, 7.5, DATES[i % len(DATES)]])
    build(BuildConfig(table=str(folder / "t.csv"), out=folder / "t.p3i", model="mini"))
    with serving(folder / "t.p3i") as server:
        yield server
