"""Decode processes that an index keeps for its questions: begun once, ended with it, replaced after their share."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prom3e_index.errors import BundleError
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.search.query import Query
from prom3e_index.search.run import Bundle
from prom3e_index.search.searcher import Searcher
from prom3e_index.search.warm import warm_of

pytestmark = pytest.mark.usefixtures("own_decoders")
SQUARE = {"resize": 32, "crop": 32}


def decoders() -> set[int]:
    """Decode processes of this process that run."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if b"prom3e_index.media.worker" in words and int(stat[1]) == os.getpid() and stat[0] != "Z":
            found.add(int(folder.name))
    return found


@pytest.fixture
def photo(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture
def before() -> set[int]:
    return decoders()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are counted in /proc")
class TestOfAnIndex:
    def test_questions_share_one_process_that_ends_with_the_index(self, bundle_path, photo, before):
        with Bundle.open(bundle_path) as bundle:
            bundle.search(Query(text="Fictanimalia", target="image"))
            assert decoders() == before
            bundle.search(Query(image=photo))
            (first,) = decoders() - before
            bundle.search(Query(image=photo, k=3))
            assert decoders() - before == {first}
        assert decoders() == before

    def test_an_index_that_nobody_holds_leaves_none(self, bundle_path, photo, before):
        bundle = Bundle.open(bundle_path)
        bundle.search(Query(image=photo))
        assert len(decoders() - before) == 1
        del bundle
        gc.collect()
        assert decoders() == before

    def test_a_searcher_ends_its_own_alone(self, bundle_path, photo, before):
        with Bundle.open(bundle_path) as bundle:
            bundle.search(Query(image=photo))
            kept = decoders() - before
            with Searcher(bundle, workers=2) as searcher:
                searcher.warm()
                assert len(decoders() - before - kept) == 2
            assert decoders() - before == kept

    def test_a_closed_index_says_so_and_starts_none(self, bundle_path, photo, before):
        bundle = Bundle.open(bundle_path)
        warm = warm_of(bundle)
        bundle.close()
        with pytest.raises(BundleError, match="closed"):
            bundle.search(Query(image=photo))
        with pytest.raises(BundleError, match="closed"):
            warm.submit(Task("image", photo, SQUARE))
        assert decoders() == before


def test_a_program_that_ends_or_forks_leaves_none(bundle_path, photo):
    code = f"""
        import os
        from prom3e_index.search.query import Query
        from prom3e_index.search.run import Bundle
        from prom3e_index.search.warm import warm_of
        bundle = Bundle.open({str(bundle_path)!r})
        own = [h.row for h in bundle.search(Query(image={str(photo)!r}))]
        child = os.fork()
        if not child:
            warm = warm_of(bundle)
            assert warm.here and [h.row for h in bundle.search(Query(image={str(photo)!r}))] == own
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert [h.row for h in bundle.search(Query(image={str(photo)!r}))] == own
        print(warm_of(bundle)._pool._all[0]._process.pid)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_a_process_is_replaced_after_its_share_of_files(photo):
    pids, expected = [], np.asarray(Image.open(photo).resize((32, 32)))
    with DecodePool(1, files=2) as pool:
        for _ in range(5):
            result, note = pool.submit_noted(Task("image", photo, SQUARE)).result()
            assert result.shape == expected.shape and note is None
            pids.append(pool._all[0]._process.pid)

    assert pids[0] != pids[1] == pids[2] != pids[3] == pids[4]


def test_a_pool_that_is_ended_while_it_decodes_tells_and_starts_no_other(tmp_path):
    script = tmp_path / "slow.py"
    script.write_text("import sys, time\nfor line in sys.stdin: time.sleep(60)\n")
    pool = DecodePool(1, command=[sys.executable, str(script)])
    waiting = [pool.submit_noted(Task("image", tmp_path / "a.png", SQUARE)) for _ in range(2)]
    while not (pool._all and pool._all[0]._process):
        time.sleep(0.01)
    process = pool._all[0]._process
    pool.close()

    assert "a.png" in str(waiting[0].result(timeout=20)[0])
    assert waiting[1].cancelled() and process.poll() is not None
    assert pool._all[0]._process is None
    with pytest.raises(RuntimeError):
        pool.submit_noted(Task("image", tmp_path / "a.png", SQUARE))


def test_pipes_are_closed_by_the_thread_that_waits_at_them(tmp_path):
    """A pipe that is closed under a waiting thread does not wake it: it would wait until its time is over."""
    script, closed = tmp_path / "slow.py", []
    script.write_text("import sys, time\nfor line in sys.stdin: time.sleep(60)\n")
    pool = DecodePool(1, command=[sys.executable, str(script)])
    first = pool.submit_noted(Task("image", tmp_path / "a.png", SQUARE))
    while not (pool._all and pool._all[0]._answers):
        time.sleep(0.01)
    worker, close = pool._all[0], pool._all[0].close

    def seen():
        closed.append((threading.current_thread().name.startswith("decode"), first.done()))
        return close()

    worker.close = seen
    pool.close()

    first.result(timeout=20)
    assert closed[0] == (True, False)
