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
from prom3e_index.policy.countries import country_of
from prom3e_index.policy.names import (
    ANY,
    SYNONYM_COLUMNS,
    WORDS,
    Names,
    by_last_word,
    in_words,
    names_of,
    near_names_of,
)
from prom3e_index.policy.rules import Policy, Rule
from prom3e_index.policy.told_places import redacted
from prom3e_index.schema import RANKS, quoted

if TYPE_CHECKING:
    import duckdb

_OWN = (*RANKS, "scientific_name", "common_name", "text")
_BATCH = 50_000
_SHOWN = 3
_MOST_TOLD = 20


def match_rules(
    con: duckdb.DuckDBPyConnection, policy: Policy, extra: Mapping[str, str]
) -> list[str]:
    """Fill `policy_hits` with the rows that each rule meets by taxon, region and month.

    Args:
        con: The plan's connection, with that table, empty.
        policy: The policy.
        extra: Metadata columns of the plan → columns of the table.

    Returns:
        Sentences on names of the policy that no row has, and on codes of countries that are none.

    Raises:
        InputError: A name is alike one of rows that its rule does not meet, so that one of them may be misspelt; or a
            rule asks for what the table does not tell, a rank or a country.
    """
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
    if country and asking:
        said += _doubtful_codes(con, country, [r.number for r in asking])
    return said


def _doubtful_codes(
    con: duckdb.DuckDBPyConnection, country: str, rules: Sequence[int]
) -> list[str]:
    """What is said of cells that should tell a country and hold no code."""
    code = f"trim({quoted(country)}::VARCHAR)"
    rows = 0
    shown: list[str] = []
    found = con.execute(
        f"SELECT {code}, count(*) FROM planned WHERE {code} <> '' AND seq IN (SELECT seq FROM policy_hits WHERE rule "
        f"IN ({', '.join(map(str, rules))})) GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    while some := found.fetchmany(1000):
        for text, n in some:
            if country_of(text) is None:
                rows += int(n)
                shown += [repr(redacted(text[:20]))] if len(shown) < _SHOWN else []
    if not rows:
        return []
    return [
        f"policy: {rows:,} rows whose countryCode is no code of ISO 3166 count as within the rules' countries; as "
        f"{', '.join(shown)}"
    ]


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
    by_last = by_last_word(asked)
    met: set[int] = set()
    known: set[str] = set()
    ranks: set[str] = set()
    for batch in con.cursor().sql("SELECT * FROM policy_names").to_arrow_reader(_BATCH):
        pairs: list[tuple[int, int]] = []
        for number, named in _named(batch):
            known |= named["species"] | named["genus"]
            for rank in RANKS:
                if named[rank]:
                    ranks.add(rank)
                    known |= named[rank]
            found = _met(named, asked, by_last)
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
    unmet = [r for r in policy.rules if r.taxon and r.number not in met]
    _refuse_ranks(unmet, ranks, known)
    near = _near(policy, known - asked.keys())
    if near:
        batches = con.cursor().sql("SELECT * FROM policy_names").to_arrow_reader(_BATCH)
        _refuse_near(
            near, (named for batch in batches for _, named in _named(batch)), asked, by_last
        )
    con.execute("DROP TABLE policy_names")
    con.execute("DROP TABLE policy_taxa")
    return _unmet(unmet)


def _named(batch: Any) -> Iterator[tuple[int, Names]]:
    """Numbers of combinations of cells, and the names that they say."""
    for number, *values in zip(*(c.to_pylist() for c in batch.columns), strict=True):
        yield number, names_of(dict(zip(_OWN, values, strict=False)), tuple(values[len(_OWN) :]))


def rules_for(policy: Policy, cells: Mapping[str, str | None]) -> list[Rule]:
    """The rules that a taxon meets by its names, wherever and whenever it is; rules for every taxon among them.

    Args:
        policy: The policy.
        cells: Ranks, `scientific_name`, `common_name` and `text` of the taxon.
    """
    asked: dict[str, list[Rule]] = {}
    for rule in policy.rules:
        for name in rule.names:
            asked.setdefault(name, []).append(rule)
    met = _met(names_of(cells), asked, by_last_word(asked))
    return [r for r in policy.rules if r.taxon is None or r.number in met]


def _met(
    named: Names, asked: Mapping[str, list[Rule]], by_last: Mapping[str, list[str]]
) -> set[int]:
    standing = in_words(named[WORDS], by_last)
    return {
        rule.number
        for name in (named[ANY] & asked.keys()) | standing
        for rule in asked[name]
        if rule.rank is None or rule.names & named[rule.rank] or _of_rank(rule, standing)
    }


def _of_rank(rule: Rule, standing: set[str]) -> bool:
    """Whether words that stand in a row name a rule's taxon at its rank, as a genus or a species."""
    words = {"genus": 1, "species": 2}.get(rule.rank or "")
    return any(len(name.split()) == words for name in rule.names & standing)


def _refuse_ranks(unmet: list[Rule], ranks: set[str], known: set[str]) -> None:
    for rule in (r for r in unmet if not r.absent):
        if rule.rank is not None and rule.rank not in ranks and known:
            raise InputError(
                f"{rule.title} of the policy asks for the {rule.rank}, which no row of the table states. Add a column "
                f"{rule.rank}, name the species instead, or say `absent = true` in the rule. Nothing was made."
            )


def _near(policy: Policy, known: set[str]) -> list[tuple[Rule, set[str]]]:
    """Rules whose names are alike some that no rule names."""
    rules = [r for r in policy.rules if not r.absent]
    alike = near_names_of({n for r in rules for n in r.names}, known)
    found = ((r, {k for n in r.names for k in alike[n]} - r.distinct) for r in rules)
    return [(r, names) for r, names in found if names]


def _refuse_near(
    near: Sequence[tuple[Rule, set[str]]],
    rows: Iterator[Names],
    asked: Mapping[str, list[Rule]],
    by_last: Mapping[str, list[str]],
) -> None:
    """Refuse names alike of rows that their rules do not meet: a slip of the pen may have left them out."""
    left: dict[int, set[str]] = {}
    for named in rows:
        alike = {r.number: names & named[ANY] for r, names in near if names & named[ANY]}
        if alike:
            met = _met(named, asked, by_last)
            for number in alike.keys() - met:
                left.setdefault(number, set()).update(alike[number])
    if not left:
        return
    told = [
        f"{rule.title}, nearest: {', '.join(repr(n) for n in sorted(left[rule.number])[:_SHOWN])}"
        for rule, _ in near
        if rule.number in left
    ]
    more = f"; and {len(told) - _MOST_TOLD:,} more rules" if len(told) > _MOST_TOLD else ""
    raise InputError(
        "Rows that rules of the policy do not meet have names that are one or two letters apart from theirs. "
        f"{'; '.join(told[:_MOST_TOLD])}{more}. Correct the name, add the spelling to its synonyms, or to its "
        "`distinct` if it is another taxon. Nothing was made."
    )


def _unmet(rules: list[Rule]) -> list[str]:
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
    codes = [country_of(c or "") for c in batch.column(6).cast("string").to_pylist()]
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
            holds &= np.array([codes[i] is None or codes[i] in rule.countries for i in mine])
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
    days = column.to_pylist()
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
