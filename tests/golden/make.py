"""How the golden set was made: `python tests/golden/make.py`. Random weights, numbers from `transcription.py`.

It is made anew only when the published layout changes. `mvae/` holds a small MVAE in that layout (every parameter away
from where it starts), `inputs.npz` unit rows and noise, `expected.npz` what the transcription makes of them,
`losses.json` losses of ten cases and gradient norms by central differences.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from transcription import decode, loss, posterior, unit

HERE = Path(__file__).parent
CONFIG = {
    "input_dim": 24, "embed_dim": 40, "num_modalities": 6, "masked_only": False, "depth": 2, "heads": 4,
    "mlp_dim": 56, "num_register_tokens": 3, "num_cls_tokens": 2, "dropout": 0.0, "lambda_kl": 1e-3,
}  # fmt: skip
SETS = ([0], [5], [2, 0], [1, 3], [4, 1, 2], [0, 1, 2, 3, 4, 5])
EVERY = [0, 1, 2, 3, 4, 5]
CASES = [
    {"visible": [0], "targets": EVERY}, {"visible": [2, 4], "targets": EVERY}, {"visible": EVERY, "targets": EVERY},
    {"visible": [5], "targets": EVERY}, {"visible": [1], "targets": EVERY[:5]}, {"visible": [3, 0], "targets": EVERY[:5]},
    {"visible": [0], "targets": [1, 2, 3, 4, 5], "masked_only": True}, {"visible": [4, 5], "targets": [0, 1, 2, 3], "masked_only": True},
    {"visible": [2], "targets": [0, 1, 3, 4], "masked_only": True}, {"visible": [1, 2, 3], "targets": EVERY},
]  # fmt: skip
PROBED = (
    "cls_tokens", "register_tokens", "modality_identifiers.2", "projectors.2.net.0.weight", "projectors.2.net.1.bias",
    "encoder.0.attn.in_proj_bias", "encoder.1.norm2.weight", "encoder.1.mlp.net.4.bias", "decoders.3.net.0.bias",
    "decoders.3.net.4.bias", "negative_scale",
)  # fmt: skip
"""Parameters whose gradient is taken by differences, one number at a time."""


def shapes():
    d, z, r, h = (CONFIG[k] for k in ("input_dim", "embed_dim", "num_register_tokens", "mlp_dim"))

    def feedforward(at, a, b, c):
        return {f"{at}.net.0.weight": (a,), f"{at}.net.0.bias": (a,), f"{at}.net.1.weight": (b, a), f"{at}.net.1.bias": (b,),
                f"{at}.net.4.weight": (c, b), f"{at}.net.4.bias": (c,)}  # fmt: skip

    out = {
        "cls_tokens": (2, z),
        "register_tokens": (r, z),
        "negative_scale": (),
        "negative_shift": (),
    }
    for i in range(CONFIG["num_modalities"]):
        out |= {f"modality_identifiers.{i}": (z,)}
        out |= feedforward(f"projectors.{i}", d, 2 * d, z) | feedforward(f"decoders.{i}", z, z, d)
    for b in range(CONFIG["depth"]):
        at = f"encoder.{b}"
        out |= {f"{at}.attn.in_proj_weight": (3 * z, z), f"{at}.attn.in_proj_bias": (3 * z,), f"{at}.attn.out_proj.weight": (z, z), f"{at}.attn.out_proj.bias": (z,)}  # fmt: skip
        out |= {f"{at}.{n}.{p}": (z,) for n in ("norm1", "norm2") for p in ("weight", "bias")}
        out |= feedforward(f"{at}.mlp", z, h, z)
    return out


def weights(rng):
    out = {}
    for name, shape in shapes().items():
        values = rng.normal(size=shape) * (0.35 / np.sqrt(shape[1]) * 2 if len(shape) == 2 else 0.3)
        out[name] = values + (
            1 if name.endswith(("net.0.weight", "norm1.weight", "norm2.weight")) else 0
        )
    out["negative_scale"], out["negative_shift"] = np.float64(-4.3), np.float64(3.1)
    return {k: np.asarray(v, np.float32) for k, v in out.items()}


def gradient_norm(w, name, x, eps, case, step=1e-4):
    values, squares = w[name], 0.0
    for at in np.ndindex(values.shape):
        ends = []
        for sign in (1, -1):
            moved = values.copy()
            moved[at] += sign * step
            ends.append(
                loss(w | {name: moved}, CONFIG, x, eps, case["visible"], case["targets"])[3]
            )
        squares += ((ends[0] - ends[1]) / (2 * step)) ** 2
    return float(np.sqrt(squares))


def main():
    rng = np.random.default_rng(20_261)
    (HERE / "mvae").mkdir(exist_ok=True)
    (HERE / "mvae/config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    save_file(weights(rng), HERE / "mvae/model.safetensors", metadata={"format": "pt"})
    x = unit(rng.normal(size=(9, 6, CONFIG["input_dim"]))).astype(np.float32)
    eps = rng.normal(size=9).astype(np.float32)
    np.savez_compressed(HERE / "inputs.npz", embeddings=x, eps=eps)

    w = {k: v.astype(np.float64) for k, v in load_file(HERE / "mvae/model.safetensors").items()}
    x, eps = x.astype(np.float64), eps.astype(np.float64)
    expected = {}
    for visible in SETS:
        key = "_".join(map(str, visible))
        mean, log_variance, tokens = posterior(w, CONFIG, x, visible)
        sigma = np.exp(log_variance / 2)
        expected |= {
            f"mean__{key}": mean, f"log_variance__{key}": log_variance, f"tokens__{key}": tokens,
            f"at_mean__{key}": decode(w, mean, EVERY),
            f"expectation__{key}": unit(decode(w, mean + sigma, EVERY) + decode(w, mean - sigma, EVERY)),
        }  # fmt: skip
    np.savez_compressed(
        HERE / "expected.npz", **{k: v.astype(np.float32) for k, v in expected.items()}
    )

    cases = []
    for i, case in enumerate(CASES):
        by_target, reconstruction, kl, total = loss(
            w, CONFIG, x, eps, case["visible"], case["targets"]
        )
        found = {"by_target": by_target, "reconstruction": reconstruction, "kl": kl, "total": total}
        if i in (1, 6):
            found["gradient_norms"] = {
                name: gradient_norm(w, name, x, eps, case) for name in PROBED
            }
        cases.append({"masked_only": False} | case | found)
    (HERE / "losses.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
