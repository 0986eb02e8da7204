"""The parts of a model: where each comes from, how large it is, under which licence, and what of it is missing here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import NotCachedError
from prom3e_index.models.hub_cache import HUB_PREFIX, PACKAGED, locate, repository
from prom3e_index.models.settings import NOT_STATED

if TYPE_CHECKING:
    from prom3e_index.models.folder import Model

_BESIDE = ("bank.safetensors", "seen.npz", "model.toml", "confidence.json")
"""Files of a model's folder that are no weights of its MVAE."""


@dataclass(frozen=True)
class Part:
    """Weights that are read together.

    Attributes:
        what: What they serve: modalities, `mvae` or `settings`.
        source: As `model.toml` names it.
        path: Where they are; None where they are not on this machine.
        size: Bytes: of the files here, else as the model says; None where neither is known.
        licence: As the model states it.
    """

    what: tuple[str, ...]
    source: str
    path: Path | None
    size: int | None
    licence: str

    @property
    def repository(self) -> str | None:
        """OWNER/REPO of the hub; None for what lies in a folder or a package."""
        return repository(self.source) if self.source.startswith(HUB_PREFIX) else None


def parts_of(model: Model) -> list[Part]:
    """The parts of a model, each once, in the order in which they are needed.

    Raises:
        ModelError: `model.toml` names what is no source.
    """
    serves: dict[str, list[str]] = {}
    config, told = model.settings.get("config"), True
    if config:
        serves[str(config)] = ["settings"]
        told = _found(model, str(config)) is not None
    for modality, entry in model.settings.get("encoder", {}).items():
        # without the published settings: as the model's own folder has it
        source = model.source(modality) if told else str(entry.get("source", ""))
        serves.setdefault(source, []).append(modality)
    if model.mvae_source is not None:
        serves.setdefault(model.mvae_source, []).append("mvae")
    return [_part(model, source, tuple(what)) for source, what in serves.items()]


def _part(model: Model, source: str, what: tuple[str, ...]) -> Part:
    told = model.repositories.get(source.removeprefix(HUB_PREFIX), {})
    stated: Mapping[str, Any] = told or next(
        (e for e in model.settings.get("encoder", {}).values() if e.get("source") == source), {}
    )
    licence = str(stated.get("licence", model.licence))
    if source == PACKAGED:
        licence = "MIT, of the package geoclip"
    path = _found(model, source)
    if path is not None:
        return Part(what, source, path, _size(path), licence)
    size = told.get("bytes")
    return Part(what, source, None, None if size is None else int(size), licence)


def _found(model: Model, source: str) -> Path | None:
    try:
        return locate(source, model.folder, model.hub)
    except NotCachedError:
        return None


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.iterdir() if p.is_file() and p.name not in _BESIDE)


def in_words(size: int | None) -> str:
    """Bytes as people say them."""
    if size is None:
        return "size not stated"
    if size < 10**5:
        return f"{size / 1e3:.1f} kB"
    if size >= 10**9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size < 10**7 else f"{size / 1e6:.0f} MB"


def licences(parts: list[Part]) -> str:
    """Under which licences some parts are."""
    of: dict[str, list[str]] = {}
    for part in parts:
        of.setdefault(part.licence, []).append(part.repository or "+".join(part.what))
    if len(of) == 1:
        return next(iter(of))
    known = [f"{', '.join(names)} {words}" for words, names in of.items() if words != NOT_STATED]
    return "; ".join([*known, *(["the others not stated"] if NOT_STATED in of else [])])


def lacking(model: Model) -> str | None:
    """What to do about repositories of the hub that are not on this machine, all named; None where none is missing."""
    parts = [p for p in parts_of(model) if p.path is None and p.repository]
    if not parts:
        return None
    names = ", ".join(f"{p.repository} ({in_words(p.size)})" for p in parts)
    known = [p.size for p in parts if p.size is not None]
    total = f", {in_words(sum(known))} in all" if len(known) == len(parts) > 1 else ""
    where = "on this machine" if model.hub is None else f"in {model.hub}"
    return (
        f"Weights of model {model.name} are not {where}: {names}{total}. {_copied(model)}. Licences: "
        f"{licences(parts)}."
    )


def _copied(model: Model) -> str:
    own = model.hub or "DIR"
    by = f"`hf download OWNER/REPO --local-dir {own}/OWNER/REPO`"
    if model.hub is not None:
        return f"Where there is a network, copy the repository of each by {by}"
    return (
        f"Where there is a network: `prom3e-index models pull {model.called}`; or copy the repository of each by "
        f"{by}, and pass `--hub DIR`"
    )


def not_pulled(model: Model, why: str) -> str:
    """What to do where the hub gives nothing, and why that is."""
    parts = [p for p in parts_of(model) if p.path is None and p.repository]
    known = [p.size for p in parts if p.size is not None]
    total = f", {in_words(sum(known))}" if len(known) == len(parts) else ""
    return (
        f"{why} {len(parts)} repositories are missing{total}; `prom3e-index models show {model.called}` names "
        f"them. {_copied(model)}."
    )
