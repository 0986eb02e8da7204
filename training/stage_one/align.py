"""Stage 1: align an encoder to a frozen photo tower, or train photo and name towers together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prom3e_index.errors import InputError
from prom3e_index.training import checkpoint
from prom3e_index.training.distributed import Processes, join
from prom3e_index.training.losses import masked_infonce, symmetric_infonce, symmetric_supcon
from prom3e_index.training.schedule import generator
from prom3e_index.training.stage_one.towers import Tower

Report = Callable[[int, int, str], None]
LOSSES = ("supcon", "supcon-sum", "infonce", "masked")
PUBLISHED_LOSS = {"sat": "supcon-sum", "loc": "masked", "env": "masked", "audio": "infonce"}
"""By modality, TaxaBind's code; the paper says SupCon for all. Photo and name together: `supcon`."""
PUBLISHED_BATCH = {"sat": 256, "loc": 512, "env": 512, "audio": 256}
SCALE_START, SCALE_LIMIT = math.log(1 / 0.07), math.log(100)
RESTART_EPOCHS = 20
SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class AlignConfig:
    """Settings of stage 1; the defaults are the published ones.

    Attributes:
        loss: `supcon` (mean over positives, the paper), `supcon-sum` (their sum, the code for satellite),
            `infonce`, or `masked` (same-species rows are no negatives, random places are).
        epochs: Passes over the rows.
        batch_size: Rows per step and process.
        accumulate: Steps whose gradients are added before one update.
        gather: Under `torchrun`, contrast with the rows of all processes, not only the own ones.
        lr: Peak learning rate of AdamW (betas 0.9, 0.98, eps 1e-6).
        weight_decay: Of AdamW.
        warmup: Share of the updates with linearly rising rate.
        schedule: `restarts`: cosine with warm restarts every 20 epochs, or `cosine` over the whole run.
        augment: Random crops, flips and blur of pictures, rolls and noise of recordings.
        seed: Of everything random.
    """

    loss: str = "supcon"
    epochs: int = 20
    batch_size: int = 256
    accumulate: int = 8
    gather: bool = False
    lr: float = 1e-4
    weight_decay: float = 0.01
    warmup: float = 0.0
    schedule: str = "restarts"
    augment: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise InputError(f"loss is {self.loss!r}; known: {', '.join(LOSSES)}.")
        if self.schedule not in ("restarts", "cosine"):
            raise InputError(f"schedule is {self.schedule!r}; known: restarts, cosine.")
        if self.batch_size < 2 or self.epochs < 1 or self.accumulate < 1 or self.lr <= 0:
            raise InputError(
                f"batch_size {self.batch_size} (at least 2), epochs {self.epochs}, accumulate "
                f"{self.accumulate} (at least 1) and lr {self.lr} must be positive."
            )

    def rate(self, step: int, steps: int, per_epoch: int) -> float:
        """Learning rate of a step."""
        warm = self.warmup * steps
        rise = min(1.0, (step + 1) / warm) if warm else 1.0
        turn = step / steps
        if self.schedule == "restarts":
            turn = (step // per_epoch) % RESTART_EPOCHS / RESTART_EPOCHS
        return self.lr * rise * (1 + math.cos(math.pi * turn)) / 2


class _Pair(nn.Module):
    """The towers under training with their temperature; called with inputs it gives unit rows."""

    def __init__(self, tower: Tower, anchor: Tower | None) -> None:
        super().__init__()
        networks = [tower.network]
        if anchor is not None and anchor.network is not tower.network:
            networks.append(anchor.network)
        self.networks = nn.ModuleList(networks)
        self.log_scale = nn.Parameter(torch.tensor(SCALE_START))
        self._embed = tower.embed
        self._anchor = None if anchor is None else anchor.embed

    def forward(self, given: Any, anchor: Any, extra: Any) -> tuple[Tensor, ...]:
        """Unit rows of the anchor, of the tower, the scale, and unit rows of the extra inputs if any."""
        other = F.normalize(self._embed(given), dim=-1)
        if self._anchor is not None:
            anchor = self._anchor(anchor)
        out = (F.normalize(anchor, dim=-1), other, self.log_scale.exp())
        return out if extra is None else (*out, F.normalize(self._embed(extra), dim=-1))


def _moved(value: Any, device: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_moved(v, device) for v in value)
    return value.to(device, non_blocking=True) if value is not None else None


def contrast(
    kind: str, anchor: Tensor, other: Tensor, scale: Tensor, label: Tensor, extra: Tensor | None
) -> Tensor:
    """The loss named `kind` between unit rows (n, d) of the frozen tower and of the one in training."""
    if kind == "infonce":
        return symmetric_infonce(anchor, other, scale)
    if kind == "masked":
        return masked_infonce(anchor, other, scale, label, extra)
    return symmetric_supcon(anchor, other, scale, label, mean=kind == "supcon")


def gathered(x: Tensor, me: Processes) -> Tensor:
    """Rows of all processes in order; gradients flow through this process's own."""
    if me.count == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(me.count)]
    torch.distributed.all_gather(parts, x.detach().contiguous())
    parts[me.rank] = x
    return torch.cat(parts)


def align(
    tower: Tower,
    anchors: Tensor | Tower,
    label: Tensor,
    config: AlignConfig,
    run: Path,
    *,
    device: str = "cpu",
    facts: dict[str, Any] | None = None,
    report: Report = lambda step, total, note: None,
) -> float:
    """Fit a tower; a run that was interrupted goes on in its folder, bit for bit on a CPU.

    Args:
        tower: What is trained.
        anchors: (n, d) embeddings of the frozen tower, NaN where a row has none; or a second tower that
            is trained with it.
        label: (n,) species numbers.
        config: All settings.
        run: Folder of the run: `config.json`, `log.csv`, `last.safetensors`.
        device: `cpu`, `cuda`, …
        facts: What else tells this run from another (table, start); kept in `config.json`.
        report: Gets the step, the steps in all, and a line on loss and rate.

    Returns:
        Mean loss of the last epoch; NaN when the run was finished already.

    Raises:
        InputError: Fewer rows have both modalities than a batch needs; another run's folder.

    Source: TaxaBind, section on training; temperature learned from ln(1/0.07), at most ln 100.
    """
    me = join(device)
    able = tower.able & (anchors.able if isinstance(anchors, Tower) else ~anchors.isnan().any(1))
    rows = able.nonzero()[:, 0]
    each = min(config.batch_size, len(rows) // me.count)
    if each < 2:
        raise InputError(
            f"{len(rows)} rows have both modalities; a batch needs at least 2 a process."
        )
    torch.manual_seed(config.seed)
    second = anchors if isinstance(anchors, Tower) else None
    pair = _Pair(tower, second).to(me.device).train()
    optimiser = torch.optim.AdamW(
        pair.parameters(),
        lr=config.lr,
        betas=(0.9, 0.98),
        eps=1e-6,
        weight_decay=config.weight_decay,
    )
    per_epoch = max(1, len(rows) // (each * me.count))
    steps = config.epochs * per_epoch
    at = 0
    if me.first:
        checkpoint.claim(run, asdict(config) | {"rows": len(rows), **(facts or {})})
    last = run / "last.safetensors"
    if me.agree(int(last.is_file())):
        tensors, state = checkpoint.load(last)
        gradients = checkpoint.restore(tensors, pair, optimiser)
        for name, parameter in pair.named_parameters():
            if name in gradients:
                parameter.grad = gradients[name].to(me.device)
        at = int(state["at"])
    call = me.wrap(pair)
    log = (
        checkpoint.Log(run / "log.csv", ("step", "epoch", "lr", "loss", "scale"), at)
        if me.first
        else None
    )
    saved_at = time.monotonic()
    losses: list[float] = []
    finished = math.nan

    while True:
        # once in a while, and at the end: everything that resuming needs
        if log and at and (at == steps or time.monotonic() - saved_at > SAVE_EVERY_S):
            partial = {n: p.grad for n, p in pair.named_parameters() if p.grad is not None}
            if at % config.accumulate == 0:
                partial = {}
            checkpoint.save(last, checkpoint.run_tensors(pair, optimiser, partial), {"at": at})
            saved_at = time.monotonic()

        # stop
        if at == steps:
            break

        # step
        epoch, k = divmod(at, per_epoch)
        order = rows[torch.randperm(len(rows), generator=generator(config.seed, 1, epoch))]
        joint = order[k * each * me.count : (k + 1) * each * me.count]
        mine = joint[me.part(len(joint))]
        g = generator(config.seed, 2, at, me.rank)
        torch.manual_seed(int(torch.randint(1 << 62, (1,), generator=g)))
        drawn = g if config.augment else None
        extra = None
        if config.loss == "masked" and tower.random_inputs is not None:
            extra = tower.random_inputs(len(mine), g)
        fixed = second.inputs(mine, drawn) if second is not None else anchors[mine]  # type: ignore[index]
        anchor, other, scale, *more = call(
            _moved(tower.inputs(mine, drawn), me.device),
            _moved(fixed, me.device),
            _moved(extra, me.device),
        )
        labels, share = label[mine], 1
        if config.gather:
            anchor, other, share = gathered(anchor, me), gathered(other, me), me.count
            labels = label[joint]
        loss = contrast(
            config.loss, anchor, other, scale, labels.to(me.device), more[0] if more else None
        )
        (loss * share / config.accumulate).backward()
        at += 1
        if at % config.accumulate == 0 or at == steps:
            for group in optimiser.param_groups:
                group["lr"] = config.rate(at - 1, steps, per_epoch)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            with torch.no_grad():
                pair.log_scale.clamp_(0, SCALE_LIMIT)

        # log
        losses.append(float(loss.detach()))
        if log and (at % per_epoch == 0 or at == steps):
            mean, lr = float(np.mean(losses)), optimiser.param_groups[0]["lr"]
            now = f"{float(pair.log_scale.detach().exp()):.4g}"
            log.write(step=at, epoch=at // per_epoch, lr=f"{lr:.4g}", loss=f"{mean:.6g}", scale=now)
        mean = float(np.mean(losses[-per_epoch:]))
        if log:
            epoch = min(config.epochs, at // per_epoch + 1)
            report(at, steps, f"loss {mean:.3f}  epoch {epoch}/{config.epochs}")
        if at % per_epoch == 0:
            losses, finished = [], mean
    pair.eval().requires_grad_(False).cpu()
    return finished
