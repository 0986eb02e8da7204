"""Players of recordings: short ones are in the page, up to a bound; others are linked, as seen from the page.

What stands in a page is the sound alone: the place, the recorder and whatever else a file says of itself (GUANO, tags,
pictures) is left out. A file of which that cannot be done is linked.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

from prom3e_index.bundle.media_folders import is_remote
from prom3e_index.show.escapes import html

EACH, ALL = 400_000, 6_000_000
"""Bytes of a recording, and of all of a page, that stand in the page itself."""
_MUXERS = {
    ".wav": "wav", ".mp3": "mp3", ".ogg": "ogg", ".opus": "ogg", ".flac": "flac", ".m4a": "ipod", ".aac": "adts",
}  # fmt: skip
_KINDS = {
    ".wav": "wav", ".mp3": "mpeg", ".ogg": "ogg", ".opus": "ogg", ".flac": "flac", ".m4a": "mp4", ".aac": "aac",
}  # fmt: skip


class Sounds:
    """What plays the recordings of one page.

    Args:
        page: The file that is written: links start there.
        outside: Files that an index names and that lie in none of its folders: they are not its own to be shown.
    """

    def __init__(self, page: Path, outside: Collection[str] = ()) -> None:
        self.outside = frozenset(outside)
        self._folder = Path(os.path.abspath(page)).parent  # noqa: PTH100 - without following links
        self._left = ALL

    def player(self, file: str, fragment: str | None = None) -> str:
        """A player of a recording, from a place in it on; nothing where the file is an address or is not there.

        Args:
            file: Its path, of a recording that could be decoded.
            fragment: Where in it, `t=420,430`.
        """
        source = None if is_remote(file) else self._source(Path(file))
        if source is None:
            return ""
        where = f"#{quote(fragment, safe='=,.')}" if fragment else ""
        return f"<audio controls preload='none' src='{html(source + where)}'></audio>"

    def _source(self, file: Path) -> str | None:
        try:
            if not file.is_file():
                return None
            kind, size = _KINDS.get(file.suffix.lower()), file.stat().st_size
            sound = bare(file) if kind and size <= min(EACH, self._left) else None
            if sound is not None:
                self._left -= len(sound)
                return f"data:audio/{kind};base64,{base64.b64encode(sound).decode()}"
            return quote(os.path.relpath(file.absolute(), self._folder))
        except OSError:
            return None


def bare(file: Path) -> bytes | None:
    """A recording as its file has it, the same samples in the same form, without what is said of it.

    Args:
        file: Its path.

    Returns:
        The file's bytes without tags; None where its form cannot be written again.
    """
    import av

    out = io.BytesIO()
    muxer = _MUXERS.get(file.suffix.lower())
    with contextlib.suppress(av.FFmpegError, ValueError, IndexError, OverflowError):
        with av.open(str(file)) as source:
            stream = source.streams.audio[0]
            with av.open(out, "w", format=muxer, options={"fflags": "+bitexact"}) as to:
                copy = to.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.dts is not None:
                        packet.stream = copy
                        to.mux(packet)
        return out.getvalue()
    return None
