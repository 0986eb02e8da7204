"""What is no table, told by its first bytes or its members, with the way out of each."""

from __future__ import annotations

from prom3e_index.errors import TableError
from prom3e_index.tables.kinds import kind_of
from prom3e_index.tables.looks import Look

_PICKLE = "write it as Parquet: frame.to_parquet('table.parquet')"
_SAVE = "save the table as CSV or XLSX"
_HEADS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF", f"{_SAVE} where it was made, or copy it into a spreadsheet"),
    (b"\xff\xd8\xff", "a photo (JPEG)", "photo"),
    (b"\x89PNG", "a photo (PNG)", "photo"),
    (b"GIF8", "a photo (GIF)", "photo"),
    (b"II*\0", "a photo (TIFF)", "photo"),
    (b"MM\0*", "a photo (TIFF)", "photo"),
    (b"BM", "a photo (BMP)", "photo"),
    (b"\0\0\0\x0cjP  ", "a photo (JPEG 2000)", "photo"),
    (b"fLaC", "a recording (FLAC)", "recording"),
    (b"ID3", "a recording (MP3)", "recording"),
    (b"OggS", "a recording (Ogg)", "recording"),
    (b"FORM", "a recording (AIFF)", "recording"),
    (b"caff", "a recording (CAF)", "recording"),
    (b"\x1aE\xdf\xa3", "a video (Matroska)", "recording"),
    (b"Rar!", "a RAR archive", "unpack it and name the folder or the table in it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and name the folder or the table in it"),
    (b"\0\x01\0\0Standard Jet DB", "an Access database", "export the table from Access as CSV or XLSX"),
    (b"\0\x01\0\0Standard ACE DB", "an Access database", "export the table from Access as CSV or XLSX"),
    (b"\x89HDF", "an HDF5 or NetCDF file", "write the table from Python: read_hdf(FILE).to_parquet('t.parquet')"),
    (b"CDF\x01", "a NetCDF file", "write the table from R or Python as CSV or Parquet"),
    (b"CDF\x02", "a NetCDF file", "write the table from R or Python as CSV or Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"ORC", "an ORC file", "write it as Parquet: pyarrow.orc.read_table(FILE)"),
    (b"$FL2", "an SPSS file", "save it as CSV or XLSX, or in R: write.csv(haven::read_sav(FILE), 'table.csv')"),
    (b"$FL3", "an SPSS file", "save it as CSV or XLSX, or in R: write.csv(haven::read_sav(FILE), 'table.csv')"),
    (b"<stata_dta>", "a Stata file", "save it as CSV, or in R: write.csv(haven::read_dta(FILE), 'table.csv')"),
    (b"\x80\x04\x95", "a Python pickle, which could run code", _PICKLE),
    (b"\x80\x05\x95", "a Python pickle, which could run code", _PICKLE),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it: git lfs pull"),
    (b"{\\rtf", "a text document (RTF)", f"{_SAVE} where it was made"),
)  # fmt: skip
_MEMBERS = (
    (
        "word/document.xml",
        "a Word document",
        "copy the table into a spreadsheet and save it as XLSX or CSV",
    ),
    (
        "ppt/presentation.xml",
        "a PowerPoint file",
        "copy the table into a spreadsheet and save it as XLSX or CSV",
    ),
    (
        "Index/Document.iwa",
        "an Apple Numbers or Pages file",
        "export it: File > Export To > Excel or CSV",
    ),
    ("Index.zip", "an Apple Numbers or Pages file", "export it: File > Export To > Excel or CSV"),
    ("index.xml", "an Apple Numbers or Pages file", "export it: File > Export To > Excel or CSV"),
)
_R = (b"X\n\0\0", b"A\n", b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n")
_DOC = "WordDocument".encode("utf-16-le")


def refuse(look: Look) -> None:
    """Refuse what is known to be no table.

    Raises:
        TableError: It is one of these; says what it is and what to do.
    """
    known = _known(look)
    if known is None:
        return
    what, out = known
    name = look.path.name
    if out == "photo":
        out = (
            f"to search with it: prom3e-index query INDEX --image {name}; to index photos name the folder that they "
            "lie in, or a table with their paths"
        )
    elif out == "recording":
        out = (
            f"to search with it: prom3e-index query INDEX --audio {name}; to index recordings name the folder that "
            "they lie in, or a table with their paths"
        )
    raise TableError(f"{look.path} is {what}, not a table; {out}.")


def _known(look: Look) -> tuple[str, str] | None:
    if look.folder:
        return None
    if look.zipped:
        names = set(look.names)
        return next(((what, out) for member, what, out in _MEMBERS if member in names), None)
    head, inner = look.head, look.inner
    if look.path.suffix.lower() in (".rds", ".rda", ".rdata") or inner.startswith(_R[2:]):
        return (
            "an R data file",
            f"in R: write.csv(readRDS('{look.path.name}'), 'table.csv', row.names = FALSE)",
        )
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI ", b"WEBP"):
        return (
            ("a photo (WebP)", "photo")
            if head[8:12] == b"WEBP"
            else ("a recording (WAV)", "recording")
        )
    if head[4:8] == b"ftyp":
        photo = head[8:11] in (b"hei", b"hev", b"mif", b"msf", b"avi")
        return (
            ("a photo (HEIC or AVIF)", "photo")
            if photo
            else ("a recording or video (MP4)", "recording")
        )
    if (
        head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        and _DOC in look.path.read_bytes()[: 64 << 20]
    ):
        return "a Word document", "copy the table into a spreadsheet and save it as XLSX or CSV"
    text = look.text[:2000].lower()
    if text.startswith(("<!doctype html", "<html")):
        return (
            "a web page",
            "download the table itself (a page saved from a login or a search is not it)",
        )
    if 'progid="excel.sheet"' in text:
        return "an Excel 2003 XML file", "open it and save it as XLSX"
    if look.path.name.lower() in ("meta.xml", "eml.xml") and text.startswith("<"):
        return "a part of a Darwin Core Archive", f"name its folder: {look.path.parent}"
    found = next(((what, out) for magic, what, out in _HEADS if head.startswith(magic)), None)
    if (
        found
        and found[1] in ("photo", "recording")
        and b"\0" not in head
        and kind_of(look.path.name) is None
    ):
        return None  # a text table may begin with BM, FORM or ID3
    return found
