"""`train mvae` from files to a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

from prom3e_index.confidence.calibrated import Calibration
from prom3e_index.errors import InputError
from prom3e_index.models.folder import Model
from prom3e_index.models.seen import Seen
from prom3e_index.training.checkpoint import Report
from prom3e_index.training.distributed import join
from prom3e_index.training.stage_two.choose_confidence import choose_confidence
from prom3e_index.training.stage_two.choose_hubs import choose_hubs
from prom3e_index.training.stage_two.choose_space import add_maps, choose_space
from prom3e_index.training.stage_two.choose_use import (
    Candidate,
    Use,
    choose_use,
    mean_of,
)
from prom3e_index.training.stage_two.holdout import HeldOut, hold_out, joined
from prom3e_index.training.stage_two.loop import Trained, train_mvae
from prom3e_index.training.stage_two.output import (
    Layout,
    add_confidence,
    export_published,
    read_layout,
    write_model,
)
from prom3e_index.training.stage_two.recipe import Recipe
from prom3e_index.training.stage_two.sets import (
    EmbeddingSet,
    read_places,
    read_set,
    splits_of,
)


@dataclass(frozen=True)
class MVAERun:
    """A run of stage 2.

    Attributes:
        sets: Embedding files.
        out: The model folder to write; the run itself is kept in `out/run`.
        recipe: All settings; the sizes of `init` win over its own.
        validation: An embedding file for validation; else rows of split `val` of the sets, else rows that are held out.
        holdout: Without either, hold about a tenth of the rows out; see `holdout.hold_out`.
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
    holdout: bool = True
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


BLOCKS = {
    "encoder": "encoders alone",
    "reconstructed": "completed",
    "hidden": "hidden alone",
    "hybrid": "mixed as queries are by default",
}
"""What a query compares, in words."""


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
        held: What was held out, or why nothing was; None with validation rows of one's own.
        planet: Whether the encoders are of a model that knows the invented planet only.
        calibrated: The model's calibration, or why it has none; None without validation.
    """

    trained: Trained
    use: Use | None
    precision: str
    rows: int
    dropped: int
    published: Path | None
    held: HeldOut | str | None = None
    planet: bool = False
    calibrated: Calibration | str | None = None

    def summary(self) -> str:
        """Lines on rows and recall."""
        words = f"{self.rows:,} rows trained on"
        words += f", {self.dropped:,} without any modality left out" if self.dropped else ""
        words += f"; weights of step {self.trained.step} of {self.trained.steps}"
        words += f", products in {self.precision}"
        words += f"\nsteps: {self.trained.taken}"
        words += f"\n{_ON_PLANET}" if self.planet else ""
        if isinstance(self.held, HeldOut):
            words += f"\n{self.held.said()} {OTHERS}"
        if self.use is None:
            why = self.held if isinstance(self.held, str) else "no validation rows"
            return f"{words}\n{why}: {COST}"
        if not self.use.records:
            return f"{words}\ntoo few validation rows of any modality: {COST}"
        found = ", ".join(
            f"{word} {mean_of(self.use.records, k):.3f}"
            for k, word in BLOCKS.items()
            if k in self.use.records[0]
        )
        words += f"\nfound first on validation rows (recall@1), mean of {len(self.use.records)} "
        return f"{words}directions: {found}{self._calibrated()}"

    def _calibrated(self) -> str:
        if isinstance(self.calibrated, str):
            return f"\nnot calibrated, so small indexes of it tell no chances: {self.calibrated}"
        if self.calibrated is None:
            return ""
        q = self.calibrated.quality
        words = f"\ncalibrated on {q['answers']:,} answers to {q['rows']:,} validation rows"
        words += f": chances are off by {q['ece']:.1%}" if q.get("ece") is not None else ""
        if self.calibrated.lacking:
            words += f"; none for {', '.join(self.calibrated.lacking)}"
        return words


OTHERS = "(others: rows of split `val`, kept by `encode --column split`, or --validation; none: --no-holdout)"
"""How rows are held out otherwise."""
COST = (
    "how good the model is on rows that it has not seen is not known, the last weights were kept, and queries "
    "mix with fixed weights"
)
"""What a run without validation rows goes without."""


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
        if not splits_of(run.validation):
            raise InputError(f"{run.validation} is trained on; validate with other rows.")
    layout = read_layout(run.model, run.init, dict(run.add), run.hub, run.recipe.seed)
    sets = [read_set(p, layout.modalities, layout.width, "train") for p in run.sets]
    validation, held = _validation(run, layout), None
    if validation is None:
        held = _held(run, sets, layout)
        if isinstance(held, HeldOut):
            sets = list(held.train)
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
    if isinstance(held, HeldOut):
        # so few rows tell how to mix, not which weights to keep: those of the last step are kept
        validation = held.validation(run.recipe.seed)
    if validation is not None:
        candidate = Candidate(trained.mvae.to(me.device), layout.modalities, me.device)
        use = choose_use(candidate, validation)
        hubs = choose_hubs(candidate, sets[0], validation.asked(), use)
        trained.mvae.cpu()
    write_model(
        run.out,
        trained.mvae,
        layout,
        use,
        name=run.name or run.out.resolve().name,
        summary=run.summary or _summary(run, layout),
        half=run.half,
        hubs=hubs,
        seen=_seen(sets, held.held if isinstance(held, HeldOut) else validation, layout.modalities),
        decode=recipe.decode,
    )
    calibrated: Calibration | str | None = None
    if validation is not None:
        opened = Model.open(run.out, hub=run.hub, device=me.device)
        calibrated = choose_confidence(opened, validation, run.recipe.seed)
        if not isinstance(calibrated, str):
            add_confidence(run.out, calibrated)
        add_maps(run.out, choose_space(opened, validation, run.recipe.seed))
    published = export_published(run.out, trained.mvae) if run.export else None
    rows, dropped = sum(len(s) for s in sets), sum(s.dropped for s in sets)
    planet = _on_planet(layout)
    return Outcome(
        trained, use, recipe.precision, rows, dropped, published, held, planet, calibrated
    )


def _validation(run: MVAERun, layout: Layout) -> EmbeddingSet | None:
    """The validation file's rows of split `val` (all, without splits), or those of the sets; None without any."""
    if run.validation is not None:
        return read_set(run.validation, layout.modalities, layout.width, "val")
    own = [p for p in run.sets if "val" in splits_of(p)]
    return (
        joined([read_set(p, layout.modalities, layout.width, "val") for p in own]) if own else None
    )


def _held(run: MVAERun, sets: list[EmbeddingSet], layout: Layout) -> HeldOut | str:
    if not run.holdout:
        return "all rows were trained on (--no-holdout)"
    places = [read_places(s, layout.modalities, layout.width) for s in sets]
    return hold_out(sets, layout.modalities, places, run.recipe.seed)


def _seen(
    sets: Sequence[EmbeddingSet], validation: EmbeddingSet | None, modalities: tuple[str, ...]
) -> Seen:
    """Rows trained on, and those that chose weights."""
    seen = reduce(Seen.joined, (s.seen(modalities) for s in sets))
    chosen = None if validation is None else validation.seen(modalities)
    return replace(seen, chosen=chosen)


_ON_PLANET = (
    "its encoders are those of mini and know the invented planet only: what they tell of real photos and sounds is "
    "little; encode with taxabind, or train encoders"
)


def _on_planet(layout: Layout) -> bool:
    return layout.encoders is not None and layout.encoders.planet


def _summary(run: MVAERun, layout: Layout) -> str:
    names = ", ".join(p.name for p in run.sets)
    said = f"Trained on {names}; see run/ beside this file for settings, log and validation recall."
    return f"{said} Note: {_ON_PLANET}." if _on_planet(layout) else said
