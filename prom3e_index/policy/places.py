"""What stands in place of a generalised place, its uncertainty, and what Darwin Core says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from prom3e_index.policy.cells import LEVELS, NAMES, WITHHOLD
from prom3e_index.policy.rules import Policy

if TYPE_CHECKING:
    import duckdb

_AT_SOURCE = "Coordinates hidden at the request of the observer"


def replace_places(con: duckdb.DuckDBPyConnection, policy: Policy | None) -> None:
    """Make `policy_places`: what stands in place of the place of each row, and what is said of it."""
    import pyarrow as pa

    con.execute(
        "CREATE OR REPLACE TABLE policy_places (seq BIGINT, latitude DOUBLE, longitude DOUBLE, uncertainty DOUBLE, "
        "level VARCHAR, generalised VARCHAR, withheld VARCHAR, reach DOUBLE)"
    )
    reasons = {r.number: r.reason for r in policy.rules} if policy is not None else {}
    query = (
        "SELECT p.seq, p.latitude, p.longitude, p.coordinate_uncertainty_m, l.level, l.rule, l.source, l.stated "
        "FROM planned p JOIN policy_levels l USING (seq) ORDER BY p.seq"
    )
    for batch in con.cursor().sql(query).to_arrow_reader(1 << 16):
        seq, latitude, longitude, uncertainty, number = (
            np.asarray(batch.column(i).to_numpy(zero_copy_only=False), np.float64) for i in range(5)
        )
        rules, source = (batch.column(i).to_pylist() for i in (5, 6))
        stated = np.array(
            batch.column(7).to_pylist(), bool
        )  # a centre already, with its uncertainty
        n = len(seq)
        lat, lon, metres = (np.full(n, np.nan) for _ in range(3))
        reach = np.zeros(n)
        for level in {int(v) for v in number}:
            rows = (number == level) & np.isfinite(latitude)
            reach[number == level] = LEVELS[NAMES[level]].reach_deg
            if NAMES[level] == WITHHOLD or not rows.any():
                continue
            lat[rows], lon[rows], half = LEVELS[NAMES[level]].centres(
                latitude[rows], longitude[rows]
            )
            metres[rows] = half + np.nan_to_num(uncertainty[rows])
            before = rows & stated & (lat == latitude) & (lon == longitude)
            metres[before] = np.fmax(uncertainty, metres - np.nan_to_num(uncertainty))[before]
        said = [
            _said(NAMES[int(level)], policy, reasons.get(rule, ""), own, known)
            for level, rule, own, known in zip(
                number, rules, source, np.isfinite(latitude), strict=True
            )
        ]
        table = {
            "seq": seq.astype(np.int64),
            **{k: pa.array(v, from_pandas=True) for k, v in
               (("latitude", lat), ("longitude", lon), ("uncertainty", metres))},
            "level": [NAMES[int(v)] for v in number],
            "generalised": pa.array([s[0] for s in said], pa.string()),
            "withheld": pa.array([s[1] for s in said], pa.string()),
            "reach": reach,
        }  # fmt: skip
        con.register("made", pa.table(table))
        con.execute("INSERT INTO policy_places BY NAME SELECT * FROM made")
        con.unregister("made")


def _said(
    level: str, policy: Policy | None, reason: str, source: bool, known: bool
) -> tuple[str | None, str | None]:
    """`dataGeneralizations` and `informationWithheld` of a row; no place is told by them."""
    by = f", policy {policy.cited}" if policy is not None and not source else ""
    why = f" ({reason})" if reason else ""
    if level == WITHHOLD:
        return None, _AT_SOURCE if source else f"Coordinates withheld{by}{why}"
    if not known:
        return None, None
    marked = "; marked as obscured by its source" if source else ""
    return (
        f"Coordinates generalised from the stored value to the centre of a {LEVELS[level].words} cell{by}{why}{marked}",
        None,
    )
