"""Options are checked before anything is encoded, and the message names the option that was typed."""

from __future__ import annotations

import numpy as np
import pytest
from changes import places, quiet

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.errors import InputError, ModelError
from prom3e_index.indexer import build as build_module
from prom3e_index.indexer import embed, npz
from prom3e_index.indexer.build import build
from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.work import BuildConfig


@pytest.fixture
def never(monkeypatch, mini):
    """Encoding anything is an error."""

    def encode(*_):
        raise AssertionError("something was encoded")

    monkeypatch.setattr(embed, "encode_items", encode)
    monkeypatch.setattr(embed, "_embed_numbers", encode)
    for module in (build_module, npz):
        monkeypatch.setattr(module, "open_model", lambda config: mini)


@pytest.fixture
def config(tmp_path):
    lines = ["id,decimalLatitude,decimalLongitude,scientificName,Habitat"]
    lines += [f"r{i},{i},{i},Pica pica,wood" for i in range(1, 5)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "o", model="mini")


@pytest.mark.parametrize("species, columns, options, said", [
    ("nosuch", (), {}, "species 'nosuch' is no column"),
    (None, ("habitats",), {}, "column 'habitats' is no column; nearest: Habitat"),
    (None, ("koppen",), {"koppen": "--labels"}, "labels 'koppen' is no column"),
])  # fmt: skip
def test_a_column_that_is_not_there(never, config, species, columns, options, said):
    with pytest.raises(InputError) as refused:
        encode_to_npz(config, quiet, species, columns, options=options)
    assert said in str(refused.value) and "scientificName" in str(refused.value)
    assert {p.name for p in config.out.parent.iterdir()} == {"t.csv"}


def test_a_wish_that_no_index_of_the_rows_meets(never, config):
    from dataclasses import replace

    with pytest.raises(InputError, match="Exact search takes 0.*, memory is 0.001 MB"):
        build(replace(config, wish=Wish(recall=1, memory=1e3)))
    assert {p.name for p in config.out.parent.iterdir()} == {"t.csv"}


def test_an_encoder_that_cannot_be_loaded(never, config, mini, monkeypatch):
    """The last one is damaged; the first is not set to work before that is known."""
    load = mini.encoder

    def encoder(modality):
        if modality == "text":
            raise ModelError("text is damaged")
        return load(modality)

    monkeypatch.setattr(mini, "encoder", encoder)
    with pytest.raises(ModelError, match="text is damaged"):
        build(config)
    assert {p.name for p in config.out.parent.iterdir()} == {"t.csv"}


def test_columns_are_known_by_the_names_of_the_table(config):
    encode_to_npz(config, quiet, "scientificName", ("Habitat", "habitat", "decimalLatitude"))
    with np.load(config.out) as z:
        assert z["species"].tolist() == ["Pica pica"] * 4
        assert z["Habitat"].tolist() == z["habitat"].tolist() == ["wood"] * 4
        assert z["decimalLatitude"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("words, left", [
    ("build t.csv", "goes on where it stopped"), ("evaluate retrieval t.csv", "what was encoded is kept"),
    ("remove --where x", "the index is whole"), ("compact", "the index is whole"), ("export o.csv", "nothing was changed"),
    ("infer x.npz -o y.npz", "nothing was changed"), ("models pull", "what was downloaded is kept"),
])  # fmt: skip
def test_a_full_disk_promises_no_more_than_is_kept(monkeypatch, capsys, words, left):
    import errno
    import sys

    from prom3e_index.cli import app

    def full():
        raise OSError(errno.ENOSPC, "No space left on device", "a file")

    monkeypatch.setattr(sys, "argv", ["prom3e-index", *words.split()])
    monkeypatch.setattr(app, "_run", full)
    with pytest.raises(SystemExit) as stop:
        app.main()
    said = capsys.readouterr().err
    assert (
        stop.value.code == 2
        and "the disk is full (a file); free some space, then run it again" in said
    )
    assert left in said and ("goes on" in said) is (left == "goes on where it stopped")


def test_memory_needs_a_unit(places_table, command, tmp_path):
    for wrong in ("8", "8.5", "0GB", "GB", "8 apples"):
        code, _, err = command(
            "build", places_table, "--model", "mini", "-i", tmp_path / "o.p3i", "--memory", wrong
        )
        assert code == 2 and "--memory needs a number and a unit, as 8GB or 500MB" in err
        assert ("write 8GB or 8MB" in err) is (wrong == "8")
    assert {p.name for p in tmp_path.iterdir()} == {"p.csv"}


@pytest.fixture
def places_table(tmp_path):
    return places(tmp_path / "p.csv", ["a"])
