"""Pictures and sounds made of files of observations and uploads, never a file as it is; kept for a while."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.pool import DecodePool, Task
from prom3e_index.show.pictures import coloured

KEPT_BYTES = 512 << 20
"""What all that was made may hold on the disk together."""
DB = 70.0
"""Decibels from the loudest to what is drawn dark; the same in every picture."""
_WAITING = 64
_QUALITY = 85


class Derived:
    """What is made of media files.

    Args:
        workers: Decode processes; others than those of searches, which wait for no thumbnail.
        timeout_s: Seconds that one file may take.
        most: Bytes that are kept.

    Attributes:
        folder: Where it is kept: readable by this user alone.
    """

    def __init__(self, workers: int, timeout_s: float, most: int = KEPT_BYTES) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="prom3e-index-seen-"))
        self._pool, self._most = DecodePool(workers, timeout_s), most
        self._kept: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[str, asyncio.Future[None]] = {}

    def close(self) -> None:
        """End the processes, remove the folder."""
        self._pool.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def thumbnail(self, path: Path, side: int, tile: bool) -> tuple[IO[bytes], str]:
        """A photo or tile drawn anew as JPEG, at most `side` pixels each way, upright, without what the file says.

        Returns:
            The open file, and what tells it from any other.

        Raises:
            MediaError: It cannot be decoded.
        """

        async def make() -> bytes:
            pixels = await self._decoded("thumbnail", path, side=side, tile=tile)
            return await asyncio.to_thread(jpeg, pixels)

        return await self._file(key("thumbnail", path, side, tile), make)

    async def sound(
        self, path: Path, begin: float | None, end: float | None, speed: float
    ) -> tuple[IO[bytes], str]:
        """A recording as browsers play it; see `media.listening.playable`."""

        async def make() -> bytes:
            spec = {"start_s": begin, "end_s": end, "speed": speed}
            return bytes((await self._decoded("playable", path, **spec)).tobytes())

        return await self._file(key("sound", path, begin, end, speed), make)

    async def spectrogram(
        self, path: Path, begin: float, seconds: float, width: int, height: int, high: float | None
    ) -> tuple[IO[bytes], str]:
        """A spectrogram as PNG, with an even axis of frequency; `axes` says what it shows."""
        made, name = await self._drawn(path, begin, seconds, width, height, high)
        return made, name

    async def axes(
        self, path: Path, begin: float, seconds: float, width: int, height: int, high: float | None
    ) -> dict[str, Any]:
        """What a spectrogram shows: Hz from `f_min` to `f_max`, `seconds` from `from`, decibels; the whole length."""
        whole, rate = await self.length(path)
        picture, name = await self._drawn(path, begin, seconds, width, height, high)
        picture.close()
        said, _ = await self._file(f"{name}-axes", self._lost)
        with said:
            levels = json.load(said)
        return {
            "f_min": 0.0,
            "f_max": min(high or rate / 2, rate / 2),
            "from": begin,
            "seconds": round(min(seconds, whole - begin), 6),
            "duration": whole,
            "sample_rate": rate,
            "width": width,
            "height": height,
            "db_range": levels["db_range"],
        }

    async def length(self, path: Path) -> tuple[float, int]:
        """Seconds of a recording, and its sample rate in Hz."""

        async def make() -> bytes:
            seconds, rate = await self._decoded("length", path)
            return json.dumps([float(seconds), int(rate)]).encode()

        file, _ = await self._file(key("length", path), make)
        with file:
            seconds, rate = json.load(file)
        return float(seconds), int(rate)

    async def _drawn(
        self, path: Path, begin: float, seconds: float, width: int, height: int, high: float | None
    ) -> tuple[IO[bytes], str]:
        name = key("spectrogram", path, begin, seconds, width, height, high)

        async def make() -> bytes:
            spec = {"start_s": begin, "seconds": seconds, "width": width, "height": height}
            levels = await self._decoded("levels", path, **spec, high_hz=high)
            top = round(float(levels.max()), 1)
            self._write(f"{name}-axes", json.dumps({"db_range": [top - DB, top]}).encode())
            return await asyncio.to_thread(png, levels, top)

        return await self._file(name, make)

    async def _decoded(self, kind: str, path: Path, **spec: Any) -> NDArray[Any]:
        if len(self._making) > _WAITING:
            raise _busy()
        decoded = await asyncio.wrap_future(self._pool.submit(Task(kind, path, spec)))
        if isinstance(decoded, MediaError):
            raise decoded
        return decoded

    async def _file(self, name: str, make: Callable[[], Awaitable[bytes]]) -> tuple[IO[bytes], str]:
        """What has a name, made once however many ask for it."""
        while True:
            opened = self._open(name)
            if opened is not None:
                return opened, name
            waiting = self._making.get(name)
            if waiting is None:
                break
            await asyncio.wait([waiting])
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._making[name] = done
        try:
            body = await make()
            return await asyncio.to_thread(self._write, name, body), name
        finally:
            del self._making[name]
            done.set_result(None)

    async def _lost(self) -> bytes:
        raise _busy()

    def _open(self, name: str) -> IO[bytes] | None:
        with self._lock:
            if name not in self._kept:
                return None
            self._kept.move_to_end(name)
            try:
                return (self.folder / name).open("rb")
            except FileNotFoundError:
                del self._kept[name]
                return None

    def _write(self, name: str, body: bytes) -> IO[bytes]:
        """Keep what was made, and let go of what was not asked for longest."""
        path = self.folder / name
        with self._lock:
            try:
                path.write_bytes(body)
            except OSError:
                path.unlink(missing_ok=True)  # half of it, on a full disk
                raise
            file = path.open("rb")
            self._kept[name] = len(body)
            self._kept.move_to_end(name)
            while sum(self._kept.values()) > self._most and len(self._kept) > 1:
                gone, _ = self._kept.popitem(last=False)
                (self.folder / gone).unlink(missing_ok=True)
            return file


def key(kind: str, path: Path, *how: object) -> str:
    """A name for what is made of a file as it is now."""
    try:
        stat = path.stat()
    except OSError as e:
        raise MediaError(f"{path.name} cannot be read: {e.strerror}") from e
    said = repr((kind, str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, how))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels (h, w, 3) as JPEG, with nothing beside them."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def png(levels: NDArray[np.float32], top: float) -> bytes:
    """Decibels as a picture: `DB` of them below `top` are the whole range of colours."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(coloured((levels - (top - DB)) / DB)).save(out, "PNG")
    return out.getvalue()


def _busy() -> Exception:
    from prom3e_index.server.problems import Problem

    return Problem(
        503,
        "busy",
        "Too much is being drawn",
        "Ask again in a moment.",
        headers={"Retry-After": "2"},
    )
