"""Stage 1: align an encoder to a frozen photo tower, or train photo and name towers together."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prom3e_index.errors import DivergedError, InputError
from prom3e_index.training import checkpoint
from prom3e_index.training.checkpoint import LINES, Report
from prom3e_index.training.distributed import gathered, join, shared
from prom3e_index.training.finite import Watch, diverged, not_finite, require_finite
from prom3e_index.training.losses import masked_infonce, symmetric_infonce, symmetric_supcon
from prom3e_index.training.memory import enough_memory
from prom3e_index.training.precision import PRECISIONS, autocast, check_precision, products
from prom3e_index.training.schedule import RESTART_EPOCHS, generator
from prom3e_index.training.stage_one.feed import ahead, moved, pinned
from prom3e_index.training.stage_one.towers import Tower

LOSSES = ("supcon", "supcon-sum", "infonce", "masked")
PUBLISHED_LOSS = {"sat": "supcon-sum", "loc": "masked", "env": "masked", "audio": "infonce"}
"""By modality, TaxaBind's code; the paper says SupCon for all. Photo and name together: `supcon`."""
PUBLISHED_BATCH = {"sat": 256, "loc": 512, "env": 512, "audio": 256}
SCALE_START, SCALE_LIMIT = math.log(1 / 0.07), math.log(100)


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
        precision: `float32`; `tf32` products on a GPU; `bf16` autocast of the networks.
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
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise InputError(f"loss is {self.loss!r}; known: {', '.join(LOSSES)}.")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision is {self.precision!r}; known: {', '.join(PRECISIONS)}.")
        if self.schedule not in ("restarts", "cosine"):
            raise InputError(f"schedule is {self.schedule!r}; known: restarts, cosine.")
        if not all(math.isfinite(v) for v in (self.lr, self.weight_decay, self.warmup)):
            raise InputError(
                f"lr {self.lr}, weight_decay {self.weight_decay} and warmup {self.warmup} must be finite."
            )
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

    def __init__(self, tower: Tower, anchor: Tower | None, precision: str) -> None:
        super().__init__()
        self._precision = precision
        networks = [tower.network]
        if anchor is not None and anchor.network is not tower.network:
            networks.append(anchor.network)
        self.networks = nn.ModuleList(networks)
        self.log_scale = nn.Parameter(torch.tensor(SCALE_START))
        self._embed = tower.embed
        self._anchor = None if anchor is None else anchor.embed

    def forward(self, given: Any, anchor: Any, extra: Any) -> tuple[Tensor, ...]:
        """Unit rows of the anchor, of the tower, the scale, and unit rows of the extra inputs if any."""
        kind = self.log_scale.dtype
        with autocast(self._precision, self.log_scale.device):
            other = self._embed(given)
            if self._anchor is not None:
                anchor = self._anchor(anchor)
            more = None if extra is None else self._embed(extra)
        out = (F.normalize(anchor.to(kind), dim=-1), F.normalize(other.to(kind), dim=-1))
        scale = self.log_scale.exp()
        return (*out, scale) if more is None else (*out, scale, F.normalize(more.to(kind), dim=-1))


@dataclass(frozen=True)
class _Prepared:
    """What a step sees, on the host: seed of the network's own draws, inputs, anchors, labels."""

    seed: int
    given: Any
    anchor: Any
    extra: Tensor | None
    label: Tensor


def contrast(
    kind: str, anchor: Tensor, other: Tensor, scale: Tensor, label: Tensor, extra: Tensor | None
) -> Tensor:
    """The loss named `kind` between unit rows (n, d) of the frozen tower and of the one in training."""
    if kind == "infonce":
        return symmetric_infonce(anchor, other, scale)
    if kind == "masked":
        return masked_infonce(anchor, other, scale, label, extra)
    return symmetric_supcon(anchor, other, scale, label, mean=kind == "supcon")


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
        run: Folder of the run: `config.json`, `log.csv`, `last.safetensors`; `last_good` and `stopped.json`
            where it had to stop.
        device: `cpu`, `cuda`, …
        facts: What else tells this run from another (table, start); kept in `config.json`.
        report: Gets the step, the steps in all, and a line on loss and epoch.

    Returns:
        Mean loss of the last epoch; where the run was finished already, as its log has it.

    Raises:
        InputError: Fewer rows have both modalities than a batch needs; another run's folder; a batch that
            does not fit in memory.
        DivergedError: A loss or gradient is no finite number; the weights of the last good step are in
            `run/last_good`.
        ModelError: The weights to start from are no finite numbers.

    Source: TaxaBind, section on training; temperature learned from ln(1/0.07), at most ln 100.
    """
    me = join(device)
    check_precision(config.precision, me.device)
    able = tower.able & (anchors.able if isinstance(anchors, Tower) else ~anchors.isnan().any(1))
    rows = able.nonzero()[:, 0]
    each = min(config.batch_size, len(rows) // me.count)
    if each < 2:
        raise InputError(
            f"{len(rows)} rows have both modalities; a batch needs at least 2 a process."
        )
    torch.manual_seed(config.seed)
    second = anchors if isinstance(anchors, Tower) else None
    pair = _Pair(tower, second, config.precision)
    require_finite(pair, "The network to start from")
    with enough_memory(f"The network does not fit on {me.device}."):
        pair.to(me.device).train()
    optimiser = torch.optim.AdamW(
        pair.parameters(),
        lr=config.lr,
        betas=(0.9, 0.98),
        eps=1e-6,
        weight_decay=config.weight_decay,
        fused=me.device.startswith("cuda"),  # what `Watch` needs there
    )
    per_epoch = max(1, len(rows) // (each * me.count))
    steps = config.epochs * per_epoch
    at = 0
    if me.first:
        checkpoint.claim(run, asdict(config) | {"rows": len(rows), **(facts or {})})
    last = run / "last.safetensors"
    if me.agree(int(last.is_file())):
        tensors, state = checkpoint.load(last)
        checkpoint.restore(tensors, pair, optimiser)
        require_finite(pair, last)
        at = int(state["at"])
    call = me.wrap(pair)
    log = (
        checkpoint.Log(run / "log.csv", ("step", "epoch", "lr", "loss", "scale"), at)
        if me.first
        else None
    )
    watch, began_at = Watch(optimiser, me), at
    saved_at, wait = time.monotonic(), max(1, steps // LINES)
    losses = torch.zeros(per_epoch, device=me.device)  # of this epoch; read when a line is due
    since, finished = at % per_epoch, math.nan
    if log and at == steps:
        finished = float(log.last.get("loss", math.nan))
    shuffled: dict[int, Tensor] = {}

    def prepare(step: int) -> _Prepared:
        epoch, k = divmod(step, per_epoch)
        if epoch not in shuffled:
            shuffled.clear()
            shuffled[epoch] = torch.randperm(len(rows), generator=generator(config.seed, 1, epoch))
        joint = rows[shuffled[epoch][k * each * me.count : (k + 1) * each * me.count]]
        mine = joint[me.part(len(joint))]
        g = generator(config.seed, 2, step, me.rank)
        seed = int(torch.randint(1 << 62, (1,), generator=g))
        drawn = g if config.augment else None
        extra = None
        if config.loss == "masked" and tower.random_inputs is not None:
            extra = tower.random_inputs(len(mine), g)
        fixed = second.inputs(mine, drawn) if second is not None else anchors[mine]  # type: ignore[index]
        found = (tower.inputs(mine, drawn), fixed, extra, label[joint if config.gather else mine])
        return _Prepared(seed, *(pinned(found) if me.device.startswith("cuda") else found))

    def save() -> None:
        checkpoint.save(last, checkpoint.run_tensors(pair, optimiser), {"at": at})

    def ended() -> DivergedError:
        good = min(began_at + watch.updates * config.accumulate, steps)
        if me.first and not bool(not_finite(pair.state_dict().values(), me.device)):
            checkpoint.save(last, checkpoint.run_tensors(pair, optimiser), {"at": good})
        return diverged(
            me, run, good, "the next loss, its gradient or the updated weights", watch.loss, config.lr,
            pair, lambda to: tower.write(to, False),
        )  # fmt: skip

    with closing(ahead(prepare, at, steps)) as feed:
        for here in feed:
            # step
            torch.manual_seed(here.seed)
            ends = (at + 1) % config.accumulate == 0 or at + 1 == steps
            share = me.count if config.gather else 1
            with enough_memory(
                f"A batch of {each} rows needs more memory than {me.device} has; choose a smaller --batch-size"
            ):
                with me.exchange(call, ends), products(config.precision):
                    anchor, other, scale, *more = call(
                        moved(here.given, me.device),
                        moved(here.anchor, me.device),
                        moved(here.extra, me.device),
                    )
                    if config.gather:
                        anchor, other = gathered(anchor, me), gathered(other, me)
                    loss = contrast(
                        config.loss, anchor, other, shared(scale, share), moved(here.label, me.device),
                        shared(more[0], share) if more else None,
                    )  # fmt: skip
                    (loss * share / config.accumulate).backward()
                watch.saw(loss)
                if ends:
                    for group in optimiser.param_groups:
                        group["lr"] = config.rate(at, steps, per_epoch)
                    if not watch.update():
                        raise ended()
                    optimiser.zero_grad(set_to_none=True)
                    with torch.no_grad():
                        pair.log_scale.clamp_(0, SCALE_LIMIT)
            losses[at % per_epoch] = loss.detach()
            at += 1

            # log: losses stay on the device until a line is due
            whole = at % per_epoch == 0
            if whole or at == steps or at % wait == 0:
                if watch.stopped or bool(not_finite(pair.parameters(), me.device)):
                    raise ended()
                mean = float(np.mean(losses[since : (at - 1) % per_epoch + 1].tolist()))
                if log and (whole or at == steps):
                    lr = f"{optimiser.param_groups[0]['lr']:.4g}"
                    now = f"{float(pair.log_scale.detach().exp()):.4g}"
                    log.write(step=at, epoch=at // per_epoch, lr=lr, loss=f"{mean:.6g}", scale=now)
                if log:
                    shown = min(config.epochs, at // per_epoch + 1)
                    report(at, steps, f"loss {mean:.3f}  epoch {shown}/{config.epochs}")
                if whole:
                    since, finished = 0, mean

            # once in a while, between two updates, and at the end: everything that resuming needs
            late = time.monotonic() - saved_at > checkpoint.SAVE_EVERY_S
            if log and ends and (late or at == steps):
                if not watch.stopped and not bool(not_finite(pair.parameters(), me.device)):
                    save()
                saved_at = time.monotonic()
    pair.eval().requires_grad_(False).cpu()
    return finished
