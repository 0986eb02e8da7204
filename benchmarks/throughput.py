"""What share of the image encoder's own throughput `build` keeps, decoding included.

    python benchmarks/throughput.py [--photos 512] [--batch 32]

A full-size ViT-B/16 (random weights, the published layout) and photos of camera size (1600 × 1200
JPEG, several hundred kB each), made on the spot. In one run: the encoder alone over decoded batches, and the
encode stage of a build over the files, twice each, alternating. Prints photos per second and ratios.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def make_photos(folder: Path, count: int) -> None:
    """Write camera-sized photos of the demo planet, with sensor noise."""
    from prom3e_index.world import planet, render

    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        f = planet.fields(np.array([rng.uniform(-60, 60)]), np.array([rng.uniform(-180, 180)]))[0]
        small = Image.fromarray(render.photo(planet.species()[i % 64], f, rng))
        large = np.asarray(small.resize((1600, 1200), Image.Resampling.BICUBIC), np.int16)
        noisy = np.clip(large + rng.normal(0, 6, large.shape).astype(np.int16), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{i:04d}.jpg", quality=85)


def make_model(folder: Path) -> None:
    """Write a model folder: `mini` with a full-size photo tower."""
    import shutil

    import open_clip
    import torch

    from prom3e_index.models.folder import BUILT_IN
    from prom3e_index.models.weights import write_state

    shutil.copytree(BUILT_IN / "mini", folder)
    config = {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 16},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 8,
            "heads": 2,
            "layers": 1,
        },
    }
    torch.manual_seed(0)
    model = open_clip.CLIP(
        512,
        open_clip.CLIPVisionCfg(**config["vision_cfg"]),
        open_clip.CLIPTextCfg(**config["text_cfg"]),
    )
    clip = folder / "taxabind-vit-b-16"
    write_state(dict(model.state_dict()), clip / "open_clip_model.safetensors")
    (clip / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))


def main() -> None:
    """Measure and print."""
    from prom3e_index.indexer.build import encode_table
    from prom3e_index.indexer.work import BuildConfig, work_folder
    from prom3e_index.media.images import image_pixels
    from prom3e_index.models.folder import Model

    arguments = argparse.ArgumentParser()
    arguments.add_argument("--photos", type=int, default=512)
    arguments.add_argument("--batch", type=int, default=32)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder / "photos", options.photos)
        make_model(folder / "model")
        lines = ["id,image", *(f"{i},photos/{i:04d}.jpg" for i in range(options.photos))]
        (folder / "t.csv").write_text("\n".join(lines))
        size = sum(p.stat().st_size for p in (folder / "photos").iterdir()) / options.photos
        model = Model.open(folder / "model")
        encoder = model.encoder("image")
        paths = sorted((folder / "photos").iterdir())
        began = time.perf_counter()
        sample = [image_pixels(p, model.image_spec()) for p in paths[:32]]
        decode_s = (time.perf_counter() - began) / 32
        batch = [sample[i % 32] for i in range(options.batch)]
        encoder.encode(batch)
        alone, whole = [], []
        for turn in range(2):
            began = time.perf_counter()
            for _ in range(options.photos // options.batch):
                encoder.encode(batch)
            alone.append(
                options.photos // options.batch * options.batch / (time.perf_counter() - began)
            )
            config = BuildConfig(table=str(folder / "t.csv"), out=folder / f"{turn}.p3i", model=str(folder / "model"),
                                 batch_size=options.batch)  # fmt: skip
            marks: list[float] = []

            def note(stage: str, done: int, total: int | None, marks: list[float] = marks) -> None:
                if stage == "encode image" or (stage == "read" and not marks):
                    marks.append(time.perf_counter())

            encode_table(config, work_folder(config, model), model, note)
            whole.append(options.photos / (marks[-1] - marks[0]))
        ratios = [w / a for w, a in zip(whole, alone, strict=True)]
        print(f"photos {options.photos}, {size / 1e3:.0f} kB each, batch {options.batch}")
        print(f"decode, one process: {1 / decode_s:.1f} photos/s")
        print(f"encoder alone: {', '.join(f'{v:.2f}' for v in alone)} photos/s")
        print(f"build's encode stage: {', '.join(f'{v:.2f}' for v in whole)} photos/s")
        print(f"ratio: {', '.join(f'{v:.3f}' for v in ratios)}")


if __name__ == "__main__":
    main()
