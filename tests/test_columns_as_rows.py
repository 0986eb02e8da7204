"""Tables are read by column and by distinct values; each row must be what it is when read alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plain_rules
import pyarrow as pa
import pytest

from prom3e_index.schema import CLIMATE_COLUMNS, FIELDS
from prom3e_index.tables.aliases import match_columns
from prom3e_index.tables.cells import Memo, distinct
from prom3e_index.tables.normalise import Rules
from prom3e_index.tables.observations import Layout

NOTHING = (None, "", " ", "NA", "nan", "N/a", "\\N", "-", "null")
POOLS: dict[str, tuple[Any, ...]] = {
    "occurrenceID": ("a", "007", "1e5", " b ", "12345678901234567890"),
    "image": ("p/1.jpg", "p/2.jpg", "../out.jpg", "https://e.org/x.jpg", "a\0b"),
    "photo": ("q/1.png", "q/2.png"),
    "audio": ("s/1.wav", "\u3000s/2.wav\t", "ftp://e.org/a.mp3"),
    "decimalLatitude": ("51.5", "-33", "+7.25", ".5", "91", "1e400", "x", "-90.0", "4e1", "1_0", "-9999", "0"),
    "decimalLongitude": ("4.25", "-181", "180", "5.", "0", "y", "-0", "1e-3"),
    "lat": ("1", "2.5", "95", "0", "999.9"),
    "lon": ("3", "4.75", "0.0"),
    "coordinateUncertaintyInMeters": ("10", "-1", "about 5", "2.5e3"),
    "obscured": ("true", "FALSE", "private", "0", "obscured"),
    "informationWithheld": ("Coordinates generalised", "no"),
    "eventDate": ("2024-05-01", "2024-05-01T10:00:00Z", "2024-02-30", "2024-02-30T10:00", "soon", "2023-W10", "2024-05-01/2024-05-03"),
    "year": ("2020", "2021.0"),
    "month": ("5", "13"),
    "day": ("9", "31"),
    "event_start": ("2019-01-02",),
    "event_end": ("2019-01-02", "2019-01-05"),
    "kingdom": ("Animalia", "Plantae"),
    "family": ("Paridae", "Corvidae"),
    "genus": ("Parus", "Pica"),
    "scientificName": ("Parus major Linnaeus, 1758", "Pica pica", "???", "Anas × Branta", "12", "Blank"),
    "vernacularName": ("Great Tit",),
    "license": ("CC-BY", "CC0"),
    "recordedBy": ("Ada", "Björn \u2019"),
    "note": ("a", " b ", "é", "x" * 50),
    **{c: ("0.5", "-1.25", "60", "z", "3") for c in CLIMATE_COLUMNS},
}  # fmt: skip


def draw(rng: np.random.Generator, n: int, scarce: float) -> pa.RecordBatch:
    """`n` rows whose cells are nothing in a share `scarce` of them."""

    def cell(pool: tuple[Any, ...]) -> Any:
        empty = rng.random() < scarce
        return NOTHING[rng.integers(len(NOTHING))] if empty else pool[rng.integers(len(pool))]

    return pa.RecordBatch.from_pydict(
        {c: pa.array([cell(p) for _ in range(n)], pa.string()) for c, p in POOLS.items()}
    )


def compare(layout: Layout, raw: pa.RecordBatch, first: int) -> None:
    got = layout.batch(raw, first).to_pylist()
    assert len(got) == raw.num_rows
    for i, (row, found) in enumerate(zip(raw.to_pylist(), got, strict=True)):
        fields, problems = plain_rules.observation(layout.rules, row)
        fields["env"] = (
            None if fields["env"] is None else list(map(float, np.float32(fields["env"])))
        )
        extra = {name: plain_rules.kept(row[column]) for name, column in layout.extra.items()}
        told = [{"modality": m, "reason": r} for m, r in problems]
        fields |= dict.fromkeys(("start_s", "end_s", "refused"))
        assert found == {"row_in": first + i, **fields, **extra, "more": [], "problems": told}


@pytest.mark.parametrize(("n", "scarce"), [(0, 0.5), (1, 0.1), (1, 1.0), (300, 0.3), (300, 0.9)])
def test_a_column_of_rows_is_read_as_each_row_alone(tmp_path: Path, n: int, scarce: float) -> None:
    rng = np.random.default_rng(n)
    raw = draw(rng, n, scarce)
    for columns in (
        list(POOLS),
        [c for c in POOLS if c not in ("decimalLatitude", "eventDate", "year")],
    ):
        part = raw.select(columns)
        layout = Layout(columns, Rules(match_columns(columns, {}), tmp_path))
        compare(layout, part, 7)
        compare(
            layout, part.slice(n // 3), 7 + n // 3
        )  # remembered answers, and a batch with an offset


def test_cells_that_the_source_types_are_read_as_their_text(tmp_path: Path) -> None:
    raw = pa.RecordBatch.from_pydict(
        {
            "id": pa.array([1, 2, None], pa.int64()),
            "lat": pa.array([51.5, float("nan"), 91.0]),
            "lon": pa.array([4.0, 5.0, 1.0], pa.float32()),
            "name": pa.array(["Pica pica", None, " "]).dictionary_encode(),
            "flag": pa.array([True, False, None]),
            "share": pa.array([0.1, 1.0, float("nan")]),
            "parts": pa.array([["a"], [], None], pa.list_(pa.string())),
            "nothing": pa.nulls(3),
        }
    )
    names = raw.schema.names
    compare(Layout(names, Rules(match_columns(names, {}), tmp_path)), raw, 0)


def test_climate_of_another_scale_is_refused_row_by_row(tmp_path: Path) -> None:
    raw = draw(np.random.default_rng(5), 50, 0.6)
    rules = Rules(match_columns(list(POOLS), {}), tmp_path, raw_climate="'1' is no scaled value")
    compare(Layout(list(POOLS), rules), raw, 0)


def test_distinct_rows_are_found_whatever_the_number_of_columns() -> None:
    rng = np.random.default_rng(3)
    words = rng.integers(0, 60_000, (5, 9000)).astype(str)
    columns = [pa.array(w) for w in words]  # 45,000 spellings to the fifth: more than 64 bits count
    places, own = distinct([*columns, pa.array([None, "x"] * 4500, pa.string())])
    rows = list(zip(*words, [None, "x"] * 4500, strict=True))
    assert len(places) == len(set(rows))
    assert [rows[places[i]] for i in own] == rows


def test_a_function_is_called_once_for_each_distinct_value() -> None:
    called: list[str | None] = []
    memo = Memo(lambda text: called.append(text) or (text,))
    for _ in range(2):
        (out,) = memo.arrays([pa.array(["b", None, "a", "b"])], [pa.string()])
        assert out.to_pylist() == ["b", None, "a", "b"]
    assert called == ["b", None, "a"]


def test_every_field_has_a_column(tmp_path: Path) -> None:
    layout = Layout(["name"], Rules({"scientific_name": ("name",)}, tmp_path))
    batch = layout.batch(pa.RecordBatch.from_pydict({"name": ["Pica pica"]}), 0)
    assert set(FIELDS) <= set(batch.schema.names)
