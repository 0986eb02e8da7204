"""What a file is, by its content: how it is decoded, or what it is instead of a photo or recording, and the way out."""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO, Literal

Family = Literal["heif", "avif", "raw", "video", "other"]

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2")
_AVIF = (b"avif", b"avis")
_RAW_STARTS = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"HEAPCCDR")  # fmt: skip
_TIFF = (b"II*\0", b"MM\0*")
_SUB_IFDS, _PHOTOMETRIC, _DNG_VERSION = 330, 262, 50706
_SENSOR = (32803, 34892)
"""Values of PhotometricInterpretation that a camera's sensor has: a colour filter array, linear raw."""
_ENOUGH = 65_536
_MOST_IFDS, _MOST_TAGS = 16, 512
_PICTURE = "save it as JPEG or PNG"
_SOUND = "save it as WAV, FLAC or MP3"
_FETCH = "the download failed or needs a login; fetch the file itself"

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG", "a PNG picture", "use an image column"),
    (b"\xff\xd8\xff", "a JPEG photo", "use an image column"),
    (b"GIF8", "a GIF picture", "use an image column"),
    (b"II*\0", "a TIFF picture", "use an image or sat column"),
    (b"MM\0*", "a TIFF picture", "use an image or sat column"),
    (b"ID3", "an MP3 recording", "use an audio column"),
    (b"\xff\xfb", "an MP3 recording", "use an audio column"),
    (b"fLaC", "a FLAC recording", "use an audio column"),
    (b"OggS", "an Ogg recording", "use an audio column"),
    (b"RF64", "a recording (RF64)", "use an audio column"),
    (b"%PDF", "a PDF", "save its picture as JPEG, its recording as WAV"),
    (b"{\\rtf", "an RTF text", "give the photo or recording itself"),
    (b"\xd0\xcf\x11\xe0", "an old Office file (Word, Excel, Outlook)", _PICTURE),
    (b"8BPS", "a Photoshop file", _PICTURE),
    (b"gimp xcf", "a GIMP file", _PICTURE),
    (b"%!PS", "a PostScript drawing", _PICTURE),
    (b"\xff\x0a", "a JPEG XL picture", _PICTURE),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", _PICTURE),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture", _PICTURE),
    (b"#?RADIANCE", "a Radiance HDR picture", _PICTURE),
    (b"\0\0\1\0", "an icon", _PICTURE),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile", _PICTURE),
    (b"WAAC", "a Wildlife Acoustics WAC recording", "turn it into WAV with Kaleidoscope"),
    (b"MThd", "a MIDI file, notes without sound", _SOUND),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"BZh", "a bzip2 archive", "unpack it first"),
    (b"\xfd7zXZ", "an xz archive", "unpack it first"),
    (b"SQLite format 3", "an SQLite database", "give the photo or recording itself"),
    (b"PAR1", "a Parquet table", "give the photo or recording itself"),
    (b"\x89HDF", "an HDF5 file", "give the photo or recording itself"),
    (b"Salted__", "an encrypted file", "decrypt it first"),
    (b"-----BEGIN PGP", "an encrypted file (PGP)", "decrypt it first"),
    (b"age-encryption.org", "an encrypted file (age)", "decrypt it first"),
    (b"\0\5\x16\7", "macOS's notes on a file (its name begins with ._)", "give the file without ._"),
    (b"bplist00", "a property list, as iCloud leaves in a file's place", "download the file in the Finder first"),
    (b"L\0\0\0\1\x14\2\0", "a Windows shortcut", "give the file that it leads to"),
    (b"[InternetShortcut]", "a shortcut to an address", "fetch the file itself"),
    (b"#EXTM3U", "a playlist", "give the recording itself"),
    (b"ffconcat", "a playlist", "give the recording itself"),
    (b"\x7fELF", "a program", "give the photo or recording itself"),
    (b"MZ", "a program", "give the photo or recording itself"),
)  # fmt: skip
"""First bytes, what has them, and what to do: of what no decoder here reads, or of media in the wrong column."""


def family(path: Path, head: bytes) -> Family:
    """How a picture file is decoded, told by its content and, of raw photos that look like TIFF, by their tags."""
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[i : i + 4] for i in range(16, min(len(head), 64), 4))}
        if head[8:12] == b"crx ":
            return "raw"
        if brands & set(_AVIF) and head[8:12] not in (b"heic", b"heix"):
            return "avif"
        return "heif" if brands & set(_HEIF) else "video"
    if head.startswith(_RAW_STARTS) or (head[:4] in _TIFF and _is_raw(path)):
        return "raw"
    return "video" if _is_video(head) else "other"


def _is_video(head: bytes) -> bool:
    """Whether a file begins as AVI, Matroska, WebM, QuickTime, MPEG, ASF or Flash video does."""
    return (
        (head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"))
        or head[:4] in (b"\x1a\x45\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"\x30\x26\xb2\x75", b"FLV\1")
        or head[4:8] in (b"moov", b"mdat", b"wide", b"skip", b"pnot")
        or (head[:1] == b"\x47" and head[188:189] == b"\x47")
        or (head[4:5] == b"\x47" and head[196:197] == b"\x47")
    )  # fmt: skip


def _is_raw(path: Path) -> bool:
    """Whether a TIFF holds a sensor's values: a DNG, or a camera's own raw of that build (NEF, ARW, CR2, PEF, …)."""
    try:
        with path.open("rb") as f:
            head = f.read(16)
            if head[8:10] == b"CR":
                return True
            order = "<" if head[:2] == b"II" else ">"
            waiting, seen = [struct.unpack(order + "I", head[4:8])[0]], 0
            while waiting and seen < _MOST_IFDS:
                seen += 1
                if _sensor_values(f, waiting.pop(0), order, waiting):
                    return True
    except (OSError, struct.error):
        pass  # a damaged TIFF is for its decoder to name
    return False


def _sensor_values(f: BinaryIO, at: int, order: str, waiting: list[int]) -> bool:
    """Whether one directory of a TIFF says that it is raw; adds its sub-directories and the next to `waiting`."""
    f.seek(at)
    count = min(struct.unpack(order + "H", f.read(2))[0], _MOST_TAGS)
    tags = f.read(12 * count)
    following = f.read(4)
    for i in range(0, len(tags) - 11, 12):
        tag, kind, n = struct.unpack(order + "HHI", tags[i : i + 8])
        value = tags[i + 8 : i + 12]
        if tag == _DNG_VERSION:
            return True
        if tag == _PHOTOMETRIC and struct.unpack(order + "H", value[:2])[0] in _SENSOR:
            return True
        if tag == _SUB_IFDS and kind in (4, 13):
            if n > 1:
                f.seek(struct.unpack(order + "I", value)[0])
                value = f.read(4 * min(n, _MOST_IFDS))
            waiting += struct.unpack(f"{order}{len(value) // 4}I", value[: len(value) // 4 * 4])
    if len(following) == 4 and (after := struct.unpack(order + "I", following)[0]):
        waiting.append(after)
    return False


def instead(path: Path, modality: str = "") -> str:
    """What an undecodable file is and what to do: `it is a PDF; save its picture as JPEG`. Empty where nobody knows.

    Args:
        path: The file.
        modality: What it was read as; a file of that kind is damaged, and belongs to no other column.
    """
    try:
        with path.open("rb") as f:
            head = f.read(_ENOUGH)
    except OSError:
        return ""
    found = _zipped(path) if head[:4] == b"PK\3\4" else _starting(head) or _written(head)
    if found is None:
        return ""
    what, way = found
    if modality and re.fullmatch(rf"use an (\w+ or )?{modality}( or \w+)? column", way):
        way = "it is damaged, or of a kind that is not read: copy it again, or save it anew"
    return f"it is {what}; {way}"


def is_text(head: bytes) -> bool:
    """Whether a file begins as text, which no recording does; a playlist would lead a decoder to other files."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as e:
        if e.start < len(head) - 4:
            return False
        text = head[: e.start].decode("utf-8")
    return bool(text) and not any(c < " " and c not in "\t\n\r\f\x1b" for c in text)


def _starting(head: bytes) -> tuple[str, str] | None:
    if not head.strip(b"\0"):
        return "nothing but zeros", "copy it again; the card or the copy is damaged"
    if head.startswith(b"\xd0\xcf\x11\xe0") and "EncryptedPackage".encode("utf-16-le") in head:
        return "an Office file locked with a password", _PICTURE
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP picture", "use an image column"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "a WAV recording", "use an audio column"
    if head[4:8] == b"ftyp":
        if b"drms" in head or head[8:12] == b"M4P ":
            return "a protected recording (DRM)", _SOUND
        picture = head[8:12] in (*_HEIF, *_AVIF)
        return ("a HEIF or AVIF picture", "use an image column") if picture else (
            "a video or MPEG-4 recording", "use the column of its kind")  # fmt: skip
    if _is_video(head):
        return "a video", "use an image column for a frame of it, an audio column for its sound"
    return next(((what, way) for start, what, way in _STARTS if head.startswith(start)), None)


def _written(head: bytes) -> tuple[str, str] | None:
    """What a text is."""
    if not is_text(head):
        return None
    text = head.decode("utf-8", "ignore").lstrip("\ufeff \t\r\n")
    low = text.lower()
    if "/annex/objects/" in low[:200]:
        return "a git-annex pointer, not the file", "run `git annex get`"
    if "<svg" in low:
        return "an SVG drawing", _PICTURE
    if low.startswith(("<!doctype html", "<html", "<head")) or "<html" in low[:1000]:
        return "an HTML page", _FETCH
    if low.startswith("<?xml") or low.startswith("<error"):
        return ("a server's error message", _FETCH) if "<error" in low else (
            "an XML text", "give the photo or recording itself")  # fmt: skip
    if low.startswith(("{", "[")):
        if any(word in text for word in ("photoTakenTime", "googlePhotosOrigin", "geoDataExif")):
            way = "give the photo beside it, of the same name without .json"
            return "Google Takeout's notes on a photo (JSON)", way
        if re.search(r'"(error|message|detail)"', low[:500]):
            return "a server's error message (JSON)", _FETCH
        return "a JSON text", "give the photo or recording itself"
    if re.match(r"(access denied|not found|forbidden|error\b|40[0-9]\b|too many requests)", low):
        return "a server's error message", _FETCH
    return "a text", "give the photo or recording itself"


def _zipped(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as z:
            names = {info.filename.partition("/")[0] for info in z.infolist()[:1000]}
            locked = any(info.flag_bits & 1 for info in z.infolist()[:1000])
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return "a damaged zip", "unpack it first"
    if locked:
        return "a zip locked with a password", "unpack it first"
    for folder, what in (("word", "a Word file"), ("xl", "an Excel file"), ("ppt", "a PowerPoint file")):  # fmt: skip
        if folder in names and "[Content_Types].xml" in names:
            return what, "save the picture in it as JPEG"
    if {"mimetype", "META-INF"} <= names:
        return "an OpenDocument or EPUB file", "save the picture in it as JPEG"
    return "a zip", "unpack it first"
