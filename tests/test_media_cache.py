"""Decoded media are taken again only for the very files they are of; names are embedded a batch at a time."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import torch

from prom3e_index.encoders.name import OpenClipText
from prom3e_index.encoders.photo import OpenClipImage
from prom3e_index.errors import InputError
from prom3e_index.media.images import ImageSpec, image_pixels
from prom3e_index.models.folder import BUILT_IN
from prom3e_index.training.stage_one.observations import SQUARE, MediaCache, read_rows
from prom3e_index.training.stage_one.run import photo_embeddings

TOWERS = BUILT_IN / "mini/taxabind-vit-b-16"


def quiet(*_) -> None:
    pass


@pytest.fixture
def own(world, tmp_path):
    """Four rows of the world with a photo, their files copied, one row more whose photo is missing."""
    lines = (world / "observations.csv").read_text().splitlines()
    column = lines[0].split(",").index("image")
    chosen = [line for line in lines[1:] if line.split(",")[column]][:4]
    folder = tmp_path / "w"
    for line in chosen:
        name = line.split(",")[column]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(world / name, folder / name)
    lost = chosen[0].split(",")
    lost[0], lost[column] = "lost", "photos/lost.jpg"
    (folder / "t.csv").write_text("\n".join([lines[0], *chosen, ",".join(lost)]) + "\n")
    return folder, [line.split(",")[column] for line in chosen]


def opened(folder, cache):
    return MediaCache(cache, read_rows(str(folder / "t.csv")), "image", SQUARE, quiet)


def test_a_cache_is_found_again_while_its_files_are_the_same(own, tmp_path):
    folder, names = own
    first = opened(folder, tmp_path / "c")
    written = (tmp_path / "c/image.npy").stat().st_mtime_ns
    again = opened(folder, tmp_path / "c")
    assert (tmp_path / "c/image.npy").stat().st_mtime_ns == written
    assert again.identity == first.identity and again.index.tolist() == [0, 1, 2, 3, -1]
    for i, name in enumerate(names):
        assert np.array_equal(again.values[again.index[i]], image_pixels(folder / name, SQUARE))


def change(path, how):
    if how == "other picture, other size":
        from PIL import Image

        Image.new("RGB", (40, 40), (200, 30, 30)).save(path)
    elif how == "same size, later":
        state = path.stat()
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    elif how == "gone":
        path.unlink()


@pytest.mark.parametrize("how", ["other picture, other size", "same size, later", "gone"])
def test_files_that_changed_are_refused_by_name(own, tmp_path, how):
    folder, names = own
    opened(folder, tmp_path / "c")
    change(folder / names[2], how)
    with pytest.raises(
        InputError, match=f"of which 1 have another size .* first {names[2]}; give another cache"
    ):
        opened(folder, tmp_path / "c")
    fresh = opened(folder, tmp_path / "d")
    assert (fresh.index[2] == -1) == (how == "gone")


def test_a_file_that_comes_later_is_a_change(own, tmp_path):
    folder, names = own
    opened(folder, tmp_path / "c")
    shutil.copyfile(folder / names[0], folder / "photos/lost.jpg") if (folder / "photos").is_dir() else (
        (folder / "photos").mkdir(), shutil.copyfile(folder / names[0], folder / "photos/lost.jpg"))  # fmt: skip
    with pytest.raises(InputError, match="of which 1 have another size .* first photos/lost.jpg"):
        opened(folder, tmp_path / "c")


def test_embeddings_of_photos_belong_to_the_files_they_were_made_of(own, tmp_path):
    folder, names = own
    cache, encoder = tmp_path / "c", OpenClipImage(TOWERS, ImageSpec())
    photo_embeddings(encoder, read_rows(str(folder / "t.csv")), cache, quiet)
    change(folder / names[1], "other picture, other size")
    for path in cache.glob("image*"):
        path.unlink()
    found = photo_embeddings(encoder, read_rows(str(folder / "t.csv")), cache, quiet)
    expected = encoder.encode([image_pixels(folder / names[1], ImageSpec())])[0]
    assert np.abs(found[1].numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("count", [0, 1, 4, 5, 11])
def test_names_are_embedded_a_batch_at_a_time(monkeypatch, count):
    encoder = OpenClipText(TOWERS)
    monkeypatch.setattr(encoder, "batch_size", 4)
    names = [f"Genus species{i}" for i in range(count)]
    tower, sizes = encoder.forward._network, []
    monkeypatch.setattr(
        encoder.forward, "_network", lambda ids: sizes.append(len(ids)) or tower(ids)
    )
    found = encoder.encode(names)
    assert sizes == [4] * (count // 4) + ([count % 4] if count % 4 else [])
    assert found.shape == (count, encoder.width) and found.dtype == np.float32
    with torch.inference_mode():
        alone = [tower(encoder.tokens([n]))[0].numpy() for n in names]
    for row, one in zip(found, alone, strict=True):
        assert np.abs(row - one / np.linalg.norm(one)).max() < 1e-5
