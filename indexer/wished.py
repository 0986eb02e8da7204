"""What an index was built to do, and what of it is not so."""

from __future__ import annotations

from typing import Any

from prom3e_index.bundle.faiss.kinds import Wish
from prom3e_index.errors import BundleError


def wish_of(manifest: dict[str, Any]) -> Wish:
    """What the index was built to do.

    Raises:
        BundleError: The manifest's note of it is damaged.
    """
    try:
        return Wish(**manifest.get("wish", {}))
    except (TypeError, ValueError) as e:
        raise BundleError(
            f"What the index must do, `wish` in its manifest, is {manifest.get('wish')!r}: {e}."
        ) from e


def unmet(certificate: dict[str, Any], wish: Wish, faiss_bytes: int) -> list[str]:
    """What was asked of an index and is not so, a sentence each, with both values."""
    out = []
    if wish.memory is not None and faiss_bytes > wish.memory:
        out.append(
            f"the FAISS files take {faiss_bytes / 1e6:,.1f} MB, {wish.memory / 1e6:,.1f} were asked for"
        )
    for target, m in certificate["targets"].items():
        found, p95 = m.get("recall@10"), m.get("p95_ms")
        if found is not None and found < wish.recall:
            out.append(f"{target}: recall@10 is {found:g}, {wish.recall:g} was asked for")
        if wish.milliseconds is not None and p95 is not None and p95 > wish.milliseconds:
            out.append(
                f"{target}: 95 % of queries take {p95:g} ms, {wish.milliseconds:g} was asked for"
            )
    return out


def other_kind(manifest: dict[str, Any]) -> list[str]:
    """That an index is of another kind than was asked for, in no segment of that kind, and why; a sentence or none."""
    wanted = wish_of(manifest).kind
    made = [m for segment in manifest["segments"] for m in segment["index"].values()]
    if wanted is None or not made or any(m["kind"] == wanted for m in made):
        return []
    why = made[0].get("why")
    return [f"its kind is {made[0]['kind']}, {wanted} was asked for" + (f": {why}" if why else "")]
