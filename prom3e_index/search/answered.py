"""What is answered: an answer and its hits, as values, as lines of text and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import in_python
from prom3e_index.search.in_words import sentences
from prom3e_index.search.spans import media_fragment

if TYPE_CHECKING:
    import pandas

    from prom3e_index.bundle.opened import BundleFolder

LINES = 10
"""Hits that the text of an answer shows."""
WIDTH = 100
"""Letters of a line of it."""


@dataclass(frozen=True, repr=False)
class Hit:
    """One observation of an answer.

    Attributes:
        rank: From 1.
        row: Row number in the bundle.
        score: Higher is better.
        completed: Whether the target was completed by the model; False means observed.
        observed: Modalities that the observation has.
        media: Its file in the target modality, else of another one; None without files.
        fields: id, observation, names, place, date, licence, rights holder and so on; `start_s` and `end_s` in seconds
            where the row is a window of a recording.
        heard: Whether its file is a recording.
        p_right: Probability that it is right, on the hit that the answer's confidence speaks of; None on the others.
        files: Modalities of which the index names a file here that may be shown.
    """

    rank: int
    row: int
    score: float
    completed: bool
    observed: tuple[str, ...]
    media: str | None
    fields: dict[str, Any]
    heard: bool = False
    p_right: float | None = None
    files: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parts = [str(self.rank), repr(self.fields.get("id")), f"score {self.score:.4f}", self.kind]
        named = [repr(str(v)) for k in ("scientific_name", "media") if (v := self._value(k))]
        return f"Hit({line(', '.join(parts + named), 300)})"

    def _value(self, name: str) -> Any:
        return self.media if name == "media" else self.fields.get(name)

    @property
    def kind(self) -> str:
        """`observed` or `completed`."""
        return "completed" if self.completed else "observed"

    @property
    def media_fragment(self) -> str | None:
        """Where in its file a sound was heard, `t=420,430`, as players read it at the end of an address after `#`."""
        if not self.heard:
            return None
        return media_fragment(self.fields.get("start_s"), self.fields.get("end_s"))

    def to_dict(self) -> dict[str, Any]:
        """A flat, JSON-ready dictionary: rank, id, score, completed, p_right, names, place, date, rights, media."""
        out = {
            "rank": self.rank,
            "id": self.fields["id"],
            "score": self.score,
            "completed": self.completed,
            "p_right": self.p_right,
        }
        rest = {
            k: str(v) if isinstance(v, date) else v for k, v in self.fields.items() if k != "id"
        }
        return {
            **out,
            **rest,
            "media": self.media,
            "media_fragment": self.media_fragment,
            "observed": list(self.observed),
            "row": self.row,
        }


@dataclass(frozen=True, repr=False)
class Answer:
    """What a query found and how: a sequence of its hits, best first.

    `len(answer)`, `answer[0]` and `for hit in answer` speak of the hits; `answer.to_pandas()` is a table of them with
    everything that the index knows of each observation.

    Attributes:
        query: given, target, space, weights, filters, what `search.confidence.told` says (confidence, species_set,
            expected_error, add_next), sigma_l1, sigma_percentile (None: unknown), sigma_spearman.
        hits: Best first; ties by row number.
        search: rows, eligible, path, milliseconds per step, notes.
        bundle: The opened index that answered; `to_pandas` reads the other columns there.
    """

    query: dict[str, Any]
    hits: tuple[Hit, ...]
    search: dict[str, Any] = field(default_factory=dict)
    bundle: BundleFolder | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __getitem__(self, place: int) -> Hit:
        return self.hits[place]

    def __bool__(self) -> bool:
        return True  # an answer without hits is an answer

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "bundle": None}  # an opened index stays in its process

    def __repr__(self) -> str:
        count = f"{len(self)} {'hit' if len(self) == 1 else 'hits'}"
        lines = [f"Answer: {' + '.join(self.query['given'])} → {self.query['target']}, {count}"]
        lines += [_hit_line(h) for h in self.hits[:LINES]]
        if len(self) > LINES:
            lines.append(f"  … and {len(self) - LINES} more")
        lines = [line(text) for text in lines]
        for said in sentences(self.query) if self.hits else []:
            lines += wrap(line(said, 600), WIDTH, subsequent_indent="  ")
        for note in self.notes:
            lines += wrap(f"note: {line(in_python(note), 600)}", WIDTH, subsequent_indent="  ")
        if self.search:
            lines.append(f"{self.search['eligible']:,} of {self.search['rows']:,} rows eligible")
        return "\n".join(lines)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of this answer, the weightiest first."""
        return tuple(self.search.get("notes", ()))

    @property
    def standing(self) -> str:
        """How the query's ‖σ‖₁ stands among observations that show as much, in words."""
        percentile = self.query["sigma_percentile"]
        if percentile is None:
            return "unknown among the observations, of which too few show the same"
        return f"above {percentile:g} % of the observations when they show the same"

    def to_dict(self) -> dict[str, Any]:
        """One JSON-ready object."""
        return {
            "query": self.query,
            "hits": [h.to_dict() for h in self.hits],
            "search": self.search,
        }

    def to_pandas(self, metadata: bool = True) -> pandas.DataFrame:
        """The hits as a `pandas.DataFrame`, a row each, best first; see `to_pandas` for its columns.

        Args:
            metadata: With every column of the index, those of your own table too; else with those of a hit alone,
                which a closed index still tells.

        Raises:
            InputError: pandas is not installed.
            BundleError: The index was closed, and the metadata are asked for.
        """
        from prom3e_index.search.frame import frame_of

        return frame_of([self], metadata, several=False)


def line(text: str, width: int = WIDTH) -> str:
    """Text for one line of a terminal: what would steer it or break the line is written out, the rest cut."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def _hit_line(h: Hit) -> str:
    name = h.fields.get("scientific_name") or h.fields.get("common_name") or "no name"
    when = f"  {h.fields['event_date']}" if h.fields.get("event_date") else ""
    return f"{h.rank:>3}  {h.score:.4f}  {h.kind:9s}  {name}  {h.fields.get('id')}{when}"
