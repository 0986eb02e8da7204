"""What a `model.toml` may say: every value checked for its type before anything is done with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prom3e_index.errors import ModelError, near_names
from prom3e_index.schema import SPACES

MODALITY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
NOT_STATED = "not stated"
"""Of a licence that nobody states."""
_MOST_MODALITIES = 64
_LONGEST = 1000
_TOP = {
    "name",
    "summary",
    "width",
    "config",
    "encoder",
    "mvae",
    "preprocess",
    "weights",
    "hubs",
    "planet",
    "licence",
    "repositories",
    "confidence",
    "maps",
}
_MIXED = {"delta", "gamma", "epsilon"}


def check_settings(settings: Mapping[str, Any], where: Path) -> None:
    """Refuse settings of other types than they must have; what is optional may be missing.

    Raises:
        ModelError: Names the first, with its value and what is needed.
    """

    def wrong(key: str, value: Any, wanted: str) -> ModelError:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:60] + "…"
        return ModelError(f"{where}: {key} is {shown}; {wanted} is needed.")

    def text(key: str, value: Any) -> None:
        if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
            raise wrong(key, value, "a text of one line")

    def table(key: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise wrong(key, value, "a table")
        return value

    def known(values: Mapping[str, Any], keys: set[str], before: str) -> None:
        for key in sorted(values.keys() - keys):
            near = near_names(key, sorted(keys))
            raise ModelError(f"{where}: unknown key {before + key!r:.200}{near}.")

    def number(key: str, value: Any) -> None:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not math.isfinite(value):
            raise wrong(key, value, "a number")

    known(settings, _TOP, "")
    for key in ("name", "mvae"):
        if key not in settings:
            raise ModelError(f"{where} lacks '{key}'.")
    for key in ("name", "summary", "config", "licence"):
        if key in settings:
            text(key, settings[key])
    for name, facts in table("repositories", settings.get("repositories", {})).items():
        known(table(f"repositories.{name}", facts), {"bytes", "licence"}, f"repositories.{name}.")
        if "licence" in facts:
            text(f"repositories.{name}.licence", facts["licence"])
        if "bytes" in facts:
            number(f"repositories.{name}.bytes", facts["bytes"])
    if not isinstance(settings.get("planet", False), bool):
        raise wrong("planet", settings["planet"], "true or false")
    for key in ("encoder", "mvae", "preprocess", "weights", "hubs", "confidence", "maps"):
        table(key, settings.get(key, {}))
    _check_modalities(settings["mvae"], where)
    for key in ("decode", "hidden", "source"):
        if key in settings["mvae"]:
            text(f"mvae.{key}", settings["mvae"][key])
    if "sigma_spearman" in settings["mvae"]:
        number("mvae.sigma_spearman", settings["mvae"]["sigma_spearman"])
    for name, width in table("mvae.widths", settings["mvae"].get("widths", {})).items():
        if not isinstance(width, int) or isinstance(width, bool) or width < 1:
            raise wrong(f"mvae.widths.{name}", width, "a whole number above 0")
    for name, entry in settings.get("encoder", {}).items():
        table(f"encoder.{name}", entry)
        for key in ("kind", "source"):
            if key in entry:
                text(f"encoder.{name}.{key}", entry[key])
        keys = entry.get("config_keys", [])
        if not isinstance(keys, list):
            raise wrong(f"encoder.{name}.config_keys", keys, "a list of texts")
        for key in keys:
            text(f"encoder.{name}.config_keys", key)
    for key, value in settings.get("hubs", {}).items():
        if key in ("method", "bank"):
            text(f"hubs.{key}", value)
    known(settings.get("maps", {}), {"space", "gamma"}, "maps.")
    if "gamma" in settings.get("maps", {}):
        number("maps.gamma", settings["maps"]["gamma"])
    if settings.get("maps", {}).get("space", SPACES[0]) not in SPACES:
        raise wrong("maps.space", settings["maps"]["space"], f"one of {', '.join(SPACES)}")
    known(settings.get("confidence", {}), {"file"}, "confidence.")
    if "confidence" in settings:
        text("confidence.file", settings["confidence"].get("file"))
    weights = settings.get("weights", {})
    directions = table("weights.directions", weights.get("directions", {}))
    mixes = [("weights.default", weights.get("default", {}))]
    for key, mix in [*mixes, *((f"weights.directions.{n}", m) for n, m in directions.items())]:
        known(table(key, mix), _MIXED, f"{key}.")
        for part, value in mix.items():
            number(f"{key}.{part}", value)
    _check_sets(weights, settings["mvae"]["modalities"], where)


def three_numbers(values: Any, key: str) -> tuple[float, ...]:
    """Three numbers of the preprocessing, as a mean and a deviation of colours are.

    Raises:
        ModelError: Others.
    """
    good = isinstance(values, list | tuple) and len(values) == 3
    if not good or not all(isinstance(v, int | float) and 0 <= v < 256 for v in values):
        raise ModelError(f"{key} is {values!r}; three numbers are needed.")
    if key.endswith("std") and 0 in values:
        raise ModelError(f"{key} is {values!r}; a deviation is above 0.")
    return tuple(values)


def _check_sets(weights: Mapping[str, Any], modalities: list[str], where: Path) -> None:
    """Refuse what `[weights.sets]` and `[weights.kappa]` may not hold; see `joined`."""

    def within(key: str, value: Any, low: float, high: float) -> None:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not low <= value <= high:
            raise ModelError(
                f"{where}: {key} is {value!r:.60}; a number from {low:g} to {high:g} is needed."
            )

    for name in ("sets", "kappa"):
        if not isinstance(weights.get(name, {}), dict):
            raise ModelError(
                f"{where}: weights.{name} is {weights[name]!r:.60}; a table is needed."
            )
    for size, of in weights.get("sets", {}).items():
        key = f"weights.sets.{size:.40}"
        shown = int(size) if size.isascii() and size.isdigit() and len(size) < 3 else 0
        if str(shown) != size or not 2 <= shown <= _MOST_MODALITIES:
            raise ModelError(
                f"{where}: {key!r} is no number of modalities from 2 to {_MOST_MODALITIES}."
            )
        if not isinstance(of, dict) or of.keys() - {"delta", "gamma", "own"}:
            raise ModelError(
                f"{where}: {key} is {of!r:.60}; a table of delta, gamma and own is needed."
            )
        for part, value in of.items():
            within(f"{key}.{part}", value, 0, 1)
        if of.get("own", 1) < 1 and not weights.get("kappa"):
            raise ModelError(
                f"{where}: {key}.own is {of['own']}; below 1 [weights.kappa] is needed, or such sets ask as one "
                "without a word."
            )
    for pair, value in weights.get("kappa", {}).items():
        given, arrow, target = pair.partition("->")
        if not arrow or given not in modalities or target not in modalities:
            raise ModelError(
                f"{where}: weights.kappa has {pair!r:.80}; MODALITY->TARGET is needed, of {', '.join(modalities)}."
            )
        within(f"weights.kappa.{pair:.80}", value, 1e-3, 1e6)


def _check_modalities(mvae: Mapping[str, Any], where: Path) -> None:
    names = mvae.get("modalities")
    if names is None:
        raise ModelError(f"{where} lacks 'modalities' in [mvae].")
    if not isinstance(names, list) or not 1 <= len(names) <= _MOST_MODALITIES:
        many = f"has {len(names):,}" if isinstance(names, list) else f"is {names!r:.60}"
        raise ModelError(
            f"{where}: mvae.modalities {many}; a list of 1 to {_MOST_MODALITIES} names is needed."
        )
    for name in names:
        if not isinstance(name, str) or not MODALITY.fullmatch(name):
            raise ModelError(
                f"{where}: a modality is named {name!r:.80}; a letter, then letters, digits, _ and - are needed, "
                "at most 64."
            )
    if len({n.lower() for n in names}) < len(names):
        raise ModelError(f"{where}: mvae.modalities {names!r:.200} name one twice.")
