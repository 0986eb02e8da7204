"""Files that clients send: hostile, broken, huge, slow; each is refused in a sentence, and the next query is answered."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from served import TOKEN, serving
from starlette.datastructures import Headers

from prom3e_index.server.body import Body
from prom3e_index.server.problems import Problem


@pytest.fixture(scope="module")
def photo(world) -> Path:
    return sorted((world / "photos").glob("*.jpg"))[0]


@pytest.fixture(scope="module")
def song(world) -> Path:
    return sorted((world / "songs").glob("*.wav"))[0]


def png(width: int, height: int, rows: int) -> bytes:
    """A PNG whose header promises more than it holds, packed as small as zlib can."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    data = zlib.compress(b"\0" * ((width + 1) * rows), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def wav(seconds: float, rate: int = 8000) -> bytes:
    data = b"\0\0" * int(seconds * rate)
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE" + head + b"data" + struct.pack("<I", len(data)) + data  # fmt: skip


JPEG = "image/jpeg"
HOSTILE = {
    "a page": (b"<!doctype html><script>alert(1)</script>" * 9, JPEG, 415, "HTML page"),
    "a page behind spaces": (b" " * 70000 + b"<html><script>x</script>", JPEG, 415, "text"),
    "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "image/svg+xml", 415, "SVG"),
    "a playlist": (b"#EXTM3U\n/etc/passwd\n", "audio/mpeg", 415, "playlist"),
    "a concat list": (b"ffconcat version 1.0\nfile /etc/passwd\n", "audio/mpeg", 415, "playlist"),
    "a zip": (b"PK\3\4" + bytes(200), "audio/wav", 415, "zip"),
    "a program": (b"\x7fELF" + bytes(500), JPEG, 415, "program"),
    "a PDF": (b"%PDF-1.7\n\xff\xfe" + bytes(99), JPEG, 415, "PDF"),
    "noise": (np.random.default_rng(0).bytes(5000), "audio/wav", 422, "sound"),
    "nothing": (b"", JPEG, 422, "empty"),
    "zeros": (bytes(4096), "audio/wav", 415, "zeros"),
    "a WAV of nothing": (wav(0), "audio/wav", 422, ""),
    "a WAV header alone": (wav(1)[:30], "audio/wav", 422, ""),
    "a PNG cut off": (png(300, 300, 300)[:60], "image/png", 422, ""),
    "a bomb of 2.5 gigapixels": (png(50000, 50000, 200), "image/png", 422, "pixels"),
    "a bomb of header alone": (png(2**31 - 1, 2**31 - 1, 0), "image/png", 422, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_no_query_can_read_is_refused_in_a_sentence(served, name):
    body, type, status, word = HOSTILE[name]
    before = {p.name for p in served.service.uploads.folder.iterdir()}
    got = served.client.put("/api/v1/uploads", content=body, headers={"content-type": type})

    assert got.status_code == status, got.text
    assert got.headers["content-type"] == "application/problem+json"
    detail = got.json()["detail"]
    assert word in detail and len(detail) > 20
    assert not re.search(r"/tmp|/home|coming-|sha256-|Traceback", detail)
    assert {p.name for p in served.service.uploads.folder.iterdir()} == before
    assert served.ask({"text": "Fictanimalia"}, target="image", k=1).status_code == 201
    assert not served.faults


@pytest.mark.parametrize("kind", ["photos/*.jpg", "tiles/*.png", "songs/*.mp3", "songs/*.flac"])
def test_a_file_that_was_cut_off_is_read_or_refused_never_a_fault(served, world, kind):
    files = sorted(world.glob(kind))
    for part in (0.02, 0.5):
        whole = files[0].read_bytes() if files else b""
        got = served.client.put("/api/v1/uploads", content=whole[: int(part * len(whole))] or b"x", headers={"content-type": JPEG})  # fmt: skip
        assert got.status_code in (201, 415, 422), got.text
        if got.status_code == 201:
            given = {got.json()["modality"]: {"upload": got.json()["upload"]}}
            assert served.ask(given, target="text", k=1).status_code in (201, 422)
    assert not served.faults


def test_a_photo_and_a_song_are_what_their_bytes_say(served, photo, song):
    for path, type, modality in (
        (photo, "application/octet-stream", "image"), (photo, "audio/wav", "image"), (song, "image/jpeg", "audio"),
    ):  # fmt: skip
        got = served.put(path, type)
        assert got.status_code == 201, got.text
        said = got.json()
        assert said["modality"] == modality and said["bytes"] == path.stat().st_size
        assert (
            got.headers["location"] == said["links"]["self"] == f"/api/v1/uploads/{said['upload']}"
        )
        assert served.client.get(got.headers["location"]).json()["upload"] == said["upload"]
    import soundfile

    info = soundfile.info(song)
    assert (said["seconds"], said["sample_rate"]) == (round(info.duration, 3), info.samplerate)
    ids = [served.put(photo, JPEG).json()["upload"] for _ in range(3)]
    assert len(set(ids)) == 1


def test_an_upload_gives_the_answer_of_the_file_itself(served, photo, song):
    from prom3e_index import Query

    for path, type, modality, target in (
        (photo, JPEG, "image", "audio"), (song, "audio/wav", "audio", "image"),
    ):  # fmt: skip
        upload = served.put(path, type).json()["upload"]
        got = served.ask({modality: {"upload": upload}}, target=target, k=5).json()
        want = served.service.bundle.search(Query(**{modality: path}, target=target, k=5))
        assert [h["row"] for h in got["hits"]] == [h.row for h in want]
        assert [h["score"] for h in got["hits"]] == pytest.approx([h.score for h in want], abs=1e-6)


def test_what_a_photo_tells_of_place_and_day_is_offered(served, photo, tmp_path):
    exif = Image.Exif()
    exif[0x8769] = {0x9003: "2024:06:25 10:11:12"}
    exif[0x8825] = {1: "N", 2: (46.0, 48.0, 0.0), 3: "E", 4: (7.0, 6.0, 0.0)}
    told = tmp_path / "told.jpg"
    Image.open(photo).save(told, exif=exif)
    found = served.put(told, JPEG).json()["found"]
    assert (found["place"]["latitude"], found["place"]["longitude"]) == pytest.approx((46.8, 7.1))
    assert found["date"].startswith("2024-06-25")
    assert served.put(photo, JPEG).json()["found"] == {"place": None, "date": None, "name": None}


def test_a_tile_is_told_by_the_client_or_by_its_bands(served, world, tmp_path):
    import rasterio

    tile = sorted((world / "tiles").iterdir())[0]
    assert served.put(tile, "image/png", modality="sat").json()["modality"] == "sat"
    assert served.put(tile, "image/png", modality="env").status_code == 422
    bands = tmp_path / "s2.tif"
    data = np.random.default_rng(0).integers(0, 4000, (12, 64, 64), np.uint16)
    with rasterio.open(
        bands, "w", driver="GTiff", width=64, height=64, count=12, dtype="uint16"
    ) as f:
        f.write(data)
    assert served.put(bands, "image/tiff").json()["modality"] == "sat"


def test_too_large_is_told_before_and_while_it_comes(bundle_path):
    with serving(bundle_path, max_upload=1 << 20) as small:
        big = bytes(3 << 20)
        at_once = small.client.put("/api/v1/uploads", content=big, headers={"content-type": JPEG})
        parts = small.client.put(
            "/api/v1/uploads", content=(big[i : i + 65536] for i in range(0, len(big), 65536)), headers={"content-type": JPEG}
        )  # fmt: skip
        edge = small.client.put("/api/v1/uploads", content=wav(65, 8000)[: 1 << 20], headers={"content-type": "audio/wav"})  # fmt: skip
        for got in (at_once, parts):
            assert got.status_code == 413 and "1 MB" in got.json()["detail"], got.text
        assert edge.status_code == 201, edge.text
        json = small.client.post("/api/v1/searches", content=b" " * (1 << 20) + b"{} ", headers={"content-type": "application/json"})  # fmt: skip
        assert json.status_code == 413
        assert [p.name for p in small.service.uploads.folder.iterdir()] == [edge.json()["upload"]]


def test_a_client_that_asks_first_is_told_before_it_sends(served):
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as s:
        s.sendall(
            f"PUT /api/v1/uploads HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {JPEG}\r\n"
            f"Content-Length: {60 << 20}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        got = s.recv(65536)
    assert got.startswith(b"HTTP/1.1 413") and b"connection: close" in got.lower()


def test_the_folder_is_private_and_goes_at_the_end(bundle_path, photo):
    with serving(bundle_path, warm=False) as one:
        folder = one.service.uploads.folder
        upload = one.put(photo, JPEG).json()["upload"]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [p.name for p in folder.iterdir()] == [upload]
        assert one.client.delete(f"/api/v1/uploads/{upload}").status_code == 204
        assert not list(folder.iterdir())
        assert one.client.get(f"/api/v1/uploads/{upload}").status_code == 404
        one.put(photo, JPEG)
    assert not folder.exists()


def test_uploads_end_by_age_and_the_oldest_give_way(bundle_path, photo, song):
    most = 3 * song.stat().st_size
    with serving(
        bundle_path, warm=False, uploads_total=most, max_upload=most, upload_seconds=900
    ) as one:
        uploads, now = one.service.uploads, [1e9]
        uploads._clock = lambda: now[0]
        first = one.put(photo, JPEG).json()["upload"]
        now[0] += 899
        assert (
            one.client.get(f"/api/v1/uploads/{first}").status_code == 200
        )  # kept for its time again
        now[0] += 899
        second = one.put(song, "audio/wav").json()["upload"]
        assert one.client.get(f"/api/v1/uploads/{first}").status_code == 200
        now[0] += 901
        for id in (first, second):
            assert one.client.get(f"/api/v1/uploads/{id}").status_code == 404
        assert not list(uploads.folder.iterdir())
        sounds = [song.read_bytes() + bytes(i) for i in range(1, 5)]
        sent = [one.client.put("/api/v1/uploads", content=s, headers={"content-type": "audio/wav"}) for s in sounds[:2]]  # fmt: skip
        full = one.client.put("/api/v1/uploads", content=sounds[2] + bytes(most // 3), headers={"content-type": "audio/wav"})  # fmt: skip
        assert full.status_code == 503 and full.headers["retry-after"] == "60", (
            full.text
        )  # all are in use
        now[0] += 300
        late = one.client.put("/api/v1/uploads", content=sounds[3] + bytes(99), headers={"content-type": "audio/wav"})  # fmt: skip
        assert late.status_code == 201
        assert one.client.get(sent[0].headers["location"]).status_code == 404
        assert uploads.size <= most


@pytest.mark.parametrize(
    "id", ["sha256-x", "sha256-" + "0" * 64, "..", "%2e%2e%2fetc", "sha256-" + "0" * 65]
)
def test_an_upload_that_is_not_there(served, id):
    assert served.client.get(f"/api/v1/uploads/{id}").status_code in (404, 422)
    assert served.client.delete(f"/api/v1/uploads/{id}").status_code in (404, 405, 422)


def test_a_link_in_the_folder_is_never_followed(served, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("root:x")
    name = "sha256-" + "a" * 64
    (served.service.uploads.folder / name).symlink_to(secret)
    try:
        assert served.client.get(f"/api/v1/uploads/{name}").status_code == 404
    finally:
        (served.service.uploads.folder / name).unlink()


def _body(messages, most=100, seconds=0.2, headers=None):
    async def receive():
        if messages:
            delay, message = messages.pop(0)
            await asyncio.sleep(delay)
            return message
        await asyncio.Event().wait()

    return Body(receive, Headers(headers or {"transfer-encoding": "chunked"}), most, seconds)


async def _read(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200})


@pytest.mark.parametrize(
    ("parts", "status"), [([0.0, 0.0], 200), ([0.15, 0.15], 408), ([0.0, 9.0], 408)]
)
def test_a_body_that_drips_is_cut_off(parts, status):
    messages = [(d, {"type": "http.request", "body": b"x", "more_body": i < len(parts) - 1}) for i, d in enumerate(parts)]  # fmt: skip
    sent = []

    async def send(message):
        sent.append(message["status"])

    async def go():
        await _body(messages).given_to(_read, {}, send)

    if status == 200:
        asyncio.run(go())
        assert sent == [200]
    else:
        with pytest.raises(Problem) as e:
            asyncio.run(go())
        assert e.value.status == 408 and not sent


@pytest.mark.parametrize("has_body", [True, False])
def test_a_client_that_leaves_ends_what_it_asked_for(has_body):
    ended = []

    async def slow(scope, receive, send):
        await receive()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    whole = (0.0, {"type": "http.request", "body": b"", "more_body": False})
    headers = {"content-length": "3"} if has_body else {"host": "x"}

    async def go():
        body = _body([whole, (0.05, {"type": "http.disconnect"})], headers=headers)
        await asyncio.wait_for(body.given_to(slow, {}, io.BytesIO), 5)

    asyncio.run(go())
    assert ended == ["cancelled"]
