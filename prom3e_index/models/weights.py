"""Reading weights: safetensors first, torch files only through the restricted unpickler.

Every reader is strict: a missing, extra or misshapen tensor is an error that names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from prom3e_index.errors import ModelError, NotCachedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


State = dict[str, "torch.Tensor"]
Net = TypeVar("Net", bound="torch.nn.Module")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; the error names the file and what is wrong."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise NotCachedError(f"{path} does not exist; a model folder needs it.") from e
    except (
        ValueError,
        RecursionError,
    ) as e:  # not UTF-8, not JSON, a number of thousands of digits
        raise ModelError(f"{path} is not JSON: {e}.") from e
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__}, a JSON object is needed.")
    return value


def whole_number(
    values: dict[str, Any],
    key: str,
    low: int,
    high: int,
    where: Path | str,
    usual: int | None = None,
) -> int:
    """A size that a configuration states, within bounds; `usual` where it says nothing.

    Raises:
        ModelError: Missing, no whole number, or out of bounds.
    """
    value = values.get(key, usual)
    if value is None:
        raise ModelError(f"{where} lacks {key}.")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ModelError(f"{where}: {key} is {value!r:.60}; a whole number is needed.")
    if not low <= value <= high:
        raise ModelError(f"{where}: {key} is {value!r:.60}; it lies between {low} and {high:,}.")
    return int(value)


def weights_file(folder: Path, names: tuple[str, ...] = ("model.safetensors",)) -> Path:
    """Find the first of `names` in `folder`; the error lists them."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise NotCachedError(f"{folder} holds no {' or '.join(names)}; copy the weights there.")


def read_state(path: Path, needed: Callable[[str], bool] = lambda name: True) -> State:
    """Read tensors as float32 on the CPU (half-precision files are widened, where a name is `needed`).

    Those of a safetensors file that are float32 there are mapped: nothing is read before it is used, and what
    several processes use lies in memory once. A Lightning checkpoint gives its `state_dict`, with the prefix
    `model.` or `module.` removed.
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
        k: v.float() if v.is_floating_point() and needed(k) else v
        for k, v in state.items()
        if hasattr(v, "shape")
    }


def check_fits(module: torch.nn.Module, state: State, where: Path | str) -> None:
    """Compare names and shapes of `state` with a module's; any difference is an error that names the tensors."""
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


def load_strictly(module: torch.nn.Module, state: State, where: Path | str) -> None:
    """Copy `state` into `module`; any difference is an error that names the tensors."""
    check_fits(module, state, where)
    module.load_state_dict(state, strict=True)


@contextmanager
def hollow() -> Iterator[None]:
    """Networks made within have shapes, but neither memory nor values.

    torch's meta device alone would do, but its random numbers and products import a compiler of 1 s.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Unset(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name, given = getattr(func, "__name__", ""), kwargs or {}
            if name in _RANDOM:
                return torch.empty(*args, device="meta")
            first = args[0] if args else given.get("tensor")  # `nn.init` gives it by name
            if name in _SETS and isinstance(first, torch.Tensor):
                return first
            return func(*args, **given)

    with torch.device("meta"), Unset():
        yield


_RANDOM = ("randn", "rand")
_SETS = (
    "uniform_",
    "normal_",
    "constant_",
    "kaiming_uniform_",
    "xavier_uniform_",
    "fill_",
    "zero_",
    "mul",
    "__mul__",
    "__rmul__",
)
"""What starts a parameter: as its value is not kept, it is its first operand."""


def open_network(
    build: Callable[[], Net], state: State, where: Path | str, fixed: tuple[str, ...] = ()
) -> Net:
    """A network for inference whose parameters are the tensors of `state` themselves.

    Built without memory and without random values, so that sizes which the weights do not have cost nothing.

    Args:
        build: Makes the network.
        state: Its tensors.
        where: Where they come from, for errors.
        fixed: Ends of names that some writers leave out, since the sizes alone give their values.
    """
    with hollow():
        network = build()
    own = network.state_dict()
    left_out = [k for k in own if k.endswith(fixed) and k not in state] if fixed else []
    check_fits(network, state | {k: own[k] for k in left_out}, where)
    if left_out:
        made = build().state_dict()
        state = state | {k: made[k] for k in left_out}
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


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
    temporary = path.with_name(path.name + ".new")  # the tensors may be mapped from `path` itself
    save_file(tensors, temporary, metadata={"format": "pt"})
    temporary.chmod(
        path.parent.stat().st_mode & 0o666
    )  # safetensors makes it private to its writer
    temporary.replace(path)


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


_NAMES_AND_VERSIONS = {
    "_name_or_path",
    "architectures",
    "torch_dtype",
    "dtype",
    "transformers_version",
    "model_type",
}
_FETCHES = ("attn_implementation", "auto_map", "quantization", "kernel", "trust_remote", "custom")


def network_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The keys of a transformers `config.json` that describe the network, without names and versions.

    Raises:
        ModelError: A key by which transformers would fetch or run code that the folder names.
    """
    for key in settings:
        if any(word in key.lower() for word in _FETCHES):
            raise ModelError(
                f"config.json has {key} = {settings[key]!r}: code from elsewhere is not run. Take the key out."
            )
    return {k: v for k, v in settings.items() if k not in _NAMES_AND_VERSIONS}
