"""Reading weights: safetensors first, torch files only through the restricted unpickler.

Every reader is strict: a missing, extra or misshapen tensor is an error that names it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import ModelError, NotCachedError

if TYPE_CHECKING:
    import torch


State = dict[str, "torch.Tensor"]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; the error names the file and what is wrong."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise NotCachedError(f"{path} does not exist; a model folder needs it.") from e
    except (UnicodeDecodeError, json.JSONDecodeError) as e:
        raise ModelError(f"{path} is not JSON: {e}.") from e
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__}, a JSON object is needed.")
    return value


def weights_file(folder: Path, names: tuple[str, ...] = ("model.safetensors",)) -> Path:
    """Find the first of `names` in `folder`; the error lists them."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise NotCachedError(f"{folder} holds no {' or '.join(names)}; copy the weights there.")


def read_state(path: Path) -> State:
    """Read tensors as float32 on the CPU (half-precision files are widened).

    A Lightning checkpoint gives its `state_dict`, with the prefix `model.` or `module.` removed.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # each reader has its own error types; all mean "not these weights"
        raise ModelError(f"{path} cannot be read as weights: {e}".splitlines()[0]) from e
    if "state_dict" in state and not hasattr(state["state_dict"], "shape"):
        state = state["state_dict"]
    for prefix in ("module.", "model."):
        if state and all(k.startswith(prefix) for k in state):
            state = {k.removeprefix(prefix): v for k, v in state.items()}
    return {
        k: v.float() if v.is_floating_point() else v
        for k, v in state.items()
        if hasattr(v, "shape")
    }


def load_strictly(module: torch.nn.Module, state: State, where: Path | str) -> None:
    """Load `state` into `module`; any difference is an error that names the tensors."""
    want = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    have = {k: tuple(v.shape) for k, v in state.items()}
    wrong = [
        f"{k} is {have[k]}, the model has {want[k]}"
        for k in want.keys() & have
        if want[k] != have[k]
    ]
    missing, extra = sorted(want.keys() - have), sorted(have.keys() - want)
    problems = [f"missing {', '.join(missing[:5])}"] if missing else []
    problems += [f"unknown {', '.join(extra[:5])}"] if extra else []
    problems += sorted(wrong)[:5]
    if problems:
        raise ModelError(f"Weights in {where} do not fit: {'; '.join(problems)}.")
    module.load_state_dict(state, strict=True)


def write_state(state: State, path: Path, *, half: bool = False) -> None:
    """Write tensors as safetensors, in half precision on request.

    Raises:
        ModelError: A weight is no finite number, or is none in half precision; nothing is written.
    """
    import torch
    from safetensors.torch import save_file

    tensors = {
        k: (v.half() if half and v.dtype == torch.float32 else v).contiguous().cpu()
        for k, v in state.items()
    }
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            why = "; half precision ends at 65,504" if bool(state[name].isfinite().all()) else ""
            raise ModelError(
                f"{name} holds values that are no finite numbers{why}; {path} was not written."
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(path.parent.stat().st_mode & 0o666)  # safetensors makes it private to its writer


def fingerprint(*parts: Path | str | dict[str, Any] | None) -> str:
    """SHA-256, 16 hex digits, over files' bytes and settings: equal means interchangeable."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as f:
                while block := f.read(1 << 20):
                    digest.update(block)
        else:
            digest.update(json.dumps(part, sort_keys=True).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def network_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The keys of a transformers `config.json` that describe the network, without names and versions."""
    drop = {
        "_name_or_path",
        "architectures",
        "torch_dtype",
        "dtype",
        "transformers_version",
        "model_type",
    }
    return {k: v for k, v in settings.items() if k not in drop}
