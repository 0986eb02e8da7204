"""How fine a map may be: as the policy of the index says of the taxa that are asked for, or that may be meant.

A photo of a species whose places are hidden is not to be placed by a map. So where no name is given, the taxa of the
query's first hits count as meant; and without a rule that says otherwise no map is finer than 0.1 degree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import InputError
from prom3e_index.policy.cells import LEVELS, OPEN, WITHHOLD, Level, strictness
from prom3e_index.policy.log import LOG, append_refusal
from prom3e_index.policy.matching import rules_for
from prom3e_index.policy.rules import Policy, Rule, policy_of

if TYPE_CHECKING:
    from prom3e_index.bundle.opened import BundleFolder
    from prom3e_index.grid.grid import Grid

UNKNOWN = LEVELS["0.1deg"]
"""The finest cells of a map of what nobody has named."""
_DEGREE_KM = 111.2
_EVEN = 0.999
"""Decimals may make a cell of 0.1 degree a little smaller."""
Names = Mapping[str, str | None]


@dataclass(frozen=True)
class Allowed:
    """The finest cells of a map, and why.

    Attributes:
        level: `open` where any are allowed, `withhold` where none are.
        why: A sentence.
        rule: That of the policy which says so, where one does.
    """

    level: Level
    why: str
    rule: Rule | None = None


def finest(bundle: BundleFolder, named: Sequence[Names], likely: Sequence[Names]) -> Allowed:
    """How fine a map may be.

    Args:
        bundle: Whose policy holds.
        named: Taxa that the user has named, each by ranks, `scientific_name`, `common_name` and `text`.
        likely: Taxa that may be meant where none is named.

    Raises:
        BundleError: The policy in the manifest is damaged.
    """
    policy = policy_of(bundle.manifest.get("policy"), bundle.path)
    if policy is None:
        return Allowed(
            UNKNOWN,
            "the index has no policy that would say that finer ones harm nothing; `add --policy` gives it one",
        )
    found = _strictest(policy, named or likely)
    if named:
        return found
    if strictness(found.level.name) > strictness(UNKNOWN.name):
        return found
    why = "so nobody can tell whose places it would show; --taxon NAME names one"
    return Allowed(UNKNOWN, f"no taxon is named, {why}")


def _strictest(policy: Policy, taxa: Sequence[Names]) -> Allowed:
    best = Allowed(LEVELS[policy.default], f"the policy {policy.name!r} has this as its default")
    for names in taxa:
        for rule in rules_for(policy, names):
            if strictness(rule.level) > strictness(best.level.name):
                reason = f": {rule.reason}" if rule.reason else ""
                why = f"{rule.title} of the policy {policy.name!r}{reason}"
                best = Allowed(LEVELS[rule.level], why, rule)
    return best


def refuse_too_fine(grid: Grid, allowed: Allowed, bundle: BundleFolder | None = None) -> None:
    """Refuse a grid that is finer than it may be.

    Args:
        grid: Asked for.
        allowed: How fine it may be.
        bundle: In whose policy's log the refusal is written, where it has a policy.

    Raises:
        InputError: Names the rule, the level, the finest grid that there may be, and whether it was logged.
    """
    why = _too_fine(grid, allowed)
    if why is None:
        return
    if bundle is not None and bundle.manifest.get("policy") is not None:
        rule = allowed.rule
        refused = {
            "rule": None if rule is None else rule.number, "taxon": None if rule is None else rule.taxon,
            "level": allowed.level.name, "cells_km": round(grid.size_deg * _DEGREE_KM, 1),
        }  # fmt: skip
        lost = append_refusal(bundle.path, bundle.manifest, "map", refused)
        why += f" This stands in the index's {LOG}." if lost is None else (
            f" It could not be written to the index's {LOG} ({lost}); tell who keeps the index."
        )  # fmt: skip
    raise InputError(why)


def _too_fine(grid: Grid, allowed: Allowed) -> str | None:
    """Why a grid may not be; None where it may."""
    level = allowed.level
    if level.name == OPEN:
        return None
    if level.name == WITHHOLD:
        return f"No map of it is made: its places are withheld by {allowed.why}. A map of other taxa may be."
    if grid.size_deg < level.height_deg * _EVEN:
        return (
            f"Cells of {grid.name} are {grid.size_deg:.3g} degrees wide; the finest that may be are {level.words}: "
            f"{allowed.why}. Give --grid {_grid(level)}, or larger."
        )
    if allowed.rule is not None and not grid.snapped:
        return (
            f"{grid.name} lies on no lattice, so that two maps could be shifted by a part of a cell and tell more "
            f"than either: {allowed.why}. Give --grid {_grid(level)}, or larger cells of degrees or kilometres."
        )
    return None


def _grid(level: Level) -> str:
    return f"{level.degrees:g}deg" if level.degrees is not None else level.words.replace(" ", "")


def names_of_taxon(found: Any) -> Names:
    """A taxon of an index as rules compare it."""
    return {"scientific_name": found.name, "text": found.text}
