"""What a model is made of: sizes, licences, everything that is missing named at once, and a hub that gives nothing in one line."""

from __future__ import annotations

import shutil

import pytest

from prom3e_index.errors import ModelError, NotCachedError
from prom3e_index.models import hub_cache
from prom3e_index.models.folder import BUILT_IN, Model
from prom3e_index.models.parts import in_words, lacking, licences, parts_of

REPOSITORIES = (
    "taxabind-config", "taxabind-vit-b-16", "ecosat", "ecosound", "ecogeo", "ecoclim", "ProM3E",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("PROM3E_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("first", ["loc", "mvae", "sources"])
def test_whatever_is_asked_for_first_all_that_is_missing_is_named(first):
    model = Model.open("taxabind")
    with pytest.raises(NotCachedError) as told:
        {"loc": lambda: model.encoder("loc"), "mvae": lambda: model.mvae, "sources": model.sources}[
            first
        ]()
    said = str(told.value)
    assert all(said.count(f"MVRL/{name} (") == 1 for name in REPOSITORIES)
    assert "1.2 GB in all" in said and "models pull taxabind" in said and "hub=DIR" in said
    assert "hf download OWNER/REPO --local-dir DIR/OWNER/REPO" in said
    assert "MVRL/taxabind-vit-b-16 MIT; the others not stated" in said


def test_a_copy_of_the_hub_that_lacks_some_names_those_alone(tmp_path):
    for name in ("ecogeo", "ProM3E"):
        (tmp_path / "hub/MVRL" / name).mkdir(parents=True)
    model = Model.open("taxabind", hub=tmp_path / "hub")
    with pytest.raises(NotCachedError) as told:
        model.sources()
    said = str(told.value)
    named = [n for n in REPOSITORIES if f"MVRL/{n} (" in said]
    assert named == [n for n in REPOSITORIES if n not in ("ecogeo", "ProM3E")]
    assert f"{tmp_path / 'hub'}/OWNER/REPO" in said and "models pull" not in said


def test_what_is_here_is_measured_and_what_is_not_is_as_stated(tmp_path):
    mini = {p.what: p for p in parts_of(Model.open("mini"))}
    folder = BUILT_IN / "mini"
    assert list(mini) == [("image", "text"), ("sat",), ("audio",), ("loc",), ("env",), ("mvae",)]
    expected = sum(p.stat().st_size for p in (folder / "ecosat").iterdir())
    assert mini["sat",].size == expected and mini["sat",].path == folder / "ecosat"
    own = sum((folder / n).stat().st_size for n in ("config.json", "model.safetensors"))
    assert mini["mvae",].size == own  # not the bank of queries
    stated = {p.repository: p.size for p in parts_of(Model.open("taxabind"))}
    assert stated["MVRL/ecosat"] == 345_000_000 and all(stated.values())
    assert lacking(Model.open("mini")) is None
    assert licences(list(mini.values())) == "Apache-2.0, as the program"


@pytest.mark.parametrize(
    ("size", "words"),
    [(None, "size not stated"), (592, "0.6 kB"), (8_450_000, "8.4 MB"), (604_000_000, "604 MB"), (1_212_000_000, "1.2 GB")],
)  # fmt: skip
def test_sizes_in_words(size, words):
    assert in_words(size) == words


def test_places_alone_are_for_probes(tmp_path):
    with pytest.raises(ModelError, match="knows loc alone.*evaluate probe --model geoclip"):
        _ = Model.open("geoclip").mvae
    folder = tmp_path / "two"
    shutil.copytree(BUILT_IN / "geoclip", folder)
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace('["loc"]', '["loc", "text"]'))
    with pytest.raises(ModelError, match="has encoders but no MVAE yet; fit one"):
        _ = Model.open(folder).mvae


@pytest.mark.parametrize("wrong", ['{ bytes = "many" }', "{ licence = 3 }", "{ size = 1 }", "3"])
def test_what_a_model_states_of_a_repository_is_checked(tmp_path, wrong):
    shutil.copytree(BUILT_IN / "geoclip", tmp_path / "m")
    with (tmp_path / "m/model.toml").open("a") as f:
        f.write(f'\n[repositories]\n"a/b" = {wrong}\n')
    with pytest.raises(ModelError, match=r"repositories.*a/b"):
        Model.open(tmp_path / "m")


class Refused(Exception):
    """An error of a transport that is no OSError."""


def _refusing(error):
    class Api:
        def model_info(self, repo, revision):
            try:
                raise OSError(-2, "Name or service not known")
            except OSError as cause:
                raise error from cause

    return Api


@pytest.mark.parametrize(
    "error", [Refused("no way\nmore"), OSError("no way"), RuntimeError("no way")]
)
def test_a_hub_that_gives_nothing_is_one_line(monkeypatch, capsys, error):
    """Also where the client's transport has an error of its own: it was a traceback of a hundred lines."""
    import huggingface_hub

    from prom3e_index.cli.app import main

    monkeypatch.setattr(huggingface_hub, "HfApi", _refusing(error))
    monkeypatch.setattr("sys.argv", ["prom3e-index", "models", "pull", "taxabind"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and len(said.strip().splitlines()) == 1
    assert "cannot give MVRL/taxabind-config: no way: [Errno -2] Name or service not known" in said
    assert "7 repositories are missing, 1.2 GB" in said and "--hub DIR" in said
    assert not hub_cache.lock_file().exists()


def test_pickled_weights_are_fetched_only_where_there_are_no_others(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []
    monkeypatch.setattr(
        huggingface_hub, "HfApi",
        type("Api", (), {"model_info": lambda self, repo, revision: type("I", (), {"sha": "c" * 40})()}),
    )  # fmt: skip

    def snapshot(repo, revision, allow_patterns):
        folder = tmp_path / repo
        folder.mkdir(parents=True, exist_ok=True)
        asked.append((repo, "*.bin" in allow_patterns))
        if repo == "a/safe":
            (folder / "model.safetensors").touch()
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    hub_cache.pull(["a/safe", "a/pickled"])
    assert asked == [("a/safe", False), ("a/pickled", False), ("a/pickled", True)]


def test_list_and_show_say_size_licence_and_what_is_missing(capsys, monkeypatch):
    from prom3e_index.cli.models import list_models, show

    list_models()
    listed = capsys.readouterr().out
    assert "taxabind   1.2 GB, 0 of 7 parts here; licence: MVRL/taxabind-vit-b-16 MIT" in listed
    assert "mini" in listed and "Apache-2.0" in listed and "places only" in listed
    show("taxabind", None)
    shown = capsys.readouterr().out
    assert shown.count("models pull taxabind`; or") == 1  # said once, not for each part
    assert "trained on: not stated" in shown and "sat            345 MB" in shown
    show("geoclip", None)
    assert "for `evaluate probe`" in capsys.readouterr().out
