"""Which reported rows were trained or chosen on, or share a photo, sound or embedding with such rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.sources import Source
from prom3e_index.models.folder import Model
from prom3e_index.models.seen import Seen
from prom3e_index.models.seen_parts import seen_by
from prom3e_index.show.escapes import shown

Mask = NDArray[np.bool_]
RECURRING = ("sat", "loc", "env", "text")
"""Tile, place, climate and name belong to a site or a species, of which honest rows have many: they are counted, and
refuse nothing. What is left, a photo, a sound or a further modality, is of one observation."""
NAME = "text"
WORDS = {
    "image": "photo", "sat": "tile", "loc": "place", "env": "climate", "text": "name", "audio": "sound",
}  # fmt: skip
_NOTHING = np.zeros(0, np.uint64)
_EXAMPLES = 3
_LONGEST_ID = 40
_EARLIER = "these results were made by an earlier version, which did not look"


@dataclass
class _Compared:
    """One set of rows that was seen, beside the data's."""

    rows: int
    share_kept: float
    among: Mask
    shares: Mask


class SeenRows:
    """Reported rows beside the rows that were trained and chosen on.

    Args:
        data: Rows, of which all are reported unless `reported` says otherwise.
        reported: (n,) which of them.
    """

    def __init__(self, data: EvalSet, reported: Mask | None = None) -> None:
        self._data = data
        self._reported = np.ones(len(data), bool) if reported is None else reported
        self._seen = np.zeros(data.present.shape, bool)
        self._kept = dict.fromkeys(data.modalities, 1.0)
        self._against: dict[str, _Compared] = {}
        self._unknown: list[str] = []

    def of_model(self, model: Model, *, mvae: bool = True) -> None:
        """Compare with what a model was trained on and adjusted on, as far as it says.

        Args:
            model: Its MVAE and its encoders.
            mvae: Whether the MVAE is used, or the encoders alone.
        """
        seen, unknown = seen_by(model, mvae=mvae)
        self._unknown += [f"model {model.name} does not say what {w} trained on" for w in unknown]
        if seen is None:
            return
        if seen.n:
            self.against(f"the rows that model {model.name} was trained on", seen)
        if seen.chosen is not None:
            self.against(f"the rows that model {model.name} was adjusted on", seen.chosen)

    def of_source(self, what: str, source: Source, split: str | None) -> None:
        """Compare with all rows of a split (None: all) of a source, not only those that were drawn."""
        blocks = source.blocks(source.chosen(split))
        self.against(what, seen_in(((x, p) for x, p, _ in blocks), source.modalities))

    def against(
        self,
        what: str,
        seen: Seen,
        *,
        rows: NDArray[np.int64] | None = None,
        modalities: Sequence[str] | None = None,
        whole_rows: bool = True,
    ) -> None:
        """Compare with rows that were seen.

        Args:
            what: Which they are, for the sentences; of the same name all are counted together.
            seen: They.
            rows: Compare only these of the data; the reported ones when None.
            modalities: Compare only these; all when None.
            whole_rows: Whether a row of nothing but known places, tiles and climates is one of those seen.
        """
        data = self._data
        at = np.flatnonzero(self._reported) if rows is None else rows
        x, present = data.x[at], data.present[at].copy()
        if modalities is not None:
            present &= np.isin(data.modalities, modalities)
        found, judged = np.zeros_like(present), np.zeros_like(present)
        names = [m for m in data.modalities if m in seen.modalities]
        here, there = ([of.index(m) for m in names] for of in (data.modalities, seen.modalities))
        asked = x, present
        if seen.modalities != data.modalities:
            asked = _ordered(x, present, seen.modalities, data.modalities)
        found[:, here] = seen.rows(*asked)[:, there]
        judged[:, here] = seen.judged(*asked)[:, there]
        own = ~np.isin(data.modalities, RECURRING)
        telling = own if seen.share < 1 or not whole_rows else np.array(data.modalities) != NAME
        shares = (found & own).any(axis=1)
        among = (found & telling).any(axis=1) & ~(present & judged & ~found).any(axis=1)
        among |= shares & seen.ids(data.ids[at].tolist())
        self._seen[at] |= found
        for m in names:
            self._kept[m] = min(self._kept[m], seen.share)
        none = np.zeros(len(data), bool)
        of = self._against.setdefault(what, _Compared(0, 1.0, none, none.copy()))
        of.rows, of.share_kept = max(of.rows, seen.n), min(of.share_kept, seen.share)
        of.among[at] |= among
        of.shares[at] |= shares

    def _any(self, which: str) -> Mask:
        masks = [getattr(of, which) for of in self._against.values()]
        any_of = np.logical_or.reduce([np.zeros(len(self._data), bool), *masks])
        return np.asarray(any_of & self._reported)

    def _repeated(self, have: NDArray[np.int64]) -> dict[str, list[int]]:
        """Rows that have an embedding of their own, and how many of these differ, where not all do."""
        shown = (
            self._data.present
            & self._reported[:, None]
            & ~np.isin(self._data.modalities, RECURRING)
        )
        marks = Seen.of(self._data.x, shown, self._data.modalities).marks
        return {
            m: [int(have[i]), len(marks[m])]
            for i, m in enumerate(self._data.modalities)
            if m not in RECURRING and len(marks[m]) < have[i]
        }

    def facts(self) -> dict[str, Any]:
        """What results state.

        Returns:
            `reported`: rows; `among`: of them trained or chosen on; `share`: others with a photo, sound or further
            embedding of such a row; `by_modality`: rows whose embedding of it is known; `ids` of the first;
            `repeated`: of photos, sounds and further embeddings that stand in several reported rows, how many differ;
            `against`: what was compared, each with its own numbers, and how many it `adds` to those above it;
            `unknown`: what could not be. Of a model of very
            many rows only a share is noted (`share_kept`): `among` and `share` are then lower bounds, and
            `by_modality` is estimated.
        """
        among = self._any("among")
        more = self._any("shares") & ~among
        count = (self._seen & self._reported[:, None]).sum(axis=0)
        have = (self._data.present & self._reported[:, None]).sum(axis=0)
        before = np.zeros((2, len(self._data)), bool)
        adds = {}
        for what, of in self._against.items():
            mine = np.stack([of.among, of.among | of.shares]) & self._reported
            adds[what] = int((mine & ~before).any(axis=0).sum())
            before |= mine
        first = np.concatenate([np.flatnonzero(among), np.flatnonzero(more)])[:_EXAMPLES]
        return {
            "reported": int(self._reported.sum()),
            "among": int(among.sum()),
            "share": int(more.sum()),
            "by_modality": {
                m: int(min(have[i], round(count[i] / self._kept[m])))
                for i, m in enumerate(self._data.modalities)
                if count[i]
            },
            "ids": [str(i) for i in self._data.ids[first]],
            "repeated": self._repeated(have),
            "against": [
                {
                    "what": what,
                    "rows": of.rows,
                    "share_kept": of.share_kept,
                    "among": int((of.among & self._reported).sum()),
                    "share": int((of.shares & ~of.among & self._reported).sum()),
                    "adds": adds[what],
                }
                for what, of in self._against.items()
            ],
            "unknown": self._unknown,
        }


def seen_in(blocks: Iterable[tuple[NDArray[np.float32], Mask]], modalities: Sequence[str]) -> Seen:
    """What rows hold, given as embeddings (n, m, d) and presence (n, m), a part at a time."""
    parts = [Seen.of(x, present, modalities) for x, present in blocks]
    while len(parts) > 1:
        pairs = zip(parts[::2], [*parts[1::2], None], strict=False)
        parts = [a if b is None else a.joined(b) for a, b in pairs]
    return parts[0] if parts else Seen(tuple(modalities), 0, {m: _NOTHING for m in modalities})


def _ordered(
    x: NDArray[np.float32], present: Mask, wanted: Sequence[str], have: Sequence[str]
) -> tuple[NDArray[np.float32], Mask]:
    """Embeddings and presence with other modalities along axis 1; what is not there is absent."""
    out = np.zeros((len(x), len(wanted), x.shape[2]), np.float32)
    shown = np.zeros((len(x), len(wanted)), bool)
    for i, m in enumerate(wanted):
        if m in have:
            out[:, i], shown[:, i] = x[:, have.index(m)], present[:, have.index(m)]
    return out, shown


def refuse_seen(seen: Mapping[str, Any], allow: bool) -> None:
    """Refuse to report rows that were trained or chosen on, or share a photo or sound with such.

    Args:
        seen: `SeenRows.facts`.
        allow: Whether they may be reported all the same.

    Raises:
        InputError: There are some; both numbers, what they share and the first ids are in the message.
    """
    if not allow and (seen["among"] or seen["share"]):
        found = _found(seen)
        raise InputError(
            f"{found[0].upper()}{found[1:]}. Of new observations such results say little. Report rows that were held "
            "out, those of one photo or sound on one side (`encode --column split`: train, val, test), or say "
            "--allow-seen: every result then carries this warning."
        )


def seen_sentences(facts: Mapping[str, Any]) -> list[str]:
    """What people are told of it, from the facts of results; the first begins with `warning:` where it is one."""
    seen = facts.get("seen")
    if seen is None:
        return [f"not known whether reported rows were trained on: {_EARLIER}"]
    out = []
    if seen["among"] or seen["share"]:
        out.append(f"warning: {_found(seen)}. Of new observations these results say little.")
    elif seen["against"]:
        out.append(
            f"none of the {seen['reported']:,} reported rows is among, or shares a photo or sound with, "
            f"{_compared(seen)}"
        )
    known = [
        f"{WORDS[m]} ({seen['by_modality'][m]:,})" for m in RECURRING if m in seen["by_modality"]
    ]
    if known:
        out.append(
            f"of {seen['reported']:,} reported rows, rows trained or chosen on have the same {', '.join(known)}: at "
            "known sites and of known species answers are easier than at new ones"
        )
    for m, (rows, differ) in seen["repeated"].items():
        word = WORDS.get(m, m)
        out.append(
            f"{rows:,} reported rows have a {word}, and {differ:,} of these differ: where rows repeat a {word}, "
            "intervals that take rows for independent are too narrow"
        )
    out += [f"not known whether reported rows were trained on: {why}" for why in seen["unknown"]]
    return out


def _found(seen: Mapping[str, Any]) -> str:
    at_least = "at least " if any(a["share_kept"] < 1 for a in seen["against"]) else ""
    by = ", ".join(
        f"{WORDS.get(m, m)} {n:,}" for m, n in seen["by_modality"].items() if m not in RECURRING
    )
    ids = ", ".join(_short(i) for i in seen["ids"])
    return (
        f"reported rows were trained or chosen on: {at_least}{seen['among']:,} of {seen['reported']:,} are, with all "
        f"they hold, in {_compared(seen, found=True)}, and {seen['share']:,} more share a photo, sound or the like "
        f"with them{f' ({by} in all)' if by else ''}; first: {ids}"
    )


def _compared(seen: Mapping[str, Any], found: bool = False) -> str:
    those = [a for a in seen["against"] if not found or a["adds"]]
    return " and ".join(f"{a['what']} ({a['rows']:,})" for a in those)


def _short(name: str) -> str:
    """An id on one line."""
    text = shown(name)
    return text if len(text) <= _LONGEST_ID else text[:_LONGEST_ID] + "…"
