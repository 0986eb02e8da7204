"""How fast an index answers, kept warm and over HTTP: `python benchmarks/serving.py INDEX [--small]`.

INDEX is an index of the demo world (`prom3e-index demo`), built with `mini`, whose files are there. Measured in one
run, in turns:

- a `Searcher` that is kept, beside one that is begun for each question, as every query did before;
- the same questions over HTTP, one client, beside the library: what HTTP adds; files are sent before, or with it;
- one client and eight, questions that no cache knows;
- two hundred clients: which answers they get, how soon they are turned away, and the server's memory.

Clients that are turned away wait for a second at most. Times are by the clock, and of the processor where it says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serving_client import TYPES, Client, begin_server, memory

HITS = 200
WAIT_S = 1.0
ASKED = {"text": 40, "image": 60, "audio": 80}
"""Milliseconds that 95 of 100 answers may take."""


def told(what: str, figure: str, wanted: str = "") -> None:
    """A row of the table."""
    print(f"| {what} | {figure} | {wanted} |", flush=True)


def share(times: Sequence[float], part: float) -> float:
    """A quantile, of the nearest rank."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def spread(times: Sequence[float]) -> str:
    """Median and 95th percentile of seconds, in milliseconds."""
    return (
        f"median {1000 * statistics.median(times):.1f} ms, p95 {1000 * share(times, 0.95):.1f} ms"
    )


def questions(bundle: Any, count: int) -> dict[str, list[tuple[Any, dict[str, Any]]]]:
    """By modality, what is given and the query as the library takes it; none of them twice."""
    out: dict[str, list[tuple[Any, dict[str, Any]]]] = {}
    for name in ASKED:
        rows = bundle.sql(
            f"SELECT DISTINCT ON ({name}) {name}, row FROM observations WHERE has_{name} AND {name} IS NOT NULL "
            f"ORDER BY {name}, row"
        )
        random.Random(0).shuffle(rows)
        values = []
        for value, row in rows:
            file = value if name == "text" else bundle.segment_of(row)[0].folders.file(value)
            if name == "text" or Path(file).suffix in TYPES:
                values.append((file, {name: file, "target": "image", "k": HITS}))
        out[name] = values[:count]
    return out


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def library(bundle: Any, asked: dict[str, list[tuple[Any, dict[str, Any]]]], old: int) -> None:
    """A kept searcher beside one for each question, in turns."""
    from prom3e_index import Query
    from prom3e_index.search.searcher import Searcher

    with Searcher(bundle, workers=2) as kept:
        told(
            "library: loading, compiling, one question of each modality",
            f"{timed(kept.warm):.1f} s",
        )
        for name, some in asked.items():
            new_times, cpu_times, old_times = [], [], []
            for i, (_, given) in enumerate(some):
                query = Query(**given)
                if i < old:

                    def once(query: Query = query) -> None:
                        with Searcher(bundle, workers=1, timeout_s=120) as own:
                            own.search(query)

                    old_times.append(timed(once))
                cpu = time.process_time()
                new_times.append(timed(lambda query=query: kept.search(query)))
                cpu_times.append(time.process_time() - cpu)
            told(
                f"library: {name}, kept",
                f"{spread(new_times)}; processor {1000 * statistics.median(cpu_times):.1f} ms",
            )
            ratio = statistics.median(old_times) / statistics.median(new_times)
            told(
                f"library: {name}, decode process begun for each question",
                f"{spread(old_times)}; {ratio:.1f} ×",
            )


async def one_client(
    client: Client, bundle: Any, asked: dict[str, list[tuple[Any, dict[str, Any]]]]
) -> None:
    """Each question over HTTP and by the library, in turns; files are sent before, and counted apart."""
    from prom3e_index import Query
    from prom3e_index.search.searcher import Searcher

    with Searcher(bundle, workers=2) as kept:
        kept.warm()
        client.close()
        for name, some in asked.items():
            over, within, sent = [], [], []
            for value, given in some:
                begun = time.perf_counter()
                query = (
                    {"text": [value]}
                    if name == "text"
                    else {name: [{"upload": await client.upload(Path(value))}]}
                )
                uploaded = time.perf_counter()
                status, _, data = await client.search(query, HITS)
                over.append(time.perf_counter() - uploaded)
                sent.append(time.perf_counter() - begun)
                if status != 201:
                    raise SystemExit(f"{name}: {status} {data[:300]!r}")
                within.append(timed(lambda given=given: kept.search(Query(**given))))
                rows = [h["row"] for h in json.loads(data)["hits"]]
                assert rows == [h.row for h in kept.search(Query(**given))][: len(rows)], (
                    "other hits than the library"
                )
            told(f"HTTP: {name}, one client", spread(over), f"p95 ≤ {ASKED[name]} ms")
            if name != "text":
                told(f"HTTP: {name}, the file sent with it", spread(sent))
            extra = 1000 * (statistics.median(over) - statistics.median(within))
            told(f"HTTP over the library: {name}", f"{extra:+.1f} ms of the median", "≤ 3 ms")


def unknown(names: Sequence[str], rng: random.Random) -> dict[str, Any]:
    """A question that no cache knows."""
    place = [round(rng.uniform(-60, 60), 4), round(rng.uniform(-170, 170), 4)]
    return {"text": [rng.choice(names)], "location": place}


async def load(
    port: int, token: str, names: Sequence[str], clients: int, seconds: float, turn: int = 0
) -> tuple[Counter[int], dict[int, list[float]]]:
    """Clients that ask for some seconds: how often each status came, and after how long."""
    statuses: Counter[int] = Counter()
    times: dict[int, list[float]] = {}
    until = time.perf_counter() + seconds

    async def ask(seed: int) -> None:
        rng, client = random.Random(seed), Client(port, token)
        while time.perf_counter() < until:
            begun = time.perf_counter()
            status, headers, _ = await client.search(unknown(names, rng), HITS)
            statuses[status] += 1
            times.setdefault(status, []).append(time.perf_counter() - begun)
            if status == 503:
                await asyncio.sleep(min(WAIT_S, float(headers.get("retry-after", WAIT_S))))
        client.close()

    await asyncio.gather(*(ask(1_000_000 * turn + 1000 * clients + i) for i in range(clients)))
    return statuses, times


async def many(
    server: subprocess.Popen[str],
    port: int,
    token: str,
    names: Sequence[str],
    given: argparse.Namespace,
) -> None:
    """One client and eight in turns, then hundreds."""
    rates: dict[int, list[float]] = {1: [], 8: []}
    for turn in range(given.turns):
        for clients in rates:
            statuses, _ = await load(port, token, names, clients, given.seconds / 6, turn)
            rates[clients].append(statuses[201] / (given.seconds / 6))
    one, eight = (statistics.median(rates[c]) for c in (1, 8))
    told(
        "HTTP: one client, eight clients",
        f"{one:.1f} and {eight:.1f} answers/s: {eight / one:.2f} ×",
        "≥ 1.3 ×",
    )
    before, most = memory(server.pid), 0.0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, await asyncio.to_thread(memory, server.pid))
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    statuses, times = await load(port, token, names, given.clients, given.seconds)
    watching.cancel()
    counts = ", ".join(f"{n:,} × {status}" for status, n in sorted(statuses.items()))
    told(f"HTTP: {given.clients} clients for {given.seconds:g} s", counts, "201 and 503 alone")
    told(
        f"HTTP: {given.clients} clients, answers", spread(times[201]) if times.get(201) else "none"
    )
    if times.get(503):
        p99 = 1000 * share(times[503], 0.99)
        told(
            "HTTP: turned away",
            f"median {1000 * statistics.median(times[503]):.1f} ms, p99 {p99:.1f} ms",
            "p99 ≤ 50 ms",
        )
    most = max(most, memory(server.pid))
    told(
        "HTTP: memory before, most, with decode processes",
        f"{before:.0f}, {most:.0f} MB: +{most - before:.0f}",
        "+ ≤ 200 MB",
    )


async def over_http(
    given: argparse.Namespace, bundle: Any, asked: dict[str, list[tuple[Any, dict[str, Any]]]]
) -> None:
    """All that is asked over HTTP."""
    begun = time.perf_counter()
    server, port, token = begin_server(given.index)
    try:
        said = time.perf_counter() - begun
        client = Client(port, token)
        while (await client.ask("GET", "/readyz"))[0] != 200:
            await asyncio.sleep(0.1)
        told("HTTP: address said, ready", f"{said:.1f} s, {time.perf_counter() - begun:.1f} s")
        await one_client(client, bundle, asked)
        client.close()
        await many(server, port, token, [value for value, _ in asked["text"]], given)
        begun = time.perf_counter()
        server.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(server.wait, 30)
        told(
            "HTTP: end after SIGTERM",
            f"{time.perf_counter() - begun:.1f} s, exit code {code}",
            "≤ 10 s",
        )
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--count", type=int, default=100, help="questions of each modality")
    parser.add_argument("--old", type=int, default=10, help="of them, asked the old way too")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--library", action="store_true", help="without HTTP")
    parser.add_argument("--small", action="store_true", help="a few of all, to see that it runs")
    given = parser.parse_args()
    if given.small:
        given.count, given.old, given.clients, given.seconds, given.turns = 3, 1, 12, 1.2, 1
    from prom3e_index import Bundle

    cores, busy = os.cpu_count(), os.getloadavg()[0]
    with Bundle.open(given.index) as bundle:
        asked = questions(bundle, given.count)
        counts = ", ".join(f"{len(some)} × {name}" for name, some in asked.items())
        print(
            f"{len(bundle):,} observations, {cores} cores, load {busy:.1f}; {counts}; {HITS} hits\n"
        )
        print("| what | measured | asked for |\n| --- | --- | --- |")
        library(bundle, asked, given.old)
        if not given.library:
            asyncio.run(over_http(given, bundle, asked))


if __name__ == "__main__":
    main()
