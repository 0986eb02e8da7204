"""Licences: what their texts mean, which is the most restrictive, and who is let through by `--licence-allow`."""

from __future__ import annotations

import itertools

import pytest
from exported import ROWS, index_of, table
from plain_index import quiet, without_measuring

from prom3e_index import Bundle, Filter
from prom3e_index.errors import InputError
from prom3e_index.indexer.change import add
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.licences import (
    CODES,
    allowed_codes,
    code_of,
    licence_columns,
    roll_up,
    url_of,
)

MEANT = {
    "CC0": ("CC0", "cc0", "CC0 1.0", "CC0_1_0", "http://creativecommons.org/publicdomain/zero/1.0/legalcode",
            "(c) Jane, no rights reserved (CC0)", "CC0 1.0 Universal Public Domain Dedication"),
    "PDM": ("https://creativecommons.org/publicdomain/mark/1.0/", "Public domain"),
    "BY": ("CC_BY_4_0", "CC-BY", "by", "BY 4.0", "CC BY 4.0 https://creativecommons.org/licenses/by/4.0/",
           "Creative Commons Attribution 4.0 International License", "https://creativecommons.org/licenses/by/3.0/us/"),
    "BY-NC": ("CC_BY_NC_4_0", "cc-by-nc", "Attribution-NonCommercial 4.0 International", "CC BY-NC (Attribution-NonCommercial)",
              "(c) Jane, some rights reserved (CC BY-NC)", "https://creativecommons.org/licenses/by-nc/4.0/deed.en"),
    "BY-SA": ("CC-BY-SA-3.0", "by sa"),
    "BY-NC-SA": ("//creativecommons.org/licenses/by-nc-sa/4.0/", "CCBYNCSA 4.0",
                 "Creative Commons Attribution-NonCommercial-ShareAlike 3.0"),
    "BY-ND": ("https://creativecommons.org/licenses/by-nd/2.5/", "cc-by-nd"),
    "BY-NC-ND": ("CC BY-NC-ND 4.0",),
    "ARR": (None, "", "  ", "All rights reserved", "© John Smith", "(c) J, all rights reserved", "C", "none", "Copyright 2020 X"),
    "unknown": ("DEMO-ATTRIBUTION-1.0", "ODbL", "MIT", "by the sea", "CC BY or CC BY-NC", "cc-by-nd-sa", "unspecified",
                "CC BY 4.0, non-commercial use only", "CC0 for data, all rights reserved for images"),
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_a_text_means_one_code(code):
    assert {t: code_of(t) for t in MEANT[code]} == dict.fromkeys(MEANT[code], code)
    written = [t for t in MEANT[code] if t is not None]
    assert [code_of(f" {t.upper()} ") for t in written] == [code] * len(written)


def test_an_address_is_that_of_the_version_stated():
    assert url_of("CC BY-NC 3.0") == "http://creativecommons.org/licenses/by-nc/3.0/legalcode"
    assert url_of("cc-by") == "http://creativecommons.org/licenses/by/4.0/legalcode"
    assert url_of("https://creativecommons.org/licenses/by/3.0/us/").endswith("by/3.0/us/legalcode")
    assert [url_of(t) for t in ("all rights reserved", "ask me", None)] == [None] * 3
    for code in CODES[:8]:  # what is written is read again as the same
        assert code_of(url_of(code if code != "PDM" else "public domain")) == code


def test_the_whole_is_as_strict_as_every_part():
    """Against the conditions as sets: what a part forbids, the whole forbids."""
    free = {"CC0": set(), "PDM": set()} | {c: set(c.split("-")) for c in CODES[2:8]}
    for size in (1, 2, 3):
        for parts in itertools.combinations(free, size):
            whole = roll_up(parts)
            needed = set().union(*(free[p] for p in parts))
            needed -= {"SA"} if "ND" in needed else set()
            assert free[whole] == needed, parts
    assert roll_up(["BY", "unknown"]) == "unknown" and roll_up(["unknown", "ARR", "CC0"]) == "ARR"
    assert roll_up([]) is None and roll_up(["PDM", "CC0"]) == "PDM"


def test_licences_are_named_in_any_spelling_and_others_refused():
    assert (
        allowed_codes("by-nc, CC0,by")
        == allowed_codes(["CC BY", "cc0", "cc_by_nc_4_0"])
        == ("CC0", "BY", "BY-NC")
    )
    assert allowed_codes("arr,unknown") == ("unknown", "ARR")
    for wrong, words in (
        ("", "names no licence"),
        (" , ", "names no licence"),
        ("cc0,by-cn", "'by-cn'.*nearest: .*BY-NC"),
        (3, "is 3"),
    ):
        with pytest.raises(InputError, match=words):
            allowed_codes(wrong)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=words):
            Filter(licence_allow=wrong)  # type: ignore[arg-type]


def test_columns_of_photos_and_sounds_are_known_by_their_names():
    found = licence_columns(
        ["license", "Photo License", "sound_licence_code", "mediaLicense", "dataLicense", "photo"]
    )
    assert found == {
        "image": ("Photo License", "mediaLicense"),
        "audio": ("sound_licence_code", "mediaLicense"),
    }


def test_a_filter_leaves_the_rows_under_these_licences(opened):
    """Against the table's own cells; photos of these rows are remote, so their licences do not count."""
    code = {r["occurrenceID"]: code_of(r.get("license")) for r in ROWS}
    for allowed in ("cc0", "by,by-nc", "arr", "unknown", "by-sa", "arr,unknown,by-nd"):
        rows = opened.eligible(Filter(licence_allow=allowed))
        found = {
            r[0]
            for r in opened.sql(
                "SELECT id FROM observations WHERE row IN (SELECT unnest(?))", [rows.tolist()]
            )
        }
        assert found == {k for k, c in code.items() if c in allowed_codes(allowed)}, allowed
    both = Filter(licence_allow="cc0", where="scientific_name = 'Pica pica'", bbox=(2, 1, 3, 2))
    assert len(opened.eligible(both)) == 3
    assert both.describe()["licence_allow"] == ["CC0"]


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """Six rows with photos, of which three are under the licences that a build allows."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("chosen")
    Image.new("RGB", (64, 64), (1, 200, 3)).save(folder / "p.png")
    head = ("id", "scientificName", "license", "photo", "photo_license")
    rows = [("a1", "CC BY 4.0", "CC0"), ("a2", "CC0", ""), ("a3", "CC-BY-ND", "CC0"), ("a4", "", "CC0"), ("a5", "weird", "CC0"),
            ("a6", "cc-by-nc", "all rights reserved")]  # fmt: skip
    cells = [
        dict(zip(head, (i, "Pica pica", licence, "p.png", photo), strict=True))
        for i, licence, photo in rows
    ]
    table(folder / "t.csv", cells, head)
    again = [{**c, "id": c["id"].replace("a", "b")} for c in cells]
    table(folder / "more.csv", again, head)
    index_of(folder / "t.csv", folder / "i.p3i", licence_allow=allowed_codes("cc0,by,by-nc"))
    return folder


def held(index):
    with Bundle.open(index) as bundle:
        rows = bundle.sql("SELECT id, has_image, image FROM observations ORDER BY row")
        gone = bundle.sql("SELECT id, reason FROM rejected ORDER BY id")
        lost = bundle.sql(
            "SELECT o.id, l.reason FROM lost l JOIN observations o USING (row) WHERE modality = 'image' ORDER BY 1"
        )
    return rows, gone, lost


def test_a_build_leaves_out_other_licences_and_says_so(chosen):
    rows, gone, lost = held(chosen / "i.p3i")
    assert rows == [("a1", True, "p.png"), ("a2", False, None), ("a6", False, None)]
    why = {"a3": "BY-ND", "a4": "ARR", "a5": "unknown"}
    assert dict(gone) == {
        i: f"licence {c} is not allowed (--licence-allow)" for i, c in why.items()
    }
    assert [i for i, _ in lost] == ["a2", "a6"] and all("ARR, is not allowed" in r for _, r in lost)


def test_what_is_added_later_keeps_the_choice(chosen, tmp_path):
    import shutil

    shutil.copytree(chosen / "i.p3i", tmp_path / "i.p3i")
    with without_measuring():
        done = add(
            tmp_path / "i.p3i",
            BuildConfig(table=str(chosen / "more.csv"), out=tmp_path / "i.p3i", media=chosen),
            quiet,
        )
    assert (done.added, done.rejected) == (3, 3)
    rows, gone, _ = held(tmp_path / "i.p3i")
    assert [r[0] for r in rows] == ["a1", "a2", "a6", "b1", "b2", "b6"] and len(gone) == 6


def test_the_photo_of_a_row_has_its_own_licence_in_a_filter(chosen, tmp_path):
    index = index_of(chosen / "t.csv", tmp_path / "all.p3i", media=chosen)
    with Bundle.open(index) as bundle:
        ids = dict(bundle.sql("SELECT row, id FROM observations"))
        kept = {
            a: [ids[r] for r in bundle.eligible(Filter(licence_allow=a)).tolist()]
            for a in ("by", "by,cc0", "arr,cc0", "arr,by-nc")
        }
    assert kept == {"by": [], "by,cc0": ["a1"], "arr,cc0": ["a2", "a4"], "arr,by-nc": ["a6"]}
