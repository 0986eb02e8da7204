"""Which column tells species, by which name a column is meant, where results go, and what is refused before encoding."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from changes import places
from tiny_set import NAMES, tiny, write
from typer.testing import CliRunner

from prom3e_index.cli.app import app
from prom3e_index.cli.build import search_words
from prom3e_index.cli.results_folder import results_folder
from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import column_named, split_of
from prom3e_index.evaluation.pages.output import screen
from prom3e_index.evaluation.retrieval.run import RetrievalConfig, evaluate_retrieval
from prom3e_index.evaluation.sources import open_source


def labelled(tmp_path, **columns):
    data = tiny(40, seed=6, missing=-1)
    names = data.columns.pop("species")
    data.columns.pop("genus")
    data.columns.update({k: v(names) for k, v in columns.items()})
    write(tmp_path / "d.npz", data)
    return RetrievalConfig(tmp_path / "d.npz", tmp_path / "o", None, spaces=("encoder",)), names


def test_the_column_that_most_rows_have_tells_the_species(tmp_path):
    """An index has a column `species` also where its table had scientific names only."""
    config, names = labelled(
        tmp_path, species=lambda n: np.where(np.arange(40) < 2, n, ""), scientificName=lambda n: n
    )
    results = evaluate_retrieval(config)
    assert results["facts"]["species_column"] == "scientificName"
    assert results["facts"]["species_labelled"] == int((names != "").sum()) == 39
    assert {"row", "species", "class"} <= {r["match"] for r in results["results"]}
    told = "note: species are told by the column scientificName, known of 39 of 40 rows"
    assert told in screen(results)
    assert told.removeprefix("note: ") in (tmp_path / "o/results.md").read_text()


def test_without_labels_it_is_said_what_is_left_out(tmp_path):
    config, _ = labelled(tmp_path, species=lambda n: np.full(40, ""))
    results = evaluate_retrieval(config)
    assert {r["match"] for r in results["results"]} == {"row"}
    assert "note: no species labels: " in screen(results) and "--species COLUMN" in screen(results)


def test_the_labels_of_an_index_are_counted(bundle_path):
    source = open_source(bundle_path, NAMES, 512)
    rows = source.read(source.numbers)
    filled = {
        c: sum(v is not None and str(v).strip() != "" for v in rows.columns[c])
        for c in ("taxon_species", "species", "scientific_name")
    }
    assert {c: source._filled(c) for c in filled} == filled
    # A family under `scientific_name` is no species, and the index knows.
    assert 0 < filled["taxon_species"] < filled["scientific_name"]
    assert source.species == "taxon_species"
    taken = source.take()
    families = [str(v) for v in taken.columns["scientific_name"] if str(v).endswith("idae")]
    assert families and not set(families) & set(taken.texts("species"))
    other = open_source(bundle_path, NAMES, 512, "trueSpecies")
    assert other.species == "true_species"


def test_columns_are_meant_by_names_alike():
    columns = ["scientific_name", "koppen", "Height (m)", "a b", "a_b"]
    for typed, want in (
        ("koppen", "koppen"), ("Koppen", "koppen"), ("scientificName", "scientific_name"),
        ("Scientific name", "scientific_name"), ("height (m)", "Height (m)"), ("a b", "a b"),
    ):  # fmt: skip
        assert column_named(typed, columns, "t") == want
    with pytest.raises(InputError, match="t has a b and a_b; say which is 'AB'"):
        column_named("AB", columns, "t")
    with pytest.raises(InputError, match="t has no column 'kopen'; nearest: koppen"):
        column_named("kopen", columns, "t")
    told = ["Train", "validation", " dev", "TEST", "", None, "other", 3]
    assert [split_of(v) for v in told] == ["train", "val", "val", "test", "", "", "other", "3"]


def test_results_of_other_data_or_models_go_elsewhere(bundle_path, tmp_path):
    assert results_folder("birds/b.csv", "models/own") == Path("evaluation/b-own")
    assert results_folder("b.xlsx::Sheet 2", "mini") == Path("evaluation/b-Sheet_2-mini")
    assert results_folder("-", "mini") == Path("evaluation/--mini")
    assert results_folder(str(bundle_path), None) == Path("evaluation/index-mini")
    assert results_folder("b.npz", None) == Path("evaluation/b")
    assert results_folder("..", None).parent == Path("evaluation")
    assert results_folder("..", None).name not in ("", "..", ".")


def test_results_of_other_data_of_one_name_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b", "m/own", "n/own"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "obs.npz").touch()

    def store(folder, source, model, name="results.json"):
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"source": source, "model_called": model}
        (folder / name).write_text(json.dumps({"facts": facts}))

    plain = Path("evaluation/obs-own")
    assert results_folder("a/obs.npz", "m/own") == plain
    store(plain, "a/obs.npz", "m/own", "probe.json")
    assert results_folder(str(tmp_path / "a/obs.npz"), "./m/own") == plain
    others = [("b/obs.npz", "m/own"), ("a/obs.npz", "n/own")]
    found = [results_folder(*of) for of in others]
    assert len({plain, *found}) == 3
    for folder, of in zip(found, others, strict=True):
        store(folder, *of)
        assert results_folder(*of) == folder and folder.name.startswith("obs-own-")
    assert results_folder("a/obs.npz", "m/own") == plain
    (plain / "probe.json").write_text("{")
    assert results_folder("b/obs.npz", "m/own") == plain  # nothing there can be read


def test_results_say_what_their_model_was_called(tmp_path):
    from tiny_set import tiny

    from prom3e_index.evaluation.opened import EvaluationConfig, describe

    config = EvaluationConfig(tmp_path / "d.npz", tmp_path, "m/own", source="a/obs.npz")
    facts = describe(tiny(5), None, config)
    assert (facts["source"], facts["model_called"]) == ("a/obs.npz", "m/own")


def test_what_a_search_finds_is_not_said_as_if_it_were_right():
    assert search_words(1.0).startswith("its search is exact; whether answers are right is another")
    assert search_words(0.9871).startswith(
        "its search finds 98.7% or more of the ten rows of exact"
    )


@pytest.mark.parametrize("line, words", [
    ("probe {t} --labels a --task nonsense --model mini", "--task 'nonsense' is unknown"),
    ("probe {t} --labels a --task regression --model mini --representation x", "Representation 'x' is unknown"),
    ("probe {t} --labels a --task regression --model geoclip --representation mean", "geoclip has no MVAE"),
    ("probe {t} --labels a --task regression --model mini --given dna", "Unknown modality 'dna'"),
    ("retrieval {t} --model mini --space x", "--space 'x' is unknown"),
    ("retrieval {t} --model mini --direction image", "--direction is written"),
    ("retrieval {t} --model mini --rows 1", "at least two"),
    ("retrieval {t} --model mini --validation nowhere.npz", "nowhere.npz is not there"),
    ("uncertainty {t} --model geoclip", "Uncertainty is the MVAE's"),
    ("uncertainty {t} --model mini --pictures x", "--pictures is 'x'"),
    ("uncertainty {t} --model mini --rows 3", "at least twenty"),
])  # fmt: skip
def test_settings_are_refused_before_anything_is_encoded(tmp_path, monkeypatch, line, words):
    from prom3e_index.indexer import npz

    monkeypatch.setattr(npz, "encode_to_npz", lambda *a, **k: pytest.fail("encoded first"))
    table = places(tmp_path / "t.csv", ["a", "b"])
    done = CliRunner().invoke(
        app, ["evaluate", *line.format(t=table).split(), "-o", str(tmp_path / "o")]
    )
    assert isinstance(done.exception, InputError) and words in done.exception.typed
    assert not (tmp_path / "o").exists()
