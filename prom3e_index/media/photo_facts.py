"""What photos say of themselves: EXIF, and of XMP what names the taxon, the maker and the terms."""

from __future__ import annotations

import html
import re
import warnings
from pathlib import Path
from typing import Any

from prom3e_index.errors import MediaError
from prom3e_index.media.facts import MediaFacts, plain, set_moment, set_place
from prom3e_index.media.files import check_file
from prom3e_index.media.formats import family

_EXIF, _GPS = 0x8769, 0x8825
_MOST_XMP = 1 << 20
_NAME = re.compile(
    r"(?:dwc:scientificName|taxonomy:binomial)(?:=|\s*=\s*[\"']|>\s*)\s*[\"']?([^<\"'&]{3,80})"
)
_TERMS = re.compile(
    r"(?:cc:license|xmpRights:WebStatement)(?:\s+rdf:resource)?(?:=|\s*>\s*)[\"']?([^<\"']{3,200})"
)
_MAKER = re.compile(r"<dc:creator>.*?<rdf:li[^>]*>([^<]{1,200})<", re.DOTALL)


def photo_facts(path: Path) -> MediaFacts:
    """Place, moment, maker, rights, device and name of a photo, from its header."""
    from PIL import Image

    facts = MediaFacts()
    if family(path, check_file(path)) == "heif":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:  # the header; pixels are not decoded
                exif = image.getexif()
                main, more, gps = dict(exif), dict(exif.get_ifd(_EXIF)), dict(exif.get_ifd(_GPS))
                xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        except (OSError, SyntaxError, ValueError, MediaError):
            return facts
    if gps and gps.get(9) != "V":
        latitude = _degrees(gps.get(2), gps.get(1), "S")
        set_place(facts, latitude, _degrees(gps.get(4), gps.get(3), "W"), gps.get(31))
    taken = more.get(36867) or more.get(36868)
    if taken:
        offset = plain(more.get(36881) or more.get(36882))
        set_moment(facts, f"{taken}{offset or ''}")
    facts.rights = plain(main.get(33432)) or plain(main.get(315))
    facts.recorder = plain(" ".join(str(main[t]) for t in (271, 272) if main.get(t)))
    _from_xmp(facts, xmp)
    if facts.as_json():
        facts.kind = "EXIF"
    return facts


def _from_xmp(facts: MediaFacts, xmp: Any) -> None:
    text = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
    text = html.unescape(text[:_MOST_XMP])
    for pattern, name in ((_NAME, "species"), (_TERMS, "licence"), (_MAKER, "rights")):
        if getattr(facts, name) is None and (found := pattern.search(text)):
            setattr(facts, name, plain(found[1]))


def _degrees(parts: Any, side: Any, negative: str) -> float | None:
    """Degrees, minutes and seconds as EXIF has them; None where one is missing or no number."""
    try:
        values = [float(v) for v in parts]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not 1 <= len(values) <= 3 or not all(0 <= v < 1000 for v in values):
        return None
    degrees = float(sum(v / 60.0**i for i, v in enumerate(values)))
    side = side.decode("ascii", "replace") if isinstance(side, bytes) else str(side or "")
    return -degrees if side.strip().upper()[:1] == negative else degrees
