"""Spreadsheets: the sheet with observations, its header below titles, dates and numbers as people mean them."""

from __future__ import annotations

import base64
import zipfile
import zlib
from xml.sax.saxutils import escape

import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables import recognise
from prom3e_index.tables.sources import open_source

STYLES = (
    '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="1"><font/></fonts>'
    '<fills count="1"><fill/></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/>'
    '<xf numFmtId="21" applyNumberFormat="1"/></cellXfs></styleSheet>'
)
XLS = (
    # Written by xlwt 1.3: the sheet "Notes" with a text, "Data" with a merged title, a header and two rows; zlib, base 85.
    "c-rk)NoW&c6#o8M(xj$oQd_YVLlCTMQR_v7Hnl|S!IWALE(kg{V~yIROjB_I_ktHe@T7<!xL^gBiwkb`=0Q;OAP8cs=*5EwDjsU%``=7rtr09}p)"
    "zmy-~4a+xA)%v{(t7l<52&ZYgGdn0rgNZl=Z<gj3=o0azqd$&t_#c_x4iBx-hQ5=Ossablfg^R3v>U{XGB$SG5O(f!9>lqZ7^Plo=UAXyiE<Le8O"
    "1XcT)2PEiS<lIK;%xQ+2d##dPP4&w&q9A#Wby8U7u9!HyJFLL5|jWUg80m1?|xXlaZEI<Vw$~fM4OxU_QmRLz+`~M;cYkr&s`MSwWnU<tWaSp}6T"
    "7sH*ye1Y4YZW*zH+U>IFCL#K1(D^;7suoMD5n59i_h5z@F|xG`XVlWZ21Dj|N1k(=r?>XdAAVXM=l=8KdxxNeq=Waxh;B7f)ARM=(PPaW>*jVXy*"
    "e#L(Iq+gSbR0;6ee_Y8r`1hv^4W>CBd7sy(vBw9E;>s%~qCxhqmTzjh&Qv1B3ubhRbTR3^DO+16}ym~^O^JBX%E%~Bv?wk11^?JJB-GSi(fgFiUw"
    "R6DbD+WP74RE9clF|6*cNQbdCZK*(GO|1{22^PNK6--*+AeGM3v<G$;%j1jFUGS%LSHelaPdI^6u7@}k1j%-T7e79YZ)%BdV9tI%;_QQPy0jItI3"
    "Qb4;{Z#PynHs-=P*9Vy-wkJ72|TUDZQ&(DxAu)L#%U{rPVafLWXD28N=!`sowK`<;`%<o9Ha6Uv3)MU4Hp_^bDqvKNHkmK8G+@%oQh3NVpZvy@iu"
    "9Uox)zC4G98pfmTZbJ~~Uo6HLYA;wZe6wnZ?A#uG@hU;vChGEx+v9P<2T(9HR?s`GHOO1O7@Y+Mpqvbu}Dd-8>1`Z`yJ4Y!*>3K>e%9E!wqKfjAP"
    "L$V~n=)dYy-G3jLI^whw&&!<@Gd43rO=AY`s8SPTBP0uk4zZ4;w6dBks|w53#?h?ev6%cRqmIzI8^eoO06g2Qg3hX5xi@#IdTn7q};b#$aVOgnQJ"
    "3r)q|<bvn?dAs<x;IVS%s$^{rz<JHv4>qfjur;DQS-xZuKg2jN^=RX+3Vi<HN{&+~tsZ&Zfd-z5Jnv?5JUhCY&(B1LZtyG9j1lc0-SU*Zqj<o*{*"
    "SWTl_*oI9!k8PulU%Fh2;p_S1hQYtLg+@F6&}ioQkH`NGjR{l7"
)
DATE, MOMENT, TIME = 1, 2, 3


def letter(i: int) -> str:
    return chr(65 + i) if i < 26 else letter(i // 26 - 1) + chr(65 + i % 26)


def cell(at: str, value) -> str:
    value, style = value if isinstance(value, tuple) else (value, 0)
    if isinstance(value, bool):
        return f'<c r="{at}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{at}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{at}" s="{style}"><v>{value!r}</v></c>'


def workbook(path, sheets: dict, merged: str = "", more: str = "") -> None:
    """A minimal XLSX of rows of cells; None is an empty cell, (number, style) a date or time."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"
    with zipfile.ZipFile(path, "w") as z:
        names = "".join(
            f'<sheet name="{n}" sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(sheets, 1)
        )
        links = "".join(
            f'<Relationship Id="r{i}" Type="{office}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(sheets) + 1)
        )
        links += f'<Relationship Id="s" Type="{office}/styles" Target="styles.xml"/>'
        z.writestr("[Content_Types].xml", f'<Types xmlns="{packages}/content-types"/>')
        z.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{packages}/relationships"><Relationship Id="w" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        z.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>',
        )
        z.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{packages}/relationships">{links}</Relationships>',
        )
        z.writestr("xl/styles.xml", STYLES)
        for i, rows in enumerate(sheets.values(), 1):
            body = "".join(
                f'<row r="{n}">'
                + "".join(cell(f"{letter(c)}{n}", v) for c, v in enumerate(row) if v is not None)
                + "</row>"
                for n, row in enumerate(rows, 1)
            )
            merge = (
                f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
            )
            z.writestr(
                f"xl/worksheets/sheet{i}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{body}{more}</sheetData>{merge}</worksheet>',
            )


def ods(path, rows, repeated: str = "") -> None:
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        z.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        body = ""
        for row in rows:
            body += "<table:table-row>"
            for v in row:
                if v is None:
                    body += "<table:table-cell/>"
                elif isinstance(v, str):
                    body += f'<table:table-cell office:value-type="string"><text:p>{escape(v)}</text:p></table:table-cell>'
                else:
                    body += f'<table:table-cell office:value-type="float" office:value="{v}"><text:p>{v}</text:p></table:table-cell>'
            body += "</table:table-row>"
        space = "urn:oasis:names:tc:opendocument:xmlns"
        z.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{space}:office:1.0" xmlns:table="{space}:table:1.0" xmlns:text="{space}:text:1.0">'
            f'<office:body><office:spreadsheet><table:table table:name="Data">{body}{repeated}</table:table></office:spreadsheet></office:body></office:document-content>',
        )


def rows(path, table=None, size: int = 2):
    source = open_source(path, None, table)
    return [r for batch in source.batches(size) for r in batch.to_pylist()], source


def test_the_sheet_of_observations_is_read_below_its_title_with_values_as_meant(tmp_path):
    workbook(tmp_path / "t.xlsx", {
        "Legend": [["code", "meaning"], ["1", "rare"]],
        "Data": [
            ["Survey of 2023"], [],
            ["id", None, "latitude", "longitude", "Date", "start", "when", "count", "ok", "plot\ncode"],
            ["007", "kept", 51.25, 4.0, (45069, DATE), (0.25, TIME), (45069.5, MOMENT), 3.0, True, "0012"],
            [],
            [12345678901.0, None, -0.1, 4.5, "23 May", None, (45069.0, MOMENT), None, False, None],
        ],
    })  # fmt: skip

    found, source = rows(tmp_path / "t.xlsx")

    assert recognise(tmp_path / "t.xlsx") == source.format == "xlsx"
    assert source.columns == [
        "id",
        "column_2",
        "latitude",
        "longitude",
        "Date",
        "start",
        "when",
        "count",
        "ok",
        "plot code",
    ]
    assert list(found[0].values()) == [
        "007",
        "kept",
        "51.25",
        "4",
        "2023-05-23",
        "06:00:00",
        "2023-05-23T12:00:00",
        "3",
        "true",
        "0012",
    ]
    assert list(found[1].values()) == [
        "12345678901",
        None,
        "-0.1",
        "4.5",
        "23 May",
        None,
        "2023-05-23",
        None,
        "false",
        None,
    ]
    assert source.facts == {"rows": 2, "sheet": "Data", "header": "header in row 3"}
    assert source.said == ["Sheet 'Data' is read, not 'Legend'; to read another name PATH::SHEET.",
                           "2 rows above the column names were passed over ('Survey of 2023')."]  # fmt: skip


def test_a_named_sheet_is_read_and_an_unknown_one_names_the_nearest(tmp_path):
    workbook(
        tmp_path / "t.xlsx",
        {"May": [["id", "latitude"], ["a", 1.5]], "June": [["id", "latitude"], ["b", 2.5]]},
    )

    assert rows(tmp_path / "t.xlsx", "June")[0] == [{"id": "b", "latitude": "2.5"}]
    assert rows(tmp_path / "t.xlsx")[0] == [{"id": "a", "latitude": "1.5"}]
    with pytest.raises(TableError, match="sheets May, June, not 'Jun'"):
        rows(tmp_path / "t.xlsx", "Jun")


def test_a_merged_cell_fills_the_rows_that_it_spans(tmp_path):
    workbook(
        tmp_path / "t.xlsx",
        {"S": [["locality", "latitude"], ["Oak", 1.5], [None, 2.5], [None, 3.5], ["Elm", 4.5]]},
        merged="A2:A4",
    )

    found, source = rows(tmp_path / "t.xlsx")

    assert [r["locality"] for r in found] == ["Oak", "Oak", "Oak", "Elm"]
    assert any("2 cells got the value of the merged cell" in s for s in source.said)


def test_ods_gives_the_same_rows(tmp_path):
    ods(tmp_path / "t.ods", [["id", "latitude", None], ["007", 51.25, None], ["b", 4.0, None]],
        '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>')  # fmt: skip

    found, source = rows(tmp_path / "t.ods")

    assert source.format == "ods" and found == [
        {"id": "007", "latitude": "51.25"},
        {"id": "b", "latitude": "4"},
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_every_number_of_rows(tmp_path, count):
    workbook(
        tmp_path / "t.xlsx",
        {"S": [["id", "latitude"], *([f"r{i}", i + 0.5] for i in range(count))]},
    )

    found, source = rows(tmp_path / "t.xlsx")

    assert found == [{"id": f"r{i}", "latitude": f"{i}.5"} for i in range(count)]
    assert source.facts["rows"] == count


@pytest.mark.parametrize(
    "kind", ["far", "quoted", "unnumbered", "repeated", "bomb", "cut", "binary"]
)
def test_what_would_fill_the_memory_is_refused_before_it_is_loaded(tmp_path, kind):
    path, says = tmp_path / "t.xlsx", "spans"
    if kind == "far":
        workbook(
            path,
            {"S": [["id", "latitude"], ["a", 1.5]]},
            more='<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        )
    elif kind == "quoted":
        workbook(
            path,
            {"S": [["id", "latitude"], ["a", 1.5]]},
            more="<row r='1048576'><c s='0' r = 'XFD1048576'><v>1</v></c></row>",
        )
    elif kind == "unnumbered":
        workbook(
            path,
            {"S": [["id", "latitude"], ["a", 1.5]]},
            more='<row r="1048576">' + "<c><v>1</v></c>" * 100 + "</row>",
        )
    elif kind == "repeated":
        ods(
            path,
            [["id", "latitude"]],
            '<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="1000" office:value-type="float" office:value="1"><text:p>1</text:p></table:table-cell></table:table-row>',
        )
    elif kind == "bomb":
        says = "expands to"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
            z.writestr("xl/workbook.xml", "<workbook/>")
            with z.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as f:
                for _ in range(17):
                    f.write(b" " * (64 << 20))
    elif kind == "cut":
        says = "damaged zip|no readable spreadsheet"
        workbook(path, {"S": [["id", "latitude"], ["a", 1.5]]})
        path.write_bytes(path.read_bytes()[:-40])
    else:
        says = "XLSB"
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("xl/workbook.bin", "x")

    with pytest.raises(TableError, match=says):
        rows(path)


def test_a_far_cell_without_a_value_does_no_harm(tmp_path):
    workbook(
        tmp_path / "t.xlsx",
        {"S": [["id", "latitude"], ["a", 1.5]]},
        more='<row r="1048576"><c r="XFD1048576" s="1"/></row>',
    )

    assert rows(tmp_path / "t.xlsx")[0] == [{"id": "a", "latitude": "1.5"}]


def test_an_xls_file_of_before_2007_is_read_and_one_that_is_cut_is_said_to_be(tmp_path):
    data = zlib.decompress(base64.b85decode("".join(XLS)))
    (tmp_path / "t.xls").write_bytes(data)
    (tmp_path / "cut.xls").write_bytes(data[: len(data) // 2])

    source = open_source(tmp_path / "t.xls", None)
    found = [r for b in source.batches(1) for r in b.to_pylist()]

    assert recognise(tmp_path / "t.xls") == source.format == "xls" and source.facts["rows"] == 2
    assert [tuple(r.values()) for r in found] == [
        ("7", "Parus major", "2023-05-14", "51.5", "4.25", "true"),
        ("B-2", "Größe ü 鹰", "2023-05-14T06:30:00", "-0.001", "x", None)]  # fmt: skip
    assert any("'Data' is read, not 'Notes'" in s for s in source.said)
    assert any("passed over ('Survey 2023')" in s for s in source.said)
    with pytest.raises(TableError, match="Notes, Data, not 'Dat'"):
        open_source(tmp_path / "t.xls", None, "Dat")
    with pytest.raises(TableError, match="no readable spreadsheet|cannot be read"):
        open_source(tmp_path / "cut.xls", None)


def test_formulas_without_a_value_and_errors_of_the_sheet_are_said(tmp_path):
    more = (
        '<row r="3"><c r="A3" t="inlineStr"><is><t>Pica pica</t></is></c><c r="B3"><f>B2+1</f><v/></c>'
        '<c r="C3"><f>C2</f></c></row><row r="4"><c r="B4" t="e"><v>#N/A</v></c><c r="C4"><f>1+3</f><v>4</v></c></row>'
    )
    sheets = {"A &amp; B": [["species", "lat", "lon"], ["Parus major", 3, 4]], "Notes": [["x"]]}
    workbook(tmp_path / "t.xlsx", sheets, more=more)
    found, source = rows(tmp_path / "t.xlsx")

    assert [r["lat"] for r in found] == ["3", None, None]
    assert [s[:43] for s in source.said if "cells hold" in s] == [
        "2 cells hold formulas that were never compu",
        "1 cells hold errors such as #N/A, and are r",
    ]


def test_a_header_in_two_rows_of_which_the_first_spans_columns(tmp_path):
    table = [
        ["Finds", None, None, None],
        ["Art", "Ort", None, "Zahl"],
        [None, "lat", "lon", None],
        ["Pica pica", 48, 16, 3],
    ]
    workbook(tmp_path / "t.xlsx", {"A": table}, merged="B2:C2")
    found, source = rows(tmp_path / "t.xlsx")

    assert found == [{"Art": "Pica pica", "lat": "48", "lon": "16", "Zahl": "3"}]
    assert "The names of the columns stand in two rows: Art, lat, lon, Zahl." in source.said
