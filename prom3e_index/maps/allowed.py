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
from prom3e_index.policy.matching import rules_for
from prom3e_index.policy.rules import Policy, policy_of

if TYPE_CHECKING:
    from prom3e_index.bundle.opened import BundleFolder
    from prom3e_index.grid.grid import Grid

UNKNOWN = LEVELS["0.1deg"]
"""The finest cells of a map of what nobody has named."""
_EVEN = 0.999
"""Decimals may make a cell of 0.1 degree a little smaller."""
Names = Mapping[str, str | None]


@dataclass(frozen=True)
class Allowed:
    """The finest cells of a map, and why.

    Attributes:
        level: `open` where any are allowed, `withhold` where none are.
        why: A sentence.
        by_rule: Whether a rule of the policy says so.
    """

    level: Level
    why: str
    by_rule: bool = False


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
                best = Allowed(LEVELS[rule.level], why, by_rule=True)
    return best


def refuse_too_fine(grid: Grid, allowed: Allowed) -> None:
    """Refuse a grid that is finer than it may be.

    Raises:
        InputError: Names the rule, the level, and the finest grid that there may be.
    """
    level = allowed.level
    if level.name == OPEN:
        return
    if level.name == WITHHOLD:
        raise InputError(
            f"No map of it is made: its places are withheld by {allowed.why}. A map of other taxa may be."
        )
    if grid.size_deg >= level.height_deg * _EVEN:
        if allowed.by_rule and not grid.snapped:
            raise InputError(
                f"{grid.name} lies on no lattice, so that two maps could be shifted by a part of a cell and tell more "
                f"than either: {allowed.why}. Give --grid {_grid(level)}, or larger cells of degrees or kilometres."
            )
        return
    raise InputError(
        f"Cells of {grid.name} are {grid.size_deg:.3g} degrees wide; the finest that may be are {level.words}: "
        f"{allowed.why}. Give --grid {_grid(level)}, or larger."
    )


def _grid(level: Level) -> str:
    return f"{level.degrees:g}deg" if level.degrees is not None else level.words.replace(" ", "")


def names_of_taxon(found: Any) -> Names:
    """A taxon of an index as rules compare it."""
    return {"scientific_name": found.name, "text": found.text}
