"""The taxa of rows: of which columns each name is read, what is common and what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prom3e_index.schema import RANKS
from prom3e_index.tables.cells import Cells, Memo, Problems, but
from prom3e_index.tables.names import name_kind, names_kind, taxon_text
from prom3e_index.tables.sample import Sample
from prom3e_index.tables.vernacular import are_codes, two_names

if TYPE_CHECKING:
    import pyarrow as pa

_HIGHER = RANKS[:-2]
_READ = (*RANKS, "scientific_name", "common_name", "epithet", "infraspecific")
_GIVEN = ("species", "scientific_name", "common_name", "text")
_COMMON_KNOWN = 20_000


class Named:
    """The columns of a table that name taxa.

    Args:
        columns: Field → its columns in order of preference.
        sample: The first rows, from which it is learned what a column of names holds.

    Attributes:
        changed: Columns of which some cells are no scientific names; they are worth keeping as they are.
    """

    def __init__(self, columns: dict[str, tuple[str, ...]], sample: Sample | None = None) -> None:
        self._columns = columns
        self._memo = Memo(self._taxon)
        self._known: frozenset[str] = frozenset()
        self._common: set[str] = set()
        self._codes: set[str] = set()
        self.changed: set[str] = set()
        self.begin()
        if sample is None:
            return
        self._known = frozenset(sorted(self._commons(sample))[:_COMMON_KNOWN])
        for field in ("species", "scientific_name"):
            for column in columns.get(field, ())[:1]:
                texts = set(sample.texts(column))
                if are_codes(texts):
                    self._codes.add(field)
                elif names_kind(texts, self._known) == "common":
                    self._common.add(field)
                kinds = {self._kind(field, t, None) for t in texts}
                if kinds & {"common", "nothing", "code"} or any(map(two_names, texts)):
                    self.changed.add(column)

    def _commons(self, sample: Sample) -> set[str]:
        """The common names of the first rows, in lower case; one that the row gives as scientific too tells nothing."""
        own = [
            sample.column(c)
            for field in ("scientific_name", "species")
            for c in self._columns.get(field, ())[:1]
        ]
        found = set()
        for column in self._columns.get("common_name", ()):
            cells = sample.column(column)
            for row, text in enumerate(cells):
                if text is not None and not any(o[row] == text for o in own):
                    found.add(text.lower())
        return found

    def begin(self) -> None:
        """Start counting anew."""
        self._counted = 0
        self._example: str | None = None

    @property
    def said(self) -> list[str]:
        """How many rows have a common name alone."""
        if not self._counted:
            return []
        return [
            f"{self._counted:,} rows have no scientific name; their text is the common name as it is written, such as "
            f"{self._example!r}"
        ]

    def _kind(self, field: str, text: str, genus: str | None) -> str:
        words = text.split()
        if field in self._codes and len(words) == 1:
            return "code"
        kind = name_kind(text, genus, self._known)
        if genus is not None or field not in self._common or kind not in ("scientific", "none"):
            return kind
        titled = all(w[:1].isupper() for w in words)  # `Rotfuchs`, `Gemeines Leinkraut`
        return "common" if len(words) == 1 or titled and two_names(text) is None else kind

    def _taxon(self, *cells: str | None) -> tuple[str | None, ...]:
        """Species, scientific and common name, text, why there is none, and the common name that the text is."""
        given = dict(zip(_READ, cells, strict=True))
        genus, common, epithet = given["genus"], given["common_name"], given["epithet"]
        reason: str | None = None
        names: dict[str, str | None] = {}
        held = two_names(common) if common else None
        if held is not None:
            common = held[1]
        for field in ("scientific_name", "species"):
            text = names[field] = given[field]
            both = two_names(text) if text else None
            if both is not None:
                names[field], common = both[0], common or both[1]
                continue
            kind = None if text is None else self._kind(field, text, genus)
            if text is not None and kind == "nothing":
                names[field], reason = None, f"{text[:60]!r} names no taxon"
            elif text is not None and kind == "code":
                names[field], reason = (
                    None,
                    f"{text[:60]!r} is a code, as the cells of its column are, and no name",
                )
            elif text is not None and kind == "common":
                names[field], common = None, common or text
        if held is not None and not epithet and not any(names.values()):
            names["scientific_name"] = held[0]
        species, scientific = names["species"], names["scientific_name"]
        if genus and species and species.islower() and " " not in species:
            epithet, species = species, None
        if genus and scientific and scientific.islower() and " " not in scientific:
            epithet, scientific = epithet or scientific, None
        if genus and epithet and species is None:
            species = f"{genus} {epithet}"
        if scientific is None and species is not None:
            scientific = " ".join(filter(None, (species, given["infraspecific"])))
        ranks = {**{r: given[r] for r in (*_HIGHER, "genus")}, "species": species}
        text = taxon_text(ranks, scientific) or None
        name = scientific or species
        if text is not None:
            return species, scientific, common, text, reason, None
        if name and reason is None:
            reason = f"{name[:60]!r} is not the name of one taxon"
        if common and self._kind("common_name", common, None) != "nothing":
            return species, scientific, common, common, reason, common
        if common and reason is None:
            reason = f"{common[:60]!r} names no taxon"
        return species, scientific, common, None, reason, None

    def read(self, cells: Cells, lost: Problems) -> dict[str, pa.Array]:
        """The ranks, `scientific_name`, `common_name` and `text`.

        A common name in a column of scientific ones goes to `common_name`. Where no scientific name is known the
        text is the common one, as it is written. Words that say that there is no taxon are no names.
        """
        import pyarrow as pa
        from pyarrow import compute as pc

        out = {name: cells.first(self._columns.get(name, ())) for name in _READ}
        written = cells.first(self._columns.get("text", ()))
        kinds = [pa.string()] * 6
        columns = self._memo.arrays([out[name] for name in _READ], kinds)
        *given, reason, alone = columns
        out |= dict(zip(_GIVEN, given, strict=True))
        lost.note("text", but(written.is_valid(), reason))
        alone = but(written.is_valid(), alone)
        if alone.null_count < len(alone):
            there = alone.is_valid().to_numpy(zero_copy_only=False)
            self._counted += int(np.count_nonzero(there))
            self._example = self._example or str(alone[int(np.argmax(there))])
        out["text"] = pc.coalesce(written, out["text"])
        del out["epithet"], out["infraspecific"]
        return out
