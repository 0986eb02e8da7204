"""Our index beside its neighbours at equal recall, in one run: `python benchmarks/peers.py 100000 --places TABLE.csv`.

Needs, beside this project: pip install lancedb chromadb milvus-lite pymilvus qdrant-client usearch hnswlib. Each engine
is given the same vectors and two integer columns, is set to the first of its settings whose recall@10 reaches 0.95 and
0.99, and is asked with `column < bound` as filter. Ours pays for the filter in DuckDB, as a bundle does.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
from vectors import QUERIES, K, arguments, columns, make, milliseconds, per_second

from prom3e_index.bundle.faiss.scan import exact
from prom3e_index.bundle.faiss.told import found_share

SHARES = (0.5, 0.1, 0.01, 0.001)


class Ours:
    """DuckDB for the filter, then one gallery of a kind."""

    def __init__(self, kind: str) -> None:
        self.kind, self.settings = kind, (0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995)

    def build(self, x, by, folder, tuning):
        import duckdb
        import pyarrow as pa

        from prom3e_index.bundle.faiss.kinds import KINDS
        from prom3e_index.bundle.faiss.search import Gallery, Point
        from prom3e_index.bundle.faiss.write import build

        np.save(folder / "v.npy", x)
        vectors = np.load(folder / "v.npy", mmap_mode="r")
        assigned = build(vectors, folder / "i.faiss", KINDS[self.kind])
        self.base = Gallery(str(folder / "i.faiss"), vectors, Point(self.kind), assigned)
        self.con = duckdb.connect(str(folder / "m.duckdb"))
        self.con.register("given", pa.table({"row": np.arange(len(x)), **by}))
        self.con.execute("CREATE TABLE o AS SELECT * FROM given")
        self.tuning = tuning

    def set(self, recall):
        from prom3e_index.bundle.faiss.operating_point import tune

        exactly = self.kind == "exact"
        self.gallery = self.base if exactly else self.base.at(tune(self.base, self.tuning, recall))

    def search(self, q, where=None):
        subset = None
        if where is not None:
            from prom3e_index.bundle.faiss.search import Subset

            found = self.con.cursor().execute(f"SELECT row FROM o WHERE {where[0]} < ?", [where[1]])
            subset = Subset(found.fetchnumpy()["row"], len(self.base))
        return self.gallery.search(q, K, subset)[1]


class Hnswlib:
    settings = (16, 32, 64, 128, 256, 512)

    def build(self, x, by, folder, tuning):
        import hnswlib

        self.index, self.by = hnswlib.Index("ip", x.shape[1]), by
        self.index.init_index(len(x), M=32, ef_construction=200)
        self.index.add_items(x.astype(np.float32), num_threads=os.cpu_count())
        self.index.save_index(str(folder / "i.bin"))

    def set(self, ef):
        self.index.set_ef(ef)

    def search(self, q, where=None):
        if where is None:
            return self.index.knn_query(q, K)[0]
        values = self.by[where[0]] < where[1]
        try:
            return self.index.knn_query(q, K, num_threads=1, filter=lambda i: values[i])[0]
        except RuntimeError:  # fewer than k found
            return np.full((len(q), K), -1)


class Usearch:
    settings = (16, 32, 64, 128, 256, 512)
    filters = False

    def build(self, x, by, folder, tuning):
        from usearch.index import Index

        self.index = Index(
            ndim=x.shape[1], metric="ip", dtype="f16", connectivity=32, expansion_add=128
        )
        self.index.add(np.arange(len(x)), x)
        self.index.save(str(folder / "i.usearch"))

    def set(self, ef):
        self.index.expansion_search = ef

    def search(self, q, where=None):
        return np.atleast_2d(self.index.search(q, K).keys.astype(np.int64))


class Lance:
    settings = ((8, 32, 2), (16, 64, 4), (32, 128, 4), (64, 256, 8), (128, 512, 8))

    def build(self, x, by, folder, tuning):
        import lancedb
        import pyarrow as pa

        flat = pa.array(np.asarray(x, np.float32).reshape(-1))
        data = pa.table({"id": np.arange(len(x)), "vector": pa.FixedSizeListArray.from_arrays(flat, x.shape[1]),
                         **{k: pa.array(v) for k, v in by.items()}})  # fmt: skip
        self.table = lancedb.connect(str(folder)).create_table("t", data)
        self.table.create_index(metric="dot", vector_column_name="vector", index_type="IVF_HNSW_SQ")
        for column in by:
            self.table.create_scalar_index(column)

    def set(self, setting):
        self.probes, self.ef, self.factor = setting

    def search(self, q, where=None):
        out = np.full((len(q), K), -1, np.int64)
        for i, one in enumerate(q):
            ask = self.table.search(one).distance_type("dot").nprobes(self.probes).ef(self.ef)
            ask = ask.refine_factor(self.factor).select(["id"]).limit(K)
            if where is not None:
                ask = ask.where(f"{where[0]} < {where[1]}", prefilter=True)
            found = ask.to_arrow()["id"].to_numpy()
            out[i, : len(found)] = found
        return out


class Chroma:
    settings = (16, 64, 128, 256, 512)

    def build(self, x, by, folder, tuning):
        import chromadb

        self.client = chromadb.PersistentClient(
            str(folder), settings=chromadb.Settings(anonymized_telemetry=False)
        )
        config = {"hnsw": {"space": "ip", "ef_construction": 200, "max_neighbors": 32}}
        self.c = self.client.create_collection("peer", configuration=config)
        for at in range(0, len(x), 5000):
            part = range(at, min(len(x), at + 5000))
            self.c.add(ids=[str(i) for i in part], embeddings=np.asarray(x[at : at + 5000], np.float32),
                       metadatas=[{k: int(v[i]) for k, v in by.items()} for i in part])  # fmt: skip

    def set(self, ef):
        self.c.modify(configuration={"hnsw": {"ef_search": ef}})

    def search(self, q, where=None):
        given = {} if where is None else {"where": {where[0]: {"$lt": int(where[1])}}}
        found = self.c.query(query_embeddings=q, n_results=K, include=[], **given)["ids"]
        out = np.full((len(q), K), -1, np.int64)
        for i, ids in enumerate(found):
            out[i, : len(ids)] = [int(v) for v in ids]
        return out


class Milvus:
    settings = (16, 32, 64, 128, 256, 512)

    def build(self, x, by, folder, tuning):
        from pymilvus import DataType, MilvusClient

        self.client = MilvusClient(str(folder / "m.db"))
        schema = self.client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=x.shape[1])
        for name in by:
            schema.add_field(name, DataType.INT64)
        index = self.client.prepare_index_params()
        index.add_index(
            "vector", index_type="HNSW", metric_type="IP", params={"M": 32, "efConstruction": 200}
        )
        self.client.create_collection("t", schema=schema, index_params=index)
        for at in range(0, len(x), 5000):
            part = range(at, min(len(x), at + 5000))
            rows = [{"id": i, "vector": v, **{k: int(c[i]) for k, c in by.items()}}
                    for i, v in zip(part, np.asarray(x[at : at + 5000], np.float32), strict=True)]  # fmt: skip
            self.client.insert("t", rows)
        self.client.flush("t")
        self.client.load_collection("t")

    def set(self, ef):
        self.ef = ef

    def search(self, q, where=None):
        given = {} if where is None else {"filter": f"{where[0]} < {where[1]}"}
        found = self.client.search(
            "t", data=list(q), limit=K, search_params={"params": {"ef": self.ef}}, **given
        )
        out = np.full((len(q), K), -1, np.int64)
        for i, hits in enumerate(found):
            out[i, : len(hits)] = [h["id"] for h in hits]
        return out


class Qdrant:
    """Local mode scores every vector in numpy."""

    settings = (None,)

    def build(self, x, by, folder, tuning):
        from qdrant_client import QdrantClient, models

        self.models, self.client = models, QdrantClient(path=str(folder))
        shape = models.VectorParams(size=x.shape[1], distance=models.Distance.DOT)
        self.client.create_collection("t", vectors_config=shape)
        for at in range(0, len(x), 1000):
            part = range(at, min(len(x), at + 1000))
            self.client.upload_collection(
                "t", np.asarray(x[at : at + 1000], np.float32), ids=list(part),
                payload=[{k: int(v[i]) for k, v in by.items()} for i in part])  # fmt: skip

    def set(self, setting):
        pass

    def search(self, q, where=None):
        m, chosen = self.models, None
        if where is not None:
            chosen = m.Filter(
                must=[m.FieldCondition(key=where[0], range=m.Range(lt=int(where[1])))]
            )
        out = np.full((len(q), K), -1, np.int64)
        for i, one in enumerate(q):
            found = self.client.query_points("t", query=one, limit=K, query_filter=chosen).points
            out[i, : len(found)] = [p.id for p in found]
        return out


ENGINES = {
    "ours, exact": lambda: Ours("exact"),
    "ours, ivf-f16": lambda: Ours("ivf-f16"),
    "ours, ivf-sq8": lambda: Ours("ivf-sq8"),
    "ours, ivf-rabitq4": lambda: Ours("ivf-rabitq4"),
    "ours, hnsw-sq8": lambda: Ours("hnsw-sq8"),
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "LanceDB": Lance,
    "Chroma": Chroma,
    "Milvus Lite": Milvus,
    "Qdrant local": Qdrant,
}


def shares(vectors, queries, truth, found) -> np.ndarray:
    """Share of the ten nearest in what was found, by score."""
    found = np.asarray(found, np.int64)
    rows = np.asarray(vectors[np.maximum(found, 0)], np.float32)
    scores = np.where(found >= 0, np.einsum("qd,qkd->qk", queries, rows), -np.inf)
    return found_share(np.sort(scores, axis=1)[:, ::-1], truth, K)


def measure(name: str, vectors, queries, by, truths, folder: Path) -> dict:
    """One engine: build, then each recall, then filters at the higher."""
    engine = ENGINES[name]()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun = time.perf_counter()
    engine.build(np.asarray(vectors), by, folder, queries[:QUERIES])
    out = {"engine": name, "rows": len(vectors), "build_s": round(time.perf_counter() - begun, 1),
           "disk_mb": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1)}  # fmt: skip
    asked = queries[QUERIES:]
    few = asked[:64]
    for goal in (0.95, 0.99):
        for setting in engine.settings:
            engine.set(setting)
            recall = float(shares(vectors, asked, truths[None], engine.search(asked)).mean())
            if recall >= goal:
                break
        p50, p95, p99 = milliseconds(engine.search, asked)
        out[f"at {goal}"] = {"setting": str(setting), "recall@10": round(recall, 4), "p50_ms": p50, "p95_ms": p95,
                             "p99_ms": p99, "qps_64": per_second(engine.search, asked)}  # fmt: skip
    out["filters"] = []
    for (column, share), truth in [
        (k, t) for k, t in truths.items() if k and getattr(engine, "filters", True)
    ]:
        where = (column, int(share * len(vectors)))
        ask = lambda q, w=where: engine.search(q, w)  # noqa: E731
        found = np.asarray(ask(few))
        p50, p95, _ = milliseconds(ask, few, 24)
        out["filters"].append({
            "column": column, "share": share, "recall@10": round(float(shares(vectors, few, truth, found).mean()), 4),
            "short": int((found < 0).any(axis=1).sum()), "p50_ms": p50, "p95_ms": p95,
        })  # fmt: skip
    return out


def main() -> None:
    """Measure and print, an engine a line."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--engines", default=",,".join(ENGINES), help="Names, separated by two commas."
    )
    given = parser.parse_args()
    vectors, queries = make(given.rows, given.folder, given.places)
    by = columns(vectors)
    asked = queries[QUERIES:]
    truths = {None: exact(vectors, asked, K)[0]} | {
        (c, s): exact(vectors, asked[:64], K, np.flatnonzero(v < int(s * given.rows)))[0]
        for c, v in by.items() for s in SHARES
    }  # fmt: skip
    for name in given.engines.split(",,"):
        try:
            record = measure(name, vectors, queries, by, truths, given.folder / "peer")
        except Exception as e:  # one engine that fails is a result too
            record = {"engine": name, "failed": f"{type(e).__name__}: {str(e)[:300]}"}
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
