"""Stage 2: fit the MVAE to embeddings with any presence pattern. One loop, read from top to bottom."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from prom3e_index.errors import DivergedError, InputError
from prom3e_index.mvae.files import write_mvae
from prom3e_index.mvae.network import MVAE, MVAEConfig
from prom3e_index.training import checkpoint
from prom3e_index.training.adamw import AdamW
from prom3e_index.training.checkpoint import LINES, Report
from prom3e_index.training.distributed import join
from prom3e_index.training.finite import Watch, diverged, not_finite, require_finite
from prom3e_index.training.memory import enough_memory, out_of_memory
from prom3e_index.training.precision import check_precision
from prom3e_index.training.schedule import Order
from prom3e_index.training.stage_two.choose_use import Candidate, kept_by, validate
from prom3e_index.training.stage_two.draws import DRAWS
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.record import Record
from prom3e_index.training.stage_two.resident import settle, too_large
from prom3e_index.training.stage_two.room import bytes_needed, said
from prom3e_index.training.stage_two.sets import EmbeddingSet
from prom3e_index.training.stage_two.step import Step
from prom3e_index.training.stage_two.steps import Steps


@dataclass(frozen=True)
class Trained:
    """What a run leaves.

    Attributes:
        mvae: The kept weights: the best on validation, the last without validation.
        step: The step that they are from.
        steps: Steps done.
        recall: What the kept weights were kept by, see `choose_use.kept_by`; None without validation.
        taken: How many steps this run took captured and how many plain, and why, in words.
    """

    mvae: MVAE
    step: int
    steps: int
    recall: float | None
    taken: str = ""


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
    fixed: bool | None = None,
    report: Report = lambda step, total, note: None,
) -> Trained:
    """Fit an MVAE; a run that was interrupted goes on in its folder, bit for bit on a CPU.

    Args:
        sets: What to train on; a batch is from one set.
        modalities: Names in the order of the sets' axis 1.
        recipe: All settings.
        run: Folder of the run: `config.json`, `log.csv`, `validation.csv`, `last.safetensors`,
            `best.safetensors`; `last_good` and `stopped.json` where it had to stop.
        validation: Rows for recall during the run; without them the last weights are kept.
        init: Weights to start from, instead of random ones from the seed.
        widths: Own width of each modality where they differ.
        device: `cpu`, `cuda`, …; under `torchrun` each process takes its own.
        tensorboard: Write event files to the run's folder too.
        fixed: Take steps of fixed shapes, which a GPU replays; by the device when None. For measuring and tests.
        report: Gets the step, the steps in all, and a line on loss, recall and rows per second.

    Returns:
        The kept weights, in evaluation mode, on the CPU.

    Raises:
        InputError: The folder holds a run with other settings; the processes cannot share a batch
            equally; sets or batch need more memory than there is (then the message says which batch fits).
        DivergedError: A loss, a gradient or a weight is no finite number; the weights of the last good
            step are in `run/last_good`.
        ModelError: The weights to start from are no finite numbers.

    Source: ProM3E: z = μ + σ·ε; mean over modalities of the reconstruction cross-entropy + λ·KL.
    """
    me = join(device)
    check_precision(recipe.precision, me.device)
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
    if init is not None:
        require_finite(init, "The model to start from")
    torch.manual_seed(recipe.seed)
    model = MVAE(config) if init is None else copy.deepcopy(init).requires_grad_(True)
    with enough_memory(f"The model does not fit on {me.device}; choose a smaller --embed-dim."):
        step_of = Step(model.train(), recipe, me).to(me.device)
    optimiser = AdamW(
        step_of.parameters(),
        lr=recipe.lr,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
    )
    averaged = copy.deepcopy(model).requires_grad_(False) if recipe.ema is not None else None
    resident = settle(sets, recipe, me, fixed)
    order = Order([len(s) for s in sets], recipe, me.device)
    here = Position()

    if me.first:
        facts: dict[str, Any] = {
            "modalities": list(modalities),
            "sets": [s.fingerprint for s in sets],
            "draws": DRAWS,
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
        require_finite(step_of, last)
    watch = Watch(optimiser, me)
    steps = Steps(step_of, optimiser, watch, resident, order, recipe, me, averaged)
    began_at = here.at
    writer = Record(run, here.at, tensorboard) if me.first else None
    total = order.steps
    wait = max(1, total // LINES)
    validations = order.validations()
    if me.first and here.at < order.steps:
        largest = max(range(len(resident)), key=lambda i: order.widths[i])
        width = order.widths[largest] // me.count
        need = bytes_needed(step_of, resident[largest], recipe, width, averaged is not None)
        need += sum(r.bytes for i, r in enumerate(resident) if i != largest)
        report(here.at, order.steps, said(need, me.device))
    rows_done, saved_at, began = 0, time.monotonic(), time.monotonic()
    note = ""

    def save() -> None:
        more = dict(averaged.state_dict()) if averaged is not None else {}
        checkpoint.save(last, checkpoint.run_tensors(step_of, optimiser, more), asdict(here))

    def finite() -> bool:
        return not (watch.stopped or bool(not_finite(step_of.parameters(), me.device)))

    def ended(what: str = "the next loss, its gradient or the updated weights") -> DivergedError:
        here.at = began_at + watch.updates
        if writer:
            writer.close()
            if not bool(not_finite(step_of.parameters(), me.device)):
                save()
        return diverged(
            me, run, here.at, what, watch.loss, recipe.lr, step_of, lambda to: write_mvae(model, to)
        )

    while True:
        # once in a while: what is no number is neither measured nor kept
        if here.at in validations and not finite():
            raise ended()

        # once in a while, and at the end: recall on validation; the best weights are kept
        if here.at in validations and here.validated < here.at:
            candidate, recall, answers = averaged if averaged is not None else model, None, 1
            if writer and validation is not None:
                try:
                    use = Candidate(candidate, modalities, me.device, recipe.decode)
                    records = validate(use, validation)
                    recall = kept_by(records)
                    writer.recall(here.at, records)
                    note = f"recall {recall:.3f}"
                except DivergedError:
                    answers = 0
                model.train()
            if not me.agree(answers):
                raise ended("answers to validation rows")
            if writer:
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
        if writer and here.at and (done or time.monotonic() - saved_at > checkpoint.SAVE_EVERY_S):
            if finite():
                save()
            saved_at = time.monotonic()

        # stop
        if done:
            break

        # step
        updated: bool | None = None
        words = ""
        try:
            updated = steps.take(here.at)
        except (RuntimeError, MemoryError) as e:
            if not out_of_memory(e):
                raise
            words = " ".join(str(e).splitlines()[:1])
        of, rows = order.batch(here.at)
        if updated is None:  # outside the handler: its traceback holds the step's tensors
            steps.forget()
            raise too_large(step_of, optimiser, resident[of], rows, recipe, me, words)
        if not updated:
            raise ended()
        here.at += 1
        line = here.at % wait == 0 or here.at == total
        if line and watch.stopped:
            raise ended()
        rows_done += len(rows)

        # log: sums stay on the device until a line is due
        if line:
            means = steps.means()
            speed = rows_done / (time.monotonic() - began)
            if writer:
                writer.line(here.at, order.per_epoch, order.rate(here.at - 1), means, speed)
                report(here.at, total, f"loss {means['loss']:.3f}  {note}  {speed:,.0f} rows/s")
            rows_done, began = 0, time.monotonic()

    if writer:
        writer.close()
    step, recall = here.at, None
    if me.first:
        best, found = checkpoint.load(run / "best.safetensors")
        # in memory of their own: those of a step of fixed shapes are parts of larger tensors, the file's of the file
        model.load_state_dict({k: v.clone() for k, v in best.items()}, assign=True)
        step, recall = int(found["step"]), found["recall"]
    return Trained(model.eval().requires_grad_(False).cpu(), step, here.at, recall, steps.said())
