"""A page takes the place of no other file, and a foreign index cannot break it or put files of this computer into it."""

from __future__ import annotations

import base64
import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from changes import manifest_of, rewrite_manifest
from PIL import Image

from prom3e_index import Bundle, Query
from prom3e_index.errors import InputError
from prom3e_index.show.answer_section import Section
from prom3e_index.show.own_questions import own_questions
from prom3e_index.show.pictures import land_map
from prom3e_index.show.report import outside_of, page_at, write_report


@pytest.fixture
def own(bundle_path, tmp_path):
    """A copy of the index that may be changed."""
    shutil.copytree(bundle_path, tmp_path / "i.p3i")
    return tmp_path / "i.p3i"


@pytest.mark.parametrize("name", ["t.csv", "t.PARQUET", "t.npz", "t.json", "photo.jpg", "t.xlsx", "i.p3i", "r.html", "r.htm", "r"])  # fmt: skip
def test_a_page_takes_the_place_of_nothing_that_is_no_page(tmp_path, command, bundle_path, name):
    path = tmp_path / name
    path.write_text("<!doctype html><html>mine")
    code, _, err = command("report", "-i", bundle_path, "-o", path)
    assert code == 2 and len(err.splitlines()) == 1 and "--output" in err
    assert path.read_text() == "<!doctype html><html>mine"


def test_a_page_is_written_anew_over_an_earlier_one(bundle, tmp_path):
    for name in ("r.html", "r.HTM", "page"):
        path = tmp_path / name
        assert page_at(path) == path
        write_report(path, bundle, [])
        assert page_at(path) == path
    (tmp_path / "empty.html").touch()
    assert page_at(tmp_path / "empty.html")
    with pytest.raises(InputError, match="does not say"):
        page_at(tmp_path / "new.csv")


def pixels(address: str) -> np.ndarray:
    data = base64.b64decode(address.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(data)), int)


def test_a_large_raster_is_drawn_from_a_part_of_it(tmp_path):
    small = np.full((360, 720, 2), np.nan, np.float32)
    small[:180, :360, 0] = 1
    np.save(tmp_path / "small.npy", small)
    np.save(tmp_path / "large.npy", small.repeat(3, 0).repeat(3, 1))
    shown = pixels(land_map(tmp_path / "small.npy"))
    assert shown.shape == (360, 720, 3) and (shown[0, 0] != shown[-1, -1]).any()
    assert np.array_equal(shown, pixels(land_map(tmp_path / "large.npy")))


@pytest.mark.parametrize("values", [
    np.array(1.0), np.zeros(3), np.zeros((2, 2)), np.zeros((2, 4, 0)), np.zeros((2, 4, 1), "U3"), np.array([{}]), None,
])  # fmt: skip
def test_a_raster_that_is_none_leaves_the_maps_without_land(bundle, tmp_path, values):
    raster = tmp_path / "r.npy"
    raster.write_bytes(b"\x93NUMPY\x01\x00") if values is None else np.save(raster, values)
    answer = bundle.search(Query(location=(1, 2), k=1))
    write_report(tmp_path / "r.html", bundle, [answer], raster=raster)
    text = (tmp_path / "r.html").read_text()
    assert "r.npy cannot be read as a climate raster" in text
    assert "id='land'" not in text and "href='#land'" not in text


def test_a_raster_that_moved_with_its_index_is_drawn(own, tmp_path, command):
    np.save(tmp_path / "r.npy", np.zeros((4, 8, 1), np.float32))
    source = manifest_of(own)["source"]
    rewrite_manifest(
        own, source=source | {"climate": "/nowhere/r.npy", "climate_beside": "../r.npy"}
    )
    assert command("report", "-i", own, "-o", tmp_path / "r.html", "-k", 1)[0] == 0
    assert "id='land'" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("target", ["sat", "env", "loc", "image", "text", "audio"])
def test_every_target_is_asked_for(bundle, target):
    asked = own_questions(bundle, Query(target=target, k=2))
    assert asked and {q.target for q, _ in asked} == {target}
    assert len({q.embedding_of for q, _ in asked}) == len(asked)
    assert all(bundle.search(q).hits for q, _ in asked)


def test_no_question_that_could_be_asked_is_said(own, tmp_path, command):
    code, _, err = command(
        "report", "-t", "sat", "--where", "1=0", "-i", own, "-o", tmp_path / "r.html"
    )
    assert code == 0 and "these were taken" in err  # asked, and nothing is eligible
    gone = Bundle.open(own)
    ids = tmp_path / "ids"
    ids.write_text("\n".join(r[0] for r in gone.sql("SELECT id FROM observations WHERE has_sat")))
    assert command("remove", "-i", own, "--ids", ids, "--yes")[0] == 0
    code, _, err = command("report", "-t", "sat", "-i", own, "-o", tmp_path / "r.html")
    assert code == 0 and "none could be taken" in err and "these were taken" not in err


def test_files_outside_the_folders_of_an_index_are_named_and_not_shown(
    own, world, tmp_path, command
):
    bundle = Bundle.open(own)
    own_section = Section(
        bundle.search(Query(location=(1, 2), target="audio", k=3, observed_only=True))
    )
    (hit, *_) = own_section.answer.hits
    assert hit.media.startswith(str(world)) and not outside_of(bundle, [own_section])
    mine = tmp_path / "mine.wav"
    shutil.copy(hit.media, mine)
    (tmp_path / "link.wav").symlink_to(mine)
    inside = world / "link-out.wav"
    inside.symlink_to(mine)
    try:
        for media in (
            mine,
            tmp_path / "link.wav",
            inside,
            world / ".." / world.name / "x" / ".." / inside.name,
        ):
            answer = replace(own_section.answer, hits=(replace(hit, media=str(media)),))
            assert outside_of(bundle, [Section(answer)]) == {str(media)}
            write_report(tmp_path / "r.html", bundle, [answer])
            text = (tmp_path / "r.html").read_text()
            assert "<audio" not in text and "<img" not in text and "data:audio" not in text
            assert "files 1 not shown" in text and f"not shown: {media}" in text
        with Bundle.open(own, media=tmp_path) as asked:
            answer = replace(answer, hits=(replace(hit, media=str(mine)),))
            assert not outside_of(asked, [Section(answer)])
            write_report(tmp_path / "r.html", asked, [answer])
        assert "data:audio/wav" in (tmp_path / "r.html").read_text()
    finally:
        inside.unlink()
