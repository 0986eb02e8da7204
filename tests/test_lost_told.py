"""What an index is without is told in groups, with ids and the rows of the user's table; each of them as CSV."""

from __future__ import annotations

import csv
import io
import json

import pytest
from changes import places, quiet

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.build import build
from prom3e_index.indexer.change import add, remove
from prom3e_index.indexer.compact import compact
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.models.folder import Model
from prom3e_index.search.run import Bundle

ROWS = [  # id, photo, latitude, longitude, date
    ("k1", "https://x.org/1.jpg", "1", "2", "2024-05-01"), ("k2", "https://x.org/2.jpg", "1", "2", "31.31.2024"),
    ("k3", "gone.jpg", "3", "4", "2024-05-01"), ("k4", "", "", "", "2024-05-01"),
    *((f"m{i}", f"https://x.org/m{i}.jpg", "5", "6", "2024-05-01") for i in range(5)),
]  # fmt: skip


@pytest.fixture
def lossy(tmp_path, fast):
    lines = ["id,image,latitude,longitude,date", *(",".join(r) for r in ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    build(BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "i.p3i", model="mini"))
    return tmp_path / "i.p3i"


def listed(command, index) -> list[tuple[str, ...]]:
    code, out, _ = command("info", "--lost", "--csv", "-i", index)
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert all(r.pop("reason") for r in rows)
    return [tuple(r.values()) for r in rows]


EXPECTED = [
    ("lost", "1", "k1", "image"), ("lost", "2", "k2", "event_date"), ("lost", "2", "k2", "image"), ("lost", "3", "k3", "image"),
    *(("lost", str(5 + i), f"m{i}", "image") for i in range(5)), ("refused", "4", "k4", ""),
]  # fmt: skip


def test_losses_are_grouped_and_each_is_in_the_csv(lossy, command):
    code, out, _ = command("info", "--lost", "-i", lossy)
    lines = out.splitlines()
    assert code == 0 and "image: 8 lost" in lines and "event_date: 1 lost" in lines
    at = lines.index("image: 8 lost")
    assert lines[at + 1].startswith("  7  'https://x.org/1.jpg' is remote")
    assert lines[at + 2].strip() == "k1 (row 1), k2 (row 2), m0 (row 5), …"
    assert lines[at + 4].strip() == "k3 (row 3)"
    assert "refused: 1 row" in lines and "k4 (row 4)" in out
    assert lines[-1] == "a line for each, as CSV: prom3e-index info --lost --csv"
    assert listed(command, lossy) == EXPECTED


def test_rows_that_are_gone_or_mended_are_not_told(lossy, command, tmp_path, fast):
    remove(lossy, Filter(where="id = 'k1'"), None, quiet)
    (tmp_path / "u.csv").write_text("id,latitude,longitude\nk2,1,2\n")
    (tmp_path / "n.csv").write_text("id,latitude,longitude\nk4,1,2\n")
    for name, update in (("u", True), ("n", False)):
        add(lossy, BuildConfig(table=str(tmp_path / f"{name}.csv"), out=lossy), quiet, update)
    left = [r for r in EXPECTED if r[2] not in ("k1", "k2", "k4")]
    assert listed(command, lossy) == left
    assert "1 row refused before, and added since" in command("info", "--lost", "-i", lossy)[1]
    compact(lossy, quiet)
    assert listed(command, lossy) == left  # rows of the table, not of the index


def test_nothing_lost_is_said_and_csv_alone_is_refused(index, command):
    assert "nothing was lost, and no row was refused\n" in command("info", "--lost", "-i", index)[1]
    assert command("info", "--lost", "--csv", "-i", index)[1] == "what,table_row,id,field,reason\n"
    assert command("info", "--csv", "-i", index)[0] == 2


def test_add_says_which_rows_were_there_without_their_file(lossy, command, tmp_path, world, fast):
    """The photo is there now: `add` passes its row over and says what would take it; `update` does."""
    photo = next((world / "photos").iterdir())
    (tmp_path / "gone.jpg").write_bytes(photo.read_bytes())
    code, out, _ = command("add", tmp_path / "t.csv", "-i", lossy, "--workers", 1)
    assert code == 0 and "0 added, 8 were there already" in out
    assert (
        "1 of those that were there already have lost a file" in out
        and "prom3e-index update" in out
    )
    only = tmp_path / "only.csv"
    only.write_text("id,image,latitude,longitude\nk3,gone.jpg,3,4\n")
    code, out, _ = command("update", only, "-i", lossy, "--workers", 1)
    assert code == 0 and "1 written anew" in out and "restore --at 1" in out
    assert Bundle.open(lossy).sql("SELECT has_image FROM observations WHERE id = 'k3'") == [(True,)]
    assert "k3" not in {r[2] for r in listed(command, lossy)}


def of_this_model(index):
    """Have an index say that it was made with the weights that mini has now: rows are added with no others."""
    made = json.loads((index / "manifest.json").read_text())
    made["fingerprints"]["mvae"] = Model.open("mini").mvae_fingerprint
    (index / "manifest.json").write_text(json.dumps(made))


def test_an_index_whose_losses_have_no_row_of_a_table_is_told_by_ids(tmp_path, command, fast):
    from pathlib import Path
    from shutil import copytree

    copytree(Path(__file__).parent / "bundles" / "v2", tmp_path / "i.p3i")
    of_this_model(tmp_path / "i.p3i")
    code, out, _ = command("info", "--lost", "-i", tmp_path / "i.p3i")
    assert code == 0 and out
    before = listed(command, tmp_path / "i.p3i")
    assert all(r[1] == "" for r in before if r[0] == "lost")
    add(
        tmp_path / "i.p3i",
        BuildConfig(table=places(tmp_path / "n.csv", ["n"]), out=tmp_path / "i.p3i"),
        quiet,
    )
    compact(tmp_path / "i.p3i", quiet)
    assert listed(command, tmp_path / "i.p3i") == before
