"""`policy check` finds every place that a finished index tells and should hide, and names its file and row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image
from policies import OPEN, RULE, TRUE, birds, built
from processes import program
from told_files import told_photo

from prom3e_index.indexer.policy_check import check_policy
from prom3e_index.models.folder import Model

BUNDLES = Path(__file__).parent / "bundles"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checked")
    told_photo(folder / "plain.jpg", seed=2)
    Image.effect_noise((256, 256), 60).convert("RGB").save(folder / "tile.png")
    rows = [
        {**r, "image": "plain.jpg", "sat": "tile.png", "locality": "Wood", "notes": "seen"}
        for r in birds()
    ]
    return built(folder, rows, RULE + 'companions = "day"', keep_columns=("notes",))


def table(index, *statements):
    with duckdb.connect(str(index / "metadata.duckdb")) as con:
        for statement in statements:
            con.execute(statement)


def array(index, name, row, value):
    path = index / name
    held = np.load(path)
    held[row] = value
    np.save(path, held)


def _place_in_table(index):
    table(index, f"UPDATE observations SET latitude = {TRUE['f1'][0]}, longitude = {TRUE['f1'][1]} WHERE id = 'f1'",
          f"UPDATE by_place SET latitude = {TRUE['f1'][0]}, longitude = {TRUE['f1'][1]} WHERE row = 0")  # fmt: skip


def _level_taken_off(index):
    table(
        index,
        f"UPDATE observations SET place_level = NULL, obscured = false, latitude = {TRUE['f1'][0]} WHERE id = 'f1'",
    )


def _private_column(index):
    table(index, "ALTER TABLE observations ADD COLUMN private_latitude DOUBLE",
          "UPDATE observations SET private_latitude = 52.31312 WHERE id = 'f2'")  # fmt: skip


def _text(index):
    table(
        index, "UPDATE observations SET notes = 'the nest is at 52.3131, 13.4453' WHERE id = 'f1'"
    )


def _locality(index):
    table(index, "UPDATE observations SET locality = 'Old wood' WHERE id = 'f3'")


def _embedding(index):
    array(
        index,
        "embeddings/loc.npy",
        0,
        Model.open("mini").encoder("loc").encode(np.array([TRUE["f1"]], np.float32))[0],
    )


def _tile(index):
    array(index, "embeddings/present.npy", (1, 1), True)


def _vector(index):
    held = np.load(index / "vectors" / "image.npy")
    array(index, "vectors/image.npy", 2, held[2] + np.float16(0.05))


def _search_file(index):
    from prom3e_index.bundle.faiss.kinds import KINDS
    from prom3e_index.bundle.faiss.write import build as write_index

    vectors = np.load(index / "vectors" / "loc.npy")
    vectors[0] = vectors[3]
    (index / "faiss" / "loc.faiss").unlink()
    write_index(vectors, index / "faiss" / "loc.faiss", KINDS["exact"], 0)


def _records(index):
    import pyarrow as pa

    held = pa.ipc.open_file(pa.py_buffer((index / "records.arrow").read_bytes())).read_all()
    places = held.column("latitude").to_pylist()
    places[0] = TRUE["f1"][0]
    held = held.set_column(
        held.column_names.index("latitude"), "latitude", pa.array(places, pa.float64())
    )
    with (index / "records.arrow").open("wb") as f, pa.ipc.new_file(f, held.schema) as writer:
        writer.write_table(held.combine_chunks())


def _by_place(index):
    table(index, f"UPDATE by_place SET latitude = {TRUE['f2'][0]} WHERE row = 1")


def _exif(index):
    told_photo(index.parent / "there.jpg", place=TRUE["f1"], seed=4)
    table(index, "UPDATE observations SET image = 'there.jpg' WHERE id = 'f1'")


def _file_name(index):
    table(index, "UPDATE observations SET image = 'f_52.3131_13.4453.jpg' WHERE id = 'f1'")


def _loose_file(index):
    told_photo(index / "copy_52.31312_13.44531.jpg", place=TRUE["f1"], seed=4)


def _log(index):
    with (index / "policy.log.jsonl").open("a") as f:
        f.write('{"time": "x", "note": "52.31312"}\n')


def _reason(index):
    table(index, "INSERT INTO lost SELECT 0, 'latitude', 'latitude 52.31312x is no number', 0")


def _manifest(index):
    values = json.loads((index / "manifest.json").read_text())
    values["source"]["understood"]["said"].append("the first place is 52.31312, 13.44531")
    (index / "manifest.json").write_text(json.dumps(values))


DOCTORED = [
    (_place_in_table, "metadata.duckdb", 0, "not the centre"),
    (_level_taken_off, "metadata.duckdb", 0, "its place is open; the policy asks for 0.1deg"),
    (_private_column, "metadata.duckdb", 1, "private_latitude, which no index holds"),
    (_text, "metadata.duckdb", 0, "a text in notes tells a place"),
    (_locality, "metadata.duckdb", 2, "column locality"),
    (_embedding, "embeddings/loc.npy", 0, "not that of its generalised place"),
    (_tile, "embeddings/sat.npy", 1, "an embedding of sat"),
    (_vector, "vectors/image.npy", 2, "does not follow"),
    (_search_file, "faiss/loc.faiss", 0, "holds another vector"),
    (_records, "records.arrow", 0, "shows another place"),
    (_by_place, "metadata.duckdb", 1, "by_place has another place"),
    (_exif, "there.jpg", 0, "EXIF"),
    (_file_name, "metadata.duckdb", 0, "the file name of its image"),
    (_loose_file, "copy_52.31312_13.44531.jpg", None, "a file whose name"),
    (_log, "policy.log.jsonl", None, "may be a coordinate"),
    (_reason, "metadata.duckdb", None, "a reason in lost"),
    (_manifest, "manifest.json", None, "what was understood"),
]


def test_a_clean_index_has_no_leak_and_says_what_was_looked_at(clean):
    done = check_policy(clean)

    assert (done.found, done.findings) == (0, [])
    assert done.said[0].startswith(f"{clean}: policy 'unnamed' sha256")


@pytest.mark.parametrize(
    ("doctor", "file", "row", "what"), DOCTORED, ids=[d[0].__name__ for d in DOCTORED]
)
def test_a_leak_is_named_with_its_file_and_row(clean, tmp_path, doctor, file, row, what):
    index = tmp_path / "t.p3i"
    shutil.copytree(clean, index)
    for name in ("plain.jpg", "tile.png"):
        shutil.copy(clean.parent / name, tmp_path)
    manifest = json.loads((index / "manifest.json").read_text())
    manifest["segments"][0] |= {"media": str(tmp_path), "beside": ".."}
    (index / "manifest.json").write_text(json.dumps(manifest))
    doctor(index)
    done = check_policy(index)
    told = [str(f) for f in done.findings]

    assert any(
        Path(f.file).name == Path(file).name and f.row == row and what in f.what
        for f in done.findings
    ), told
    assert not any(str(v)[:7] in t for t in told for v in TRUE["f1"] if not t.startswith("copy_"))
    assert not any(f.id in OPEN for f in done.findings)


def test_columns_that_became_numbers_are_matched_as_texts(tmp_path):
    """Ids of taxa and of people are numbers in many tables, and so in an index."""
    rows = [{**r, "taxonID": 5000 + i, "recordedBy": 70 + i} for i, r in enumerate(birds())]
    index = built(tmp_path, rows, RULE + 'companions = "day"')
    with duckdb.connect(str(index / "metadata.duckdb"), read_only=True) as con:
        kinds = dict(con.execute("SELECT column_name, column_type FROM (DESCRIBE observations)").fetchall())  # fmt: skip
    assert check_policy(index).findings == []
    table(index, "UPDATE observations SET place_level = NULL WHERE id = 'f2'")

    assert kinds["taxonID"] in ("BIGINT", "INTEGER")
    assert {f.row for f in check_policy(index).findings if f.file == "metadata.duckdb"} == {1}


def test_the_command_ends_with_0_or_1_and_names_the_row(clean, tmp_path):
    done = program("policy", "check", "-i", clean)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "no leak found")
    index = tmp_path / "t.p3i"
    shutil.copytree(clean, index)
    _locality(index)
    done = program("policy", "check", "-i", index)
    assert done.returncode == 1 and "1 leak found" in done.stderr
    assert (
        "LEAK metadata.duckdb, row 2 ('f3'): column locality, which may tell places" in done.stdout
    )


@pytest.mark.parametrize(
    "name", sorted(p.name for p in BUNDLES.iterdir() if (p / "manifest.json").is_file())
)
def test_indexes_of_earlier_formats_open_and_are_said_to_have_no_policy(name, tmp_path):
    index = tmp_path / "i.p3i"
    shutil.copytree(BUNDLES / name, index)
    done = check_policy(index)
    shown = program("info", "-i", index)

    assert "no policy; looked for what its sources hide" in done.said[0] and done.found == 0
    assert shown.returncode == 0 and "policy    none: places" in shown.stdout
