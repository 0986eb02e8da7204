"""What is shipped of the page is what its sources and its lock give, has every word in every language, and names no other site."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess

import pytest
from pages import PAGE, STATIC

SOURCES = sorted([*PAGE.glob("src/**/*.ts*"), *PAGE.glob("src/**/*.css"), *PAGE.glob("*.mjs")])
WORDS = {p.stem: json.loads(p.read_text("utf-8")) for p in sorted(PAGE.glob("strings/*.json"))}
TOLD = {
    "http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/1998/Math/MathML",
    "http://www.w3.org/XML/1998/namespace",
    "https://github.com/mapbox/mapbox-gl-js/issues/2907", "https://maplibre.invalid/", "https://maplibre.org/",
    "https://wiki.openstreetmap.org/wiki/This_map_requires_WebGL", "https://github.com/protomaps/PMTiles/tree/main/js",
}  # fmt: skip
"""Names that are no addresses to be fetched, and texts of messages of MapLibre and PMTiles."""


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.timeout(300)
def test_the_lock_gives_what_is_shipped_to_the_byte(installed_page, tmp_path):
    for script in ("vendor.mjs", "build.mjs"):
        subprocess.run(
            ["node", script, "--out", str(tmp_path)],
            cwd=installed_page,
            check=True,
            capture_output=True,
        )
    again, shipped = files(tmp_path), files(STATIC)

    assert sorted(again) == sorted(shipped)
    assert [name for name in shipped if again[name] != shipped[name]] == []


def test_types_hold(installed_page):
    done = subprocess.run(
        ["node_modules/.bin/tsc", "--noEmit"], cwd=installed_page, capture_output=True, text=True
    )
    assert done.stdout == "" and done.returncode == 0


def test_the_page_names_its_files_by_their_hashes():
    text = (STATIC / "index.html").read_text() + (STATIC / "app.js").read_text()
    named = re.findall(r"/static/([\w./-]+)\?v=(\w+)", text)
    loaded = {*files(STATIC)} - {"index.html", "NOTICES.txt"}

    assert {name for name, _ in named} == loaded
    for name, tag in named:
        assert tag == hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:20], name


def test_no_other_site_is_named():
    found = {}
    for name, body in files(STATIC).items():
        if name == "NOTICES.txt":
            continue
        for url in re.findall(r"(?:https?|wss?)://[^\s\"'`<>()\\]+", body.decode("utf-8")):
            if url not in TOLD and not url.startswith(
                "https://github.com/maplibre/maplibre-gl-js/blob/"
            ):
                found.setdefault(name, set()).add(url)
    css = (STATIC / "app.css").read_text()

    assert found == {}
    assert "url(" not in css and "@import" not in css
    assert re.findall(r"(?:src|href)=\"(?!/static/)", (STATIC / "index.html").read_text()) == []


def test_works_of_others_are_named_with_their_licences():
    notices = (STATIC / "NOTICES.txt").read_text()
    lock = json.loads((PAGE / "package-lock.json").read_text())["packages"]
    asked = json.loads((PAGE / "package.json").read_text())["dependencies"]

    for name in asked:
        assert f"\n{name} {lock[f'node_modules/{name}']['version']} (" in notices
    major, minor, patch = (int(n) for n in lock["node_modules/maplibre-gl"]["version"].split("."))
    assert (major, minor, patch) >= (6, 4, 1)  # before, what a map shows could run as a script


def test_the_lock_names_no_registry_and_holds_every_hash():
    lock = json.loads((PAGE / "package-lock.json").read_text())["packages"]
    packages = {k: v for k, v in lock.items() if k}

    assert not any("resolved" in v for v in packages.values())
    assert all(v.get("integrity", "").startswith("sha512-") for v in packages.values())


def test_every_language_has_every_word_with_the_same_values():
    def values(text):
        return set(re.findall(r"\{(\w+)", text))

    for language, words in WORDS.items():
        assert words.keys() == WORDS["en"].keys(), language
        for key, text in words.items():
            assert values(text) <= values(WORDS["en"][key]) and text.strip(), (language, key)
            assert not re.search(r"\{[^{}]*\{", text), (
                language,
                key,
            )  # a form within a form is not read


def test_every_word_is_said_somewhere():
    text = "".join(p.read_text("utf-8") for p in SOURCES)
    plain = set(re.findall(r"\"([a-z0-9.]+)\"", text))
    starts = {s for s in re.findall(r"`([a-z0-9.]+)\.?\$\{", text)} | {
        f"{w}" for w in re.findall(r"word\(\"(\w+)\"", text)
    }

    unsaid = [k for k in WORDS["en"] if k not in plain and not any(k.startswith(s) for s in starts)]
    assert unsaid == []


def test_sources_are_short_and_set_text_only():
    for path in SOURCES:
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 350, path.name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|\beval\(|new Function",
            text,
        ), path.name
        if path.suffix == ".tsx":  # a word in a tag is in no language's file
            assert not re.search(
                r">\s*[A-Z][a-z]{3,}[^<{}=;()]*</", text.replace("Natural Earth", "")
            ), path.name
