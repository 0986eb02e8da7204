"""What a reader of Python sees: public names, an index and an answer in a few lines, an answer as a table."""

from __future__ import annotations

import csv
import io
import pickle
import pydoc
import subprocess
import sys

import numpy as np
import pytest

import prom3e_index
from prom3e_index import Bundle, Filter, Query, to_pandas
from prom3e_index.errors import BundleError, InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.meaning import MEANINGLESS


def test_the_package_shows_its_public_names_only_and_costs_nothing():
    assert sorted(dir(prom3e_index)) == sorted([*prom3e_index.__all__, "__version__"])
    text = pydoc.render_doc(prom3e_index, renderer=pydoc.plaintext)
    for name in prom3e_index.__all__:
        assert name in text, name
    heavy = "('numpy', 'pyarrow', 'duckdb', 'torch', 'faiss', 'pandas', 'typer')"
    code = f"import sys, prom3e_index; dir(prom3e_index); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_answer_is_a_sequence_of_its_hits(bundle):
    answer = bundle.search(Query(text="Vexfius", target="image", k=4))
    assert len(answer) == 4 and list(answer) == list(answer.hits) and answer[-1] is answer.hits[3]
    none = bundle.search(Query(text="Vexfius", filter=Filter(where="false")))
    assert len(none) == 0 and list(none) == [] and none


@pytest.mark.parametrize("k", [1, 10, 11])
def test_an_answer_shows_itself_on_one_screen(bundle, k):
    answer = bundle.search(Query(location=(10, 20), target="image", k=k))
    lines = repr(answer).splitlines()
    assert lines[0] == f"Answer: loc → image, {k} {'hit' if k == 1 else 'hits'}"
    shown = [line for line in lines if line[4:5].isdigit() or line[5:6].isdigit()]
    for line, hit in zip(lines[1:], answer.hits[:10], strict=False):
        assert line.split()[:3] == [str(hit.rank), f"{hit.score:.4f}", hit.kind]
        assert hit.fields["id"] in line
    assert len(shown) >= min(k, 10) and ("  … and 1 more" in lines) is (k == 11)
    assert len(lines) < 24 and max(map(len, lines)) <= 100
    words = " ".join(" ".join(lines).split())
    for note in answer.notes:
        assert note in words


def test_what_a_table_says_cannot_steer_the_terminal_that_shows_it(bundle):
    from dataclasses import replace

    answer = bundle.search(Query(location=(10, 20), k=1))
    bad = "\x1b]0;owned\x07\n\u202e" + "x" * 500
    hit = replace(answer[0], fields=answer[0].fields | {"scientific_name": bad, "id": bad})
    for text in (repr(replace(answer, hits=(hit,))), repr(hit)):
        assert not set("\x1b\x07\u202e") & set(text) and "\\x1b]0;owned" in text
        assert max(map(len, text.splitlines())) <= 310


def test_queries_and_filters_show_what_was_given():
    assert repr(Query(text="Pica pica", target="audio", k=3)) == (
        "Query(text='Pica pica', target='audio', k=3)"
    )
    many = Query(embedding=np.zeros(512), embedding_of="image", image=["a.jpg"] * 9)
    assert repr(many) == "Query(image=<9 values>, embedding=<512 values>, embedding_of='image')"
    f = Filter(near=(1, 2, 3), where="x" * 500)
    assert len(repr(Query(filter=f))) < 200 and repr(f).endswith("…, near=(1.0, 2.0, 3.0))")
    assert repr(Query()) == "Query()" and repr(Filter()) == "Filter()"


def test_an_index_says_what_it_is_and_that_it_was_closed(bundle_path):
    with Bundle.open(bundle_path) as opened:
        assert len(opened) == 60 and not opened.closed
        have = opened.sql(
            "SELECT count(*) FILTER (has_image), count(*) FILTER (has_audio) FROM observations"
        )[0]
        assert f"60 observations, generation 1, model mini\n  observed: image {have[0]}, " in repr(
            opened
        )
        assert f"audio {have[1]}" in repr(opened) and MEANINGLESS not in repr(opened)
        answer = opened.search(Query(location=(1, 2), k=2))
    assert opened.closed and "closed, 60 observations" in repr(opened)
    for asked in (
        lambda: opened.search(Query(location=(1, 2))),
        lambda: list(opened.search_many([Query(location=(1, 2))])),
        lambda: opened.sql("SELECT 1"),
        lambda: opened.embeddings("image"),
        lambda: opened.nearest("image", np.zeros((1, 1024), np.float32), 1),
        lambda: answer.to_pandas(),
    ):
        with pytest.raises(BundleError, match="index was closed; open it again"):
            asked()
    assert answer.to_pandas(metadata=False)["id"].tolist() == [h.fields["id"] for h in answer]


def test_observations_are_counted_once_however_many_rows_they_have(bundle):
    from types import SimpleNamespace

    counts = {"rows": 60, "counts": {"observations": 7}}
    windows = SimpleNamespace(
        manifest=bundle.manifest | counts, rows=60, path=bundle.path, closed=True
    )
    assert Bundle.__len__(windows) == 7


def test_an_answer_as_a_table_has_all_that_the_table_said(bundle, world):
    pytest.importorskip("pandas")
    answer = bundle.search(Query(text="Vexfius", target="image", k=20))
    frame = answer.to_pandas()
    with (world / "observations.csv").open(newline="") as f:
        given = {r["occurrenceID"]: r for r in csv.DictReader(f)}
    assert frame["rank"].tolist() == list(range(1, 21))
    assert frame["score"].tolist() == [h.score for h in answer]
    assert frame["completed"].tolist() == [not given[i]["image"] for i in frame["id"]]
    assert frame["media"].fillna("").tolist() == [h.media or "" for h in answer]
    for row in frame.to_dict("records"):
        own = given[row["id"]]
        assert row["true_species"] == own["true_species"] and row["license"] == own["license"]
        assert str(row["event_start"])[:10] == own["eventDate"]
        assert float(row["bio_1"] if own["bio_1"] else 0) == float(own["bio_1"] or 0)
        assert row["has_audio"] is bool(own["audio"])
    sigma = dict(bundle.sql("SELECT id, sigma_l1 FROM observations"))
    assert frame["uncertainty"].tolist() == [sigma[i] for i in frame["id"]]
    assert frame.attrs["notes"] == list(answer.notes)
    assert (
        str(frame["event_start"].dtype).startswith("datetime64") and frame["bio_1"].dtype == float
    )


def test_several_answers_are_one_table(bundle):
    pd = pytest.importorskip("pandas")
    queries = [Query(location=(i, 2), k=k, filter=Filter(where=w)) for i, (k, w) in enumerate(
        [(3, None), (2, "false"), (1, None), (60, None)])]  # fmt: skip
    frame = to_pandas(bundle.search_many(queries))
    alone = [bundle.search(q).to_pandas() for q in queries]
    assert frame["query"].tolist() == [0] * 3 + [2] + [3] * len(alone[3])
    assert frame["id"].tolist() == [i for a in alone for i in a["id"]]
    assert list(frame.columns) == ["query", *alone[0].columns] and len(frame.attrs["notes"]) == 4
    last = frame[frame["query"] == 3].drop(columns="query").reset_index(drop=True)
    pd.testing.assert_frame_equal(last, alone[3], atol=2e-6)  # sums of float32, rounded
    none = to_pandas([])
    assert len(none) == 0 and "rank" in none.columns
    assert list(alone[1].columns) == list(alone[0].columns) and len(alone[1]) == 0
    pd.testing.assert_frame_equal(to_pandas(bundle.search(queries[0])), alone[0])


def test_columns_that_have_the_names_of_a_hits_keep_both(tmp_path):
    pd = pytest.importorskip("pandas")
    rows = [
        {
            "id": "a",
            "latitude": 1,
            "longitude": 2,
            "score": 7,
            "query": "why",
            "count": 9007199254740993,
        },
        {"id": "b", "latitude": 3, "longitude": 4, "score": 8, "query": "", "count": ""},
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader(), writer.writerows(rows)
    (tmp_path / "t.csv").write_text(out.getvalue())
    build(BuildConfig(table=str(tmp_path / "t.csv"), out=tmp_path / "i.p3i", model="mini"))
    with Bundle.open(tmp_path / "i.p3i") as opened:
        assert repr(opened).endswith(MEANINGLESS)
        frame = opened.search(Query(location=(1, 2), target="loc")).to_pandas()
    by_id = frame.set_index("id")
    assert by_id["table_score"].astype(int).to_dict() == {"a": 7, "b": 8}
    assert by_id["score"].between(-1.01, 1.01).all() and by_id["table_query"]["a"] == "why"
    assert int(by_id["count"]["a"]) == 9007199254740993 and pd.isna(by_id["count"]["b"])
    assert frame["warning"].tolist() == [MEANINGLESS] * 2


def test_without_pandas_it_is_said_how_to_get_it(bundle, monkeypatch):
    answer = bundle.search(Query(location=(1, 2), k=1))
    monkeypatch.setitem(sys.modules, "pandas", None)
    for table in (answer.to_pandas, lambda: to_pandas([answer])):
        with pytest.raises(InputError, match="pip install pandas"):
            table()


def test_an_answer_can_be_kept_without_its_index(bundle):
    answer = bundle.search(Query(location=(1, 2), k=2))
    kept = pickle.loads(pickle.dumps(answer))
    assert kept == answer and kept.bundle is None
    with pytest.raises(BundleError, match="metadata=False"):
        kept.to_pandas()
    assert len(kept.to_pandas(metadata=False)) == 2
