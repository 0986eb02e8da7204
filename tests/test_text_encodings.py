"""Text of other encodings than UTF-8: told by its bytes, said, and a bad line costs no other."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pyarrow as pa
import pytest

from prom3e_index.errors import InputError, TableError
from prom3e_index.tables import read_observations
from prom3e_index.tables.text import open_text

ROWS = {
    "cp1252": [
        "Grünspecht;Südtirol – Ötztal",
        "Mésange bleue;forêt d’Orléans, 5 €",
        "Ruiseñor;Coruña",
    ],
    "cp1250": [
        "Łozówka;Białowieża, ćma",
        "kuňk žlutobřichý;Třeboň",
        "fülemüle, őszapó;Nyíregyháza",
    ],
    "cp1251": ["Воробей домовый;Москва, парк", "большая синица;Санкт-Петербург"],
    "koi8-r": ["Воробей домовый;Москва, парк", "большая синица;Санкт-Петербург"],
    "cp1253": ["Σπουργίτι;Αθήνα", "Κορυδαλλός;Θεσσαλονίκη, λίμνη"],
    "cp1254": ["Kızılgerdan;Beyoğlu, İstanbul", "Büyük baştankara;Muğla"],
    "cp1255": ["דרור הבית;ירושלים", "בולבול;חיפה, הכרמל"],
    "cp1256": ["عصفور دوري;القاهرة", "بلبل;الرياض"],
    "cp874": ["นกกระจอกบ้าน;กรุงเทพ", "นกเอี้ยง;เชียงใหม่"],
    "gbk": ["大山雀;北京市，公园", "麻雀;上海", "喜鹊;天坛"],
    "big5": ["麻雀;臺北市", "白頭翁;高雄，公園", "台灣藍鵲;陽明山"],
    "shift_jis": ["スズメ;東京都", "シジュウカラ;北海道札幌市", "カワセミ;井の頭公園"],
    "euc_kr": ["참새;서울 공원", "박새;부산광역시"],
    "mac-roman": ["Mésange bleue;forêt, été", "Grünspecht;Köln, Bär", "Ruiseñor;España"],
    "utf-8": ["Grünspecht;Südtirol – Ötztal", "大山雀;北京"],
    "utf-8-sig": ["Grünspecht;Südtirol", "麻雀;上海"],
    "utf-16": ["Grünspecht;Südtirol", "麻雀;上海"],
    "utf-16-le": ["Grünspecht;Südtirol", "Mésange;forêt"],
    "utf-16-be": ["Grünspecht;Südtirol", "Mésange;forêt"],
}


def table(rows):
    return "id;vernacularName;locality;lat\n" + "".join(
        f"{i};{row};{i}.5\n" for i, row in enumerate(rows)
    )


def read(path, **options):
    source = open_text(path, "csv", **options)
    return pa.Table.from_batches(list(source.batches())).to_pylist(), source


@pytest.mark.parametrize("encoding", ROWS)
def test_a_table_is_read_in_the_encoding_that_its_bytes_tell(tmp_path, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes(table(ROWS[encoding]).encode(encoding))
    rows, source = read(path)

    assert [f"{r['vernacularName']};{r['locality']}" for r in rows] == ROWS[encoding]
    guessed = not encoding.startswith("utf-8") and encoding != "utf-16"
    assert any("(guessed; --encoding NAME" in s for s in source.said) == guessed
    path.write_bytes(table(ROWS[encoding] * 300).encode(encoding))
    assert [r["locality"] for r in read(path)[0]] == [r["locality"] for r in rows] * 300


@pytest.mark.parametrize("encoding", [e for e in ROWS if not e.startswith("utf")])
def test_the_encoding_that_is_named_is_taken(tmp_path, encoding):
    (tmp_path / "t.csv").write_bytes(table(ROWS[encoding]).encode(encoding))
    rows, source = read(tmp_path / "t.csv", encoding=encoding)

    assert [f"{r['vernacularName']};{r['locality']}" for r in rows] == ROWS[encoding]
    assert source.facts["encoding"] == encoding and not source.said


def test_one_bad_line_costs_no_other_line_and_is_named(tmp_path):
    """The first bad line stands behind 16 MB of ASCII, behind it are 300 lines of good UTF-8."""
    good = [f"{i};Mesange;foret;1.5" for i in range(900_000)]
    text = "id;vernacularName;locality;lat\n" + "\n".join(good) + "\n"
    assert len(text) > 17 << 20
    tail = [b"x0;Gr\xfcn;B\xe4r \x96 5 \x80;1"]
    tail += [f"x{i};Mésange;Forêt;1".encode() for i in range(1, 300)]
    tail += [b"x300;cut \xc3;Mus\xc3\xa9e;1"]
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode() + b"\n".join(tail))
    rows, source = read(path)

    assert len(rows) == 900_301 and not source.rejected
    assert (rows[900_000]["vernacularName"], rows[900_000]["locality"]) == ("Grün", "Bär – 5 €")
    assert {r["locality"] for r in rows[900_001:900_300]} == {"Forêt"}
    assert rows[900_300]["locality"] == "Musée"
    assert any("900,002 and 900,302" in s for s in source.said)


def test_a_latin_line_behind_16_megabytes_of_ascii_settles_the_encoding(tmp_path):
    text = "id;vernacularName;locality;lat\n" + "1;Mesange;foret de Fontainebleau;1.5\n" * 500_000
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode() + table(ROWS["cp1252"]).encode("cp1252").partition(b"\n")[2])
    rows, source = read(path)

    assert [f"{r['vernacularName']};{r['locality']}" for r in rows[-3:]] == ROWS["cp1252"]
    assert source.facts["encoding"] == "Windows-1252"


def test_lines_of_utf8_in_a_table_of_another_encoding(tmp_path):
    latin = [r.encode("cp1252") for r in ROWS["cp1252"] * 20]
    lines = [b"id;vernacularName;locality", *(b"%d;%s" % (i, x) for i, x in enumerate(latin))]
    lines.insert(30, "x;Grünspecht;Ötztal".encode())
    (tmp_path / "t.csv").write_bytes(b"\n".join(lines))
    rows, source = read(tmp_path / "t.csv")

    assert rows[29] == {"id": "x", "vernacularName": "Grünspecht", "locality": "Ötztal"}
    assert rows[0]["vernacularName"] == "Grünspecht" == rows[-3]["vernacularName"]


def test_an_encoding_that_does_not_fit_loses_characters_and_says_so(tmp_path):
    (tmp_path / "t.csv").write_bytes(table(ROWS["cp1252"]).encode("cp1252"))
    rows, source = read(tmp_path / "t.csv", encoding="ascii")
    assert rows[0]["locality"] == "Südtirol – Ötztal" and "3 lines not ascii" in source.said[0]
    with pytest.raises(InputError, match="no encoding 'klingon'"):
        read_observations(tmp_path / "t.csv", encoding="klingon")
    import duckdb

    duckdb.sql("SELECT 1 AS lat, 2 AS lon").write_parquet(str(tmp_path / "a.parquet"))
    with pytest.raises(TableError, match="says its own encoding"):
        read_observations(tmp_path / "a.parquet", encoding="utf-8")


@pytest.mark.parametrize("kind, pack", [
    ("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress),
    ("zstd", lambda b: pa.compress(b, "zstd", asbytes=True)),
])  # fmt: skip
def test_compressed_text(tmp_path, kind, pack):
    path = tmp_path / "t.csv.packed"
    path.write_bytes(pack(table(ROWS["gbk"] * 2000).encode("gbk")))
    observations = read_observations(path)
    rows = [r for b in observations.batches() for r in b.to_pylist()]

    assert [r["locality"] for r in rows] == [x.partition(";")[2] for x in ROWS["gbk"] * 2000]
    assert observations.facts["compression"] == kind and observations.facts["encoding"] == "GBK"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TableError, match="damaged|cannot be read"):
        list(read_observations(path).batches())
