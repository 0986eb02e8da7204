"""A server of a vector store says what one of its folder says, at every address; and what it does when the store changes, or
does not answer."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from served import serving
from stores import Way

from prom3e_index.bundle.filters import Filter
from prom3e_index.indexer.plan import silent

pytestmark = pytest.mark.cluster
OF_ONE = {
    "generation",
    "certificate",
    "id",
    "created",
    "timeStamp",
    "milliseconds",
    "path",
    "made_at",
}
"""What two servers say otherwise of the same."""


@pytest.fixture(scope="module", params=["lite", "server"])
def both(bundle_path, bundle, request, tmp_path_factory):
    """The tiny world, served from its folder and from a store that it was pushed to."""
    from prom3e_index.indexer.push import push

    place = request.getfixturevalue(request.param)
    address = f"{place if request.param == 'lite' else place.address}/served"
    push(bundle_path, address, silent)
    folder = tmp_path_factory.mktemp("beside")
    media = Path(bundle.manifest["segments"][0]["media"])
    with (
        serving(bundle_path, marks=folder / "one.jsonl", media=media, expert=True) as one,
        serving(address, marks=folder / "other.jsonl", media=media, expert=True) as other,
    ):
        yield one, other


def plain(said, own=frozenset()):
    """What is said, without what belongs to one server, numbers to five digits."""
    if isinstance(said, dict):
        return {k: plain(v, own) for k, v in said.items() if k not in OF_ONE and k not in own}
    if isinstance(said, list):
        return [plain(v, own) for v in said]
    if isinstance(said, float):
        return round(said, 5)
    if isinstance(said, str) and "generation=" in said:
        return said.partition("generation=")[0]
    return said


def texts_of(answers, servers):
    """What was answered, by file where it is a zip, without the address of the server and the name of the index."""
    out = []
    for answer, server in zip(answers, servers, strict=True):
        assert answer.status_code == 200, answer.text
        kind = answer.headers["content-type"]
        if "zip" in kind:
            with zipfile.ZipFile(io.BytesIO(answer.content)) as z:
                said = {n.partition("-")[0]: z.read(n).decode() for n in z.namelist()}
        else:
            said = plain(answer.json()) if "json" in kind else answer.text
        text = json.dumps(said).replace(server.url, "URL").replace("index.p3i", "served")
        assert "milvus" not in text
        out.append(
            re.sub(
                r'generation \d+|(?<=search-)[\w-]+(?=["/:.?])|(?<=searches/)[\w-]+|(?<=prom3e-)[\w-]+(?=\.\w)',
                "",
                text,
            )
        )
    return out


def get(servers, path, **more):
    """What both say at an address, as JSON where it is that."""
    found = [s.client.get(path, **more) for s in servers]
    assert found[0].status_code == found[1].status_code, (path, [f.text[:300] for f in found])
    kinds = [f.headers["content-type"] for f in found]
    assert kinds[0] == kinds[1]
    return [f.json() if "json" in k else f.content for f, k in zip(found, kinds, strict=True)]


PATHS = [
    "/api/v1/index", "/api/v1/taxa?q=a", "/api/v1/taxa?q=zzzz", "/api/v1/taxa?q=or", "/api/v1/taxa?q=1", "/api/v1/taxa?q=e&limit=5", "/api/v1/observations/0", "/api/v1/observations/59",
    "/api/v1/observations/60", "/api/v1/observations?id=nothing", "/api/v1/density/0/0/0", "/api/v1/density/2/2/1",
    "/api/v1/density/9/300/100", "/api/v1/outline.json", "/ogc", "/ogc/collections", "/ogc/collections/observations",
    "/ogc/collections/observations/items?limit=7", "/ogc/collections/observations/items?limit=7&offset=55",
    "/ogc/collections/observations/items?limit=100&offset=60", "/ogc/collections/observations/items/3",
    "/ogc/collections/observations/items/99", "/ogc/collections/observations/items?bbox=-60,-50,120,60",
    "/ogc/collections/observations/items?bbox=120,-50,-60,60&limit=20", "/api/v1/media/5/image", "/api/v1/media/5/sat",
    "/api/v1/media/0/audio", "/api/v1/media/99/image", "/api/v1/marks",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_both_say_the_same_at(both, path):
    one, other = get(both, path)
    if isinstance(one, bytes):
        assert one == other and one
        return
    one, other = plain(one), plain(other)
    if path == "/api/v1/index":  # what a folder alone can, and the names
        assert (one["allows"].pop("ranges"), other["allows"].pop("ranges")) == (True, False)
        assert (one.pop("name"), other.pop("name")) == ("index.p3i", "served")
    texts = [
        re.sub("generation [0-9]+", "", json.dumps(t)).replace(s.url, "URL")
        for t, s in zip((one, other), both, strict=True)
    ]
    assert texts[0].replace("index.p3i", "served") == texts[1] and "milvus" not in texts[1]


def test_a_taxon_of_the_index_is_found_by_its_beginning(both, bundle):
    ((name,),) = bundle.sql("SELECT min(taxon_species) FROM observations")
    one, other = get(both, f"/api/v1/taxa?q={name[:4]}")
    assert one == other and one
    ((id,),) = bundle.sql("SELECT min(id) FROM observations")
    one, other = get(both, "/api/v1/observations", params={"id": id})
    assert plain(one) == plain(other) and one["id"] == id


SEARCHES = {
    "a place": {"query": {"location": [5, 5]}, "target": "image", "k": 60},
    "a box": {"query": {"location": [5, 5]}, "target": "image", "k": 9, "filter": {"bbox": [-60, -50, 120, 60]}},
    "grouped": {"query": {"location": [5, 5]}, "target": "sat", "k": 9, "group_by": "species"},
    "like": {"query": {"like": {"row": 3, "by": ["loc"]}}, "target": "image", "k": 9},
    "nothing": {"query": {"location": [5, 5]}, "target": "image", "filter": {"bbox": [0, 0, 0.001, 0.001]}},
    "no taxon": {"query": {"location": [5, 5]}, "target": "image", "filter": {"taxon": "Nothing at all"}},
    "observed": {"query": {"location": [5, 5]}, "target": "audio", "observed_only": True, "k": 20},
}  # fmt: skip


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_is_the_same_in_every_form(both, name):
    found = [s.client.post("/api/v1/searches", json=SEARCHES[name]) for s in both]
    assert found[0].status_code == found[1].status_code, [f.text for f in found]
    one, other = (f.json() for f in found)
    assert plain(one, {"links", "next", "search"}) == plain(other, {"links", "next", "search"})
    if found[0].status_code >= 400:
        return
    assert one["ranked"] or name == "nothing"
    forms = ["/facets", "/map", "?limit=5&offset=3"]
    forms += ["/export?format=csv", "/export?format=geojson"] * bool(one["ranked"])
    forms += [f"/climate?row={h['row']}" for h in one["hits"][:2]]
    forms = [(f"/api/v1/searches/ID{form}") for form in forms]
    for form in (*forms, "/ogc/collections/search-ID/items?limit=4"):
        answers = [
            s.client.get(form.replace("ID", said["id"]))
            for s, said in zip(both, (one, other), strict=True)
        ]
        texts = texts_of(answers, both)
        assert texts[0] == texts[1], form


def test_marks_are_kept_and_found_again(both):
    for server in both:
        done = server.client.post("/api/v1/marks", json={"rows": [4, 2, 4], "mark": "relevant"})
        assert done.status_code == 201, done.text
        assert (
            server.client.post("/api/v1/marks", json={"rows": [99], "mark": "relevant"}).status_code
            == 404
        )
    one, other = (plain(s.client.get("/api/v1/marks").json(), {"at"}) for s in both)
    assert one == other and [m["row"] for m in one["marks"]] == [4, 2]
    for server in both:
        server.client.delete("/api/v1/marks")


def test_a_map_of_a_range_is_refused_in_a_sentence(both):
    store = both[1]
    id = store.ask({"location": [5, 5]}, target="image").json()["id"]
    said = store.client.get(f"/api/v1/searches/{id}/range")
    assert said.status_code == 422
    assert said.json()["detail"].startswith(
        "A map of where it may live needs an index folder; the store served answers"
    )


def test_filters_of_many_at_once_are_each_their_own(both, bundle):
    """Each asks its own taxon; a cursor that all shared gave some the taxon of others."""
    from concurrent.futures import ThreadPoolExecutor

    from prom3e_index.store.expression import expression

    names = [
        n for (n,) in bundle.sql("SELECT DISTINCT genus FROM observations WHERE genus IS NOT NULL")
    ]
    chosen = [Filter(taxon=n, where=f"latitude > {i}") for i, n in enumerate(names)]
    known = both[1].service.bundle.known
    alone = [expression(f, known) for f in chosen]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda f: expression(f, known), 20 * chosen)) == 20 * alone
    assert len(set(alone)) == len(names) > 3


def test_no_fault_was_met(both):
    assert [s.faults for s in both] == [[], []]


def test_a_policy_holds_over_a_store_as_over_its_folder(lite, tmp_path):
    from policies import RULE, birds, built

    from prom3e_index.indexer.push import push

    rows = birds()
    for row in rows:
        row["remarks"] = f"seen at {row['latitude']}, {row['longitude']}"
    index = built(tmp_path, rows, RULE)
    push(index, f"{lite}/hidden", silent)
    with serving(index) as folder, serving(f"{lite}/hidden") as store:
        two = folder, store
        told = [s.ask({"text": "Falco rusticolus"}, target="image", k=10).json() for s in two]
        assert told[0]["ranked"] == told[1]["ranked"] == 6
        forms = [f"/api/v1/searches/ID{f}" for f in ("", "/map", "/facets", "/export?format=csv")]
        forms += [f"/api/v1/searches/ID/export?format={f}" for f in ("geojson", "dwca")]
        forms += ["/ogc/collections/search-ID/items", "/ogc/collections/observations/items"]
        forms += [f"/api/v1/observations/{row}" for row in range(6)]
        forms += [f"/api/v1/density/{z}/0/0" for z in range(3)] + ["/map.svg?search=ID"]
        for form in forms:
            answers = [
                s.client.get(form.replace("ID", said["id"]))
                for s, said in zip(two, told, strict=True)
            ]
            one, other = texts_of(answers, two)
            assert _undated(one.replace(index.name, "hidden")) == _undated(other), form
        assert any(h["obscured"] for h in told[1]["hits"])


def _undated(text):
    """Without what says when a file was written."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?|[0-9a-f]{8}-[0-9a-f-]{27}", "", text)


def test_files_are_those_of_a_folder_that_was_named(bundle_path, lite, tmp_path):
    """A store may be written by others: what it says where files are opens none."""
    from prom3e_index.indexer.push import push

    address = f"{lite}/unnamed"
    push(bundle_path, address, silent, targets=["image"])
    with serving(address, originals=True) as server:
        assert server.client.get("/api/v1/index").json()["targets"] == ["image"]
        said = server.client.get("/api/v1/media/5/image")
        assert (
            said.status_code == 404
            and "`prom3e-index serve --media FOLDER` names one" in said.json()["detail"]
        )
        assert server.client.get("/api/v1/media/5/original").status_code == 404
        hit = server.ask({"location": [5, 5]}, target="image").json()["hits"][0]
        assert hit["unshown"] in ("outside", "moved") and not hit["links"].get("thumbnail")
        refused = server.ask({"location": [5, 5]}, target="audio")
        assert (
            refused.status_code == 422
            and "was pushed without audio; it has image" in refused.json()["detail"]
        )


def test_a_push_is_taken_up_and_what_is_kept_goes_on(server, tmp_path):
    import numpy as np
    import plain_index

    from prom3e_index.indexer.change import remove
    from prom3e_index.indexer.push import push

    x, present = plain_index.rows(40, seed=2)
    part = plain_index.write(tmp_path / "a.npz", x, present, group=np.arange(40) % 4)
    plain_index.made(tmp_path, [part]).close()
    index, address = tmp_path / "i.p3i", f"{server.address}/changing"
    push(index, address, silent)
    with serving(address) as served:
        kept = served.client.post("/api/v1/searches", json=ASKED).json()
        ids = [h["id"] for h in kept["hits"][:2]]
        remove(index, None, ids, silent)
        push(index, address, silent)
        end = time.monotonic() + 30
        while served.client.get("/api/v1/index").json()["generation"] == kept["generation"]:
            assert time.monotonic() < end and not served.faults, served.faults
            time.sleep(0.2)
        now = served.client.post("/api/v1/searches", json=ASKED).json()
        left = [h["id"] for h in kept["hits"] if h["id"] not in ids]
        assert [h["id"] for h in now["hits"]][: len(left)] == left and now["ranked"] == 38
        again = served.client.get(f"/api/v1/searches/{kept['id']}").json()
        assert [h["id"] for h in again["hits"]] == [h["id"] for h in kept["hits"]]
        assert served.faults == []


ASKED = {"query": {"location": [5, 5]}, "target": "image", "k": 40}


def test_a_store_that_does_not_answer_is_said_and_heard_of_again(server, tmp_path):
    """No word tells where it is."""
    import plain_index

    from prom3e_index.indexer.push import push

    x, present = plain_index.rows(30, seed=3)
    plain_index.made(tmp_path, [plain_index.write(tmp_path / "a.npz", x, present)]).close()
    push(tmp_path / "i.p3i", f"{server.address}/gone", silent)
    with (
        closing(Way(server.port)) as way,
        serving(f"milvus://127.0.0.1:{way.port}/gone") as served,
    ):

        def until(status: int) -> None:
            end = time.monotonic() + 30
            while served.client.get("/readyz").status_code != status:
                assert time.monotonic() < end
                time.sleep(0.1)

        first = served.client.post("/api/v1/searches", json=ASKED).json()
        way.shut()
        until(503)
        for refused in (
            served.client.post("/api/v1/searches", json=ASKED),
            served.client.get("/api/v1/observations/3"),
            served.client.get(f"/api/v1/searches/{first['id']}/facets"),
        ):
            assert refused.status_code == 503 and str(way.port) not in refused.text
            assert refused.json()["type"] == "/problems/store"
        assert served.client.get("/healthz").status_code == 200
        assert len(served.faults) == 1  # said once
        way.open = True
        until(200)
        again = served.client.post("/api/v1/searches", json=ASKED).json()
        assert [h["id"] for h in again["hits"]] == [h["id"] for h in first["hits"]]
