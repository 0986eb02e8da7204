"""What a training run of the MVAE does: one frozen value, with the published choices and ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

from prom3e_index.errors import InputError, near_names
from prom3e_index.training.precision import PRECISIONS

CHOICES: dict[str, tuple[str, ...]] = {
    "schedule": ("cosine", "restarts"),
    "visible": ("batch", "row"),
    "mix": ("coin", "size"),
    "noise": ("scalar", "dimension", "none"),
    "distance": ("euclidean", "cosine"),
    "negatives": ("all", "distinct", "species"),
    "kl": ("code", "printed"),
    "precision": PRECISIONS,
}
"""Settings with named values. Where the paper and its code differ, both are here (see the README)."""


@dataclass(frozen=True)
class Recipe:
    """Settings of stage 2; the defaults are the published ones.

    Attributes:
        embed_dim: Latent width z.
        depth: Transformer blocks.
        heads: Attention heads.
        mlp_dim: Hidden width of a block's MLP.
        registers: Register tokens R.
        batch_size: Rows per step.
        epochs: Passes over the rows.
        steps: Steps instead of epochs.
        lr: Peak learning rate of AdamW.
        beta1: Of AdamW.
        beta2: Of AdamW.
        eps: Of AdamW.
        weight_decay: Of AdamW.
        warmup: Share of the steps with linearly rising rate.
        schedule: `cosine` to zero (the paper), or `restarts`: cosine with warm restarts every 20 epochs
            down to 1e-6 (the code).
        ema: Decay of an average of the weights that is kept instead of the last ones; None for none.
        seed: Order of rows, visible sets, noise, initial weights.
        visible: One visible set for the whole `batch` (the code), or one per `row`. With `batch` a row
            that lacks a chosen modality shows the next one in the batch's random order.
        one_visible: Probability of one visible modality; otherwise two.
        subset: Probability that a row shows a random subset of any size instead.
        subset_from: Share of the run after which `subset` applies.
        mix: Several sets are drawn by `coin` (the code) or by `size`, a batch from one set.
        noise: z = μ + σ·ε with one ε a row (`scalar`, the code), one per `dimension` (the paper), or `none`.
        distance: Logits are α·‖f̂ − f‖₂ + β (`euclidean`), or the scaled `cosine`.
        negatives: `all` other rows; `distinct`: but not those with the very same target embedding (one
            tile, one name); `species`: nor those of the same species.
        masked_only: Decode only what was hidden.
        lambda_kl: Weight of the KL term.
        kl: `code`, or as `printed`; see `losses.kl_of`.
        contrast: Weight of a contrast of μ of what each row shows with μ of all else that the rows have: in
            the hidden block a query meets rows that are inferred without it. A row that has nothing else
            meets itself.
        mixed: Weight of a loss on the mixed query (1 − δ)·q̄ + δ·f̂, δ learned per modality.
        precision: `float32`; `tf32` products on a GPU; `bf16` autocast of everything but the loss.
        validate: Validations in the whole run.
        patience: Validations without a better recall after which the run stops; None for never.
    """

    embed_dim: int = 1024
    depth: int = 1
    heads: int = 8
    mlp_dim: int = 2048
    registers: int = 4
    batch_size: int = 1024
    epochs: int = 500
    steps: int | None = None
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-6
    weight_decay: float = 0.01
    warmup: float = 0.0
    schedule: str = "cosine"
    ema: float | None = None
    seed: int = 0
    visible: str = "batch"
    one_visible: float = 0.9
    subset: float = 0.0
    subset_from: float = 0.0
    mix: str = "coin"
    noise: str = "scalar"
    distance: str = "euclidean"
    negatives: str = "all"
    masked_only: bool = False
    lambda_kl: float = 1e-3
    kl: str = "code"
    contrast: float = 0.0
    mixed: float = 0.0
    precision: str = "float32"
    validate: int = 20
    patience: int | None = None

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name} is {value!r}; known: {', '.join(known)}.")
        for name in ("embed_dim", "depth", "heads", "mlp_dim", "epochs", "validate"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.batch_size < 2:
            raise InputError(f"batch_size is {self.batch_size}; a contrast needs at least 2 rows.")
        for name in ("one_visible", "subset", "subset_from", "warmup"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1.")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{field.name} is {value}; a finite number is needed.")
        for name in ("contrast", "mixed", "lambda_kl"):  # below 0 a loss rewards what it is against
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 0.")
        if self.lr <= 0 or (self.steps is not None and self.steps < 1):
            raise InputError(f"lr {self.lr} and steps {self.steps} must be positive.")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise InputError(f"ema is {self.ema}; it must lie between 0 and 1, or be none.")

    @property
    def decode(self) -> str:
        """How the decoders were trained to be used: completions are made so until validation chooses."""
        return "expectation" if self.noise == "scalar" else "mean"

    def with_settings(self, given: Mapping[str, Any]) -> Recipe:
        """Replace settings by name; texts (from a command line or a file) are read by their type.

        Raises:
            InputError: An unknown setting, with the nearest names, or a value of another type.
        """
        known = {f.name for f in fields(self)}
        hints = get_type_hints(Recipe)
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                raise InputError(
                    f"Unknown setting {name!r}{near_names(name, sorted(known))}; known: "
                    f"{', '.join(sorted(known))}."
                )
            values[name] = _typed(name, value, hints[name]) if isinstance(value, str) else value
        return replace(self, **values)


def _typed(name: str, text: str, hint: Any) -> Any:
    kinds = getattr(hint, "__args__", (hint,))
    if type(None) in kinds and text.lower() == "none":
        return None
    kind = next(k for k in kinds if k is not type(None))
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{name} is {text!r}; true or false is needed.")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"{name} is {text!r}; a {kind.__name__} is needed.") from None


PUBLISHED = Recipe()
BEST = Recipe(
    lr=1e-3,  # ten times the published; at 3e-3 the published recipe falls apart on real embeddings
    visible="row",  # one set per row: more kinds of query in each step
    one_visible=0.5,  # as often two: nothing lost with one shown, up to three points more with more
    noise="none",  # the decoder sees what it decodes in use; σ is left to the prior
    contrast=0.3,  # the hidden block is trained for what it is asked; 1.0 is no better
    patience=10,
)
"""What was better on four sets, an invented world and real birds: see `LOG.md`, also for what was not."""
RECIPES = {"published": PUBLISHED, "best": BEST}
