"""What encoders were trained on: told again in embeddings that the trained encoder makes, by way of a model folder."""

from __future__ import annotations

import shutil

import numpy as np
import torch

from prom3e_index.indexer.npz import encode_to_npz
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import BUILT_IN, Model
from prom3e_index.models.seen import Seen
from prom3e_index.models.seen_parts import seen_by
from prom3e_index.training.stage_one.align import AlignConfig
from prom3e_index.training.stage_one.observations import read_rows
from prom3e_index.training.stage_one.patch import run_patch
from prom3e_index.training.stage_one.run import AlignRun, run_align

MINI = BUILT_IN / "mini"


def quiet(*_) -> None:
    pass


def test_rows_that_encoders_were_trained_on_are_told_in_their_embeddings(tmp_path, world):
    """Places and recordings of half of the rows: in what the new model makes of all rows, that half is told."""
    lines = (world / "observations.csv").read_text().splitlines(keepends=True)
    some = tmp_path / "some.csv"
    some.write_text("".join(lines[:31]))
    model = tmp_path / "m"
    shutil.copytree(MINI, model)
    config = AlignConfig(loss="infonce", epochs=1, batch_size=8, accumulate=1, augment=False)
    for modality, folder in (("loc", "ecogeo"), ("audio", "ecosound")):
        run = AlignRun(
            modality,
            str(some),
            tmp_path / modality,
            str(MINI / folder),
            "mini",
            config,
            half=True,
            media=world,
        )
        run_align(run, quiet, quiet)
        shutil.rmtree(model / folder)
        shutil.copytree(tmp_path / modality, model / folder, ignore=shutil.ignore_patterns("run"))
    table = str(world / "observations.csv")
    encode_to_npz(BuildConfig(table, tmp_path / "e.npz", model=str(model)), quiet)
    with np.load(tmp_path / "e.npz") as z:
        x, present, ids, obscured = (z[k] for k in ("embeddings", "present", "ids", "obscured"))
    x = x / np.maximum(np.linalg.norm(x, axis=2, keepdims=True), 1e-9)
    names = Model.open(model).modalities
    seen, unknown = seen_by(Model.open(model))
    assert unknown == (
        "its encoders (image, sat, env, text) were",
        "its MVAE was",
        "the weights that its encoders (loc, audio) began from were",
    )
    told = seen.rows(x.astype(np.float32), present)
    image = names.index("image")
    first = np.isin(ids, [line.split(",")[0] for line in lines[1:31]])
    for modality in ("loc", "audio"):
        i = names.index(modality)
        trained = first & present[:, image] & present[:, i]
        if modality == "loc":
            trained &= ~obscured  # no ground truth, so not trained on
        assert trained.sum() > 3 and told[trained, i].all() and told[trained, image].all()
        near = (x[:, i] @ x[trained, i].T).max(
            axis=1
        ) > 0.9999  # places of one site nearly coincide
        assert not told[~first & ~near, i].any() and (~first & ~near & present[:, i]).sum() > 3
    assert not told[:, names.index("text")].any() and seen.modalities == names


def test_a_patch_notes_what_both_had_seen_and_what_chose_it(tmp_path, world):
    after = tmp_path / "after"
    shutil.copytree(MINI / "taxabind-vit-b-16", after)
    x = torch.nn.functional.normalize(torch.randn(5, 2, 512), dim=2).numpy()
    Seen.of(x, np.ones((5, 2), bool), ("image", "text")).write(after)
    rows = read_rows(str(world / "observations.csv"))
    run_patch(MINI / "taxabind-vit-b-16", after, rows, tmp_path / "out", quiet, points=2)
    seen = Seen.read(tmp_path / "out")
    assert seen.began_from_unknown  # `before` does not say
    assert seen.n == 5 and seen.rows(x, np.ones((5, 2), bool)).all()
    named = {t for t, image in zip(rows.text, rows.media["image"], strict=True) if t and image}
    encoder = Model.open("mini").encoder("text")
    text = encoder.encode(sorted(named))
    has = np.array([[False, True]] * len(text))
    assert seen.chosen.rows(np.stack([text, text], axis=1), has)[:, 1].all()
