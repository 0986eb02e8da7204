"""A build with a policy that is killed, whenever that is, leaves nothing of what the policy empties; the log has every act."""

from __future__ import annotations

import json

import duckdb
import pytest
from PIL import Image
from policies import RULE, birds, built, files_with, log_of

from prom3e_index.indexer import encode, engine
from prom3e_index.indexer.draft import open_draft, write_plan
from prom3e_index.indexer.plan import open_plan
from prom3e_index.policy import log
from prom3e_index.policy.log import LOG, append_acts, carried

TOLD = ("nest at the old mill", "52.31312", "13.44531")
"""A text and a place of f1, which the policy empties."""


class Killed(BaseException):
    pass


def killed(*_, **__):
    raise Killed


def rows():
    return [{**r, "locality": TOLD[0] if r["id"] == "f1" else "x"} for r in birds()]


def left(tmp_path, monkeypatch, stage, policy=RULE, table=None, **options):
    """Files of a build that was killed at a stage in which what the policy empties stands."""
    with monkeypatch.context() as m:
        m.setattr(engine if stage == "embed" else encode, stage, killed)
        with pytest.raises(Killed):
            built(tmp_path, table or rows(), policy, **options)
    return files_with(tmp_path / "t.p3i.building", *TOLD)


@pytest.mark.parametrize("stage", ["take_file_facts", "protect", "expand", "embed"])  # fmt: skip
def test_a_killed_build_leaves_nothing_that_the_policy_empties(tmp_path, monkeypatch, stage):
    assert left(tmp_path, monkeypatch, stage) == []
    assert len(list((tmp_path / "t.p3i.building").iterdir())) >= 1
    if stage != "embed":
        return
    index = built(tmp_path, rows())
    assert files_with(index, *TOLD) == []
    with duckdb.connect(str(index / "metadata.duckdb"), read_only=True) as con:
        assert con.execute("SELECT id FROM observations ORDER BY row").fetchall() == [
            (i,) for i in ("f1", "f2", "f3", "p1", "p2", "p3")
        ]


def test_without_a_policy_what_a_source_hides_is_left_out_of_the_plan_too(tmp_path, monkeypatch):
    table = [{**r, "coordinates_obscured": "true" if r["id"] == "f1" else "false"} for r in rows()]
    assert left(tmp_path, monkeypatch, "embed", None, table) == []
    assert built(tmp_path, table, None).is_dir()


def test_what_photos_say_of_their_places_is_left_by_no_killed_build(tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 18.0, 47.232), 3: "E", 4: (13.0, 26.0, 43.116)}
    Image.new("RGB", (32, 32)).save(tmp_path / "a.jpg", exif=exif)
    table = [{"id": "f1", "image": "a.jpg", "species": "Falco rusticolus"}, *birds()[3:]]
    assert left(tmp_path, monkeypatch, "embed", table=table) == []
    with duckdb.connect(str(tmp_path / "t.p3i.building/plan.duckdb"), read_only=True) as con:
        tables = {r[0] for r in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        (hidden,) = con.execute("SELECT place_level FROM planned WHERE id = 'f1'").fetchall()
    assert "file_facts" not in tables and hidden == ("0.1deg",)


def test_what_was_measured_of_recordings_outlasts_a_plan_begun_anew(tmp_path):
    (tmp_path / "spill").mkdir()
    (tmp_path / "spill/left.tmp").write_text(TOLD[0])
    con = open_plan(tmp_path)
    con.execute("CREATE TABLE durations AS SELECT 'a.wav' AS path, 'read' AS state, 9.5 AS seconds")
    con.execute(f"CREATE TABLE planned AS SELECT 0 AS seq, '{TOLD[0]}' AS locality")
    con.close()
    con = open_draft(tmp_path)
    assert not (tmp_path / "spill/left.tmp").exists()
    con.execute(
        "CREATE TABLE planned AS SELECT i AS seq, NULL::VARCHAR AS locality FROM range(3) r(i)"
    )
    con = write_plan(con, tmp_path)
    assert con.execute("SELECT path, seconds::DOUBLE FROM durations").fetchall() == [("a.wav", 9.5)]
    assert con.execute("SELECT seq FROM planned").fetchall() == [(0,), (1,), (2,)]
    con.close()
    assert files_with(tmp_path, TOLD[0]) == []
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["plan.duckdb"]
    # a file that was cut off is no plan to take anything from
    (tmp_path / "plan.duckdb").write_bytes(b"cut off")
    open_draft(tmp_path).close()


def act(sha, **more):
    done = log.act({"name": "n", "sha256": sha}, {"protected": 1, "rules": []})
    return {"generation": 1, "created": "2026-01-01T00:00:00+00:00", "action": "build", "added": 3, "policy": done, **more}  # fmt: skip


def test_two_indexes_of_one_second_each_have_their_act_in_the_log(tmp_path):
    first, second = act("a"), act("b")
    for history in ([first], [first], [second], [second]):
        append_acts(tmp_path, {"history": history})
    assert [e["policy"]["sha256"] for e in log_of(tmp_path)] == ["a", "b"]
    # the same policy on the same rows, in the same second, is another act too
    again = act("b")
    for _ in range(2):
        append_acts(tmp_path, {"history": [again]})
    assert len(log_of(tmp_path)) == 3
    # acts of earlier versions have no name
    old = {
        **first,
        "generation": 2,
        "policy": {k: v for k, v in first["policy"].items() if k != "act"},
    }
    for _ in range(2):
        append_acts(tmp_path, {"history": [old]})
    assert [e["generation"] for e in log_of(tmp_path)] == [1, 1, 1, 2]


def test_a_log_of_any_length_is_carried_whole(tmp_path):
    earlier, folder = tmp_path / "a", tmp_path / "b"
    earlier.mkdir()
    folder.mkdir()
    append_acts(earlier, {"history": [act("a")]})
    line = (earlier / LOG).read_bytes()
    with (earlier / LOG).open("r+b") as f:
        f.seek(0, 2)
        f.truncate((64 << 20) + 5)  # a hole, which takes no room
        f.seek(0, 2)
        f.write(b"\n" + line)
    carried(earlier, folder)
    assert (folder / LOG).stat().st_size == (earlier / LOG).stat().st_size > 64 << 20
    new = act("b")
    for _ in range(2):
        append_acts(folder, {"history": [new]})
    with (folder / LOG).open("rb") as f:
        f.seek((64 << 20) + 6)
        tail = f.read().decode().splitlines()
    assert [json.loads(t)["policy"]["sha256"] for t in tail] == ["a", "b"]
