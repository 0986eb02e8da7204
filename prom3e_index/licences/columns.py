"""Which columns say the licence of a photo or a sound, where it is not that of the observation.

An observation, its photo and its sound may each have a licence of their own. The field `license` is that of the
observation; it is also that of the photo and the sound, unless the index has a column for them. In such a column an
empty cell means that all rights are reserved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = r"(?:licen[cs]e|rights|usage ?terms|terms)(?:code|url)?"
_KINDS = {
    "image": re.compile(rf"(?:photo|image|picture|media|multimedia)s?(?:item)?{_WORD}"),
    "audio": re.compile(rf"(?:sound|audio|recording|media|multimedia)s?(?:item)?{_WORD}"),
}


def licence_columns(columns: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Modality (`image`, `audio`) → columns with the licence of such a file, in the order of the columns.

    Args:
        columns: Of the observations; case and signs do not count: `photo_license`, `Media Licence`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for column in columns:
        name = re.sub(r"[\W_]+", "", column.lower())
        for modality, pattern in _KINDS.items():
            if pattern.fullmatch(name):
                found[modality] = (*found.get(modality, ()), column)
    return found
