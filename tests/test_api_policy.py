"""A policy holds over HTTP: no form of an answer tells a place that it hides, nor what was taken from a hidden row."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from policies import OPEN, RULE, TRUE, birds, built
from served import serving

COARSE = RULE.replace("0.1deg", "1deg")


@pytest.fixture(scope="module", params=["0.1deg", "1deg"])
def hidden(request, tmp_path_factory):
    """Birds of which the falcons' places are hidden; some rows have a tile and a remark that would tell them."""
    folder = tmp_path_factory.mktemp("hidden")
    rows = birds()
    for row in rows:
        row["remarks"] = f"seen at {row['latitude']}, {row['longitude']}"
    path = built(folder, rows, RULE if request.param == "0.1deg" else COARSE)
    with serving(path, marks=folder / "marks.jsonl") as server:
        yield server, request.param


def texts(response) -> str:
    if response.headers["content-type"] == "application/zip":
        with zipfile.ZipFile(io.BytesIO(response.content)) as z:
            return "\n".join(z.read(n).decode("utf-8", "replace") for n in z.namelist())
    return response.content.decode("utf-8", "replace")


def told(text: str) -> set[str]:
    """Hidden places of which a number of the text is within 300 m."""
    numbers = [abs(float(n)) for n in re.findall(r"\d{1,3}\.\d{2,17}", text)]
    return {
        key
        for key, place in TRUE.items()
        if all(any(abs(abs(degrees) - n) < 0.003 for n in numbers) for degrees in place)
    }


def test_no_form_of_an_answer_tells_a_hidden_place(hidden):
    server, _ = hidden
    said = server.ask({"text": "Falco rusticolus"}, target="image", k=10).json()
    assert said["ranked"] == 6
    here = f"/api/v1/searches/{said['id']}"
    server.client.post("/api/v1/marks", json={"rows": [0, 1, 2], "mark": "relevant"})
    addresses = [
        here, f"{here}/map", f"{here}/facets?by=species,rights_holder,month", f"{here}/range",
        *(f"{here}/export?format={f}" for f in ("csv", "geojson", "dwca", "species")),
        f"/map.svg?search={said['id']}&bbox=13,52,14,53&width=4000&height=4000",
        *(f"/api/v1/observations/{row}" for row in range(6)),
        "/api/v1/index", "/api/v1/taxa?q=Falco", "/api/v1/marks", "/openapi.json",
        "/ogc/collections", "/ogc/collections/observations/items", f"/ogc/collections/search-{said['id']}/items",
        *(f"/api/v1/density/{z}/{(13.44531 + 180) // (360 / 2**z):.0f}/{(90 - 52.31312) // (180 / 2**z):.0f}"
          for z in range(13)),
    ]  # fmt: skip
    seen = {}
    for address in addresses:
        response = server.client.get(address)
        assert response.status_code in (200, 422), (address, response.text)
        seen[address] = told(texts(response))
    assert not any(seen.values()), {k: v for k, v in seen.items() if v}
    open_told = texts(server.client.get("/ogc/collections/observations/items"))
    for latitude, longitude in OPEN.values():  # the test can fail
        assert str(latitude) in open_told
        assert str(longitude) in open_told


def test_hidden_rows_say_their_level_and_are_cells(hidden):
    server, level = hidden
    side = float(level.removesuffix("deg"))
    for row in range(6):
        said = server.client.get(f"/api/v1/observations/{row}").json()
        if said["id"] not in TRUE:
            assert not said["obscured"]
            continue
        assert said["generalised"] == level
        west, south, east, north = said["cell"]
        assert (east - west, north - south) == (pytest.approx(side), pytest.approx(side))
        latitude, longitude = TRUE[said["id"]]
        assert west <= longitude <= east
        assert south <= latitude <= north
        assert "remarks" not in said["fields"]


def test_cells_finer_than_a_level_do_not_count_hidden_rows(hidden):
    server, _ = hidden
    said = server.client.get("/api/v1/observations", params={"id": "f1"}).json()
    latitude, longitude = said["latitude"], said["longitude"]  # the centre that stands for it
    for z in range(13):
        x, y = int((longitude + 180) // (360 / 2**z)), int((90 - latitude) // (180 / 2**z))
        said = server.client.get(f"/api/v1/density/{z}/{x}/{y}").json()
        near = [c for c in said["cells"] if c[0] <= longitude < c[2] and c[1] <= latitude < c[3]]
        if said["step_deg"] < 1:
            assert not near
            assert said["hidden"] >= 1
    assert server.client.get("/api/v1/density/0/0/0").json()["hidden"] == 0


@pytest.mark.parametrize(
    "query", [{"text": "Falco rusticolus"}, {"location": [52.3, 13.4]}, {"like": {"row": 0}},
              {"text": "Parus major", "like": {"row": 0}}, {"text": "Parus major", "more": [0]}]
)  # fmt: skip
def test_a_range_is_no_finer_than_the_policy_allows(hidden, query):
    server, level = hidden
    side = float(level.removesuffix("deg"))
    said = server.ask(query, target="image").json()
    coarse = server.client.get(f"{said['links']['range']}?bbox=-20,30,40,60&cells=4000")
    assert coarse.status_code == (200 if side <= 1 else 422), coarse.text
    fine = server.client.get(f"{said['links']['range']}?bbox=13,52,15,54&cells=20000")
    if side > 0.1:
        assert fine.status_code == 422
        assert "1 degree" in fine.json()["detail"]
    else:
        assert fine.json()["side_deg"] >= 0.1


def test_an_open_taxon_alone_may_be_mapped_finely(hidden):
    server, _ = hidden
    said = server.ask({"text": "Parus major"}, target="image").json()
    fine = server.client.get(f"{said['links']['range']}?bbox=13,52,15,54&cells=20000")
    assert fine.status_code == 200
    assert fine.json()["side_deg"] == 0.1
