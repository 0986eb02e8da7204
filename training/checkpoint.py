"""Saving and restoring a run: one safetensors file, replaced whole, and a CSV log that follows it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prom3e_index.errors import InputError, ModelError
from prom3e_index.training.adamw import AdamW

SAVE_EVERY_S = 60.0
"""A run is saved about this often, and at its end."""
LINES = 200
"""A run is told of, and its log written, about this many times."""
Report = Callable[[int, int, str], None]
"""Gets the step, the steps in all, and a line on how it goes."""


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and facts; a crash leaves the file before or the file after, never half of one."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    plain = {k: v.detach().contiguous().cpu().clone() for k, v in tensors.items()}
    save_file(plain, temporary, metadata={"facts": json.dumps(facts)})
    with temporary.open("rb") as f:
        os.fsync(f.fileno())
    temporary.replace(path)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save` wrote."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as f:
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 - not a dict
            return tensors, json.loads((f.metadata() or {})["facts"])
    except Exception as e:  # each layer has its own error types; all mean "not a checkpoint"
        raise ModelError(f"{path} is no checkpoint of a training run: {e}; remove it.") from e


def run_tensors(
    module: nn.Module,
    optimiser: AdamW | torch.optim.Optimizer,
    more: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Everything of a run that is tensors: weights, and the optimiser's state by parameter name."""
    out = {f"weights.{k}": v for k, v in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            out[f"optimiser.{key}.{name}"] = torch.as_tensor(value)
    return out | {f"more.{k}": v for k, v in (more or {}).items()}


def restore(
    tensors: dict[str, Tensor], module: nn.Module, optimiser: AdamW | torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Put back what `run_tensors` gave; returns its `more`."""
    restore_weights(tensors, module)
    for name, parameter in module.named_parameters():
        state: dict[str, Any] = {}
        for key in ("step", "exp_avg", "exp_avg_sq"):
            value = tensors.get(f"optimiser.{key}.{name}")
            if value is not None:
                state[key] = value.clone().to(parameter.device)
        if state:
            optimiser.state[parameter] = state
    return {k.removeprefix("more."): v for k, v in tensors.items() if k.startswith("more.")}


def restore_weights(tensors: dict[str, Tensor], module: nn.Module) -> None:
    """Put back the weights of what `run_tensors` gave, and nothing else."""
    module.load_state_dict(
        {k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights.")}
    )


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256, 16 hex digits, over names and values."""
    found = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Begin a run in `folder`, or go on with the one there.

    Raises:
        InputError: The run there has other settings; names the first that differs, with both values.
    """
    path = folder / "config.json"
    settings = json.loads(json.dumps(settings))
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        if "draws" in settings and "draws" not in before:
            raise InputError(
                f"{folder} holds a run that an earlier version began, which drew visible sets and noise "
                "otherwise: it would not be the same run any more. Give another --output; --init takes weights."
            )
        for key in [k for k in {**settings, **before} if before.get(k) != settings.get(k)]:
            raise InputError(
                f"{folder} holds another run: {key} was {before.get(key)!r}, now {settings.get(key)!r}. "
                "Give the settings it began with, or another --output."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


class Log:
    """A CSV file with a line per `step`; lines after the step a run resumes at are dropped.

    Attributes:
        last: The last line that was kept, empty without any.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], resume_at: int) -> None:
        self.path, self.columns = path, columns
        kept: list[dict[str, str]] = []
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as f:
                kept = [
                    r
                    for r in csv.DictReader(f)
                    if (r.get("step") or "").isdigit() and int(r["step"]) <= resume_at
                ]
        self.last: dict[str, str] = kept[-1] if kept else {}
        with path.open("w", encoding="utf-8", newline="") as f:
            writer = csv.DictWriter(f, columns)
            writer.writeheader()
            writer.writerows({c: r.get(c, "") for c in columns} for r in kept)

    def write(self, **values: Any) -> None:
        """Append a line."""
        with self.path.open("a", encoding="utf-8", newline="") as f:
            csv.DictWriter(f, self.columns).writerow(values)
