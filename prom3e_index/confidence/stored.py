"""A calibration as JSON, and read from a file that anyone may have written: every value is checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from prom3e_index.confidence.calibrated import HOW, Calibration, Source
from prom3e_index.confidence.fitted import Fitted, Linear
from prom3e_index.confidence.signals import ERROR_NAMES, NAMES, RISING

VERSION = 1
MOST_BYTES = 16 << 20
_LARGEST = 1e9
_MOST_SETS = 100_000


def to_dict(calibration: Calibration) -> dict[str, Any]:
    """The values of a calibration, as `from_dict` reads them."""
    return {
        "version": VERSION,
        "rule": calibration.rule,
        "signals": list(NAMES),
        "error_signals": list(ERROR_NAMES),
        "modalities": list(calibration.modalities),
        "quality": dict(calibration.quality),
        "fitted": {k: _fitted_dict(f) for k, f in calibration.fitted.items()},
        "lacking": dict(calibration.lacking),
        "changes": {
            g: {t: {m: list(v) for m, v in added.items()} for t, added in targets.items()}
            for g, targets in calibration.changes.items()
        },
    }


def written(calibration: Calibration) -> str:
    """JSON of a calibration, numbers with seven significant digits."""
    return json.dumps(_short(to_dict(calibration)), separators=(",", ":"), allow_nan=False)


def read(text: bytes, modalities: tuple[str, ...], source: Source) -> Calibration:
    """A calibration from the bytes of a file.

    Raises:
        ValueError: It is none, with the place; it is too large; its modalities are others.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is {len(text):,} bytes, more than {MOST_BYTES:,}")
    try:
        values = json.loads(text)
    except RecursionError as e:
        raise ValueError("it is nested too deeply") from e
    return from_dict(values, modalities, source)


def from_dict(values: Any, modalities: tuple[str, ...], source: Source) -> Calibration:
    """A calibration from values of JSON.

    Args:
        values: As `to_dict` gives them.
        modalities: Of the model that it must be of.
        source: Whose rows it was fitted on.

    Raises:
        ValueError: It is none, with the place and what stands there.
    """
    top = _table(values, "it")
    if top.get("version") != VERSION:
        raise ValueError(f"version is {_said(top.get('version'))}, this program reads {VERSION}")
    stated = {"signals": NAMES, "error_signals": ERROR_NAMES, "modalities": modalities}
    for name, wanted in stated.items():
        if top.get(name) != list(wanted):
            raise ValueError(f"{name} are {_said(top.get(name))}, not {', '.join(wanted)}")
    rule = top.get("rule")
    if rule not in ("species", "row"):
        raise ValueError(f"rule is {_said(rule)}, not species or row")
    keys = {f"{m} {how}" for m in modalities for how in HOW}
    fitted = _table(top.get("fitted"), "fitted")
    lacking = _table(top.get("lacking"), "lacking")
    for key in (*fitted, *lacking):
        if key not in keys:
            raise ValueError(f"{_said(key)} is no direction")
    for key, why in lacking.items():
        if not isinstance(why, str) or len(why) > 500 or not why.isprintable():
            raise ValueError(f"lacking[{key!r}] is {_said(why)}, not a text of one line")
    return Calibration(
        modalities,
        rule,
        {k: _fitted(v, f"fitted[{k!r}]", modalities) for k, v in fitted.items()},
        dict(lacking),
        _changes(top.get("changes"), modalities),
        _quality(top.get("quality"), "quality"),
        source,
    )


def _fitted_dict(f: Fitted) -> dict[str, Any]:
    return {
        "temperature": f.temperature,
        "right": _linear_dict(f.right),
        "bins": [list(b) for b in f.bins],
        "set_edges": list(f.set_edges),
        "set_below": [v if math.isfinite(v) else None for v in f.set_below],
        "error": None if f.error is None else _linear_dict(f.error),
        "error_off": f.error_off,
        "rows": f.rows,
        "answers": f.answers,
        "accuracy": f.accuracy,
    }


def _linear_dict(f: Linear) -> dict[str, Any]:
    return {
        "centre": list(f.centre),
        "scale": list(f.scale),
        "weights": list(f.weights),
        "visible": dict(f.visible),
        "bias": f.bias,
    }


def _fitted(values: Any, where: str, modalities: tuple[str, ...]) -> Fitted:
    t = _table(values, where)
    edges = _numbers(t.get("set_edges"), f"{where}.set_edges", 2, 0, 1)
    bins = t.get("bins")
    if not isinstance(bins, list) or not 1 <= len(bins) <= 100:
        raise ValueError(f"{where}.bins is {_said(bins)}, not 1 to 100 of them")
    below = t.get("set_below")
    if not isinstance(below, list) or len(below) != 3:
        raise ValueError(f"{where}.set_below is {_said(below)}, not three numbers")
    right = _linear(t.get("right"), f"{where}.right", len(NAMES), modalities)
    if any(right.weights[i] < 0 for i in range(len(RISING))):
        raise ValueError(f"{where}.right has a weight below 0 of one of {', '.join(RISING)}")
    error, off = t.get("error"), t.get("error_off")
    if (error is None) != (off is None):
        raise ValueError(f"{where} has an expected error without its interval, or the reverse")
    made = tuple(_bin(b, f"{where}.bins[{i}]") for i, b in enumerate(bins))
    if any(a[0] > b[0] for a, b in zip(made, made[1:], strict=False)) or edges[0] > edges[1]:
        raise ValueError(f"{where} has bins or edges that do not ascend")
    return Fitted(
        _number(t.get("temperature"), f"{where}.temperature", 1e-6, 1e3),
        right,
        made,
        (edges[0], edges[1]),
        tuple(
            math.inf if v is None else _number(v, f"{where}.set_below", 0, _LARGEST) for v in below
        ),  # type: ignore[arg-type]
        None if error is None else _linear(error, f"{where}.error", len(ERROR_NAMES), modalities),
        None if off is None else _number(off, f"{where}.error_off", 0, _LARGEST),
        _count(t.get("rows"), f"{where}.rows"),
        _count(t.get("answers"), f"{where}.answers"),
        _number(t.get("accuracy"), f"{where}.accuracy", 0, 1),
    )


def _bin(values: Any, where: str) -> tuple[float, int, int, int]:
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError(f"{where} is {_said(values)}, not four numbers")
    p = _number(values[0], where, 0, 1)
    answers, right, rows = (_count(v, where) for v in values[1:])
    if not right <= answers or not 1 <= rows <= answers:
        raise ValueError(f"{where} is {_said(values)}: more right ones than answers, or no rows")
    return p, answers, right, rows


def _linear(values: Any, where: str, size: int, modalities: tuple[str, ...]) -> Linear:
    t = _table(values, where)
    visible = _table(t.get("visible"), f"{where}.visible")
    for name in visible:
        if name not in modalities:
            raise ValueError(f"{where}.visible has {_said(name)}, no modality")
    return Linear(
        _numbers(t.get("centre"), f"{where}.centre", size),
        _numbers(t.get("scale"), f"{where}.scale", size, 1e-12),
        _numbers(t.get("weights"), f"{where}.weights", size),
        {m: _number(v, f"{where}.visible[{m!r}]") for m, v in visible.items()},
        _number(t.get("bias"), f"{where}.bias"),
    )


def _changes(values: Any, modalities: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    sets = _table(values, "changes")
    if len(sets) > _MOST_SETS:
        raise ValueError(f"changes has {len(sets):,} visible sets")
    for shown, targets in sets.items():
        names = shown.split("+")
        if names != [m for m in modalities if m in names]:
            raise ValueError(f"changes has {_said(shown)}, no visible set")
        out[shown] = {}
        for target, added in _table(targets, f"changes[{shown!r}]").items():
            where = f"changes[{shown!r}][{target!r:.80}]"
            for m in (target, *_table(added, where)):
                if m not in modalities:
                    raise ValueError(f"{where} has {_said(m)}, no modality")
            if set(names) & set(added) or target in added:
                raise ValueError(f"{where} adds what is visible or asked for")
            out[shown][target] = {m: _change(v, f"{where}[{m!r}]") for m, v in added.items()}
    return out


def _change(values: Any, where: str) -> tuple[float, float, float, int]:
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError(f"{where} is {_said(values)}, not four numbers")
    change, low, high = (_number(v, where, -1, 1) for v in values[:3])
    if not low <= change <= high:
        raise ValueError(f"{where} is {_said(values)}: outside its interval")
    return change, low, high, _count(values[3], where)


_QUALITY = 8
"""How deeply the figures of a calibration are nested, at most."""


def _quality(values: Any, where: str, depth: int = 0) -> dict[str, Any]:
    """Figures to be shown: numbers, texts of one line, lists and objects of them."""

    def checked(value: Any, at: str, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return value if isinstance(value, int) and 0 <= value < 1 << 40 else _number(value, at)
        if isinstance(value, str) and len(value) <= 500 and value.isprintable():
            return value
        if depth < _QUALITY and isinstance(value, list) and len(value) <= 1000:
            return [checked(v, f"{at}[{i}]", depth + 1) for i, v in enumerate(value)]
        if depth < _QUALITY and isinstance(value, dict) and len(value) <= 1000:
            return {
                k: checked(v, f"{at}[{k!r:.80}]", depth + 1)
                for k, v in value.items()
                if k.isprintable()
            }
        raise ValueError(f"{at} is {_said(value)}, not a figure")

    out: dict[str, Any] = checked(_table(values, where), where, depth)
    ece = out.get("ece")
    if ece is not None:
        _number(ece, f"{where}.ece", 0, 1)
    return out


def _said(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:60] + "…"


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {_said(value)}, not an object")
    return value


def _number(value: Any, where: str, low: float = -_LARGEST, high: float = _LARGEST) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{where} is {_said(value)}, not a number from {low:g} to {high:g}")
    return float(value)


def _count(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise ValueError(f"{where} is {_said(value)}, not a whole number")
    return value


def _numbers(
    value: Any, where: str, size: int, low: float = -_LARGEST, high: float = _LARGEST
) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != size:
        raise ValueError(f"{where} is {_said(value)}, not {size} numbers")
    return tuple(_number(v, where, low, high) for v in value)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _short(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_short(v) for v in value]
    return value
