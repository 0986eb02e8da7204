"""Choosing the space of a model's maps, and how a taxon's own observations are mixed, on validation.

A map ranks places by a query. So validation rows ask with a photo, a sound or a name alone, all places of validation
rows answer, and those where the query's species was seen are right: average precision over places, as SINR judges
ranges, mean over species. Another space than the usual is taken only where it gains more than a standard error over
species. Of a taxon's observations one half in space is asked with and the other is to be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from prom3e_index.encoders.protocol import unit_rows
from prom3e_index.maps.assess import average_precision
from prom3e_index.maps.cells import PLACE
from prom3e_index.maps.spaces import USUAL
from prom3e_index.models.folder import Model
from prom3e_index.mvae.completion import Inferred, infer
from prom3e_index.schema import Space
from prom3e_index.search.score import gallery, query_rows
from prom3e_index.training.stage_two.sets import EmbeddingSet

Floats = NDArray[np.float64]
ASKING = ("image", "audio", "text")
"""What maps are asked with."""
GAMMAS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
LEAST, LEAST_SPECIES = 5, 5
"""Places of a species that judge a map of it, and species that judge a space."""
_EACH = 4
"""Rows of a species that ask, at most."""
_MOST_PLACES = 20_000
_ROWS = 256
"""Rows that ask at a time."""


@dataclass(frozen=True)
class Judged:
    """What was tried, with the mean average precision of each, and what was taken.

    Attributes:
        taken: Of what was tried.
        found: Mean over species, by what was tried.
        chance: What any order would have.
        species: That judged.
    """

    taken: str
    found: dict[str, float]
    chance: float
    species: int

    def said(self) -> str:
        """A line of figures."""
        told = ", ".join(f"{k} {v:.3f}" for k, v in self.found.items())
        return f"mAP over {self.species} species: {told}; by chance {self.chance:.3f}"


@dataclass(frozen=True)
class SpaceChosen:
    """What serves a model's maps.

    Attributes:
        space: Of queries; None where nothing could be judged.
        asked: By modality that asks, what each space had.
        gamma: γ of a taxon's own observations; None alike.
        why: Why something could not be judged.
    """

    space: Judged | None = None
    asked: dict[str, Judged] = field(default_factory=dict)
    gamma: Judged | None = None
    why: str = ""

    def lines(self) -> list[str]:
        """The part of `model.toml`; none where nothing was judged."""
        lines = []
        if self.space is not None:
            asked = " and ".join(self.asked)
            lines += [f"# places of validation rows, asked by {asked}; {self.space.said()}"]
            lines += [f'space = "{self.space.taken}"']
        if self.gamma is not None:
            lines += [f"# γ of a taxon's own observations, half against half; {self.gamma.said()}"]
            lines += [f"gamma = {float(self.gamma.taken)}"]
        return ["", "[maps]", *lines] if lines else []


def choose_space(model: Model, val: EmbeddingSet, seed: int = 0) -> SpaceChosen:
    """Choose by validation rows; see above.

    Args:
        model: As it is used.
        val: Validation rows; of those of which only some ask, all answer.
        seed: Of what is drawn where there is much.
    """
    if PLACE not in model.modalities:
        return SpaceChosen(why="the model knows no places")
    if val.species is None:
        return SpaceChosen(why="validation rows have no species")
    rng = np.random.default_rng(seed)
    loc = model.modalities.index(PLACE)
    x, present, species = val.x.numpy(), val.present.numpy(), np.asarray(val.species).astype(str)
    held = np.flatnonzero(present[:, loc] & (species != ""))
    held = np.sort(rng.permutation(held)[:_MOST_PLACES])
    places = _Places(model, x[held][:, loc], species[held])
    asking = np.ones(len(x), bool) if val.asking is None else val.asking
    spaces: dict[str, dict[str, dict[str, float]]] = {}
    for given in (m for m in ASKING if m in model.modalities):
        own = model.modalities.index(given)
        rows = np.flatnonzero(asking & present[:, own] & (species != ""))
        drawn = _drawn(rows, species, places.enough, rng)
        if len({species[i] for i in drawn}) >= LEAST_SPECIES:
            spaces[given] = _by_space(model, x, drawn, species, given, loc, present, places)
    gamma = _of_taxa(model, places)
    if not spaces:
        why = f"fewer than {LEAST_SPECIES} species have {LEAST} places and a query of their own"
        return SpaceChosen(gamma=gamma, why=why)
    asked = {given: _judged(found, USUAL, places) for given, found in spaces.items()}
    every: dict[str, dict[str, float]] = {
        space: {f"{g} {s}": v for g in spaces for s, v in spaces[g][space].items()}
        for space in get_args(Space)
    }
    return SpaceChosen(_judged(every, USUAL, places), asked, gamma)


def add_maps(out: Path, chosen: SpaceChosen) -> None:
    """Write what was chosen into a model's `model.toml`."""
    lines = chosen.lines()
    if lines:
        whole = (out / "model.toml").read_text(encoding="utf-8") + "\n".join(lines) + "\n"
        temporary = out / "model.toml.new"
        temporary.write_text(whole, encoding="utf-8")
        temporary.replace(out / "model.toml")


class _Places:
    """Places of rows, as a map's cells: what each shows, what the model makes of it, and whose it is."""

    def __init__(self, model: Model, loc: NDArray[np.float32], species: NDArray[np.str_]) -> None:
        self.loc, self.species, self._model = loc, species, model
        x = np.zeros((len(loc), len(model.modalities), model.width), np.float32)
        has = np.zeros(x.shape[:2], bool)
        at = model.modalities.index(PLACE)
        x[:, at], has[:, at] = loc, True
        self.told: Inferred = infer(model, x, has, (PLACE,))
        self.mark = np.unique(loc, axis=0, return_inverse=True)[1].reshape(-1)
        counts = {s: len(np.unique(self.mark[species == s])) for s in np.unique(species)}
        self.enough = {s for s, n in counts.items() if n >= LEAST}

    def gallery(self, epsilon: float) -> NDArray[np.float32]:
        told = self.told
        has = np.ones(len(self.loc), bool)
        return gallery(self.loc, has, told.reconstructed[:, 0], told.hidden, epsilon)

    def chance(self) -> float:
        shares = [float((self.species == s).mean()) for s in self.enough]
        return float(np.mean(shares)) if shares else float("nan")


def _drawn(
    rows: NDArray[np.int64], species: NDArray[np.str_], enough: set[str], rng: np.random.Generator
) -> NDArray[np.int64]:
    """A few rows of each species that has places enough."""
    taken: dict[str, list[int]] = {}
    for i in rng.permutation(rows).tolist():
        some = taken.setdefault(str(species[i]), [])
        if species[i] in enough and len(some) < _EACH:
            some.append(i)
    return np.sort(np.array([i for some in taken.values() for i in some], np.int64))


def _by_space(
    model: Model, x: NDArray[np.float32], rows: NDArray[np.int64], species: NDArray[np.str_], given: str, loc: int,
    present: NDArray[np.bool_], places: _Places,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """By space, the mean average precision of each species."""
    own = model.modalities.index(given)
    shown = np.zeros((len(rows), len(model.modalities)), bool)
    shown[:, own] = True
    told = infer(model, x[rows], shown, (PLACE,))
    weights = model.weights((given,), PLACE)
    spaces = get_args(Space)
    asks = [
        query_rows(x[rows, own], told.reconstructed[:, 0], told.hidden, space, weights)
        for space in spaces
    ]
    plain = places.gallery(0.0)
    mixed = places.gallery(weights.epsilon) if weights.epsilon else plain
    galleries = [plain if space == "encoder" else mixed for space in spaces]
    found: dict[str, dict[str, list[float]]] = {space: {} for space in spaces}
    for at in range(0, len(rows), _ROWS):
        some = slice(at, at + _ROWS)
        scores = [q[some] @ g.T for q, g in zip(asks, galleries, strict=True)]
        for i, row in enumerate(rows[some].tolist()):
            other: NDArray[np.bool_] | slice = slice(None)
            if present[row, loc]:  # where the query itself was made answers nothing
                other = ~(places.loc == x[row, loc]).all(1)
            truth = (places.species == species[row])[other]
            for space, of in zip(spaces, scores, strict=True):
                ap = average_precision(truth, of[i][other])
                if np.isfinite(ap):
                    found[space].setdefault(str(species[row]), []).append(ap)
    return {k: {s: float(np.mean(v)) for s, v in of.items()} for k, of in found.items()}


def _of_taxa(model: Model, places: _Places) -> Judged | None:
    """γ of a taxon's own observations: one half in space, along where they differ most, finds the other."""
    usual = model.weights((), PLACE)
    g, h = places.gallery(usual.epsilon)[:, : model.width], places.told.hidden
    found: dict[str, dict[str, float]] = {f"{v:g}": {} for v in sorted({*GAMMAS, usual.gamma})}
    for name in sorted(places.enough):
        own = np.flatnonzero(places.species == name)
        for part, (train, test) in enumerate(_halves(places.loc[own], places.mark[own])):
            judged = np.flatnonzero(
                (places.species != name) | np.isin(np.arange(len(g)), own[test])
            )
            truth = np.isin(judged, own[test])
            near = g[judged] @ unit_rows(g[own[train]].sum(0, keepdims=True))[0]
            deep = h[judged] @ unit_rows(h[own[train]].sum(0, keepdims=True))[0]
            for key, scores in found.items():
                gamma = float(key)
                scores[f"{name} {part}"] = average_precision(
                    truth, (1 - gamma) * near + gamma * deep
                )
    if len(places.enough) < LEAST_SPECIES:
        return None
    return _judged(found, f"{usual.gamma:g}", places)


def _halves(
    loc: NDArray[np.float32], mark: NDArray[np.int64]
) -> Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Two halves that lie apart, each once to ask with; equal places are on one side."""
    centred = loc - loc.mean(0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    first = np.full(mark.max() + 1, np.inf)
    np.minimum.at(first, mark, along)
    along = first[mark]
    left = along <= np.median(np.unique(along))
    return [] if left.all() or not left.any() else [(left, ~left), (~left, left)]


def _judged(found: dict[str, dict[str, float]], usual: str, places: _Places) -> Judged:
    """What has the highest mean, where it gains more than a standard error over what is usual."""
    names = list(found[usual])
    values = {k: np.array([v[n] for n in names]) for k, v in found.items()}
    means = {k: float(v.mean()) for k, v in values.items()}
    best = max(means, key=lambda k: means[k])
    gain = values[best] - values[usual]
    error = float(gain.std(ddof=1)) / len(gain) ** 0.5 if len(gain) > 1 else np.inf
    taken = best if gain.mean() > error else usual
    return Judged(taken, means, places.chance(), len({n.split(" ", 1)[-1] for n in names}))
