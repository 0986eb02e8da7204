"""Where weights come from: a folder beside `model.toml`, a local copy of the hub, or the hub itself.

A hub repository is always read at one commit. `models pull` resolves a branch to the commit that it
stands for and writes it to a lock file in the cache; from then on that commit is used.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

from prom3e_index.errors import ModelError, NotCachedError

HUB_PREFIX = "hf:"
PACKAGED = "package:geoclip"
"""The location weights inside the geoclip package."""

_WANTED = ["*.json", "*.safetensors", "*.txt"]
_PICKLED = ["*.bin"]
"""Fetched only where a repository has no safetensors: the same weights once more."""
_REPOSITORY = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def lock_file() -> Path:
    """The file that pins hub repositories to commits.

    Raises:
        ModelError: The user has no home folder, and PROM3E_CACHE names no other.
    """
    if home := os.environ.get("PROM3E_CACHE"):
        return Path(home) / "revisions.json"
    try:
        return Path.home() / ".cache" / "prom3e-index" / "revisions.json"
    except RuntimeError as e:
        raise ModelError("There is no home folder here; set PROM3E_CACHE to a folder.") from e


def pinned() -> dict[str, str]:
    """Commits by repository; empty before the first `models pull`.

    Raises:
        ModelError: The file is damaged.
    """
    path = lock_file()
    if not path.is_file():
        return {}
    try:
        commits = json.loads(path.read_text(encoding="utf-8"))
        good = isinstance(commits, dict) and all(
            isinstance(c, str) and _COMMIT.fullmatch(c) for c in commits.values()
        )
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        good = False
    if not good:
        raise ModelError(
            f"{path} is damaged: it does not hold a commit for each repository. Delete it and run "
            "`prom3e-index models pull` again."
        )
    return dict(commits)


def _pin(commits: dict[str, str]) -> None:
    """Write the lock file as a whole or not at all."""
    path = lock_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    except OSError as e:
        raise ModelError(
            f"{path} cannot be written: {e.strerror}. Set PROM3E_CACHE to a folder that can."
        ) from e
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as f:
            f.write(json.dumps(commits, indent=2, sort_keys=True) + "\n")
            f.flush()
            os.fsync(f.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def repository(source: str) -> str:
    """The OWNER/REPO of an `hf:` source.

    Raises:
        ModelError: Anything else, such as a path that would leave the folder of repositories.
    """
    repo = source.removeprefix(HUB_PREFIX).removeprefix("hf-hub:")
    if not _REPOSITORY.fullmatch(repo):
        raise ModelError(
            f"{source!r} names no hub repository; OWNER/REPO is needed, of letters, digits, -, _ and dots."
        )
    return repo


def locate(source: str, base: Path, hub: Path | None) -> Path:
    """Find the folder (or file) that `source` names.

    Args:
        source: A path relative to the model folder, `hf:OWNER/REPO`, or `package:geoclip`.
        base: The model folder.
        hub: A local copy of hub repositories, read as `hub/OWNER/REPO` instead of the network.

    Raises:
        NotCachedError: Neither local nor cached; says what to copy where.
        ModelError: A path outside the model folder; no repository's name.
    """
    if source == PACKAGED:
        return geoclip_weights()
    if not source.startswith(HUB_PREFIX):
        path = (base / source).resolve()
        if not path.is_relative_to(base.resolve()):
            raise ModelError(f"{base / 'model.toml'}: {source!r} lies outside the model's folder.")
        if not path.exists():
            raise NotCachedError(f"{path} does not exist; `model.toml` in {base} names it.")
        return path
    repo = repository(source)
    if hub is not None:
        if not (hub / repo).is_dir():
            raise NotCachedError(f"{hub / repo} does not exist; copy the repository {repo} there.")
        return hub / repo
    revision = pinned().get(repo)
    hint = (
        f"Run `prom3e-index models pull` where there is a network, or copy the repository to "
        f"DIR/{repo} and pass `--hub DIR`."
    )
    if revision is None:
        raise NotCachedError(f"The weights {repo} are not on this machine. {hint}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, FileNotFoundError) as e:
        raise NotCachedError(
            f"The weights {repo} at {revision[:8]} are not in the cache. {hint}"
        ) from e


def pull(repos: list[str], revision: str = "main") -> dict[str, str]:
    """Download repositories and pin each to the commit that `revision` stands for now.

    Returns:
        Commit by repository.

    Raises:
        NotCachedError: The hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi, snapshot_download

    commits = pinned()
    for repo in map(repository, repos):
        try:
            commit = commits.get(repo) or str(HfApi().model_info(repo, revision=revision).sha)
            folder = Path(snapshot_download(repo, revision=commit, allow_patterns=_WANTED))
            if not any(folder.glob("*.safetensors")):
                snapshot_download(repo, revision=commit, allow_patterns=[*_WANTED, *_PICKLED])
        except Exception as e:  # the hub's client and each of its transports have their own
            raise NotCachedError(f"The hub cannot give {repo}: {_reason(e)}.") from e
        commits[repo] = commit
        _pin(commits)
    return {repo: commits[repo] for repo in repos}


def _reason(error: BaseException) -> str:
    """What an error of the network or the hub says, in part of a line."""
    cause = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    said = [next(iter(str(e).strip().splitlines()), "") for e in (error, cause)]
    said = [s.strip().rstrip(".") for s in said if s.strip()]
    return ": ".join(dict.fromkeys(said)) or type(error).__name__


def geoclip_weights() -> Path:
    """The location weights that ship inside the geoclip package (stage 1 starts from them)."""
    from importlib.util import find_spec

    spec = find_spec("geoclip")
    if spec is None or spec.origin is None:
        raise ModelError("The package geoclip is not installed; `pip install geoclip`.")
    return Path(spec.origin).parent / "model" / "weights" / "location_encoder_weights.pth"
