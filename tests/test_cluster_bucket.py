"""Shards and media in a bucket, served by moto: the same index as from folders."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from clusters import assert_same

from prom3e_index.errors import InputError
from prom3e_index.indexer.build import build
from prom3e_index.indexer.cluster.encode_shards import encode_to_shards, shards_work
from prom3e_index.indexer.cluster.shards import open_shards
from prom3e_index.indexer.cluster.storage import Storage
from prom3e_index.indexer.work import BuildConfig

pytest_plugins = ["plain_cluster"]
pytestmark = pytest.mark.cluster
MOTO = shutil.which(os.environ.get("MOTO_SERVER", "moto_server"))
"""In an environment of its own: what moto pins does not go with what the program is tested with."""


@pytest.fixture(scope="module")
def bucket():
    """Address of a bucket on a server of this machine, as `address("name")`."""
    if MOTO is None:
        pytest.skip(
            "moto_server is not here; `make install-cluster` puts it into an environment of its own"
        )
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        try:
            for _ in range(300):
                try:
                    request = urllib.request.Request(f"http://127.0.0.1:{port}/birds", method="PUT")
                    urllib.request.urlopen(request).close()
                    break
                except OSError:
                    assert server.poll() is None
                    time.sleep(0.1)
            yield (
                lambda name: (
                    f"s3://birds/{name}?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
                )
            )
        finally:
            server.kill()
            server.wait()


def test_files_are_whole_or_not_there(bucket):
    storage = Storage(bucket("some"))
    assert storage.names("a") == [] and storage.get("a/x") is None and not storage.has("a/x")

    storage.put("a/x", b"one")
    storage.put("a/x", b"two")
    storage.put("a/.y.123.tmp", b"cut off")

    assert storage.get("a/x") == b"two" and storage.has("a/x")
    assert storage.names("a") == ["x"]
    storage.clear("a", unfinished=True)
    assert storage.get("a/.y.123.tmp") is None and storage.get("a/x") == b"two"
    storage.clear("a")
    assert storage.names("a") == []


def test_media_and_shards_in_a_bucket(bucket, plain, world, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(world, whole)
    sorted(whole.glob("photos/*"))[2].write_bytes(b"no photo")
    table = tmp_path / "alone" / "observations.csv"
    table.parent.mkdir()
    shutil.copy(whole / "observations.csv", table)
    media = Storage(bucket("media"))
    for path in (*whole.glob("photos/*"), *whole.glob("songs/*"), *whole.glob("tiles/*")):
        media.put(str(path.relative_to(whole)), path.read_bytes())
    config = BuildConfig(
        table=str(table), out=tmp_path / "here.p3i", model="mini", windows="none", file_facts=False
    )
    build(replace(config, table=str(whole / "observations.csv")))

    far = replace(config, engine="ray", shards=bucket("shards"), media_address=bucket("media"))
    note = encode_to_shards(replace(far, out=shards_work(str(tmp_path / "far"))))

    shards = open_shards(bucket("shards"))
    (rows,) = shards.tables(["id", "has_image"])
    assert len(rows) == note["rows"] == 60
    assert note["counts"]["files_lost"] == 1
    with pytest.raises(InputError, match="a whole set of shards"):
        encode_to_shards(replace(far, out=shards_work(str(tmp_path / "far"))))
    build(replace(far, out=tmp_path / "ray.p3i"))
    same_but_media(tmp_path / "here.p3i", tmp_path / "ray.p3i")


def same_but_media(one: Path, other: Path) -> None:
    """As `assert_same`, of a table with its media and the same table alone."""
    for index in (one, other):
        path = index / "manifest.json"
        text = path.read_text().replace(f"{one.parent}/alone", f"{one.parent}/whole")
        manifest = json.loads(text)
        for part in (manifest["source"], *manifest["segments"]):
            for key in ("beside", "expanded"):
                part.pop(key, None)
        path.write_text(json.dumps(manifest))
    assert_same(one, other)


def test_an_address_that_is_none():
    with pytest.raises(InputError, match="ftp://x/y is no address"):
        Storage("ftp://x/y")
    assert isinstance(Storage("/tmp")._files, pafs.LocalFileSystem)
