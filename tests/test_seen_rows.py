"""Reported rows that were trained or chosen on, or share a photo or sound with such: counted, named, refused, warned of."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from tiny_set import NAMES, tiny, write
from typer.testing import CliRunner

from prom3e_index.cli.app import app
from prom3e_index.errors import InputError
from prom3e_index.evaluation.pages.output import screen
from prom3e_index.evaluation.pages.said import said
from prom3e_index.evaluation.probe.run import ProbeConfig, evaluate_probe
from prom3e_index.evaluation.retrieval import stored_ranks
from prom3e_index.evaluation.retrieval.run import RetrievalConfig, evaluate_retrieval, redraw
from prom3e_index.evaluation.seen_rows import SeenRows, refuse_seen, seen_in, seen_sentences
from prom3e_index.evaluation.sources import read_eval
from prom3e_index.evaluation.uncertainty.run import UncertaintyConfig, evaluate_uncertainty
from prom3e_index.models.folder import BUILT_IN, Model
from prom3e_index.models.seen import Seen

IMAGE, SAT, LOC, ENV, TEXT, AUDIO = range(6)


def overlapping(n=40):
    """Training rows, and reported ones: 0-4 whole rows, 5-7 a photo, 8 a sound, 9-11 a tile, 12 place and climate, 13 a name."""
    train, test = tiny(60, seed=1, missing=-1), tiny(n, seed=2, missing=-1)
    test.x[:5] = train.x[20:25]
    test.x[5:8, IMAGE] = train.x[30, IMAGE]  # one photo for several rows, as real tables have
    test.x[8, AUDIO] = train.x[31, AUDIO]
    test.x[9:12, SAT] = train.x[32:35, SAT]
    test.x[12, LOC], test.x[12, ENV] = train.x[36, LOC], train.x[36, ENV]
    test.x[13, TEXT] = train.x[37, TEXT]
    return train, replace(test, ids=np.array([f"t{i}" for i in range(n)]))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A model that says that it was trained on the training rows, and was adjusted on others."""
    folder = tmp_path_factory.mktemp("model") / "own"
    shutil.copytree(BUILT_IN / "mini", folder)
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace('name = "mini"', 'name = "own"'))
    train, _ = overlapping()
    chosen = tiny(20, seed=5, missing=-1)
    seen = replace(
        Seen.of(train.x, train.present, NAMES),
        chosen=Seen.of(chosen.x, chosen.present, NAMES),
    )
    seen.write(folder)
    return folder


def retrieval(path, out, model, **more):
    return RetrievalConfig(path, out, str(model), spaces=("encoder", "hybrid"), taxa=False, **more)


def test_seen_rows_are_counted_named_and_refused(own, tmp_path):
    _, test = overlapping()
    write(tmp_path / "t.npz", test)
    config = retrieval(tmp_path / "t.npz", tmp_path / "o", own)
    with pytest.raises(InputError) as refused:
        evaluate_retrieval(config)
    words = refused.value.typed
    assert "or say allow_seen=True" in str(refused.value)
    assert (
        "5 of 40 are, with all they hold, in the rows that model own was trained on (60)" in words
    )
    assert "4 more share a photo, sound or the like with them" in words
    assert "(photo 8, sound 6 in all); first: t0, t1, t2" in words
    assert "--allow-seen" in words and "held out" in words and "tile" not in words
    assert not (tmp_path / "o").exists()


def test_what_is_allowed_says_so_wherever_it_is_shown(own, tmp_path):
    _, test = overlapping()
    write(tmp_path / "t.npz", test)
    config = retrieval(tmp_path / "t.npz", tmp_path / "o", own, allow_seen=True)
    results = evaluate_retrieval(config)
    warning = said(results["facts"])[0]
    assert warning.startswith("warning: reported rows were trained or chosen on: 5 of 40 are")
    assert "9 more" not in warning and "4 more share" in warning
    told = json.loads((tmp_path / "o/results.json").read_text())["facts"]["seen"]
    assert (told["reported"], told["among"], told["share"]) == (40, 5, 4)
    assert told["by_modality"] == {
        "image": 8, "sat": 8, "loc": 6, "env": 6, "text": told["by_modality"]["text"], "audio": 6,
    }  # fmt: skip
    assert told["by_modality"]["text"] >= 6 and told["ids"] == ["t0", "t1", "t2"]
    assert [(a["rows"], a["among"], a["share"]) for a in told["against"]] == [
        (60, 5, 4),
        (20, 0, 0),
    ]
    assert f"- **{warning}**" in (tmp_path / "o/results.md").read_text()
    page = (tmp_path / "o/report.html").read_text()
    assert f"<section class='warned'><b>{warning}</b></section>" in page
    assert screen(results).startswith(
        warning + "\nnote: of 40 reported rows, rows trained or chosen on have the same tile (8),"
    )
    for name in ("results.md", "report.html"):
        (tmp_path / "o" / name).unlink()
    assert screen(redraw(tmp_path / "o")) == screen(results)
    assert warning in (tmp_path / "o/results.md").read_text()
    assert warning in (tmp_path / "o/report.html").read_text()


def test_known_places_and_names_refuse_nothing_and_are_told(own):
    _, test = overlapping()
    rows = SeenRows(test.rows(np.arange(9, 40)))
    rows.of_model(Model.open(own))
    seen = rows.facts()
    refuse_seen(seen, False)
    assert (seen["among"], seen["share"], seen["ids"]) == (0, 0, [])
    first, second, *rest = seen_sentences({"seen": seen})
    assert first == (
        "none of the 31 reported rows is among, or shares a photo or sound with, the rows that model own was trained "
        "on (60) and the rows that model own was adjusted on (20)"
    )
    assert "the same tile (3), place (1), climate (1), name (1): at known" in second
    assert rest == [
        "not known whether reported rows were trained on: model own does not say what its encoders (image, sat, loc, "
        "env, text, audio) were trained on"
    ]


def test_a_row_of_known_things_alone_is_no_new_row():
    """Without media a row is new by its place only; a known place with another photo is."""
    train, test = overlapping()
    test.x[14, [SAT, LOC, ENV]] = train.x[3, [SAT, LOC, ENV]]
    test.present[14, [IMAGE, AUDIO]] = False
    test.x[15] = 0
    test.x[15, TEXT], test.present[15] = train.x[3, TEXT], np.arange(6) == TEXT
    test.x[14, TEXT] = train.x[40, TEXT]
    seen = SeenRows(test)
    seen.against("them", Seen.of(train.x, train.present, NAMES))
    assert seen.facts()["among"] == 6 and seen.facts()["share"] == 4  # 14 is none, 15 is but a name
    known = SeenRows(test.rows(np.array([20, 21])))
    test.x[20, IMAGE] = train.x[0, IMAGE]
    known = SeenRows(test.rows(np.array([20, 21])))
    known.against("them", Seen.of(train.x, train.present, NAMES, [f"t{i}" for i in range(60)]))
    assert known.facts()["among"] == 1  # the id and the photo are known; the id alone says nothing


def test_a_split_of_one_file_that_repeats_photos_is_refused(tmp_path):
    """As birds24 does: a photo stands in many rows, and the split is by row."""
    data = tiny(66, seed=3, missing=-1)
    data.x[:, IMAGE] = data.x[np.arange(66) % 12, IMAGE]
    split = np.array(["Training"] * 30 + ["valid"] * 15 + ["test"] * 20 + ["other"])
    write(tmp_path / "d.npz", data, Split=split)
    config = retrieval(tmp_path / "d.npz", tmp_path / "o", "mini")
    found = "0 of 20 are.*in the training rows of d.npz .30., and 20 more"
    with pytest.raises(InputError, match=found):
        evaluate_retrieval(config)
    with pytest.raises(InputError, match=found):
        evaluate_uncertainty(UncertaintyConfig(tmp_path / "d.npz", tmp_path / "u", "mini"))
    config = replace(config, spaces=("encoder",), allow_seen=True)
    results = evaluate_retrieval(config)
    words = "\n".join(said(results["facts"]))
    assert results["facts"]["rows"] == 20 and "photo 20 in all" in words
    assert "none of train, val, test: other 1" in words
    compared = [
        (a["what"][:14], a["rows"], a["share"]) for a in results["facts"]["seen"]["against"]
    ]
    assert compared == [("the training r", 30, 20), ("the validation", 15, 20)]
    assert results["facts"]["seen"]["repeated"] == {"image": [20, 12]}
    assert "20 reported rows have a photo, and 12 of these differ" in words


def test_what_is_not_known_is_said():
    data = tiny(20)
    seen = SeenRows(data)
    seen.of_model(Model.open("mini"))
    assert seen_sentences({"seen": seen.facts()}) == [
        "not known whether reported rows were trained on: model mini does not say what it was trained on"
    ]
    refuse_seen(seen.facts(), False)


def test_other_files_and_rows_that_are_not_drawn_are_looked_at(tmp_path, monkeypatch):
    from prom3e_index.evaluation import sources

    train, test = overlapping()
    write(tmp_path / "train.npz", train)
    write(tmp_path / "test.npz", test.rows(np.arange(5, 40)))
    monkeypatch.setattr(sources, "_BLOCK", 7)
    monkeypatch.setattr(sources, "_HELD", 10)
    config = retrieval(tmp_path / "test.npz", tmp_path / "o", "mini", train=tmp_path / "train.npz")
    with pytest.raises(
        InputError, match=r"0 of 35 are.*train.npz \(60\), and 4 more.*first: t5, t6, t7"
    ):
        evaluate_retrieval(config)


def test_an_index_is_known_in_half_precision(bundle_path, own, tmp_path):
    """Photos encoded again in another batch differ by as little as this."""
    held = read_eval(bundle_path, NAMES, 512)
    again = held.x + np.random.default_rng(0).normal(scale=1e-7, size=held.x.shape)
    folder = tmp_path / "again"
    shutil.copytree(own, folder)
    Seen.of(again[10:].astype("f4"), held.present[10:], NAMES).write(folder)
    media = held.present[10:, [IMAGE, AUDIO]].any(axis=1)
    whole = media | held.present[10:, [SAT, LOC, ENV]].any(axis=1)
    for config in (
        retrieval(bundle_path, tmp_path / "o", folder),
        UncertaintyConfig(bundle_path, tmp_path / "u", str(folder)),
    ):
        run = evaluate_retrieval if isinstance(config, RetrievalConfig) else evaluate_uncertainty
        with pytest.raises(InputError, match=f"{whole.sum()} of 60 are.*model own was.* .50.,"):
            run(config)


def test_a_probe_is_told_of_the_model_and_of_its_own_training_rows(own, tmp_path):
    train, test = overlapping()
    test.columns["part"] = np.array(["train", "test"] * 20)
    test.x[20:40, IMAGE] = test.x[19, IMAGE]
    write(tmp_path / "t.npz", test)
    config = ProbeConfig(
        tmp_path / "t.npz", tmp_path / "o", str(own), labels=("species",), task="classification",
        given=("image",), representations=("encoder",), split="part",
    )  # fmt: skip
    with pytest.raises(
        InputError,
        match="13 of 19 are, with all they hold, in the rows that the probe is trained on .20.*photo 13 in all",
    ):
        evaluate_probe(config)
    done = evaluate_probe(replace(config, allow_seen=True))
    warning = said(done["facts"], species=False)[0]
    assert (
        warning.startswith("warning: ")
        and f"- **{warning}**" in (tmp_path / "o/probe.md").read_text()
    )
    assert json.loads((tmp_path / "o/probe.json").read_text())["facts"]["seen"]["among"] == 13
    places = evaluate_probe(replace(config, given=("loc",)))["facts"]["seen"]
    assert (places["among"], places["share"]) == (0, 0)  # a photo that is not shown tells nothing
    with pytest.raises(InputError, match="model own was trained on"):
        evaluate_probe(replace(config, given=("loc",), representations=("mean",)))


def test_of_very_many_rows_a_share_is_kept_and_the_numbers_say_so():
    train, test = tiny(900, seed=1, missing=-1), tiny(400, seed=2, missing=-1)
    test.x[:300, IMAGE] = train.x[:300, IMAGE]
    kept = Seen.of(train.x, train.present, NAMES, most=2400)
    assert kept.share < 0.6
    seen = SeenRows(test)
    seen.against("the rows of before", kept)
    facts = seen.facts()
    assert facts["by_modality"]["image"] == pytest.approx(300, rel=0.2)
    assert facts["share"] + facts["among"] == int(kept.rows(test.x, test.present)[:, IMAGE].sum())
    with pytest.raises(InputError, match=r"on: at least 0 of 400|on: at least \d+ of 400"):
        refuse_seen(facts, False)


def test_what_adds_nothing_is_not_in_the_sentence_and_the_sentence_is_short():
    train, test = overlapping()
    long = replace(test, ids=np.array([f"{'x' * 80}{i}" for i in range(40)]))
    seen = SeenRows(long)
    for what, rows in (
        ("first", slice(30, 60)),
        ("second", slice(30, 60)),
        ("third", slice(0, 60)),
    ):
        seen.against(what, Seen.of(train.x[rows], train.present[rows], NAMES))
    facts = seen.facts()
    assert [(a["what"], a["among"], a["share"], a["adds"]) for a in facts["against"]] == [
        ("first", 0, 4, 4), ("second", 0, 4, 0), ("third", 5, 4, 5)
    ]  # fmt: skip
    with pytest.raises(InputError, match="in first .30. and third .60., and 4 more") as refused:
        refuse_seen(facts, False)
    assert len(refused.value.typed) < 700


def test_other_modalities_and_no_rows():
    train, test = overlapping()
    order = (AUDIO, IMAGE)
    some = Seen.of(train.x[:, order], train.present[:, order], ("audio", "image"))
    more = Seen.of(
        np.concatenate([train.x, train.x[:, :1]], axis=1),
        np.concatenate([train.present, train.present[:, :1]], axis=1), (*NAMES, "dna"),
    )  # fmt: skip
    for known in (some, more):
        seen = SeenRows(test)
        seen.against("them", known)
        facts = seen.facts()
        assert (facts["among"], facts["share"]) == (5, 4)
    nothing = SeenRows(test)
    nothing.against("none", seen_in([], NAMES))
    assert nothing.facts()["among"] == nothing.facts()["share"] == 0


def test_results_of_before_are_said_to_be_unknown(tmp_path):
    data = tiny(40, seed=9)
    write(tmp_path / "d.npz", data)
    evaluate_retrieval(
        RetrievalConfig(tmp_path / "d.npz", tmp_path / "o", spaces=("encoder",), taxa=False)
    )
    scored, facts = stored_ranks.load(tmp_path / "o/ranks.npz")
    for name in ("seen", "split_unused", "species_labelled"):
        del facts[name]
    stored_ranks.save(tmp_path / "o/ranks.npz", scored, facts)
    done = CliRunner().invoke(app, ["evaluate", "redraw", str(tmp_path / "o")])
    assert done.exit_code == 0
    assert done.output.startswith(
        "note: not known whether reported rows were trained on: these results were made by"
    )
