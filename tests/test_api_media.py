"""Media over HTTP: by row alone, drawn anew without EXIF and tags, in parts, and nothing that a path could name."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from served import serving

from prom3e_index.media.listening import levels
from prom3e_index.server.derived import DB
from prom3e_index.show.pictures import coloured

GPS = 0x8825


def with_position(path: Path) -> None:
    """A photo that tells where and by what it was made."""
    exif = Image.Exif()
    exif[0x010F] = "Nestcam"
    exif[GPS] = {1: "N", 2: (46.0, 48.0, 7.39), 3: "E", 4: (7.0, 7.0, 24.8)}
    exif[0x0112] = 6  # to be turned
    Image.open(path).save(path, "JPEG", exif=exif, comment=b"nest in the third tree")


@pytest.fixture(scope="module")
def placed(world, bundle_path, tmp_path_factory):
    """The tiny world's index with its files beside it, a photo of which tells a place; and its server."""
    folder = tmp_path_factory.mktemp("placed")
    shutil.copytree(world, folder / "w")
    shutil.copytree(bundle_path, folder / "index.p3i")
    from prom3e_index.search.run import Bundle

    with Bundle.open(folder / "index.p3i") as b:
        held = {
            "image": b.sql("SELECT row, image FROM observations WHERE has_image AND NOT obscured ORDER BY row"),
            "audio": b.sql("SELECT row, audio FROM observations WHERE has_audio ORDER BY row"),
            "sat": b.sql("SELECT row, sat FROM observations WHERE has_sat AND NOT obscured ORDER BY row"),
            "hidden": b.sql("SELECT row FROM observations WHERE obscured AND has_sat ORDER BY row"),
            "none": b.sql("SELECT row FROM observations WHERE NOT has_image ORDER BY row"),
        }  # fmt: skip
    for _, photo in held["image"]:
        with_position(folder / "w" / photo)
    with serving(folder / "index.p3i", media=folder / "w") as server:
        yield server, folder / "w", held


def got_image(response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


@pytest.mark.parametrize("size", ["320", "1024"])
def test_a_photo_is_drawn_anew_upright_and_tells_nothing_of_its_place(placed, size):
    server, folder, held = placed
    row, photo = held["image"][0]
    before = (folder / photo).read_bytes()
    assert b"Nestcam" in before
    assert dict(Image.open(io.BytesIO(before)).getexif().get_ifd(GPS))
    response = server.client.get(f"/api/v1/media/{row}/image", params={"size": size})
    image = got_image(response)

    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert len(image.getexif()) == 0
    assert "exif" not in image.info
    assert "comment" not in image.info
    for word in (b"Nestcam", b"nest in", b"Exif", b"GPS"):
        assert word not in response.content
    original = Image.open(folder / photo)
    assert max(image.size) <= int(size)
    assert (image.size[0] < image.size[1]) == (original.size[1] < original.size[0])
    upright = original.transpose(Image.Transpose.ROTATE_270).convert("RGB").resize(image.size)
    difference = np.abs(np.asarray(image, float) - np.asarray(upright, float)).mean()
    assert difference < 6


def test_the_links_of_hits_lead_to_files(placed):
    server, _, held = placed
    said = server.ask({"location": [10, 20]}, target="image", k=60).json()
    seen = {"thumbnail": 0, "image": 0, "sat": 0, "audio": 0, "spectrogram": 0, "self": 0}
    hidden = {r for (r,) in held["hidden"]}
    while True:
        for h in said["hits"]:
            assert ("image" in h["observed"]) == (h["links"]["image"] is not None)
            assert h["row"] not in hidden or h["links"]["sat"] is None
            for name in seen:
                link = h["links"][name]
                if link and seen[name] < 2:
                    seen[name] += 1
                    assert server.client.get(link).status_code == 200, link
        if not said["next"]:
            break
        said = server.client.get(said["next"]).json()
    assert min(seen.values()) > 0, seen


def test_no_tile_of_an_obscured_place_and_nothing_that_was_not_observed(placed):
    server, _, held = placed
    assert held["hidden"]
    for (row,) in held["hidden"]:
        told = server.client.get(f"/api/v1/media/{row}/sat")
        assert told.status_code == 404
        assert "obscured" in told.json()["detail"]
        said = server.client.get(f"/api/v1/observations/{row}").json()
        assert said["links"]["sat"] is None
        assert said["obscured"]
        assert said["cell"]
        assert "sat" not in said["fields"]
    row, _ = held["sat"][0]
    assert got_image(server.client.get(f"/api/v1/media/{row}/sat")).format == "JPEG"
    (row,) = held["none"][0]
    told = server.client.get(f"/api/v1/media/{row}/image")
    assert told.status_code == 404
    assert "not observed" in told.json()["detail"]


def test_a_sound_comes_whole_in_parts_and_not_at_all_beyond_its_end(placed):
    server, _, held = placed
    where = f"/api/v1/media/{held['audio'][0][0]}/audio"
    whole = server.client.get(where)
    size = len(whole.content)
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "audio/wav"

    def part(wanted, **more):
        return server.client.get(where, headers={"range": wanted, **more})

    cases = {
        "bytes=0-0": (0, 1),
        "bytes=10-29": (10, 30),
        f"bytes={size - 5}-": (size - 5, size),
        "bytes=-7": (size - 7, size),
        "bytes=5-99999999999": (5, size),
        f"bytes=-{size + 9}": (0, size),
    }
    for wanted, (first, end) in cases.items():
        response = part(wanted)
        assert response.status_code == 206, wanted
        assert response.content == whole.content[first:end]
        assert response.headers["content-range"] == f"bytes {first}-{end - 1}/{size}"
        assert response.headers["content-length"] == str(end - first)
    for wanted in (f"bytes={size}-", "bytes=-0", "bytes=9-3"):
        response = part(wanted)
        assert response.status_code == 416, wanted
        assert response.headers["content-range"] == f"bytes */{size}"
    for wanted in ("bytes=0-1,5-6", "items=0-1", "bytes=a-b", "bytes=-", "bytes=0-" + "9" * 400):
        response = part(wanted)
        assert response.status_code == 200, wanted
        assert response.content == whole.content
    assert part("bytes=0-3", **{"if-range": whole.headers["etag"]}).status_code == 206
    assert part("bytes=0-3", **{"if-range": '"other"'}).status_code == 200
    assert (
        server.client.get(where, headers={"if-none-match": whole.headers["etag"]}).status_code
        == 304
    )
    head = server.client.head(where)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(size)


def test_a_span_and_a_slower_sound_are_what_was_recorded(placed):
    server, folder, held = placed
    row, sound = held["audio"][0]
    wave, rate = soundfile.read(folder / sound, dtype="float32", always_2d=True)
    wave = wave.mean(1)
    got, at = soundfile.read(
        io.BytesIO(server.client.get(f"/api/v1/media/{row}/audio?from=0.5&to=1.25").content), dtype="float32"
    )  # fmt: skip
    assert at == rate
    np.testing.assert_allclose(got, wave[round(0.5 * rate) : round(1.25 * rate)], atol=1 / 32_000)
    slow, at = soundfile.read(
        io.BytesIO(server.client.get(f"/api/v1/media/{row}/audio?speed=0.5").content),
        dtype="float32",
    )
    assert at == rate // 2
    np.testing.assert_allclose(slow, wave, atol=1 / 32_000)
    assert server.client.get(f"/api/v1/media/{row}/audio?from=2&to=1").status_code == 422


def test_a_spectrogram_is_the_levels_of_its_seconds_and_its_axes_say_so(placed):
    server, folder, held = placed
    row, sound = held["audio"][0]
    where, asked = (
        f"/api/v1/media/{row}/spectrogram",
        {"from": 0.25, "to": 1.25, "width": 120, "height": 48},
    )
    image = got_image(server.client.get(where, params=asked))
    axes = server.client.get(f"{where}.json", params=asked).json()
    right = levels(folder / sound, 0.25, 1.0, 120, 48)
    top = round(float(right.max()), 1)

    assert image.format == "PNG"
    np.testing.assert_array_equal(np.asarray(image), coloured((right - (top - DB)) / DB))
    info = soundfile.info(folder / sound)
    assert (axes["f_min"], axes["f_max"]) == (0, info.samplerate / 2)
    assert (axes["from"], axes["seconds"]) == (0.25, 1.0)
    assert axes["duration"] == pytest.approx(info.duration)
    assert axes["db_range"] == [top - DB, top]
    cut = server.client.get(f"{where}.json", params={**asked, "f_max": 4000}).json()
    assert cut["f_max"] == 4000
    assert server.client.get(where, params={"from": 0, "to": 61}).status_code == 422
    assert server.client.get(where, params={"from": 5000, "to": 5001}).status_code == 422


def test_what_was_sent_is_seen_and_heard_likewise(placed):
    server, folder, held = placed
    photo = server.put(folder / held["image"][0][1], "image/jpeg").json()
    sound = server.put(folder / held["audio"][0][1], "audio/wav").json()

    image = got_image(server.client.get(photo["links"]["thumbnail"]))
    assert len(image.getexif()) == 0
    assert server.client.get(f"{photo['links']['self']}/audio").status_code == 404
    assert server.client.get(f"{sound['links']['self']}/thumbnail").status_code == 404
    of_index = server.client.get(f"/api/v1/media/{held['audio'][0][0]}/audio").content
    assert server.client.get(sound["links"]["audio"]).content == of_index
    assert got_image(server.client.get(sound["links"]["spectrogram"])).size == (512, 192)
    axes = server.client.get(f"{sound['links']['spectrogram']}.json").json()
    assert axes["duration"] == sound["seconds"]
    assert server.client.get(f"/api/v1/uploads/sha256-{'0' * 64}/audio").status_code == 404


TRAVERSALS = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "%252e%252e%252fetc%252fpasswd",
    "..%5c..%5cwindows%5cwin.ini", "%2fetc%2fpasswd", "//etc/passwd", "0/..%2fimage", "0/image/../../../index",
    "0/%2e%2e%2f%2e%2e%2fimage", "0/image%00.png", "0/image;.png", "0/IMAGE", "-1/image", "1e0/image", "0x0/image",
    "99999999/image", f"{10**30}/image", "0/text", "0/file:%2f%2f%2fetc%2fpasswd", "0/http:%2f%2fexample.org",
    "0/image%0d%0aSet-Cookie:a=b", "٠/image", "0/..;/image", ".%00./image", "0/%c0%ae%c0%ae/image",
)  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_anywhere(placed, path):
    """Sent as it stands: a client would tidy it up first."""
    import socket

    server, _, _ = placed
    address = server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=20) as s:
        token = server.client.headers["authorization"]
        s.sendall(
            f"GET /api/v1/media/{path} HTTP/1.1\r\nHost: {':'.join(address)}\r\nAuthorization: {token}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        got = b""
        while part := s.recv(65_536):
            got += part
    status = int(got.split(b" ", 2)[1])
    assert status in (400, 404, 422), got[:200]
    assert b"root:" not in got
    assert b"Set-Cookie" not in got.partition(b"\r\n\r\n")[0]


def test_links_out_of_the_folder_and_files_of_other_places_are_not_shown(placed, tmp_path):
    server, folder, held = placed
    row, photo = held["image"][3]
    secret = tmp_path / "secret.jpg"
    Image.new("RGB", (40, 30), (200, 10, 10)).save(secret)
    (folder / photo).unlink()
    (folder / photo).symlink_to(secret)
    told = server.client.get(f"/api/v1/media/{row}/image")

    assert told.status_code == 404
    assert "outside" in told.json()["detail"]
    assert str(tmp_path) not in json.dumps(told.json())


def test_a_file_that_is_damaged_or_no_photo_is_a_sentence(placed):
    server, folder, held = placed
    row, photo = held["image"][4]
    (folder / photo).write_text("<html><script>alert(1)</script></html>")
    told = server.client.get(f"/api/v1/media/{row}/image")

    assert told.status_code == 422
    assert told.headers["content-type"] == "application/problem+json"
    assert str(folder) not in told.text
    assert "<script>" not in told.text


def test_originals_only_where_allowed_and_never_of_obscured_places(placed, world):
    server, folder, held = placed
    row, sound = held["audio"][0]
    assert server.client.get(f"/api/v1/media/{row}/original?modality=audio").status_code == 404
    with serving(folder.parent / "index.p3i", media=folder, originals=True, warm=False) as open_:
        seen = {}
        for row, sound in held["audio"]:
            hidden = open_.client.get(f"/api/v1/observations/{row}").json()["obscured"]
            got = open_.client.get(f"/api/v1/media/{row}/original?modality=audio")
            seen[hidden] = got.status_code
            if not hidden:
                assert got.content == (folder / sound).read_bytes()
                assert "attachment" in got.headers["content-disposition"]
                assert "sandbox" in got.headers["content-security-policy"]
    assert seen.get(True, 404) == 404
    assert seen[False] == 200
