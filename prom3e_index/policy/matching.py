"""Which planned rows a policy's rules meet, and what names in it no row has.

The plan is the table `planned` of a build; what is found is left in its table `policy_hits`: `seq`, `rule`, `level`
(its strictness), `month`, `companions`. Nothing but distinct names is held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import InputError
from prom3e_index.policy.cells import strictness
from prom3e_index.policy.columns import plain
from prom3e_index.policy.names import ANY, SYNONYM_COLUMNS, Names, names_of, near_names_of
from prom3e_index.policy.rules import Policy, Rule
from prom3e_index.schema import RANKS

if TYPE_CHECKING:
    import duckdb

_OWN = (*RANKS, "scientific_name", "common_name", "text")
_BATCH = 50_000
_SHOWN = 3


def quoted(name: str) -> str:
    """A column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def match_rules(
    con: duckdb.DuckDBPyConnection, policy: Policy, extra: Mapping[str, str]
) -> list[str]:
    """Fill `policy_hits` with the rows that each rule meets by taxon, region and month.

    Args:
        con: The plan's connection.
        policy: The policy.
        extra: Metadata columns of the plan → columns of the table.

    Returns:
        Sentences on names of the policy that no row has.

    Raises:
        InputError: A name that no row has is alike one that rows have, so that one of them may be misspelt; or a rule
            asks for what the table does not tell, a rank or a country.
    """
    con.execute(
        "CREATE OR REPLACE TABLE policy_hits (seq BIGINT, rule INTEGER, level INTEGER, month BOOLEAN, "
        "companions BOOLEAN)"
    )
    country = next((c for c in extra if plain(c) == "countrycode"), None)
    asking = [r for r in policy.rules if r.countries]
    if asking and country is None:
        raise InputError(
            f"{asking[0].title} of the policy asks for countries. No outlines of countries come with the program, and "
            "the table has no column countryCode: add one, or give the rule a bbox or a polygon. Nothing was made."
        )
    said = _match_taxa(con, policy, [c for c in extra if plain(c) in SYNONYM_COLUMNS])
    by_number = {r.number: r for r in policy.rules}
    place = "p.latitude, p.longitude, p.event_start, p.event_end, "
    place += f"p.{quoted(country)}" if country else "NULL::VARCHAR"
    every = [r.number for r in policy.rules if r.taxon is None]
    queries = [
        f"SELECT p.seq, t.rule, {place} FROM planned p JOIN policy_rows t USING (seq)",
        *(f"SELECT p.seq, {number}::INTEGER, {place} FROM planned p" for number in every),
    ]
    for query in queries:
        for batch in con.cursor().sql(query).to_arrow_reader(1 << 16):
            _note(con, batch, by_number)
    con.execute("DROP TABLE policy_rows")
    return said


def _match_taxa(con: duckdb.DuckDBPyConnection, policy: Policy, more: Sequence[str]) -> list[str]:
    """Make `policy_rows` of each row and the rules whose taxon it has, whatever its place and month."""
    import pyarrow as pa

    columns = [*_OWN, *more]
    cells = ", ".join(map(quoted, columns))
    con.execute(
        f"CREATE OR REPLACE TABLE policy_names AS SELECT row_number() OVER () AS combination, * FROM "
        f"(SELECT DISTINCT {cells} FROM planned)"
    )
    con.execute("CREATE OR REPLACE TABLE policy_taxa (combination BIGINT, rule INTEGER)")
    asked: dict[str, list[Rule]] = {}
    for rule in policy.rules:
        for name in rule.names:
            asked.setdefault(name, []).append(rule)
    met: set[int] = set()
    known: set[str] = set()
    ranks: set[str] = set()
    for batch in con.cursor().sql("SELECT * FROM policy_names").to_arrow_reader(_BATCH):
        pairs: list[tuple[int, int]] = []
        for number, *values in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            named = names_of(dict(zip(_OWN, values, strict=False)), tuple(values[len(_OWN) :]))
            known |= named["species"] | named["genus"]
            for rank in RANKS:
                if named[rank]:
                    ranks.add(rank)
                    known |= named[rank]
            found = _met(named, asked)
            met |= found
            pairs += [(number, rule) for rule in found]
        if pairs:
            combinations, rules = zip(*pairs, strict=True)
            con.register("met", pa.table({"combination": combinations, "rule": rules}))
            con.execute("INSERT INTO policy_taxa SELECT * FROM met")
            con.unregister("met")
    same = " AND ".join(f"n.{quoted(c)} IS NOT DISTINCT FROM p.{quoted(c)}" for c in columns)
    con.execute(
        "CREATE OR REPLACE TABLE policy_rows AS SELECT p.seq, t.rule FROM policy_taxa t "
        f"JOIN policy_names n USING (combination) JOIN planned p ON {same}"
    )
    con.execute("DROP TABLE policy_names")
    con.execute("DROP TABLE policy_taxa")
    return _unmet(
        [r for r in policy.rules if r.taxon and r.number not in met], known, ranks, set(asked)
    )


def _met(named: Names, asked: Mapping[str, list[Rule]]) -> set[int]:
    rules = (rule for name in named[ANY] & asked.keys() for rule in asked[name])
    return {r.number for r in rules if r.rank is None or r.names & named[r.rank]}


def _unmet(rules: list[Rule], known: set[str], ranks: set[str], asked: set[str]) -> list[str]:
    """What is said of rules that meet no row; refuses those that a slip of the pen may have left out."""
    sought = {name for r in rules if not r.absent for name in r.names}
    alike = near_names_of(sought, known - asked) if sought else {}
    for rule in (r for r in rules if not r.absent):
        if rule.rank is not None and rule.rank not in ranks and known:
            raise InputError(
                f"{rule.title} of the policy asks for the {rule.rank}, which no row of the table states. Add a column "
                f"{rule.rank}, name the species instead, or say `absent = true` in the rule. Nothing was made."
            )
        near = sorted({k for name in rule.names for k in alike[name]})
        if near:
            shown = ", ".join(repr(n) for n in near[:_SHOWN])
            raise InputError(
                f"{rule.title} of the policy: no row has that name; nearest: {shown}. Correct the name, add the "
                "spelling to its synonyms, or say `absent = true` in the rule if both are meant. Nothing was made."
            )
    if not rules:
        return []
    first = ", ".join(str(r.taxon) for r in rules[:8])
    more = f" and {len(rules) - 8:,} more" if len(rules) > 8 else ""
    return [f"policy: no row has the names of {len(rules):,} rules: {first}{more}"]


def _note(con: duckdb.DuckDBPyConnection, batch: Any, rules: Mapping[int, Rule]) -> None:
    """Put those of a batch's rows into `policy_hits` that lie in the regions and months of their rules."""
    import pyarrow as pa

    if not batch.num_rows:
        return
    seq, number = (np.asarray(batch.column(i)) for i in (0, 1))
    latitude, longitude = (
        np.asarray(batch.column(i).to_numpy(zero_copy_only=False), np.float64) for i in (2, 3)
    )
    first, last = (_months(batch.column(i)) for i in (4, 5))
    last = np.where(last < 0, first, last)
    codes = [None if c is None else str(c).strip().upper() for c in batch.column(6).to_pylist()]
    keep = np.zeros(len(seq), bool)
    parts: dict[str, list[Any]] = {"level": [], "month": [], "companions": []}
    chosen = []
    for n, mine in _groups(number):
        rule = rules[n]
        holds = np.ones(len(mine), bool)
        if rule.region is not None:
            holds &= rule.region.holds(latitude[mine], longitude[mine])
        if rule.months:
            holds &= _within(rule.months, first[mine], last[mine])
        if rule.countries:
            holds &= np.array([not codes[i] or codes[i] in rule.countries for i in mine])
        keep[mine] = holds
        chosen.append(mine[holds])
        for name, value in (
            ("level", strictness(rule.level)), ("month", rule.by_month), ("companions", rule.companions),
        ):  # fmt: skip
            parts[name] += [value] * int(holds.sum())
    rows = np.concatenate(chosen)
    if len(rows):
        table = {"seq": seq[rows], "rule": number[rows], **parts}
        con.register("met", pa.table(table))
        con.execute("INSERT INTO policy_hits BY NAME SELECT * FROM met")
        con.unregister("met")


def _groups(numbers: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for n in np.unique(numbers):
        yield int(n), np.flatnonzero(numbers == n)


def _months(column: Any) -> NDArray[np.int64]:
    """Months since the year 0 of days; −1 where none is known."""
    days = [None if d is None else d for d in column.to_pylist()]
    return np.array([-1 if d is None else d.year * 12 + d.month - 1 for d in days], np.int64)


def _within(
    months: frozenset[int], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether spans of months have one of a rule's; those that are not known may."""
    found = (first < 0) | (last - first >= 11)
    wanted = np.array(sorted(months))
    for step in range(12):
        found |= (first + step <= last) & np.isin((first + step) % 12 + 1, wanted)
    return found
