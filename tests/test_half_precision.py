"""Towers in half precision: neighbours stay, rows that are no numbers are made again, work begun ahead is the same."""

import numpy as np
import pytest
import torch
from PIL import Image

from prom3e_index.encoders.forward import Forward, gathered, photo_precision
from prom3e_index.encoders.pictures import scaled_pixels
from prom3e_index.media.images import ImageSpec, normalise_pixels
from prom3e_index.models import libraries
from prom3e_index.models.folder import Model
from prom3e_index.world import planet, render

COUNT = 40


def drawn(side):
    rng, species = np.random.default_rng(0), planet.species()
    for i in range(COUNT):
        where = (np.array([rng.uniform(-60, 60)]), np.array([rng.uniform(-180, 180)]))
        f = planet.fields(*where)[0]
        photo = Image.fromarray(render.photo(species[i], f, rng))
        yield np.asarray(photo.resize((side, side)))


def nearest(rows):
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    return [set(line[:10]) for line in np.argsort(-scores, axis=1, kind="stable").tolist()]


def test_minis_photos_keep_their_ten_neighbours():
    model = Model.open("mini")
    encoder = model.encoder("image")
    pictures = list(drawn(model.image_spec("image").crop))
    single = encoder.encode(pictures)
    encoder.forward.precision = "float16"
    half = encoder.encode(pictures)
    assert not np.array_equal(half, single) and encoder.forward.again == 0
    assert 1 - np.einsum("nd,nd->n", half, single).min() < 5e-6
    assert np.mean([a == b for a, b in zip(nearest(half), nearest(single), strict=True)]) >= 0.97


def test_rows_beyond_half_precision_are_made_again_and_counted():
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 3)
    forward = Forward(net, "cpu", "float16")
    x = torch.randn(5, 4)
    x[[1, 3]] *= 1e6
    rows = forward.begin(x)()
    with torch.inference_mode():
        want = net(x).numpy()
    assert np.array_equal(rows[[1, 3]], want[[1, 3]]) and forward.again == 2
    assert np.allclose(rows[[0, 2, 4]], want[[0, 2, 4]], atol=5e-3)
    assert not np.array_equal(rows[0], want[0])


def test_only_a_card_runs_in_half_precision():
    assert [photo_precision(d) for d in ("cpu", "cuda", "cuda:1")] == [
        "float32",
        "float16",
        "float16",
    ]
    model = Model.open("mini")
    assert {model.encoder(m).forward.precision for m in ("image", "text", "loc", "env")} == {
        "float32"
    }


@pytest.mark.parametrize("n", [1, 3])
def test_pixels_are_scaled_by_torch_to_the_bit(n):
    spec = ImageSpec()
    pixels = np.random.default_rng(0).integers(0, 256, (n, 5, 7, 3), dtype=np.uint8)
    made = scaled_pixels(gathered(list(pixels), "cpu"), spec)
    assert np.array_equal(made.numpy(), normalise_pixels(pixels, spec))


def test_who_brings_faiss_and_what_does_not_load_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(libraries.metadata, "version", lambda name: "1.15.1")
    assert libraries.faiss_providers() == [f"{n} 1.15.1" for n in libraries.PROVIDERS]
    assert any("keep one" in line for line in libraries.faiss_said())
    (tmp_path / "libcublas.so.13").write_bytes(b"none")

    class File:
        name = "libcublas.so.13"

        def locate(self):
            return tmp_path / self.name

    class Distribution:
        metadata = {"Name": "nvidia-cublas"}
        version, files = "13", [File()]

    monkeypatch.setattr(libraries.metadata, "distributions", lambda: [Distribution()])
    ((name, why),) = libraries.cuda_libraries()
    assert name == "libcublas.so.13 (nvidia-cublas 13)" and "libcublas.so.13" in why
