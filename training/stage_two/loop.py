"""Stage 2: fit the MVAE to embeddings with any presence pattern. One loop, read from top to bottom."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prom3e_index.errors import InputError
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training import checkpoint
from prom3e_index.training.distributed import join
from prom3e_index.training.schedule import Order, generator
from prom3e_index.training.stage_two.choose_use import Candidate, mean_of, validate
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.sets import EmbeddingSet
from prom3e_index.training.stage_two.step import Batch, Step, Terms, make_batch
from prom3e_index.training.stage_two.visible import draw_visible

Report = Callable[[int, int, str], None]
LOG_COLUMNS = ("step", "epoch", "lr", "loss", "reconstruction", "kl", "mixed", "rows_per_s")
RECALL_COLUMNS = ("step", "given", "target", "encoder", "reconstructed", "hybrid")
SAVE_EVERY_S = 60.0
_LINES = 200


@dataclass(frozen=True)
class Trained:
    """What a run leaves.

    Attributes:
        mvae: The kept weights: the best on validation, the last without validation.
        step: The step that they are from.
        steps: Steps done.
        recall: Mean hybrid recall@1 of the kept weights in training; None without validation.
    """

    mvae: MVAE
    step: int
    steps: int
    recall: float | None


@dataclass
class Position:
    """Where a run is: everything that resuming needs beside tensors.

    Attributes:
        at: Steps done.
        validated: Step of the last validation.
        best: Its best mean recall so far; −1 before the first.
        stale: Validations since the best.
    """

    at: int = 0
    validated: int = 0
    best: float = -1.0
    stale: int = 0


class Resident:
    """A set as steps read it: embeddings on the device, presence on the host."""

    def __init__(self, given: EmbeddingSet, recipe: Recipe, device: str) -> None:
        self.x, self.present = given.x.to(device), given.present
        self.duplicates = given.duplicates().to(device) if recipe.negatives != "all" else None
        self.species = given.species_numbers().to(device) if recipe.negatives == "species" else None

    def batch(
        self, rows: Tensor, recipe: Recipe, step: int, progress: float, z: int, part: slice
    ) -> Batch:
        """Rows of a step with their visible sets and noise, drawn from the seed and the step."""
        g = generator(recipe.seed, 3, step)
        present = self.present[rows]
        visible = draw_visible(present, recipe, progress, g)
        noise = None
        if recipe.noise != "none":
            wide = z if recipe.noise == "dimension" else 1
            noise = torch.randn(len(rows), wide, generator=g)
        at = rows.to(self.x.device, non_blocking=True)
        return make_batch(
            self.x[at],
            present,
            visible,
            None if noise is None else noise.to(self.x.device, non_blocking=True),
            recipe,
            part=part,
            duplicates=None if self.duplicates is None else self.duplicates[at],
            species=None if self.species is None else self.species[at],
        )


def train_mvae(
    sets: Sequence[EmbeddingSet],
    modalities: tuple[str, ...],
    recipe: Recipe,
    run: Path,
    *,
    validation: EmbeddingSet | None = None,
    init: MVAE | None = None,
    widths: tuple[int, ...] | None = None,
    device: str = "cpu",
    tensorboard: bool = False,
    report: Report = lambda step, total, note: None,
) -> Trained:
    """Fit an MVAE; a run that was interrupted goes on in its folder, bit for bit on a CPU.

    Args:
        sets: What to train on; a batch is from one set.
        modalities: Names in the order of the sets' axis 1.
        recipe: All settings.
        run: Folder of the run: `config.json`, `log.csv`, `validation.csv`, `last.safetensors`,
            `best.safetensors`.
        validation: Rows for recall during the run; without them the last weights are kept.
        init: Weights to start from, instead of random ones from the seed.
        widths: Own width of each modality where they differ.
        device: `cpu`, `cuda`, …; under `torchrun` each process takes its own.
        tensorboard: Write event files to the run's folder too.
        report: Gets the step, the steps in all, and a line on loss, recall and rows per second.

    Returns:
        The kept weights, in evaluation mode.

    Raises:
        InputError: The folder holds a run with other settings, or the batch needs more memory than
            there is; then the message says which batch fits.

    Source: ProM3E: z = μ + σ·ε; mean over modalities of the reconstruction cross-entropy + λ·KL.
    """
    me = join(device)
    config = MVAEConfig(
        input_dim=sets[0].x.shape[2],
        embed_dim=recipe.embed_dim,
        num_modalities=len(modalities),
        depth=recipe.depth,
        heads=recipe.heads,
        mlp_dim=recipe.mlp_dim,
        num_register_tokens=recipe.registers,
        masked_only=recipe.masked_only,
        lambda_kl=recipe.lambda_kl,
        input_dims=widths,
    )
    if config.embed_dim % config.heads:
        raise InputError(f"embed_dim {config.embed_dim} is no multiple of heads {config.heads}.")
    torch.manual_seed(recipe.seed)
    model = MVAE(config) if init is None else copy.deepcopy(init).requires_grad_(True)
    model.train().to(me.device)
    step_of = Step(model, recipe).to(me.device)
    optimiser = torch.optim.AdamW(
        step_of.parameters(),
        lr=recipe.lr,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    averaged = copy.deepcopy(model).requires_grad_(False) if recipe.ema is not None else None
    resident = [Resident(s, recipe, me.device) for s in sets]
    order = Order([len(s) for s in sets], recipe)
    here = Position()

    if me.first:
        facts: dict[str, Any] = {
            "modalities": list(modalities),
            "sets": [s.fingerprint for s in sets],
        }
        facts["validation"] = [validation.fingerprint] if validation else []
        facts["init"] = None if init is None else checkpoint.digest(dict(init.state_dict()))
        checkpoint.claim(run, asdict(recipe) | facts)
    last = run / "last.safetensors"
    if me.agree(int(last.is_file())):
        tensors, state = checkpoint.load(last)
        more = checkpoint.restore(tensors, step_of, optimiser)
        if averaged is not None:
            averaged.load_state_dict(more)
        here = Position(**state)
    call = me.wrap(step_of)
    writer = _Writer(run, here.at, tensorboard) if me.first else None
    total = order.steps
    wait = max(1, total // _LINES)
    validations = order.validations()
    sums: dict[str, Tensor | float] = dict.fromkeys(("loss", "reconstruction", "kl", "mixed"), 0.0)
    summed, rows_done, saved_at, began = 0, 0, time.monotonic(), time.monotonic()
    note = ""

    while True:
        # once in a while, and at the end: recall on validation; the best weights are kept
        if here.at in validations and here.validated < here.at:
            if writer:
                candidate = averaged if averaged is not None else model
                recall = None
                if validation is not None:
                    records = validate(Candidate(candidate, modalities, me.device), validation)
                    model.train()
                    recall = mean_of(records, "hybrid")
                    writer.recall(here.at, records)
                    note = f"recall {recall:.3f}"
                here.stale += 1
                if recall is None or recall > here.best:
                    here.best, here.stale = -1.0 if recall is None else recall, 0
                    weights = dict(candidate.state_dict())
                    kept = {"step": here.at, "recall": recall}
                    checkpoint.save(run / "best.safetensors", weights, kept)
            here.validated, here.stale = here.at, me.agree(here.stale)
        stop = recipe.patience is not None and here.stale >= recipe.patience
        done = stop or here.at == total

        # once in a while, and at the end: everything that resuming needs
        if writer and here.at and (done or time.monotonic() - saved_at > SAVE_EVERY_S):
            more = dict(averaged.state_dict()) if averaged is not None else {}
            checkpoint.save(last, checkpoint.run_tensors(step_of, optimiser, more), asdict(here))
            saved_at = time.monotonic()

        # stop
        if done:
            break

        # step
        of, rows = order.batch(here.at)
        rate = order.rate(here.at)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        try:
            batch = resident[of].batch(
                rows, recipe, here.at, here.at / total, config.embed_dim, me.part(len(rows))
            )
            terms: Terms = call(batch)
            terms.total.backward()
        except (torch.cuda.OutOfMemoryError, RuntimeError) as e:
            if not _out_of_memory(e):
                raise
            raise _too_large(step_of, resident[of], rows, recipe, config.embed_dim) from e
        optimiser.step()
        here.at += 1
        if averaged is not None and recipe.ema is not None:
            decay = min(recipe.ema, (1 + here.at) / (10 + here.at))
            torch._foreach_lerp_(
                [p.data for p in averaged.parameters()],
                [p.data for p in model.parameters()],
                1 - decay,
            )

        # log: sums stay on the device until a line is due
        for name, value in zip(sums, (terms.total, *terms[1:2], *terms[3:]), strict=True):
            sums[name] = sums[name] + value.detach()
        summed, rows_done = summed + 1, rows_done + len(rows)
        if writer and (here.at % wait == 0 or here.at == total):
            means = {k: float(v) / summed for k, v in sums.items()}
            speed = rows_done / (time.monotonic() - began)
            writer.line(here.at, order.per_epoch, rate, means, speed)
            report(here.at, total, f"loss {means['loss']:.3f}  {note}  {speed:,.0f} rows/s")
            sums, summed, rows_done = dict.fromkeys(sums, 0.0), 0, 0
            began = time.monotonic()

    if writer:
        writer.close()
    step, recall = here.at, None
    if me.first:
        best, found = checkpoint.load(run / "best.safetensors")
        model.load_state_dict(best)
        step, recall = int(found["step"]), found["recall"]
    return Trained(model.eval().requires_grad_(False).cpu(), step, here.at, recall)


class _Writer:
    """The run's CSV files, and TensorBoard's when asked for."""

    def __init__(self, run: Path, at: int, tensorboard: bool) -> None:
        self._log = checkpoint.Log(run / "log.csv", LOG_COLUMNS, at)
        self._recall = checkpoint.Log(run / "validation.csv", RECALL_COLUMNS, at)
        self._board: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as e:
                raise InputError(
                    "--tensorboard needs the package tensorboard; `pip install tensorboard`."
                ) from e
            self._board = SummaryWriter(str(run), purge_step=at)

    def line(
        self, at: int, per_epoch: int, rate: float, means: dict[str, float], speed: float
    ) -> None:
        values = {k: f"{v:.6g}" for k, v in means.items()}
        epoch = f"{at / per_epoch:.3f}"
        self._log.write(step=at, epoch=epoch, lr=f"{rate:.4g}", rows_per_s=f"{speed:.0f}", **values)
        self._scalars(at, {**means, "lr": rate})

    def recall(self, at: int, records: list[dict[str, Any]]) -> None:
        for record in records:
            self._recall.write(step=at, **{k: _short(v) for k, v in record.items()})
        self._scalars(at, {f"recall/{r['given']}-{r['target']}": r["hybrid"] for r in records})

    def _scalars(self, at: int, values: dict[str, float]) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, at)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _out_of_memory(e: BaseException) -> bool:
    words = str(e).lower()
    return isinstance(e, torch.cuda.OutOfMemoryError) or (
        "alloc" in words and ("memory" in words or "alloc_cpu" in words)
    )


def _too_large(step: Step, resident: Resident, rows: Tensor, recipe: Recipe, z: int) -> InputError:
    """Find the largest halved batch that fits, and say so."""
    size = len(rows) // 2
    while size >= 2:
        step.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            batch = resident.batch(rows[:size], recipe, 0, 0.0, z, slice(0, size))
            step(batch).total.backward()
        except (torch.cuda.OutOfMemoryError, RuntimeError) as e:
            if not _out_of_memory(e):
                raise
            size //= 2
            continue
        return InputError(
            f"A batch of {len(rows)} rows needs more memory than there is; {size} rows fit: "
            f"--batch-size {size}."
        )
    return InputError("Not even a batch of 2 rows fits in memory; choose a smaller --embed-dim.")
