"""Why nothing of a hit is to be seen: said with the hit, on its card, and where its file is asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import ROOT
from pages import answered, opened
from PIL import Image
from served import serving

from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig

pytestmark = pytest.mark.timeout(180)
WORDS = json.loads((ROOT / "prom3e_index/server/page/strings/de.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """An index of photos: one stays, one lies outside, one is moved, one place has none; served."""
    folder = tmp_path_factory.mktemp("lost")
    (folder / "table").mkdir()
    rng = np.random.default_rng(2)
    files = {"here": "here.jpg", "outside": "../outside.jpg", "moved": "moved.jpg"}
    for file in files.values():
        shown = rng.integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(shown).save(folder / "table" / file)
    rows = [f"{id},{file},,Pica pica" for id, file in files.items()]
    (folder / "table/t.csv").write_text(
        "\n".join(["id,photo,latitude,species", *rows, "bare,,,Pica pica"]) + "\n"
    )
    config = BuildConfig(
        table=str(folder / "table/t.csv"), out=folder / "i.p3i", model="mini", allow_outside=True
    )
    build(config)
    (folder / "table/moved.jpg").rename(folder / "table/elsewhere.jpg")
    with serving(folder / "i.p3i") as server:
        yield server


def test_a_hit_says_why_and_so_does_its_address(lost):
    hits = {h["id"]: h for h in lost.ask({"text": "Pica pica"}, target="image").json()["hits"]}

    assert {i: h["unshown"] for i, h in hits.items()} == {
        "here": None, "outside": "outside", "moved": "moved", "bare": None,
    }  # fmt: skip
    assert {i for i, h in hits.items() if h["links"]["thumbnail"]} == {"here"}
    for id, words in (("outside", "lies outside"), ("moved", "not where it was")):
        told = lost.client.get(f"/api/v1/media/{hits[id]['row']}/image")
        assert told.status_code == 404 and words in told.json()["detail"]


def test_a_card_says_it_in_the_language_of_the_page(lost, plain_browser):
    with opened(plain_browser, lost, "/?text=Pica%20pica&target=image", locale="de") as (page, _):
        answered(page)
        cards = page.locator(".card .none")
        said = [(c.inner_text().strip(), c.get_attribute("title")) for c in cards.all()]
    outside, moved, none = (
        WORDS[k] for k in ("card.unshown.outside", "card.unshown.moved", "card.nofile.completed")
    )
    short = WORDS["card.unshown"]
    assert sorted(said) == sorted([(short, outside), (short, moved), (none, none)])
