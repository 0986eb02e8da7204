"""`report`: a page of any index and its answers that needs no network, bounded, with whose things are and what they mean."""

from __future__ import annotations

import csv
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_escapes import Elements

from prom3e_index import Bundle, Query
from prom3e_index.search.meaning import MEANINGLESS
from prom3e_index.show import answer_section, sounds
from prom3e_index.show.answer_section import Section
from prom3e_index.show.contents import contents_of
from prom3e_index.show.maps import HEIGHT, WIDTH, View
from prom3e_index.show.own_questions import own_questions
from prom3e_index.show.report import write_report
from prom3e_index.show.sounds import Sounds


def page_of(*words, monkeypatch, capsys) -> tuple[int, str]:
    from prom3e_index.cli import app

    monkeypatch.setattr("sys.argv", ["prom3e-index", "report", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return int(ended.value.code or 0), capsys.readouterr().err


@pytest.fixture(scope="module")
def table(world):
    with (world / "observations.csv").open(newline="") as f:
        return list(csv.DictReader(f))


def test_what_an_index_holds_is_counted_as_the_table_has_it(bundle, table):
    c = contents_of(bundle, most=3)
    licences = Counter(r["license"] for r in table)
    years = Counter(int(r["eventDate"][:4]) for r in table if r["eventDate"])
    places = [
        (float(r["decimalLatitude"]), float(r["decimalLongitude"]))
        for r in table
        if r["decimalLatitude"]
    ]

    assert (c.observations, c.rows) == (60, 60) and c.observed["audio"] == sum(
        bool(r["audio"]) for r in table
    )
    assert dict(c.licences.values) == dict(
        sorted(licences.items(), key=lambda v: (-v[1], v[0]))[:3]
    )
    assert c.licences.others == len(licences) - len(c.licences.values)
    assert dict(c.years) == dict(years) and c.undated == 60 - sum(years.values())
    assert c.places == len(places)
    assert c.extent == (
        min(p[1] for p in places),
        min(p[0] for p in places),
        max(p[1] for p in places),
        max(p[0] for p in places),
    )
    for counted in (c.species, c.holders):
        assert sum(n for _, n in counted.values) + counted.other_rows + counted.without == 60
    holders = Counter(r["rightsHolder"] for r in table)
    assert c.holders.other_rows == 60 - sum(sorted(holders.values())[-3:])
    assert {"license", "true_species", "has_image"} <= {n for n, _ in c.columns}


def test_a_page_of_an_index_asks_it_a_few_questions_and_says_so(
    bundle, bundle_path, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "r.html"
    code, err = page_of(
        "-i", bundle_path, "-o", out, "-k", 4, monkeypatch=monkeypatch, capsys=capsys
    )
    page = Elements(out.read_text(encoding="utf-8"))

    assert code == 0 and "taken from the index's own observations" in err
    assert (
        "taken from the index's own observations" in page.words and "5 questions" not in page.words
    )
    assert (
        {"svg", "audio", "figure", "img"} <= page.tags
        and "script" not in page.tags
        and not page.handlers
    )
    for said in (
        "What the index holds",
        "photo → photo",
        "sound → photo",
        "Licences",
        "CC0 1.0",
        "Invented Observer",
    ):
        assert said in page.words, said
    text = out.read_text(encoding="utf-8")
    assert not re.search(r"(src|href|url\()=?['\"]?(https?:)?//", text) and text.count("id='q") == 5
    assert "default-src 'none'" in text and out.stat().st_size < 3e6


def test_an_own_question_is_not_answered_by_the_observation_that_asks(bundle):
    for query, example in own_questions(bundle, Query(k=60)):
        given = query.embedding_of
        segment, place = bundle.segment_of(example.row)
        assert np.array_equal(
            query.embedding, np.asarray(segment.embeddings(given)[place], np.float32)
        )
        assert given in example.observed
        hits = bundle.search(query).hits
        assert len(hits) == 59 and example.row not in {h.row for h in hits}
    only = own_questions(bundle, Query(k=2, target="audio"))
    assert only and all(q.target == "audio" for q, _ in only)


def test_questions_of_every_kind_have_their_sections(
    bundle_path, world, table, tmp_path, monkeypatch, capsys
):
    shown = next(r for r in table if r["image"] and r["audio"])
    questions = tmp_path / "q.csv"
    questions.write_text(
        f"id,image,target\nmine,{world / shown['image']},sound\nlost,nowhere.jpg,sound\n"
    )
    out = tmp_path / "r.html"
    words = ["--photo", world / shown["image"], "--sound", world / shown["audio"], "--place", "1,2", "--name", shown["scientificName"] or "Vexfius",
             "--queries", questions, "-k", 2, "-i", bundle_path, "-o", out]  # fmt: skip
    code, err = page_of(*words, monkeypatch=monkeypatch, capsys=capsys)
    page = Elements(out.read_text(encoding="utf-8"))

    assert code == 0 and "no answer to lost" in err and "own observations" not in page.words
    assert "mine: photo → sound" in page.words and "No answer: image: 'nowhere.jpg'" in page.words
    assert out.read_text().count("id='q") == 6 and Path(shown["image"]).name in page.words

    code, err = page_of(
        "--photo",
        tmp_path / "no.jpg",
        "-i",
        bundle_path,
        "-o",
        out,
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert code == 1 and "no answer to no.jpg" in err
    code, err = page_of(
        "-i",
        bundle_path,
        "-o",
        tmp_path / "none" / "r.html",
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert code == 2 and "name a file in a folder that is there" in err


def test_short_sounds_are_in_the_page_and_others_are_linked_from_it(
    bundle, world, tmp_path, monkeypatch
):
    songs = sorted((world / "songs").iterdir())[:3]
    beside = tmp_path / "pages & more"
    beside.mkdir()
    for n, song in enumerate(songs):
        shutil.copy(song, beside / f"so'ng {n}.wav")
    mine = sorted(beside.iterdir())
    size = mine[0].stat().st_size
    monkeypatch.setattr(sounds, "ALL", 2 * max(p.stat().st_size for p in mine))
    player = Sounds(beside / "r.html")
    first, second, third = (player.player(str(p), "t=1,2") for p in mine)
    assert all("src='data:audio/wav;base64," in p and "#t=1,2'" in p for p in (first, second))
    assert third.count("src=") == 1 and "src='so%27ng%202.wav#t=1,2'" in third
    monkeypatch.setattr(sounds, "EACH", size - 1)
    assert "src='../pages%20%26%20more/so%27ng%200.wav'" in Sounds(
        tmp_path / "x" / ".." / "y" / "r.html"
    ).player(str(mine[0]))
    assert (
        player.player("https://example.org/a.mp3") == player.player(str(tmp_path / "no.wav")) == ""
    )


def test_a_file_that_is_no_sound_is_neither_shown_nor_taken_into_the_page(bundle, tmp_path):
    secret = tmp_path / "key.wav"
    secret.write_text("not for others")
    hit = replace(bundle.search(Query(location=(1, 2), k=1))[0], media=str(secret), heard=True)
    figure = answer_section.hit_figure(hit, Sounds(tmp_path / "r.html"))
    assert "<audio" not in figure and "data:" not in figure and "file not there" in figure


def test_what_other_people_wrote_is_shown_as_text_and_cut(bundle, tmp_path):
    bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>" + "x" * 5000
    answer = bundle.search(Query(location=(1, 2), k=1))
    hit = replace(
        answer[0],
        fields=answer[0].fields
        | dict.fromkeys(
            ("scientific_name", "common_name", "license", "rights_holder", "observation"), bad
        ),
    )
    shown = Section(replace(answer, hits=(hit,), search=answer.search | {"notes": [bad]}), name=bad)
    write_report(
        tmp_path / "r.html", bundle, [shown, Section(None, bad, refused=bad)], said=["<b>said</b>"]
    )
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Elements(text)
    assert "script" not in page.tags and not page.handlers and "x" * 601 not in text
    assert page.words.count("<script>alert(1)") >= 7 and "<b>said</b>" in page.words


def test_answers_that_mean_nothing_are_marked(bundle, bundle_path, tmp_path):
    from changes import rewrite_manifest

    index = tmp_path / "i.p3i"
    shutil.copytree(bundle_path, index)
    rewrite_manifest(index, planet=False)
    other = Bundle.open(index)
    write_report(tmp_path / "r.html", other, [other.search(Query(location=(1, 2), k=1))])
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count(f"<p class='warn'>{MEANINGLESS}</p>") == 2


def test_an_index_whose_model_is_not_here_is_shown_without_questions(
    bundle_path, tmp_path, monkeypatch, capsys
):
    from changes import manifest_of, rewrite_manifest

    index, out = tmp_path / "i.p3i", tmp_path / "r.html"
    shutil.copytree(bundle_path, index)
    manifest = manifest_of(index)
    for changed in (
        {"fingerprints": manifest["fingerprints"] | {"mvae": "0" * 16}},
        {"model": manifest["model"] | {"name": "/nowhere/own"}},
    ):
        rewrite_manifest(index, **(manifest | changed))
        code, err = page_of("-i", index, "-o", out, monkeypatch=monkeypatch, capsys=capsys)
        text = out.read_text(encoding="utf-8")
        assert (
            code == 0 and "No questions were asked: " in err and "No questions were asked: " in text
        )
        assert "What the index holds" in text and "id='q1'" not in text
        code, err = page_of(
            "--place", "1,2", "-i", index, "-o", out, monkeypatch=monkeypatch, capsys=capsys
        )
        assert code == 2 and err.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    "places",
    [
        [(48.2, 16.37)],
        [(48.2, 16.3), (48.21, 16.31)],
        [(-33.0, 151.0), (-37.0, 145.0)],
        [(70.0, -20.0), (68.0, 30.0)],
        [(89.9, 0.0), (-89.9, 179.9)],
        [(10.0, -179.0), (12.0, 179.0)],
        [],
    ],
)
def test_a_map_shows_all_its_places_and_no_more_than_it_must(places):
    view = View.of(places)
    xy = [view.at(*p) for p in places]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in xy)
    if len(places) > 1:
        across = max(x for x, _ in xy) - min(x for x, _ in xy)
        upward = max(y for _, y in xy) - min(y for _, y in xy)
        assert across > WIDTH / 2 or upward > HEIGHT / 2
    lines = re.findall(r"d='M(\S+) 0V", view.lines())
    assert 1 <= len(lines) <= 14
