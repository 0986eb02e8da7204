"""Whose the exported observations are, under which licences, and how their sources are cited."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import prom3e_index
from prom3e_index.exports.points import Extent, places
from prom3e_index.licences import CODES, code_of, licence_columns, roll_up, url_of
from prom3e_index.show.escapes import cells, csv_lines, shown

if TYPE_CHECKING:
    import pyarrow as pa

    from prom3e_index.exports.rows import Rows
    from prom3e_index.search.run import Bundle

ATTRIBUTION, CITATION, DERIVED = "ATTRIBUTION.csv", "CITATION.txt", "derived_dataset.csv"
HEAD = (
    "rights_holder", "licence", "licence_stated", "photo_licence", "sound_licence", "source", "rows", "photos",
    "sounds",
)  # fmt: skip
SIGNS = {ATTRIBUTION: ",".join(HEAD), CITATION: "by prom3e-index ", DERIVED: "datasetKey,count"}
"""What tells each of these files from one of the same name that somebody else wrote."""
_MOST = 1_000
"""Citations and data sets that are named one by one; of further ones the number is said."""
_DATASETS = ("datasetkey",)
_CITED = ("bibliographiccitation", "datasetname", "datasetid", "datasetkey")
_KEY = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
"""A data set's key at GBIF."""


def text_column(batch: pa.RecordBatch, names: Sequence[str]) -> pa.Array:
    """(n,) the first of some columns that has text in a row, trimmed; null where none has, or none is there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held = [batch.column(batch.schema.names.index(n)) for n in names if n in batch.schema.names]
    texts = [pc.utf8_trim_whitespace(c.cast(pa.string())) for c in held]
    filled = [pc.if_else(pc.equal(t, ""), None, t) for t in texts]
    return pc.coalesce(*filled) if filled else pa.nulls(batch.num_rows, pa.string())


def named(columns: Sequence[str], plain: str) -> list[str]:
    """The columns of a name that is compared without case and signs."""
    return [c for c in columns if re.sub(r"[\W_]+", "", c.lower()) == plain]


@dataclass
class Attribution:
    """What is counted of the rows while they are written.

    Attributes:
        bundle: The index.
        file: Name of what is written.
        rows: So far.
        extent: The box of their places.
    """

    bundle: Bundle
    file: str
    rows: int = 0
    extent: Extent = field(default_factory=Extent)
    _groups: dict[tuple[str | None, ...], list[int]] = field(default_factory=dict)
    _datasets: Counter[str] = field(default_factory=Counter)
    _cited: dict[str, Counter[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._licences = licence_columns(self.bundle.columns)

    @classmethod
    def of(cls, rows: Rows, file: str) -> Attribution:
        """Of some rows; only the columns that say it are read."""
        made = cls(rows.bundle, file)
        columns = rows.columns
        needed = {
            "license",
            "rights_holder",
            "source",
            "has_image",
            "has_audio",
            "longitude",
            "latitude",
        }
        needed |= {c for names in made._licences.values() for c in names}
        needed |= {c for plain in _CITED for c in named(columns, plain)}
        few = rows.only(needed | {"row"})
        for batch in few.batches(1 << 16):
            made.add(batch)
        return made

    def add(self, batch: pa.RecordBatch) -> None:
        """Count some rows, with the columns of the index."""
        import pyarrow as pa

        self.rows += batch.num_rows
        self.extent.add(*places(batch))
        names = batch.schema.names
        licence = text_column(batch, ["license"])
        parts: dict[str, Any] = {
            "holder": text_column(batch, ["rights_holder"]),
            "licence": licence,
            "source": text_column(batch, ["source"]),
        }
        for modality in ("image", "audio"):
            own = self._licences.get(modality)
            parts[modality] = text_column(batch, own) if own else licence
            has = f"has_{modality}"
            there = batch.column(names.index(has)) if has in names else pa.nulls(batch.num_rows)
            parts[has] = there.cast(pa.bool_()).fill_null(False)
        table = pa.table(parts)
        keys = ["holder", "licence", "image", "audio", "source", "has_image", "has_audio"]
        for group in (
            table.group_by(keys, use_threads=False).aggregate([([], "count_all")]).to_pylist()
        ):
            image, audio, count = group["has_image"], group["has_audio"], group["count_all"]
            key = (
                group["holder"],
                group["licence"],
                code_of(group["image"]) if image else None,
                code_of(group["audio"]) if audio else None,
                group["source"],
            )
            counted = self._groups.setdefault(key, [0, 0, 0])
            for i, more in enumerate((count, count * image, count * audio)):
                counted[i] += more
        for plain in _CITED:
            stated = text_column(batch, named(names, plain))
            for value, count in _counted(stated):
                self._cited.setdefault(plain, Counter())[value] += count
                if plain in _DATASETS:
                    self._datasets[value] += count
        if not named(names, "datasetkey"):
            for value, count in _counted(parts["source"]):
                if _KEY.fullmatch(value):
                    self._datasets[value] += count

    def add_medium(
        self, holder: str | None, stated: str | None, source: str | None, modality: str, code: str
    ) -> None:
        """Count a photo or a sound that is written beside the rows; `stated` is the licence of its observation."""
        image, audio = (code if modality == m else None for m in ("image", "audio"))
        counted = self._groups.setdefault((holder, stated, image, audio, source), [0, 0, 0])
        counted[1 if modality == "image" else 2] += 1

    @property
    def licences(self) -> dict[str, int]:
        """Code → rows of which it is the strictest: of observation, photo and sound together."""
        counts: Counter[str] = Counter()
        for key, (rows, *_) in self._groups.items():
            counts[roll_up(_codes(key)) or ""] += rows
        return {code: counts[code] for code in CODES if counts[code]}

    @property
    def licence(self) -> str | None:
        """The licence of the whole: the most restrictive of rows, photos and sounds; None of nothing."""
        return roll_up(code for key in self._groups for code in _codes(key))

    def of_records(self) -> str | None:
        """The licence of the observations together, without their photos and sounds; None of nothing."""
        return roll_up(code_of(stated) for _, stated, *_ in self._groups)

    def said(self) -> str:
        """The licence of the whole, and of which rows it comes."""
        if self.licence is None:
            return "no licence: there is no row"
        parts = ", ".join(f"{code} {rows:,}" for code, rows in self.licences.items())
        meaning = {
            "ARR": ", all rights reserved: rows without a licence are among them",
            "unknown": ": rows with a licence that is not known are among them",
        }.get(self.licence, "")
        return f"{self.licence}{meaning} ({parts})"

    def tags(self) -> dict[str, Any]:
        """What a file says of itself, ready for JSON."""
        policy = self.bundle.manifest.get("policy")
        known = policy if isinstance(policy, dict) else {}
        return {
            "licence": self.licence,
            "licences": self.licences,
            "rows": self.rows,
            "bbox": self.extent.box,
            "made_by": f"prom3e-index {prom3e_index.__version__}",
            "index_generation": self.bundle.manifest["generation"],
            "policy": {k: known[k] for k in ("name", "sha256") if k in known} or None,
        }

    def attribution_csv(self) -> str:
        """Holder, licences, source, and how many rows, photos and sounds; the rows add up to all."""
        out = io.StringIO()
        writer = csv_lines(out)
        writer.writerow(HEAD)
        groups = sorted(self._groups.items(), key=lambda g: (-g[1][0], *(k or "" for k in g[0])))
        for (holder, stated, image, audio, source), counts in groups:
            writer.writerow(cells([holder, code_of(stated), stated, image, audio, source, *counts]))
        return out.getvalue()

    def citation_txt(self) -> str:
        """How the whole and its sources are cited, and under which licence it stands."""
        day = datetime.now(UTC).date()
        model = str(self.bundle.manifest["model"]["name"]).replace("\\", "/").rsplit("/", 1)[-1]
        url = url_of(self.licence) if self.licence else None
        lines = [
            f"{self.rows:,} observations, {self.file}, written on {day} by prom3e-index {prom3e_index.__version__}.",
            f"Licence of the whole: {self.said()}.{f' {url}' if url else ''}",
            f"Holders of the rights, who are to be named: {ATTRIBUTION}.",
            f"Scores and completed values are of the model {model}, whose weights have licences of their own.",
            "",
        ]
        whole = self.bundle.manifest["source"].get("citations", [])
        lines += ["The sources ask to be cited so:", *whole, ""] if whole else []
        titles = {
            "bibliographiccitation": "Records are cited as:",
            "datasetname": "Data sets:",
            "datasetid": "Identifiers of data sets:",
        }
        for plain, title in titles.items():
            if plain in self._cited:
                lines += [title, *_most(self._cited[plain]), ""]
        if self._datasets:
            at_gbif = Counter(
                {
                    f"https://www.gbif.org/dataset/{key}": rows
                    for key, rows in self._datasets.items()
                }
            )
            lines += [
                f"Data sets at GBIF; a DOI for a derived data set is made of {DERIVED}, "
                "https://www.gbif.org/derived-dataset:",
                *_most(at_gbif),
                "",
            ]
        if len(lines) == 5:
            lines += ["The observations name no source that asks to be cited.", ""]
        return "\n".join(" ".join(shown(line).split()) for line in lines)

    def derived_csv(self) -> str | None:
        """`datasetKey,count`, as GBIF takes it for a derived data set; None where no row names a data set."""
        if not self._datasets:
            return None
        out = io.StringIO()
        writer = csv_lines(out)
        writer.writerow(("datasetKey", "count"))
        for key, rows in sorted(self._datasets.items(), key=lambda d: (-d[1], d[0])):
            writer.writerow(cells([key, rows]))
        return out.getvalue()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Name and text of what is written beside an export."""
        yield ATTRIBUTION, self.attribution_csv()
        yield CITATION, self.citation_txt()
        derived = self.derived_csv()
        if derived is not None:
            yield DERIVED, derived


def _codes(group: tuple[str | None, ...]) -> list[str]:
    """The licences of a group: of observation, photo and sound."""
    _, stated, image, audio, _ = group
    return [code_of(stated), *(c for c in (image, audio) if c is not None)]


def _counted(texts: pa.Array) -> Iterator[tuple[str, int]]:
    for pair in texts.value_counts().to_pylist():
        if pair["values"] is not None:
            yield pair["values"], pair["counts"]


def _most(counts: Counter[str]) -> list[str]:
    lines = [f"{value} ({rows:,} rows)" for value, rows in counts.most_common(_MOST)]
    left = len(counts) - len(lines)
    return [*lines, *([f"and {left:,} more"] if left > 0 else [])]
