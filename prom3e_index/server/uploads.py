"""Files that clients send to ask with: streamed into a private folder, named by their content, gone after a while."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.facts import MediaFacts
from prom3e_index.media.formats import family, instead, is_text
from prom3e_index.media.pool import Task
from prom3e_index.server.problems import Problem

TYPES = ("image/", "audio/", "video/", "application/octet-stream", "application/ogg")
"""What the content type of an upload begins with. None of them is sent by a form, so another site cannot."""
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"\0\0\0\x0cjP")
_TIFF = (b"II*\0", b"MM\0*")
_AT_ONCE = 8
_YOUNG_S = 120.0
_HEAD = 65_536
_LOOKED_AT = 320


class Decoder(Protocol):
    """What decodes in other processes; `Service` does."""

    async def decode(self, task: Task) -> NDArray[Any]:
        """What a file holds.

        Raises:
            MediaError: It cannot be read.
        """

    async def facts(self, path: Path) -> MediaFacts:
        """What a file says of itself."""


@dataclass(frozen=True)
class Upload:
    """A file that was sent.

    Attributes:
        id: `sha256-` and the hash of its content.
        path: Where it is; for this process alone, never told.
        modality: image, sat or audio.
        type: Content type that it came with.
        bytes: Its size.
        facts: Place and date that the file itself tells.
        seconds: Length of a recording.
        sample_rate_hz: Of a recording.
        pixels: Width and height of a photo, as it is looked at, at most 320 each way.
        until: When it goes unless it is used, seconds since 1970.
    """

    id: str
    path: Path
    modality: str
    type: str
    bytes: int
    facts: MediaFacts
    seconds: float | None = None
    sample_rate_hz: int | None = None
    pixels: tuple[int, int] | None = None
    until: float = 0.0


class Uploads:
    """The files that were sent.

    Args:
        decoder: Looks at what came.
        most: Bytes of one.
        total: Bytes of all.
        seconds: How long one is kept after it was last used.
        clock: For tests.

    Attributes:
        folder: Where they are: readable by this user alone.
    """

    def __init__(
        self,
        decoder: Decoder,
        most: int,
        total: int,
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._decoder, self._clock = decoder, clock
        self.most, self._total, self._seconds = most, total, seconds
        self.folder = Path(tempfile.mkdtemp(prefix="prom3e-index-serve-"))
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._coming = 0
        self._began = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """What is kept and what is coming."""
        with self._lock:
            return self._held()

    def _held(self) -> int:
        return self._coming + sum(u.bytes for u in self._kept.values())

    async def receive(
        self, body: AsyncIterator[bytes], type: str, length: int | None, modality: str | None = None
    ) -> Upload:
        """Take a file.

        Args:
            body: Its bytes.
            type: Its content type, as the client says.
            length: How many bytes the client announces.
            modality: image, sat or audio, where the client knows better than the content tells.

        Returns:
            What it is. The same bytes again are the same upload.

        Raises:
            Problem: 413 too large, 415 no photo or recording, 422 it cannot be decoded, 503 no room for it now.
        """
        if length is not None and length > self.most:
            raise self._too_large(length)
        reserved = self.most if length is None else length
        self._reserve(reserved)
        self._began += 1
        coming = self.folder / f"coming-{self._began}"
        try:
            digest, size = await self._write(body, coming)
            upload = await self._looked_at(coming, f"sha256-{digest}", type, size, modality)
            with self._lock:
                coming.replace(upload.path)
                self._kept[upload.id] = upload
                self._kept.move_to_end(upload.id)
            return upload
        finally:
            with self._lock:
                self._coming -= reserved
            coming.unlink(missing_ok=True)

    def get(self, id: str) -> Upload:
        """An upload, which is then kept for its time again.

        Raises:
            Problem: 404, it is not there, or no longer.
        """
        self.sweep()
        with self._lock:
            found = self._kept.get(id)
            if found is None:
                raise Problem(
                    404, "no-upload", "No such upload",
                    "The file is not here: uploads are kept for an hour after they were last used. Send it again.",
                    "upload",
                )  # fmt: skip
            found = replace(found, until=self._clock() + self._seconds)
            self._kept[id] = found
            self._kept.move_to_end(id)
            return found

    def remove(self, id: str) -> None:
        """Let go of an upload.

        Raises:
            Problem: 404, it is not there.
        """
        self.get(id)
        with self._lock:
            self._drop(id)

    def sweep(self) -> None:
        """Let go of what is too old."""
        with self._lock:
            now = self._clock()
            for id in [i for i, u in self._kept.items() if u.until <= now]:
                self._drop(id)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _drop(self, id: str) -> None:
        found = self._kept.pop(id, None)
        if found is not None:
            found.path.unlink(missing_ok=True)

    def _too_large(self, size: int) -> Problem:
        return Problem(
            413, "too-large", "The file is too large",
            f"The file has {size / 2**20:,.1f} MB or more; {self.most / 2**20:g} MB are taken. Send a smaller photo, "
            "or the part of the recording that matters.",
        )  # fmt: skip

    def _reserve(self, size: int) -> None:
        """Make room, of uploads that were not used for the longest if need be."""
        self.sweep()
        with self._lock:
            young = self._clock() + self._seconds - _YOUNG_S
            while self._held() + size > self._total and self._kept:
                id, oldest = next(iter(self._kept.items()))
                if oldest.until > young:
                    break
                self._drop(id)
            if self._held() + size > self._total or self._coming > _AT_ONCE * self.most:
                raise Problem(
                    503, "uploads-full", "No room for uploads",
                    "The room for uploads is taken up. Try again in a minute.", headers={"Retry-After": "60"},
                )  # fmt: skip
            self._coming += size

    async def _write(self, body: AsyncIterator[bytes], path: Path) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as f:
            async for chunk in body:
                size += len(chunk)
                if size > self.most:
                    raise self._too_large(size)
                digest.update(chunk)
                f.write(chunk)
        if not size:
            raise Problem(
                422, "media", "A file cannot be read", "The file is empty (0 bytes). Send another."
            )
        return digest.hexdigest(), size

    async def _looked_at(
        self, path: Path, id: str, type: str, size: int, modality: str | None
    ) -> Upload:
        """What came, decoded once by another process, so that what no query could read is refused now."""
        kind = modality if modality is not None else await asyncio.to_thread(_kind, path, type)
        facts = await self._decoder.facts(path)
        until = self._clock() + self._seconds
        upload = Upload(id, self.folder / id, kind, type, size, facts, until=until)
        if kind == "audio":
            seconds, rate = await self._decoder.decode(Task("length", path, {}))
            if not seconds > 0:
                raise MediaError(f"{path} holds no sound: its length is 0 s")
            return replace(upload, seconds=round(float(seconds), 3), sample_rate_hz=int(rate))
        try:
            tile = {"side": _LOOKED_AT, "tile": kind == "sat"}
            pixels = await self._decoder.decode(Task("thumbnail", path, tile))
        except MediaError:
            if modality is not None or not await asyncio.to_thread(_is_tiff, path):
                raise
            pixels = await self._decoder.decode(Task("thumbnail", path, {**tile, "tile": True}))
            upload = replace(upload, modality="sat")
        return replace(upload, pixels=(pixels.shape[1], pixels.shape[0]))


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as f:
        return f.read(4) in _TIFF


def _kind(path: Path, type: str) -> str:
    """Photo or sound, by content; a container of both is what its content type says.

    Raises:
        Problem: 415, it is neither.
    """
    with path.open("rb") as f:
        head = f.read(_HEAD)
    how = family(path, head)
    if how in ("heif", "avif", "raw") or head.startswith(_PICTURES) or head[8:12] == b"WEBP":
        return "image"
    if is_text(head) or (not head.startswith((b"RIFF", b"RF64", b"FORM")) and _known_other(path)):
        raise Problem(
            415, "no-media", "Neither photo nor recording",
            f"The file is neither a photo nor a recording: {instead(path) or 'it is a text'}.",
        )  # fmt: skip
    if how == "video":
        return "audio" if type.startswith("audio/") or head[8:11] == b"M4A" else "image"
    return "audio"


def _known_other(path: Path) -> bool:
    """Whether the file is of a kind that is known to be no recording."""
    said = instead(path)
    return bool(said) and "audio column" not in said and "column of its kind" not in said
