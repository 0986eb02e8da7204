"""Stage 1: alignment, its resuming, several processes, augmentation, patching, and the folders written."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch import nn
from torch.nn import functional as F

from prom3e_index.errors import InputError, ModelError
from prom3e_index.media.images import ImageSpec
from prom3e_index.models.folder import BUILT_IN
from prom3e_index.models.weights import read_state, write_state
from prom3e_index.training.checkpoint import load
from prom3e_index.training.stage_one import augment
from prom3e_index.training.stage_one.align import AlignConfig, align
from prom3e_index.training.stage_one.observations import read_rows
from prom3e_index.training.stage_one.patch import run_patch, zero_shot_accuracy
from prom3e_index.training.stage_one.run import AlignRun, run_align
from prom3e_index.training.stage_one.towers import Tower, random_places

RECIPE = ROOT / "training/recipes/mini"


def quiet(*_) -> None:
    pass


def toy(n=64, seed=0):
    """A linear tower over random inputs, frozen anchors that a linear map can reach, species labels."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n // 2, 6, generator=g).repeat_interleave(2, 0) + 0.02 * torch.randn(
        n, 6, generator=g
    )
    anchors = F.normalize(x @ torch.randn(6, 8, generator=g), dim=-1)
    torch.manual_seed(5)
    network = nn.Linear(6, 8)
    extra = lambda count, g: torch.randn(count, 6, generator=g)  # noqa: E731
    tower = Tower(
        network, network.forward, lambda at, g: x[at], torch.ones(n, dtype=torch.bool), quiet, extra
    )
    return tower, anchors, torch.arange(n) // 2


@pytest.mark.parametrize("loss", ["supcon", "supcon-sum", "infonce", "masked"])
def test_alignment_finds_the_anchors(tmp_path, loss):
    tower, anchors, label = toy()
    config = AlignConfig(
        loss=loss, epochs=100, batch_size=32, accumulate=1, lr=3e-2, schedule="cosine"
    )
    align(tower, anchors, label, config, tmp_path)
    other = F.normalize(tower.embed(tower.inputs(torch.arange(64), None)), dim=-1)
    found = (other @ anchors.T).argmax(1)
    assert float((label[found] == label).float().mean()) > 0.9
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert len(rows) == 100 and float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert 1 <= float(rows[-1]["scale"]) <= 100


def test_the_temperature_starts_and_stays_where_published(tmp_path):
    tower, anchors, label = toy()
    config = AlignConfig(
        loss="infonce", epochs=200, batch_size=64, accumulate=1, lr=2e-1, schedule="cosine"
    )
    align(tower, anchors, label, config, tmp_path)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert float(rows[0]["scale"]) == pytest.approx(1 / 0.07, rel=0.25)
    assert max(float(r["scale"]) for r in rows) == pytest.approx(100, rel=1e-3)


class _Stop(Exception):
    pass


def test_interrupted_alignment_is_straight_through_bit_for_bit(tmp_path, monkeypatch):
    from prom3e_index.training import checkpoint

    config = AlignConfig(loss="masked", epochs=3, batch_size=16, accumulate=3, lr=1e-2)
    tower, anchors, label = toy()
    align(tower, anchors, label, config, tmp_path / "a")
    monkeypatch.setattr(checkpoint, "SAVE_EVERY_S", 0.0)

    def interrupt(step, total, note):
        if step == 8:  # between two updates: gradients are half gathered
            raise _Stop

    other = toy()[0]
    with pytest.raises(_Stop):
        align(other, anchors, label, config, tmp_path / "b", report=interrupt)
    again = toy()[0]
    align(again, anchors, label, config, tmp_path / "b")
    assert torch.equal(tower.network.weight, again.network.weight)
    a, b = (load(tmp_path / f / "last.safetensors")[0] for f in "ab")
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    with pytest.raises(InputError, match="epochs was 3, now 4"):
        align(
            again,
            anchors,
            label,
            AlignConfig(loss="masked", epochs=4, batch_size=16),
            tmp_path / "b",
        )


def test_augmentation_crops_turns_and_blurs_as_torchvision_does():
    from torchvision.transforms.v2 import functional as T

    squares = torch.randint(
        0, 256, (3, 40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    spec = ImageSpec(crop=32)
    plain = augment.pixels(squares, spec, None)
    centre = squares[:, 4:36, 4:36].permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (spec.mean, spec.std))
    assert torch.allclose(plain, (centre - mean) / std)

    x = centre
    sigma = torch.tensor([0.3, 0.7, 1.0])
    expected = torch.stack([T.gaussian_blur(x[i], [5, 5], [float(sigma[i])] * 2) for i in range(3)])
    assert torch.allclose(augment.blur(x, sigma), expected, atol=1e-5)

    one = augment.pixels(squares, spec, torch.Generator().manual_seed(1))
    two = augment.pixels(squares, spec, torch.Generator().manual_seed(1))
    other = augment.pixels(squares, spec, torch.Generator().manual_seed(2))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_sounds_are_rolled_in_time_and_random_places_are_uniform_on_the_sphere():
    features = torch.zeros(2, 4, 50, 8)
    features[:, :, 10] = 1000
    rolled = augment.sound(features, torch.Generator().manual_seed(0))
    peaks = rolled.mean(-1).argmax(-1)
    assert (peaks == peaks[:, :1]).all() and len(set(peaks[:, 0].tolist()) - {10}) >= 1
    assert torch.equal(augment.sound(features, None), features)

    places = random_places(20000, torch.Generator().manual_seed(0))
    assert places[:, 1].abs().max() <= 180
    # uniform on the sphere: the sine of the latitude is uniform, so 30° north lies above three quarters
    assert float((places[:, 0] > 30).float().mean()) == pytest.approx(0.25, abs=0.01)


@pytest.fixture(scope="module")
def clip(tmp_path_factory, world):
    """Photo and name towers of the mini recipe after one epoch on the tiny world, and their cache."""
    folder = tmp_path_factory.mktemp("clip")
    run = AlignRun("image+text", str(world / "observations.csv"), folder / "clip", str(RECIPE / "taxabind-vit-b-16"),
                   None, AlignConfig(epochs=1, batch_size=16, accumulate=1, lr=1e-3), cache=folder / "cache")  # fmt: skip
    done = run_align(run, quiet, quiet)
    assert done.rows >= 16 and np.isfinite(done.loss)
    return folder / "clip", folder / "cache"


@pytest.mark.parametrize("modality, folder", [("sat", "ecosat"), ("loc", "ecogeo"), ("env", "ecoclim"),
                                              ("audio", "ecosound")])  # fmt: skip
def test_every_encoder_is_aligned_and_opens_in_the_published_layout(
    tmp_path, world, clip, modality, folder
):
    from prom3e_index.encoders.climate import SinrClimate
    from prom3e_index.encoders.place import GeoClipLocation
    from prom3e_index.encoders.sound import ClapAudio
    from prom3e_index.encoders.tile import ClipTile
    from prom3e_index.media.audio import AudioSpec
    from prom3e_index.training.stage_one.align import PUBLISHED_LOSS

    out = tmp_path / folder
    config = AlignConfig(
        loss=PUBLISHED_LOSS[modality], epochs=2, batch_size=4, accumulate=1, lr=1e-3
    )
    run = AlignRun(modality, str(world / "observations.csv"), out, str(RECIPE / folder), str(clip[0]), config,
                   label="true_species", cache=clip[1])  # fmt: skip
    done = run_align(run, quiet, quiet)
    assert done.rows >= 4 and np.isfinite(done.loss)
    if modality == "loc":
        unit = GeoClipLocation(out).encode([[10.0, 20.0], [-60.0, 5.0]])
    elif modality == "env":
        unit = SinrClimate(out).encode(np.zeros((2, 20)))
    elif modality == "sat":
        unit = ClipTile(out, ImageSpec()).encode([np.zeros((224, 224, 3), np.uint8)] * 2)
    else:
        unit = ClapAudio(out, AudioSpec()).encode([np.zeros((1, 4, 1001, 64), np.float32)] * 2)
    assert unit.shape == (2, 512) and np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)


def test_photos_are_embedded_once_as_the_encoder_does(world, clip):
    from prom3e_index.encoders.photo import OpenClipImage
    from prom3e_index.media.images import image_pixels
    from prom3e_index.training.stage_one.run import photo_embeddings

    rows = read_rows(str(world / "observations.csv"))
    encoder = OpenClipImage(clip[0], ImageSpec())
    found = photo_embeddings(encoder, rows, clip[1], quiet)
    at = next(i for i, p in enumerate(rows.media["image"]) if p)
    expected = encoder.encode([image_pixels(world / rows.media["image"][at], ImageSpec())])[0]
    assert np.abs(found[at].numpy() - expected).max() < 1e-5
    none = next(i for i, p in enumerate(rows.media["image"]) if not p)
    assert found[none].isnan().all()


def test_obscured_places_are_no_ground_truth_and_labels_come_from_the_column(tmp_path):
    (tmp_path / "t.csv").write_text(
        "id,scientificName,decimalLatitude,decimalLongitude,coordinates_obscured,kind\n"
        "a,Pica pica,1,2,false,x\nb,Pica pica,3,4,true,y\nc,,5,6,false,x\n"
    )
    rows = read_rows(str(tmp_path / "t.csv"))
    assert np.isnan(rows.place).any(axis=1).tolist() == [False, True, False]
    assert rows.label[0] == rows.label[1] != rows.label[2]
    by_kind = read_rows(str(tmp_path / "t.csv"), label="kind")
    assert by_kind.label[0] == by_kind.label[2] != by_kind.label[1]
    with pytest.raises(InputError, match="'knid' is no column"):
        read_rows(str(tmp_path / "t.csv"), label="knid")


def test_caches_and_runs_of_another_table_are_refused(tmp_path, world, clip):
    """As many files, but others: what is decoded already must not be taken for them."""
    text = (world / "observations.csv").read_text().splitlines()
    column = text[0].split(",").index("image")
    lines = [line.split(",") for line in text[1:]]
    photos = [line[column] for line in lines]
    shutil.copytree(world, tmp_path / "w")  # the world itself serves every test
    other = tmp_path / "w" / "other.csv"
    for line, photo in zip(lines, photos[::-1], strict=True):
        line[column] = photo
    other.write_text("\n".join([text[0], *(",".join(line) for line in lines)]) + "\n")
    run = dict(modality="loc", init=str(RECIPE / "ecogeo"), anchor=str(clip[0]),
               config=AlignConfig(loss="infonce", epochs=1, batch_size=4, accumulate=1))  # fmt: skip
    loc, first = tmp_path / "loc", tmp_path / "first"
    table = str(tmp_path / "w" / "observations.csv")
    run_align(AlignRun(table=table, out=loc, cache=first, **run), quiet, quiet)
    with pytest.raises(InputError, match="image files of another table; give another cache"):
        run_align(AlignRun(table=str(other), out=tmp_path / "l", cache=first, **run), quiet, quiet)
    with pytest.raises(InputError, match="holds another run: table was"):
        run_align(AlignRun(table=str(other), out=loc, cache=tmp_path / "c", **run), quiet, quiet)


def test_photo_and_name_towers_begin_anew_in_each_run(tmp_path, world, clip):
    """A second run in one process gives the same weights as the first."""
    run = AlignRun("image+text", str(world / "observations.csv"), tmp_path / "again",
                   str(RECIPE / "taxabind-vit-b-16"), None,
                   AlignConfig(epochs=1, batch_size=16, accumulate=1, lr=1e-3), cache=clip[1])  # fmt: skip
    run_align(run, quiet, quiet)
    one, two = (
        read_state(p / "open_clip_model.safetensors") for p in (clip[0], tmp_path / "again")
    )
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_wrong_runs_are_named(tmp_path, world):
    table = str(world / "observations.csv")
    with pytest.raises(InputError, match="anchor is needed"):
        run_align(
            AlignRun("sat", table, tmp_path, str(RECIPE / "ecosat"), None, AlignConfig()),
            quiet,
            quiet,
        )
    with pytest.raises(InputError, match="image\\+text"):
        run_align(AlignRun("image", table, tmp_path, "x", "mini", AlignConfig()), quiet, quiet)
    with pytest.raises(InputError, match="supcon, supcon-sum, infonce, masked"):
        AlignConfig(loss="triplet")


def test_patch_keeps_the_best_mix(tmp_path, world):
    """Weights after are those of `mini`; before, the same with noise: accuracy must not fall towards after."""
    after = BUILT_IN / "mini/taxabind-vit-b-16"
    before = tmp_path / "before"
    before.mkdir()
    (before / "open_clip_config.json").write_bytes((after / "open_clip_config.json").read_bytes())
    torch.manual_seed(0)
    state = read_state(after / "open_clip_model.safetensors")
    noisy = {
        k: v + 0.5 * v.std() * torch.randn_like(v) if v.ndim > 1 else v for k, v in state.items()
    }
    write_state(noisy, before / "open_clip_model.safetensors")
    rows = read_rows(str(world / "observations.csv"))
    done = run_patch(before, after, rows, tmp_path / "out", quiet, points=3)
    assert [a for a, _ in done.grid] == [0.0, 0.5, 1.0]
    found = dict(done.grid)
    assert found[done.best] == max(found.values()) and found[1.0] > found[0.0]
    saved = json.loads((tmp_path / "out/patch.json").read_text())
    assert saved["kept"] == done.best and len(saved["grid"]) == 3
    kept = read_state(tmp_path / "out/open_clip_model.safetensors")
    expected = done.best * state["visual.proj"] + (1 - done.best) * noisy["visual.proj"]
    assert torch.allclose(kept["visual.proj"], expected, atol=1e-6)
    assert "kept" in done.table()

    with pytest.raises(InputError, match="would be overwritten"):
        run_patch(before, after, rows, before, quiet)
    with pytest.raises(ModelError, match="different networks"):
        write_state({"a": torch.zeros(1)}, before / "open_clip_model.safetensors")
        run_patch(before, after, rows, tmp_path / "out", quiet)


def test_zero_shot_accuracy_is_the_share_of_nearest_names():
    names = np.eye(3, dtype=np.float32)
    image = np.array([[1, 0.2, 0], [0, 1, 0], [0, 0.9, 0.8], [0.1, 0, 1]], np.float32)
    assert zero_shot_accuracy(image, names, np.array([0, 1, 2, 2])) == 0.75
