"""An index keeps its policy: rows added, updated, merged, restored and compacted stay generalised, and the log tells it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from policies import (
    OPEN,
    RULE,
    TRUE,
    birds,
    built,
    files_with,
    log_of,
    quiet,
    write_policy,
    write_rows,
)

from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer import generation
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.policy_check import check_policy
from prom3e_index.indexer.restore import restore
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.policy.rules import read_policy
from prom3e_index.search.run import Bundle

DAY = RULE + 'companions = "day"\n'


def changed(index: Path, rows, update=False, policy: str | None = None, **options):
    table = write_rows(index.with_suffix(".more.csv"), rows)
    read = None if policy is None else read_policy(write_policy(index.parent, policy, "more.toml"))
    config = BuildConfig(table=str(table), out=index, workers=1, policy=read, **options)
    return add(index, config, quiet, update=update)


def levels(index: Path) -> dict[str, str | None]:
    with Bundle.open(index) as bundle:
        if "place_level" not in bundle.columns:
            return {r[0]: None for r in bundle.sql("SELECT id FROM observations")}
        return dict(bundle.sql("SELECT id, place_level FROM observations ORDER BY row"))


def falcon(key, place=(1.23456, 2.34567), **more):
    return {"id": key, "species": "Falco rusticolus", "latitude": place[0], "longitude": place[1],
            "eventDate": "2024-07-01", "recordedBy": "Zoe", **more}  # fmt: skip


def test_rows_added_later_get_the_index_s_policy_unasked(tmp_path):
    index = built(tmp_path, birds())
    changed(index, [falcon("f9"), {**falcon("p9"), "species": "Parus major", "latitude": 5.43219}])
    manifest = json.loads((index / "manifest.json").read_text())

    assert levels(index) == {"f1": "0.1deg", "f2": "0.1deg", "f3": "0.1deg", "p1": None, "p2": None, "p3": None,
                             "f9": "0.1deg", "p9": None}  # fmt: skip
    assert manifest["policy"]["rows"] == {"open": 4, "0.1deg": 4}
    assert files_with(index, "1.23456") == []
    assert check_policy(index).found == 0


def test_an_index_without_rows_to_hide_gets_columns_when_they_come(tmp_path):
    index = built(tmp_path, birds()[3:])
    assert levels(index) == {"p1": None, "p2": None, "p3": None}
    changed(index, [falcon("f9")])

    assert levels(index) == {"p1": None, "p2": None, "p3": None, "f9": "0.1deg"}
    assert Bundle.open(index).sql(
        "SELECT latitude, obscured FROM observations WHERE id = 'f9'"
    ) == [(1.25, True)]


def test_an_update_never_loosens_and_may_tighten(tmp_path):
    index = built(tmp_path, birds())
    rows = birds()
    rows[0]["species"] = "Parus major"  # identified anew
    changed(index, rows[:1], update=True)
    assert levels(index)["f1"] == "0.1deg"
    changed(
        index,
        rows[3:4],
        update=True,
        policy='[[rule]]\ntaxon = "Parus major"\nlevel = "withhold"',
        replace_policy=True,
    )
    assert levels(index)["p1"] == "withhold"
    assert Bundle.open(index).sql("SELECT latitude, has_loc FROM observations WHERE id = 'p1'") == [
        (None, False)
    ]
    remove(index, None, ["p1"], quiet)
    weaker = '[[rule]]\ntaxon = "Falco"\nlevel = "1km"\n'
    changed(index, rows[3:4], policy=weaker, replace_policy=True)
    assert levels(index)["p1"] == "withhold"  # as it had before it was removed


def test_what_was_generalised_since_is_not_restored(tmp_path):
    index = built(tmp_path, birds(), None)
    changed(index, birds()[:3], update=True, policy=RULE)
    found = check_policy(index)
    assert {f.id for f in found.findings if "earlier generation" in f.what} == {"f1", "f2", "f3"}

    with pytest.raises(InputError, match="places of 3 observations as they were before"):
        restore(index, 1, quiet)
    assert levels(index)["f1"] == "0.1deg"
    changed(index, [falcon("f9")])
    restore(index, 2, quiet)  # of the same policy
    assert levels(index)["f1"] == "0.1deg" and "f9" not in levels(index)
    assert json.loads((index / "manifest.json").read_text())["policy"]["rows"] == {
        "open": 3,
        "0.1deg": 3,
    }
    compact(index, quiet)
    assert check_policy(index).found == 0
    assert files_with(index, "52.31312", "13.44531") == []


def test_segments_that_are_joined_and_an_index_that_is_compacted_keep_levels_and_places(
    tmp_path, monkeypatch
):
    from prom3e_index.indexer import merge

    monkeypatch.setattr(merge, "MOST", 2)
    index = built(tmp_path, birds())
    for i in range(3):
        changed(index, [falcon(f"g{i}", (10.12345 + i, 20.54321))])
    before = Bundle.open(index).sql(
        "SELECT id, latitude, longitude, place_level, obscured FROM observations ORDER BY id"
    )

    assert len(json.loads((index / "manifest.json").read_text())["segments"]) == 2
    compact(index, quiet)
    after = Bundle.open(index).sql(
        "SELECT id, latitude, longitude, place_level, obscured FROM observations ORDER BY id"
    )
    assert before == after and len(after) == 9
    assert check_policy(index).found == 0


def test_companions_are_told_across_changes(tmp_path):
    index = built(tmp_path, birds(), DAY)
    tit = {
        **birds()[3],
        "id": "p9",
        "recordedBy": "observer 1",
        "eventDate": "2024-05-01",
        "latitude": 3.21987,
    }
    changed(index, [tit])
    assert levels(index)["p9"] == "0.1deg"
    exposed = falcon("f9", eventDate=birds()[3]["eventDate"], recordedBy=birds()[3]["recordedBy"])
    with pytest.raises(
        InputError, match="1 observations of the index are of the same observer and day.*'p1'"
    ):
        changed(index, [exposed])
    assert (
        "f9" not in levels(index)
        and json.loads((index / "manifest.json").read_text())["generation"] == 2
    )
    remove(index, None, ["p1"], quiet)
    changed(index, [exposed, birds()[3]])
    assert levels(index)["f9"] == levels(index)["p1"] == "0.1deg"


def test_the_log_has_a_line_for_each_act_whatever_is_killed(tmp_path, monkeypatch):
    index = built(tmp_path, birds())
    changed(index, [falcon("f9")])
    assert [(e["generation"], e["command"], e["policy"]["protected"]) for e in log_of(index)] == [
        (1, "build", 3),
        (2, "add", 1),
    ]

    class Killed(Exception):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as m:
        m.setattr(
            generation,
            "append_acts",
            lambda folder, manifest: manifest["generation"] < 3 or killed(),
        )
        with pytest.raises(Killed):
            changed(index, [falcon("g9")])
    assert len(log_of(index)) == 2 and "g9" in levels(index)
    with (index / "policy.log.jsonl").open("a") as f:
        f.write('{"time": "2026-')  # a line that a crash cut off
    whole = (index / "policy.log.jsonl").read_bytes()
    remove(index, None, ["p2"], quiet)
    text = (index / "policy.log.jsonl").read_bytes()
    lines = text.decode().splitlines()

    assert text.startswith(whole) and len(lines) == 4
    assert [json.loads(line)["generation"] for line in (*lines[:2], lines[3])] == [1, 2, 3]
    compact(index, quiet)
    assert (index / "policy.log.jsonl").read_bytes() == text
    for place in (*TRUE.values(), *OPEN.values(), (1.23456, 2.34567)):
        assert not any(str(v)[:6].encode() in text for v in place)
    named = re.sub(
        rb"[0-9a-f]{16,64}", b"", text
    )  # checksums, which hold any two letters by chance
    assert b"csv" not in named and b"f9" not in named


def test_an_index_built_over_another_goes_on_with_its_log(tmp_path):
    index = built(tmp_path, birds())
    first = (index / "policy.log.jsonl").read_text()
    built(tmp_path, birds(), overwrite=True)

    assert (index / "policy.log.jsonl").read_text().startswith(first) and len(log_of(index)) == 2


def test_an_unfinished_build_with_another_policy_is_not_continued_with_its_places(
    tmp_path, monkeypatch
):
    import prom3e_index.indexer.build as module

    class Killed(Exception):
        pass

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as m:
        m.setattr(module, "write_segment", killed)
        with pytest.raises(Killed):
            built(tmp_path, birds(), None)
    index = built(tmp_path, birds())
    assert levels(index)["f1"] == "0.1deg" and check_policy(index).found == 0
    assert files_with(index, "52.31312") == []


def test_a_policy_in_a_manifest_that_was_changed_is_refused(tmp_path):
    index = built(tmp_path, birds())
    manifest = json.loads((index / "manifest.json").read_text())
    manifest["policy"]["toml"] = RULE.replace("0.1deg", "100m")
    (index / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(BundleError, match="it was changed"):
        changed(index, [falcon("f9")])
