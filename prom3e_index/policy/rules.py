"""A policy: the TOML that a user writes, read and checked whole, before anything is made by it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from prom3e_index.errors import BundleError, InputError, near_names
from prom3e_index.policy.cells import OPEN, level_named
from prom3e_index.policy.countries import country_of
from prom3e_index.policy.names import asked, key
from prom3e_index.policy.region import Region, Rings, box_of, checked_rings, few_enough, read_rings
from prom3e_index.schema import RANKS

MOST_BYTES = 4 << 20
_TOP = ("name", "authority", "review", "default", "rule")
_RULE = ("taxon", "rank", "synonyms", "distinct", "bbox", "polygon", "countries", "months", "level", "reason",
         "companions", "date", "absent")  # fmt: skip
_LONGEST = 400


@dataclass(frozen=True)
class Rule:
    """Which rows are generalised, and how far.

    Attributes:
        number: From 1, in the order of the file.
        taxon: A name at any rank; None means every row.
        rank: The rank that it is looked for at; any when None.
        names: It and its synonyms as they are compared.
        distinct: Names alike that are other taxa, as they are compared.
        region: Where it holds; everywhere when None.
        countries: Codes, in capitals, of the table's own column `countryCode`; every country when empty.
        months: In which it holds; all when empty.
        level: Name of the level.
        reason: In the words of the policy.
        companions: Whether rows of the same observer and day get the level too.
        by_month: Whether dates are given by the month.
        absent: Whether names alike are never taken for it misspelt.
    """

    number: int
    taxon: str | None
    rank: str | None
    names: frozenset[str]
    distinct: frozenset[str]
    region: Region | None
    countries: frozenset[str]
    months: frozenset[int]
    level: str
    reason: str
    companions: bool
    by_month: bool
    absent: bool

    @property
    def title(self) -> str:
        """How it is called in what is said: `rule 3 (Falco rusticolus)`."""
        return f"rule {self.number}" + (f" ({self.taxon})" if self.taxon else " (every taxon)")


@dataclass(frozen=True)
class Policy:
    """Rules with what is known of them.

    Attributes:
        name: As it is cited.
        authority: Whose it is.
        review: The day from which it should be looked at again; None where it states none.
        default: Level of rows that no rule meets.
        rules: In the order of the file.
        toml: The text that it was read from.
        polygons: File name → outlines, of the files that rules name.
        sha256: Of the text and the outlines: what the policy is, whatever its file is called.
    """

    name: str
    authority: str
    review: date | None
    default: str
    rules: tuple[Rule, ...]
    toml: str = field(repr=False)
    polygons: Mapping[str, Rings] = field(repr=False)
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """As plain values, for a manifest; `policy_of` takes them back."""
        return {
            "name": self.name,
            "authority": self.authority,
            "review": None if self.review is None else str(self.review),
            "sha256": self.sha256,
            "toml": self.toml,
            "polygons": {
                k: [list(map(list, ring)) for ring in v] for k, v in self.polygons.items()
            },
        }

    @property
    def cited(self) -> str:
        """Name and the beginning of the hash."""
        return f"{self.name!r} sha256 {self.sha256[:12]}"


def read_policy(path: Path) -> Policy:
    """Read a policy.

    Args:
        path: The TOML; files of polygons are named from its folder.

    Raises:
        InputError: It is not there, is no TOML, or has an unknown key, level, rank or value: which, where, and the
            nearest that there is.
    """
    try:
        if not path.is_file() and path.exists():
            raise InputError(f"The policy {path} is no file.")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"The policy {path} has more than {MOST_BYTES >> 20} MB.")
        text = path.read_text(encoding="utf-8")
    except OSError as e:
        raise InputError(
            f"The policy {path} cannot be read: {e.strerror}. Write one: prom3e-index policy init."
        ) from e
    except UnicodeDecodeError as e:
        raise InputError(f"The policy {path} is no UTF-8: {e}.") from e
    polygons: dict[str, Rings] = {}

    def rings(name: str, where: str) -> Rings:
        if name not in polygons:
            polygons[name] = read_rings(path.parent / name, where)
            few_enough(polygons, where)
        return polygons[name]

    return _parsed(text, rings, polygons, f"The policy {path}")


def policy_of(noted: Any, where: object) -> Policy | None:
    """The policy that a manifest notes; None where it notes none.

    Raises:
        BundleError: What is noted is no policy, or not the one of its hash.
    """
    if noted is None:
        return None
    try:
        known = {str(k): checked_rings(v, f"polygon {k}") for k, v in noted["polygons"].items()}
        few_enough(known, "its manifest")
        policy = _parsed(str(noted["toml"]), lambda name, _: known[name], known, "The policy")
    except (InputError, KeyError, TypeError, AttributeError) as e:
        said = e.typed if isinstance(e, InputError) else f"it lacks {e}"
        raise BundleError(f"{where}: the policy in its manifest is damaged: {said}") from e
    if policy.sha256 != noted.get("sha256"):
        raise BundleError(
            f"{where}: the policy in its manifest has the hash {policy.sha256[:12]}…, and is noted with "
            f"{str(noted.get('sha256'))[:12]}…: it was changed. Restore the index from a copy."
        )
    return policy


def _parsed(
    text: str, rings: Callable[[str, str], Rings], polygons: Mapping[str, Rings], where: str
) -> Policy:
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as e:  # an integer of 5,000 digits is a ValueError
        raise InputError(f"{where} is no TOML: {e}. Nothing was made.") from e
    _known(values, _TOP, where)
    given = values.get("rule", [])
    if not isinstance(given, list) or not all(isinstance(r, dict) for r in given):
        raise InputError(f"{where}: rules begin with [[rule]], in double brackets.")
    rules = tuple(_rule(i, r, rings, f"{where}, rule {i}") for i, r in enumerate(given, 1))
    default = level_named(values.get("default", OPEN), f"{where}: default")
    if not rules and default == OPEN:
        raise InputError(
            f"{where} has no rule and leaves all open; write a [[rule]], or a default."
        )
    review = values.get("review")
    if review is not None and not isinstance(review, date):
        raise InputError(f"{where}: review is {review!r:.40}; it must be a day, as 2027-06-01.")
    told = hashlib.sha256(text.encode())
    told.update(json.dumps(sorted(polygons.items())).encode())
    return Policy(
        _text(values, "name", where) or "unnamed",
        _text(values, "authority", where),
        review,
        default,
        rules,
        text,
        dict(polygons),
        told.hexdigest(),
    )


def _rule(
    number: int, values: dict[str, Any], rings: Callable[[str, str], Rings], where: str
) -> Rule:
    _known(values, _RULE, where)
    taxon = _text(values, "taxon", where).strip() or None
    if taxon is None and "taxon" in values:
        raise InputError(f"{where}: taxon is empty; leave it out for a rule for every taxon.")
    where = f"{where} ({taxon})" if taxon else where
    if "level" not in values:
        raise InputError(f"{where} has no level.")
    level = level_named(values["level"], f"{where}: level")
    if level == OPEN:
        raise InputError(
            f"{where}: level is open; the strictest rule holds, so this one does nothing."
        )
    rank = _text(values, "rank", where).lower() or None
    if rank is not None and rank not in RANKS:
        raise InputError(
            f"{where}: rank is {rank!r:.40}{near_names(rank, RANKS)}. Ranks: {', '.join(RANKS)}."
        )
    synonyms = _texts(values, "synonyms", where)
    distinct = _texts(values, "distinct", where)
    if taxon is None and (synonyms or distinct or rank):
        raise InputError(f"{where} has synonyms, distinct names or a rank and no taxon.")
    names = frozenset(n for name in (taxon, *synonyms) if name for n in asked(name))
    countries = {c: country_of(c) for c in _texts(values, "countries", where)}
    unknown = [c for c, code in countries.items() if code is None]
    if unknown:
        raise InputError(
            f"{where}: countries has {unknown[0]!r:.40}, no code of ISO 3166; they are codes of two letters, as "
            '["IS", "GL"].'
        )
    region = None
    if "bbox" in values or "polygon" in values:
        box = box_of(values["bbox"], f"{where}: bbox") if "bbox" in values else None
        file = _text(values, "polygon", where)
        region = Region(box, rings(file, f"{where}: polygon") if file else ())
    return Rule(
        number,
        taxon,
        rank,
        names,
        frozenset(map(key, distinct)),
        region,
        frozenset(c for c in countries.values() if c is not None),
        _months(values.get("months", []), where),
        level,
        _text(values, "reason", where),
        _choice(values, "companions", "day", where),
        _choice(values, "date", "month", where),
        _flag(values, "absent", where),
    )


def _known(values: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in values:
        if name not in names:
            raise InputError(
                f"{where} has the unknown key {name!r:.60}{near_names(name, names)}. Keys: {', '.join(names)}."
            )


def _text(values: Mapping[str, Any], name: str, where: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise InputError(
            f"{where}: {name} is {value!r:.60}; it must be a text of at most {_LONGEST} letters."
        )
    return value


def _texts(values: Mapping[str, Any], name: str, where: str) -> list[str]:
    found = values.get(name, [])
    if not isinstance(found, list) or not all(isinstance(v, str) and v.strip() for v in found):
        raise InputError(f"{where}: {name} is {found!r:.60}; it must be a list of texts.")
    return [str(v) for v in found]


def _months(found: Any, where: str) -> frozenset[int]:
    whole = isinstance(found, list) and all(type(v) is int and 1 <= v <= 12 for v in found)
    if not whole:
        raise InputError(
            f"{where}: months is {found!r:.60}; it must be a list of numbers from 1 to 12."
        )
    return frozenset(found)


def _choice(values: Mapping[str, Any], name: str, only: str, where: str) -> bool:
    value = values.get(name)
    if value is not None and value != only:
        raise InputError(f"{where}: {name} is {value!r:.40}; it can be {only!r}, or left out.")
    return value is not None


def _flag(values: Mapping[str, Any], name: str, where: str) -> bool:
    value = values.get(name, False)
    if not isinstance(value, bool):
        raise InputError(f"{where}: {name} is {value!r:.40}; it must be true or false.")
    return value
