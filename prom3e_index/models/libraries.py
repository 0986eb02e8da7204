"""Which distribution provides FAISS here, and whether the libraries of CUDA that it and torch need can be loaded."""

from __future__ import annotations

import ctypes
import importlib.metadata as metadata
from collections.abc import Iterator
from pathlib import Path

PROVIDERS = ("faiss-gpu-cuvs", "faiss-gpu", "faiss-cpu")
"""Distributions that bring the module `faiss`, the one with most first. One is enough; two overwrite each other."""
_KEPT = ("libcudart", "libcublas", "libcublasLt", "libcurand", "libnvrtc", "libcuvs")


def faiss_providers() -> list[str]:
    """Names and versions of the installed distributions that provide FAISS."""
    out = []
    for name in PROVIDERS:
        try:
            out.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return out


def cuda_libraries() -> Iterator[tuple[str, str]]:
    """Libraries of CUDA among the installed packages: its file's name, and why it cannot be loaded, or nothing.

    A library is loaded as FAISS and torch load it, and stays so until the process ends.
    """
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"] or ""
        if not name.startswith(("nvidia-", "libcuvs")):
            continue
        for file in distribution.files or ():
            stem = file.name.partition(".so")[0]
            if ".so" not in file.name or stem not in _KEPT:
                continue
            yield (
                f"{file.name} ({name} {distribution.version})",
                _unloaded(Path(str(file.locate()))),
            )


def _unloaded(path: Path) -> str:
    try:
        ctypes.CDLL(str(path))
    except OSError as e:
        return str(e)
    return ""


def faiss_said() -> Iterator[str]:
    """What is to be said of FAISS and CUDA here, a line each."""
    import faiss

    providers = faiss_providers()
    build = (
        "built for GPUs" if hasattr(faiss, "StandardGpuResources") else "built for the CPU alone"
    )
    yield f"FAISS {faiss.__version__} of {', '.join(providers) or 'no known package'}, {build}"
    if len(providers) > 1:
        yield f"  {len(providers)} packages provide FAISS and overwrite each other: keep one"
    for name, why in sorted(cuda_libraries()):
        yield f"  {name}: {why or 'loads'}"
