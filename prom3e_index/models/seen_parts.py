"""What the parts of a model were trained on, together, and of which of them that is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prom3e_index.models.parts import parts_of
from prom3e_index.models.seen import Seen

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model

_MVAE = "its MVAE"


def seen_by(model: Model, *, mvae: bool = True) -> tuple[Seen | None, tuple[str, ...]]:
    """What a model was trained on: its MVAE, if that is used, and those of its encoders that say so.

    Returns:
        What was seen, with columns in the order of the model's modalities; None where no part says what it has seen.
        Then what is not known: subjects with their verb, as `its MVAE was`, to go before `trained on`.

    Raises:
        ModelError: See `Seen.read`.
    """
    out: Seen | None = None
    told = False
    unknown: list[str] = []
    begun: list[str] = []
    for part in parts_of(model):
        what = [w for w in part.what if w != "settings" and (mvae or w != "mvae")]
        if not what:
            continue
        found = Seen.read(part.path) if part.path is not None and part.path.is_dir() else None
        if found is not None:
            out = found if out is None else out.joined(found)
        if found is None or not found.n:
            unknown += what
        else:
            told = True
            begun += what if found.began_from_unknown else []
    if out is not None:
        out = replace(out.arranged(model.modalities), began_from_unknown=bool(begun))
    if not told:
        return out, ("it was" if mvae else "its encoders were",)
    began = [f"the weights that {w} began from were" for w in _who(model, begun)]
    were = [w + (" was" if w == _MVAE else " were") for w in _who(model, unknown)]
    return out, (*were, *began)


def _who(model: Model, what: list[str]) -> list[str]:
    encoders = ", ".join(m for m in model.modalities if m in what)
    return [f"its encoders ({encoders})"] * bool(encoders) + [_MVAE] * ("mvae" in what)
