"""A decode process: reads requests on stdin, answers on stdout. Run by `pool`, not by hand.

Request: one JSON line. Answer: one JSON line, `{"shape": …, "dtype": …}` followed by the raw array,
or `{"error": …}`. No pickle either way, so a decoder that has been taken over can only send numbers.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.errors import MediaError
from prom3e_index.media.audio import AudioSpec, audio_features_and_note
from prom3e_index.media.facts import facts_of
from prom3e_index.media.images import ImageSpec, image_pixels_and_note, thumbnail_pixels
from prom3e_index.media.listening import levels, playable, track
from prom3e_index.media.spans import duration_and_note, energy, heard_of, span_features

MEMORY_BYTES = 6 << 30
"""Address space of a decode process; a file that needs more fails alone."""
_REASON = 1300


def decode(kind: str, path: Path, spec: dict[str, Any]) -> tuple[NDArray[Any], str | None]:
    """Decode one file, and say what is to be known about it.

    `image` and `sat` give (crop, crop, 3) uint8, `audio` features. `thumbnail` gives (h, w, 3) uint8, at most
    `side` pixels, of a photo or `tile`; `spectrogram` (frames, mels) decibels of some `seconds`; `duration`
    (1,) seconds of a recording; `spans` the features of some of its `spans`; `heard` is `audio`, and says what was
    heard of a long recording. `facts` gives no array: what the file says of
    itself is the note, as JSON. `length` gives (2,) seconds and Hz; `playable` the bytes of a file that browsers
    play, `levels` a spectrogram in decibels.
    """
    if kind == "audio":
        return audio_features_and_note(path, AudioSpec(**spec))
    if kind in ("image", "sat"):
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in spec.items()
        }
        return image_pixels_and_note(path, ImageSpec(**values), tile=kind == "sat")
    if kind == "thumbnail":
        return thumbnail_pixels(path, **spec), None
    if kind == "heard":
        features, note = audio_features_and_note(path, AudioSpec(**spec))
        seconds = duration_and_note(path)[0]
        return features, heard_of(seconds, note, AudioSpec(**spec))
    if kind == "duration":
        seconds, note = duration_and_note(path)
        return np.array([seconds]), note
    if kind == "spans":
        own = {k: v for k, v in spec.items() if k != "spans"}
        return span_features(path, AudioSpec(**own), spec["spans"]), None
    if kind == "facts":
        return np.zeros(0, np.uint8), json.dumps(facts_of(path).as_json())
    if kind == "spectrogram":
        return energy(path, **spec), None
    if kind == "length":
        return np.array(track(path), np.float64), None
    if kind == "playable":
        return np.frombuffer(playable(path, **spec), np.uint8), None
    if kind == "levels":
        return levels(path, **spec), None
    raise MediaError(f"no decoder for {kind!r}")


def main() -> None:
    """Answer requests until stdin closes."""
    if sys.platform.startswith("linux"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), 1
    )  # what a C library prints must not mix with answers
    for line in sys.stdin.buffer:
        request = json.loads(line)
        head: dict[str, Any]
        try:
            decoded, note = decode(request["kind"], Path(request["path"]), request["spec"])
            array = np.ascontiguousarray(decoded)
            head = {"shape": array.shape, "dtype": array.dtype.str}
            head |= {} if note is None else {"note": note}
            body = array.tobytes()
        except MediaError as e:
            head, body = {"error": _short(str(e))}, b""
        except MemoryError:
            head, body = (
                {"error": _short(f"{request['path']} needs more than {MEMORY_BYTES >> 30} GB")},
                b"",
            )
        except Exception as e:  # a decoder's own failure costs this file only, and says what it was
            reason = f"{type(e).__name__}: {e}"[:500]
            head, body = {"error": _short(f"{request['path']}: {reason}")}, b""
        answers.write(json.dumps(head).encode() + b"\n" + body)
        answers.flush()


def _short(reason: str) -> str:
    """A reason that a table can hold: of the longest, the middle is left out."""
    return reason if len(reason) <= _REASON else f"{reason[:600]} … {reason[-600:]}"


if __name__ == "__main__":
    main()
