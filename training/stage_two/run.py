"""`train mvae` from files to a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.models.seen import Seen
from prom3e_index.training.checkpoint import Report
from prom3e_index.training.distributed import join
from prom3e_index.training.stage_two.choose_use import (
    Candidate,
    Use,
    choose_hubs,
    choose_use,
    mean_of,
)
from prom3e_index.training.stage_two.loop import Trained, train_mvae
from prom3e_index.training.stage_two.output import (
    Layout,
    export_published,
    read_layout,
    write_model,
)
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.sets import EmbeddingSet, has_split, read_set


@dataclass(frozen=True)
class MVAERun:
    """A run of stage 2.

    Attributes:
        sets: Embedding files.
        out: The model folder to write; the run itself is kept in `out/run`.
        recipe: All settings; the sizes of `init` win over its own.
        validation: An embedding file for validation; else rows of split `val` of the sets.
        model: A model whose encoders made the embeddings; the new model gets them.
        init: A model or MVAE folder to start from.
        add: Modalities to append to the model's, with their widths.
        hub: Local copy of hub repositories.
        device: `cpu`, `cuda`, …
        export: Also write the published layout alone.
        half: Store the weights in half precision.
        tensorboard: Write event files.
        name: Name of the model; the folder's.
        summary: A sentence for `models show`.
    """

    sets: tuple[Path, ...]
    out: Path
    recipe: Recipe
    validation: Path | None = None
    model: str | None = None
    init: str | None = None
    add: tuple[tuple[str, int], ...] = ()
    hub: Path | None = None
    device: str = "cpu"
    export: bool = False
    half: bool = False
    tensorboard: bool = False
    name: str | None = None
    summary: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes:
        trained: The kept weights and their step.
        use: What validation chose; None without validation.
        precision: How exactly products were computed in training.
        rows: Rows trained on.
        dropped: Rows without any modality.
        published: Folder of the published layout, when asked for.
    """

    trained: Trained
    use: Use | None
    precision: str
    rows: int
    dropped: int
    published: Path | None

    def summary(self) -> str:
        """A line on rows and recall."""
        words = f"{self.rows:,} rows trained on"
        words += f", {self.dropped:,} without any modality left out" if self.dropped else ""
        words += f"; weights of step {self.trained.step} of {self.trained.steps}"
        words += f", products in {self.precision}"
        if self.use is None:
            return words + "; no validation rows, so δ, γ, ε are the defaults"
        found = ", ".join(
            f"{k} {mean_of(self.use.records, k):.3f}"
            for k in ("encoder", "reconstructed", "hybrid")
        )
        return (
            f"{words}; validation recall@1, mean of {len(self.use.records)} directions: {found}; "
            f"Spearman of ‖σ‖₁ with the error {self.use.sigma_spearman:g}"
        )


def run_mvae(run: MVAERun, report: Report) -> Outcome | None:
    """Read the sets, train, choose how the model is used, write its folder.

    Returns:
        What was found; None in the processes of a group that are not its first.

    Raises:
        InputError: No set, a validation file that is also trained on, or a folder with another run.
        DivergedError: Training had to stop; no model is written. See `train_mvae`.
    """
    if not run.sets:
        raise InputError("Give at least one embedding set.")
    if run.validation is not None and run.validation.resolve() in [s.resolve() for s in run.sets]:
        if not has_split(run.validation):
            raise InputError(f"{run.validation} is trained on; validate with other rows.")
    layout = read_layout(run.model, run.init, dict(run.add), run.hub, run.recipe.seed)
    sets = [read_set(p, layout.modalities, layout.width, "train") for p in run.sets]
    validation = _validation(run, layout)
    recipe = run.recipe
    if layout.init is not None:
        c = layout.init.config
        recipe = replace(
            recipe,
            embed_dim=c.embed_dim,
            depth=c.depth,
            heads=c.heads,
            mlp_dim=c.mlp_dim,
            registers=c.num_register_tokens,
        )
    me = join(run.device)
    try:
        trained = train_mvae(
            sets,
            layout.modalities,
            recipe,
            run.out / "run",
            validation=validation,
            init=layout.init,
            widths=layout.input_dims,
            device=run.device,
            tensorboard=run.tensorboard,
            report=report,
        )
    finally:
        me.leave()
    if not me.first:
        return None
    use, hubs = None, None
    if validation is not None:
        candidate = Candidate(trained.mvae.to(me.device), layout.modalities, me.device)
        use = choose_use(candidate, validation)
        hubs = choose_hubs(candidate, sets[0], validation, use)
        trained.mvae.cpu()
    write_model(
        run.out,
        trained.mvae,
        layout,
        use,
        name=run.name or run.out.resolve().name,
        summary=run.summary or _summary(run),
        half=run.half,
        hubs=hubs,
        seen=_seen(sets, validation, layout.modalities),
    )
    published = export_published(run.out, trained.mvae) if run.export else None
    rows, dropped = sum(len(s) for s in sets), sum(s.dropped for s in sets)
    return Outcome(trained, use, recipe.precision, rows, dropped, published)


def _validation(run: MVAERun, layout: Layout) -> EmbeddingSet | None:
    """The validation file's rows of split `val` (all, without splits), or those of the sets."""
    if run.validation is not None:
        return read_set(run.validation, layout.modalities, layout.width, "val")
    split: Sequence[Any] = [p for p in run.sets if has_split(p)]
    return read_set(split[0], layout.modalities, layout.width, "val") if split else None


def _seen(
    sets: Sequence[EmbeddingSet], validation: EmbeddingSet | None, modalities: tuple[str, ...]
) -> Seen:
    """Rows trained on, and those that chose weights."""
    seen = reduce(Seen.joined, (s.seen(modalities) for s in sets))
    chosen = None if validation is None else validation.seen(modalities)
    return replace(seen, chosen=chosen)


def _summary(run: MVAERun) -> str:
    names = ", ".join(p.name for p in run.sets)
    return f"Trained on {names}; see run/ beside this file for settings, log and validation recall."
