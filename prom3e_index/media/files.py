"""Checks that every media file passes before a decoder sees it."""

from __future__ import annotations

from pathlib import Path

from prom3e_index.errors import MediaError

MAX_PIXELS = 150_000_000
"""Larger images are refused before decoding: 450 MB of RGB, beyond any camera in use."""

_LFS = b"version https://git-lfs"


def check_file(path: Path) -> bytes:
    """Get the first 512 bytes of a media file.

    Raises:
        MediaError: Missing, a folder, empty, or a git-LFS pointer instead of the file.
    """
    try:
        if not path.is_file():
            raise MediaError(
                f"{path} does not exist" if not path.exists() else f"{path} is no file"
            )
        with path.open("rb") as f:
            head = f.read(512)
    except OSError as e:
        raise MediaError(f"{path} cannot be read: {e.strerror}") from e
    if not head:
        raise MediaError(f"{path} is empty (0 bytes)")
    if head.startswith(_LFS):
        raise MediaError(f"{path} is a git-LFS pointer, not the file; run `git lfs pull`")
    return head
