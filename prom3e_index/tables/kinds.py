"""What a name says of a file: photo, recording or video, by its ending; and names that differ in spelling only."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Kind = Literal["image", "audio", "video"]

IMAGE_ENDINGS = frozenset(
    "jpg jpeg jpe jfif png webp gif tif tiff bmp tga ppm pgm pnm jp2 j2k jpx avif heic heif hif mpo "
    "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw x3f raw 3fr erf kdc mrw rwl iiq svg".split()
)
AUDIO_ENDINGS = frozenset(
    "wav wave mp3 flac ogg oga opus m4a aac aif aiff aifc caf amr au snd w64 rf64 bwf wma wv mka ac3 "
    "ape alac weba".split()
)
VIDEO_ENDINGS = frozenset(
    "mp4 m4v mov avi mkv webm 3gp 3g2 mpg mpeg mts m2ts ts wmv asf flv ogv mjpeg".split()
)
_SAME = {
    "jpeg": "jpg", "jpe": "jpg", "jfif": "jpg", "tiff": "tif", "aiff": "aif", "wave": "wav", "heif": "heic",
    "mpeg": "mpg", "oga": "ogg",
}  # fmt: skip
_ENDING = re.compile(r"\.([a-z0-9]{2,5})\Z")


def ending(name: str) -> str:
    """A name's ending, lower case, without its dot; of an address the ending of its path. Empty where there is none."""
    if "://" in name:
        name = name.partition("#")[0].partition("?")[0]
    found = _ENDING.search(name.strip().rstrip("\"'").lower())
    return found[1] if found else ""


def kind_of(name: str) -> Kind | None:
    """Whether a path or address names a photo, a recording or a video, by its ending; None where that does not tell."""
    last = ending(name)
    if last in IMAGE_ENDINGS:
        return "image"
    if last in AUDIO_ENDINGS:
        return "audio"
    return "video" if last in VIDEO_ENDINGS else None


def folded(name: str) -> str:
    """A file's or folder's name without what spelling may change.

    Letter case, composed or decomposed accents (NFC, NFD), blanks around, and which of two usual endings a
    format has (`.jpeg`, `.jpg`).
    """
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    name = name.strip().casefold()
    stem, dot, last = name.rpartition(".")
    return f"{stem.rstrip()}.{_SAME.get(last, last)}" if dot else name
