"""Several files of one modality are averaged to one, and said; what takes one value is not given twice; stdin is a file."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from processes import program

from prom3e_index import Query
from prom3e_index.bundle.faiss import scan
from prom3e_index.errors import InputError


def photos(world, count: int) -> list[str]:
    return [str(p) for p in sorted((world / "photos").iterdir())[:count]]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_several_photos_ask_as_the_unit_mean_of_their_embeddings(bundle, world, count):
    files = photos(world, count)
    column = bundle.modalities.index("image")
    each = []
    for file in files:
        row = bundle.sql(
            "SELECT row FROM observations WHERE image = ?", [f"photos/{file.split('/')[-1]}"]
        )
        each.append(np.asarray(bundle.embeddings(bundle.modalities[column])[row[0][0]], np.float64))
    mean = np.mean([e / np.linalg.norm(e) for e in each], axis=0)
    found = bundle.search(Query(image=files, target="audio", k=5))
    alone = bundle.search(Query(embedding=mean, embedding_of="image", target="audio", k=5))
    assert np.allclose([h.score for h in found.hits], [h.score for h in alone.hits], atol=2e-3)
    assert (f"{count} photos, averaged to one" in found.notes) is (count > 1)
    assert found.query["given"]["image"] == files


def test_none_of_several_is_dropped(bundle, world, tmp_path):
    (tmp_path / "no.jpg").write_text("no photo")
    with pytest.raises(InputError, match=r"no\.jpg"):
        bundle.search(Query(image=[*photos(world, 1), str(tmp_path / "no.jpg")], target="audio"))
    for empty in ([], ()):
        with pytest.raises(InputError, match="empty list"):
            bundle.search(Query(image=empty, target="audio"))
    names = [
        r[0]
        for r in bundle.sql("SELECT DISTINCT scientific_name FROM observations LIMIT 3")
        if r[0]
    ][:2]
    assert any("2 names, averaged" in n for n in bundle.search(Query(text=names, k=1)).notes)


def test_the_command_averages_refuses_and_reads_stdin(bundle_path, world):
    one, two = photos(world, 2)
    run = program(
        "query", "-i", bundle_path, "--image", one, "--image", two, "-t", "audio", "-k", 1
    )
    assert run.returncode == 0 and "2 photos, averaged to one" in run.stdout
    for words in (("--location", "1,2", "--location", "3,4"), ("--text", "a", "-k", 1, "-k", 2),
                  ("--text", "a", "--where", "row = 1", "--where", "row = 2")):  # fmt: skip
        run = program("query", "-i", bundle_path, *words)
        assert run.returncode == 2 and "is given 2 times" in run.stderr
    asked = ("query", "-i", bundle_path, "-t", "audio", "-f", "csv", "--image")
    command = [sys.executable, "-m", "prom3e_index.cli.app", *map(str, asked), "-"]
    with open(one, "rb") as f:  # noqa: PTH123 - a pipe's end
        piped = subprocess.run(command, stdin=f, capture_output=True, text=True, cwd=ROOT)
    named = program(*asked, one)
    assert piped.returncode == 0 and piped.stdout == named.stdout and piped.stdout.count("\n") == 11
    for words in (("-",), ("-", "--audio", "-")):
        empty = program(*asked, *words)
        assert (
            empty.returncode == 2
            and len(empty.stderr.splitlines()) == 1
            and "stdin" in empty.stderr
        )


@pytest.mark.parametrize("k", [1, 5, 39, 40, 41])
def test_ties_beyond_the_kept_rows_are_settled_by_row_for_many_queries_too(k):
    """40 equal rows stand last and first; a query alone gives them by their number."""
    rng = np.random.default_rng(k)
    vectors = rng.normal(size=(3_000, 8)).astype(np.float16)
    vectors[[*range(20), *range(2_980, 3_000)]] = 4.0
    queries = np.concatenate([np.ones((3, 8)), rng.normal(size=(3, 8))]).astype(np.float32)
    scores, rows = scan.exact(vectors, queries, k)
    for i, query in enumerate(queries):
        alone = scan.exact(vectors, query[None], k)
        assert np.array_equal(rows[i], alone[1][0]) and np.array_equal(scores[i], alone[0][0])
