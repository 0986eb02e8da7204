"""One frame of a video, for a camera trap's clips in a column of photos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prom3e_index.errors import MediaError
from prom3e_index.media.files import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_FRAMES = 600
"""Frames that are decoded in search of one that shows something."""
_DARK, _FLAT = 16.0, 2.0
"""Mean brightness and its deviation, of 255: a frame below either, darker or all of one tone, shows nothing."""


def one_frame(path: Path, *, upright: bool = False) -> tuple[Image, str]:
    """The middle frame of a video as RGB, and which it is in words.

    A camera trap's clip begins with the trigger, often before the flash or the animal, and ends on an empty scene: the
    middle shows most. Where it is black or of one tone, the next frame that is not is taken; where none
    follows, the first from the beginning; where there is none at all, the brightest.

    Args:
        path: The file.
        upright: Turn it as the file says it is to be shown; else as it is stored.

    Raises:
        MediaError: No video that can be decoded, without pictures, or too large.
    """
    import av

    try:
        best, length = _search(path, 0.5, sought=True)
        for part in (0.5, 0.0):  # what cannot be entered in its middle is read up to there
            if best is None or best[0] < 0:
                other, length = _search(path, part, sought=False)
                best = max((b for b in (best, other) if b is not None), key=_first, default=None)
        if best is None:
            raise MediaError(f"{path} is a video of which no frame can be decoded")
        frame = best[1]
        image = frame.to_image()
        if upright and (turn := int(getattr(frame, "rotation", 0) or 0)):
            image = image.rotate(turn, expand=True)
    except MediaError:
        raise
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, IndexError) as e:
        raise MediaError(f"{path} is a video that cannot be decoded: {e}; save it as MP4") from e
    return (
        image,
        f"a video of {length:.1f} s: of its pictures the one at {best[2]:.1f} s is seen",
    )


def _first(found: tuple[float, Any, float]) -> float:
    return found[0]


def _search(path: Path, part: float, sought: bool) -> tuple[tuple[float, Any, float] | None, float]:
    """The first frame from a part of a video on that shows something, else the brightest; and the video's seconds.

    A frame comes with its brightness (below 0: shows nothing) and its moment in seconds.
    """
    import av

    best: tuple[float, Any, float] | None = None
    with _opened(path) as container:
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            raise MediaError(f"{path} holds sound and no pictures; use an audio column")
        stream = streams[0]
        if stream.width * stream.height > MAX_PIXELS:
            raise MediaError(
                f"{path} has {stream.width} × {stream.height} pixels, more than {MAX_PIXELS:,}"
            )
        length = _length_s(container, stream)
        begin = float((stream.start_time or 0) * stream.time_base)
        start = part * length
        if sought:
            try:
                container.seek(
                    int((begin + start) / stream.time_base), stream=stream, backward=True
                )
            except av.FFmpegError:
                return None, length
        for passed, frame in enumerate(_frames(container, stream)):
            at = 0.0 if frame.time is None else float(frame.time) - begin
            if at < start - 1e-6 and passed < MOST_FRAMES:
                continue
            shown = _brightness(frame)
            if best is None or shown > best[0]:
                best = shown, frame, max(0.0, at)
            if shown > 0 or passed >= MOST_FRAMES:
                break
    return best, length


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The container, told by its content: by its name, one called `.jpg` would be taken for a picture."""
    import av

    with path.open("rb", buffering=0) as f:
        f.name = "video"
        with av.open(f, mode="r", options={"protocol_whitelist": "file"}) as container:
            yield container


def _is_cover(stream: Any) -> bool:
    return "attached_pic" in str(getattr(stream, "disposition", "")).lower()


def _length_s(container: Any, stream: Any) -> float:
    import av

    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Frames from here on; a packet that cannot be decoded, as at the end of a cut file, is passed over."""
    import av

    failed = 0
    packets = container.demux(stream)
    while failed < MOST_FRAMES:
        try:
            yield from next(packets).decode()
        except StopIteration:
            return
        except av.FFmpegError:
            failed += 1


def _brightness(frame: Any) -> float:
    """How bright a frame is, 0..255; below 0 where it shows nothing: darker than `_DARK`, or of one tone."""
    grey = frame.reformat(width=64, height=64, format="gray").to_ndarray().astype(np.float32)
    mean = float(grey.mean())
    return mean if mean >= _DARK and float(grey.std()) >= _FLAT else mean - 1000.0
