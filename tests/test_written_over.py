"""What an answer is written over: a file of the user's choice, never the questions, nor what is no file."""

import os
import threading

import pytest

from prom3e_index import Query
from prom3e_index.errors import InputError
from prom3e_index.indexer.query_batch import QueryBatch, answer_table
from prom3e_index.show.export import write_parquet

QUESTIONS = "id,latitude,longitude\na,1,2\nb,3,4\n"


def answered(bundle, table, out):
    return answer_table(bundle, QueryBatch(str(table), Query(k=1), out, "csv"), lambda *_: None)


@pytest.mark.parametrize("by", ["its name", "a link", "a relative name"])
def test_answers_do_not_replace_the_questions(bundle, tmp_path, monkeypatch, by):
    table = tmp_path / "q.csv"
    table.write_text(QUESTIONS)
    (tmp_path / "link.csv").symlink_to(table)
    monkeypatch.chdir(tmp_path)
    out = {"its name": table, "a link": tmp_path / "link.csv"}.get(by, table.relative_to(tmp_path))
    with pytest.raises(InputError, match="holds the queries"):
        answered(bundle, table, out)
    assert table.read_text() == QUESTIONS and not (tmp_path / "q.csv.parts").exists()


def test_answers_to_a_table_take_a_file(bundle, tmp_path):
    (tmp_path / "q.csv").write_text(QUESTIONS)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no file that could be replaced"):
        answered(bundle, tmp_path / "q.csv", tmp_path / "pipe")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pipe", "q.csv"]


def test_a_pipe_whose_reader_goes_away_stays(tmp_path):
    """Parquet that cannot be written is removed by its library, which must not take what was there before."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = [{"a": os.urandom(1000).hex()} for _ in range(1000)]

    def read_a_little():
        with pipe.open("rb") as f:
            f.read(1)

    reader = threading.Thread(target=read_a_little)
    reader.start()
    with pytest.raises(OSError):
        write_parquet(found, ["a"], pipe)
    reader.join()
    assert pipe.is_fifo()
