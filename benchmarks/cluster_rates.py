"""Items/s of one core for each network of the published sizes, untrained: `python benchmarks/cluster_rates.py`.

What `indexer/cluster/plan.md` counts with. Time is the processor's, of one thread, so that other work on the machine
counts little; the best of three.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
import torch

from prom3e_index.encoders.climate import ClimateNet
from prom3e_index.encoders.clip import NameTower, PictureTower, Sizes
from prom3e_index.encoders.place import LocationNet
from prom3e_index.mvae.network import MVAE, MVAEConfig


def rate(items: int, work: Callable[[], object]) -> float:
    """Items a second of processor time."""
    best = float("inf")
    with torch.inference_mode():
        for _ in range(3):
            begun = time.process_time()
            work()
            best = min(best, time.process_time() - begun)
    return float(f"{items / best:.3g}")


def filled(network: torch.nn.Module) -> torch.nn.Module:
    """The network with small numbers as weights."""
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.02)
    return network.eval()


def main() -> None:
    """Measure and print one JSON."""
    torch.set_num_threads(1)
    picture = filled(PictureTower(Sizes(768, 12, 12, 3072, 512, image=224, patch=16)))
    name = filled(NameTower(Sizes(512, 12, 8, 2048, 512, context=77, vocabulary=49408)))
    place, climate = filled(LocationNet(3, 256, 1024, 512)), filled(ClimateNet(20, 512, 4))
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection

    sound = filled(ClapAudioModelWithProjection(ClapAudioConfig(enable_fusion=True)))
    mvae = filled(MVAE(MVAEConfig()))
    photos, tokens = torch.randn(8, 3, 224, 224), torch.randint(1, 49407, (16, 77))
    heard, longer = torch.randn(2, 4, 1001, 64), torch.ones(2, 1, dtype=torch.bool)
    places, climates = torch.rand(4096, 2) * 80, torch.randn(4096, 20)
    x = torch.nn.functional.normalize(torch.randn(1024, 6, 512), dim=-1)
    present = torch.from_numpy(np.random.default_rng(0).random((1024, 6)) < 0.5)
    present[:, 0] = True

    def completed() -> None:
        posterior = mvae.posterior(torch.where(present[..., None], x, 0), present)
        mvae.reconstruct(posterior, how="expectation", nodes=2)

    print(
        json.dumps(
            {
                "photos or tiles": rate(8, lambda: picture(photos)),
                "names": rate(16, lambda: name(tokens)),
                "recordings": rate(2, lambda: sound(input_features=heard, is_longer=longer)),
                "places": rate(4096, lambda: place(places)),
                "climates": rate(4096, lambda: climate(climates)),
                "rows completed": rate(1024, completed),
            }
        )
    )


if __name__ == "__main__":
    main()
