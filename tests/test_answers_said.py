"""What is said of an answer to others: no path of this machine, nothing that JSON does not know."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from prom3e_index.search.answered import Answer
from prom3e_index.search.in_words import sentences
from prom3e_index.search.query import Query
from prom3e_index.search.said import answer_said, hit_said, text_said


def paths_in(value) -> list[str]:
    if isinstance(value, dict):
        return [p for v in value.values() for p in paths_in(v)]
    if isinstance(value, list):
        return [p for v in value for p in paths_in(v)]
    return (
        [value]
        if isinstance(value, str) and ("/tmp" in value or re.match(r"(/|[A-Z]:\\)", value))
        else []
    )


@pytest.fixture(scope="module")
def media(bundle) -> dict[str, str]:
    return {
        m: str(bundle.segments[0].folders.file(bundle.sql(f"SELECT {m} FROM observations WHERE {m} IS NOT NULL")[0][0]))
        for m in ("image", "audio")
    }  # fmt: skip


def test_given_files_are_told_by_name_and_hits_by_what_there_is(bundle, media):
    span = f"{media['audio']}@0:00-0:02"
    answer = bundle.search(
        Query(image=[media["image"], Path(media["image"])], audio=span, location=(1, 2), k=60)
    )
    said = answer_said(answer)
    name = Path(media["image"]).name

    assert said["query"]["given"]["image"] == [name, name]
    assert said["query"]["given"]["audio"] == f"{Path(media['audio']).name}@0:00-0:02"
    assert said["query"]["given"]["loc"] == [1.0, 2.0]
    assert paths_in(said) == [] and "/tmp" not in json.dumps(said, allow_nan=False)
    rows = dict(
        (r[0], r[1:]) for r in bundle.sql("SELECT row, image, sat, audio FROM observations")
    )
    for hit, own in zip(answer, said["hits"], strict=True):
        there = dict(zip(("image", "sat", "audio"), rows[hit.row], strict=True))
        if hit.fields["obscured"]:
            there["sat"] = None
        assert own["media"] == {m: bool(f) and m in hit.observed for m, f in there.items()}
        assert own == hit_said(hit)
        assert (own["rank"], own["row"], own["score"], own["id"]) == (
            hit.rank,
            hit.row,
            hit.score,
            hit.fields["id"],
        )
        assert own["observed"] == list(hit.observed) and own["completed"] is hit.completed
    assert said["sentences"] == sentences(answer.query) != []
    assert said["search"]["eligible"] == 60 and said["query"]["target"] == "image"


def test_notes_keep_the_names_of_files_and_lose_their_folders(bundle, media, tmp_path):
    answer = bundle.search(Query(image=media["image"], k=1))
    lost = f"{tmp_path}/a b, c/heron.jpg"
    note = f"none of the 1 files of these hits is there, as {lost} is not"
    moved = replace(
        answer,
        hits=(replace(answer[0], media=lost),),
        search={**answer.search, "notes": [note, "CC0/BY and/or 3/4 of https://x.org/a/b.jpg"]},
    )
    said = answer_said(moved)["search"]["notes"]

    assert said[0] == "none of the 1 files of these hits is there, as heron.jpg is not"
    assert said[1] == "CC0/BY and/or 3/4 of https://x.org/a/b.jpg"


@pytest.mark.parametrize("text,said", [
    ("/home/ann/x.jpg: too short", "x.jpg: too short"), ("model '/srv/models/own' has", "model 'own' has"),
    ("C:\\Users\\ann\\x.wav is", "x.wav is"), ("~/data/x.wav is", "x.wav is"), ("(/a/b/c.png)", "(c.png)"),
    ("audio/mpeg", "audio/mpeg"), ("1/2 or /", "1/2 or /"), ("s3://bucket/a/b.jpg", "s3://bucket/a/b.jpg"), ("", ""),
    ("see /proc/self, /etc/passwd", "see self, passwd"), ("\\\\host\\share\\x.tif", "x.tif"),
])  # fmt: skip
def test_folders_go_and_other_words_stay(text, said):
    assert text_said(text) == said


def test_numbers_that_are_none_and_dates_are_json(bundle, media):
    answer = bundle.search(Query(image=media["image"], k=1))
    fields = {
        **answer[0].fields,
        "latitude": math.nan,
        "event_date": date(2024, 6, 1),
        "sigma_l1": np.float32(2.5),
    }
    hit = replace(answer[0], fields=fields, score=np.inf)
    said = hit_said(hit)

    assert (said["latitude"], said["event_date"], said["sigma_l1"], said["score"]) == (
        None,
        "2024-06-01",
        2.5,
        None,
    )
    json.dumps(answer_said(Answer(answer.query, (hit,), answer.search)), allow_nan=False)


def test_addresses_are_no_files_and_a_tile_of_an_obscured_place_is_none(bundle, monkeypatch):
    from prom3e_index.search import hits

    values = type(bundle).values

    def changed(own, rows, columns):
        out = values(own, rows, columns)
        for held in out.values():
            held |= {"image": "https://example.org/a.jpg", "sat": "tiles/a.png", "obscured": True}
        return out

    monkeypatch.setattr(type(bundle), "values", changed)
    row = int(np.flatnonzero(bundle.present.all(axis=1))[0])
    (hit,) = hits.hits_of(bundle, "image", np.ones(1, np.float32), np.array([row]))

    assert hit_said(hit)["media"] == {"image": False, "sat": False, "audio": True}
