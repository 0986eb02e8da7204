"""CLIP's towers for photos, names and satellite tiles, in plain torch with the published parameter names.

Not open_clip's and transformers' own classes: these three need torch alone, while importing those packages
brings scipy, torchvision, sympy and a compiler, several times the start of a whole query; and neither can
be talked into fetching code or weights by what a configuration names. Tests hold both beside these.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prom3e_index.errors import ModelError, near_names
from prom3e_index.models.weights import State, read_json, whole_number

_MOST_WIDE, _MOST_LAYERS, _MOST_PIXELS = 1 << 14, 256, 1 << 12
_EPSILON = 1e-5
ACTIVATIONS = ("gelu", "quick_gelu")


@dataclass(frozen=True)
class Sizes:
    """Sizes of one tower.

    Attributes:
        width: Of a token.
        layers: Blocks.
        heads: Attention heads.
        hidden: Of a block's MLP.
        output: Embedding width d.
        activation: `gelu` (exact) or `quick_gelu`.
        image: Side of a picture in pixels; 0 for names.
        patch: Side of a patch in pixels; 0 for names.
        context: Tokens of a name; 0 for pictures.
        vocabulary: Different tokens; 0 for pictures.
        epsilon: Of the layer norms.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    output: int
    activation: str = "gelu"
    image: int = 0
    patch: int = 0
    context: int = 0
    vocabulary: int = 0
    epsilon: float = _EPSILON


class _QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class _Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(s.width, s.epsilon)
        self.attn = nn.MultiheadAttention(s.width, s.heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(s.width, s.epsilon)
        act = nn.GELU() if s.activation == "gelu" else _QuickGELU()
        self.mlp = nn.Sequential(
            OrderedDict(
                [
                    ("c_fc", nn.Linear(s.width, s.hidden)),
                    ("gelu", act),
                    ("c_proj", nn.Linear(s.hidden, s.width)),
                ]
            )
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))  # type: ignore[no-any-return]


class _Blocks(nn.Module):
    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([_Block(s) for _ in range(s.layers)])

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class PictureTower(nn.Module):
    """The vision transformer of photos and tiles; parameter names are open_clip's."""

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, s.width, s.patch, s.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(s.width))
        tokens = (s.image // s.patch) ** 2 + 1
        self.positional_embedding = nn.Parameter(torch.empty(tokens, s.width))
        self.ln_pre = nn.LayerNorm(s.width, s.epsilon)
        self.transformer = _Blocks(s)
        self.ln_post = nn.LayerNorm(s.width, s.epsilon)
        self.proj = nn.Parameter(torch.empty(s.width, s.output))

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed (n, 3, h, w) normalised pixels: (n, d), not normalised."""
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(x), 1, -1)
        x = torch.cat([first, x], dim=1) + self.positional_embedding
        x = self.transformer(self.ln_pre(x))
        return self.ln_post(x[:, 0]) @ self.proj  # type: ignore[no-any-return]


class NameTower(nn.Module):
    """The causal text transformer of names; parameter names are open_clip's."""

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(s.vocabulary, s.width)
        self.positional_embedding = nn.Parameter(torch.empty(s.context, s.width))
        self.transformer = _Blocks(s)
        self.ln_final = nn.LayerNorm(s.width, s.epsilon)
        self.text_projection = nn.Parameter(torch.empty(s.width, s.output))

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed (n, context) token ids: (n, d), not normalised; the end of text is the largest id."""
        length = tokens.shape[1]
        mask = torch.full((length, length), float("-inf"), device=tokens.device).triu_(1)
        x = self.token_embedding(tokens) + self.positional_embedding
        x = self.ln_final(self.transformer(x, mask))
        ends = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]
        return torch.matmul(ends, self.text_projection)


_VISION = {
    "image_size": (1, _MOST_PIXELS, 224),
    "layers": (1, _MOST_LAYERS, 12),
    "width": (1, _MOST_WIDE, 768),
    "patch_size": (1, _MOST_PIXELS, 16),
    "head_width": (1, _MOST_WIDE, 64),
}
_TEXT = {
    "context_length": (1, 1 << 13, 77),
    "vocab_size": (1, 1 << 20, 49_408),
    "width": (1, _MOST_WIDE, 512),
    "heads": (1, _MOST_WIDE, 8),
    "layers": (1, _MOST_LAYERS, 12),
}
_OFF = {
    "pool_type": ("tok", "argmax"),
    "pos_embed_type": ("learnable",),
    "proj_type": ("linear",),
    "block_type": ("default",),
}
"""Values, beside none and nothing, of other open_clip settings that change nothing."""
_UNUSED = (
    "attn_pooler_queries",
    "attn_pooler_heads",
    "pad_id",
    "eos_id",
    "hf_pooler_type",
    "hf_proj_type",
    "hf_model_pretrained",
    "timm_model_pretrained",
    "timm_pool",
    "timm_proj",
)
"""Read only where another setting, which is refused, turns them on."""


def open_clip_sizes(folder: Path) -> tuple[Sizes, Sizes, dict[str, Any]]:
    """Sizes of an open_clip folder's photo and name towers, and its `model_cfg` as it stands.

    Raises:
        ModelError: A setting that is not known here, such as one that would name another package's network
            or weights on the hub; or a size out of bounds.
    """
    where = folder / "open_clip_config.json"
    config = read_json(where).get("model_cfg")
    if not isinstance(config, dict):
        raise ModelError(f"{where} has no `model_cfg`.")
    _only(config, {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}, where, "model_cfg")
    output = whole_number(config, "embed_dim", 1, 1 << 16, where)
    quick = config.get("quick_gelu", False)
    if not isinstance(quick, bool):
        raise ModelError(f"{where}: quick_gelu is {quick!r}; true or false is needed.")
    act = ACTIVATIONS[quick]
    v = _part(config, "vision_cfg", _VISION, where)
    t = _part(config, "text_cfg", _TEXT, where)
    if v["width"] % v["head_width"]:
        raise ModelError(
            f"{where}: a vision tower of width {v['width']} has no heads of {v['head_width']}."
        )
    vision = Sizes(
        v["width"], v["layers"], v["width"] // v["head_width"], v["hidden"], output, act,
        image=v["image_size"], patch=v["patch_size"],
    )  # fmt: skip
    text = Sizes(
        t["width"], t["layers"], t["heads"], t["hidden"], output, act,
        context=t["context_length"], vocabulary=t["vocab_size"],
    )  # fmt: skip
    _check(vision, where)
    _check(text, where)
    return vision, text, config


def _part(
    config: dict[str, Any], name: str, sizes: dict[str, tuple[int, int, int]], where: Path
) -> dict[str, int]:
    part = config.get(name)
    if not isinstance(part, dict):
        raise ModelError(f"{where} has no {name}.")
    _only(part, {*sizes, "mlp_ratio"}, where, name)
    found = {
        k: whole_number(part, k, low, high, where, usual) for k, (low, high, usual) in sizes.items()
    }
    ratio = part.get("mlp_ratio", 4.0)
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio <= 64:
        raise ModelError(f"{where}: mlp_ratio is {ratio!r}; it lies between 0 and 64.")
    return found | {"hidden": int(found["width"] * ratio)}


def _only(part: dict[str, Any], known: set[str], where: Path, name: str) -> None:
    for key, value in part.items():
        off = not value or value in _OFF.get(key, ()) or key in _UNUSED
        if key not in known and not off:
            raise ModelError(
                f"{where}: {name} has {key} = {value!r}, which is not known here"
                f"{near_names(key, sorted(known))}."
            )


def _check(s: Sizes, where: Path) -> None:
    if s.width % s.heads:
        raise ModelError(f"{where}: a tower of width {s.width} cannot have {s.heads} heads.")
    if s.patch > s.image:
        raise ModelError(f"{where}: a picture of {s.image} pixels has no patch of {s.patch}.")


def clip_vision_sizes(folder: Path, settings: dict[str, Any]) -> Sizes:
    """Sizes of transformers' `CLIPVisionModelWithProjection` from its settings, with that class's defaults."""
    where = folder / "config.json"

    def size(key: str, high: int, usual: int) -> int:
        return whole_number(settings, key, 1, high, where, usual)

    act = settings.get("hidden_act", "quick_gelu")
    if act not in ACTIVATIONS:
        raise ModelError(f"{where}: hidden_act is {act!r}; known: {', '.join(ACTIVATIONS)}.")
    if size("num_channels", 1 << 10, 3) != 3:
        raise ModelError(f"{where}: num_channels is {settings['num_channels']}; 3 are needed.")
    epsilon = settings.get("layer_norm_eps", _EPSILON)
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 < epsilon < 1:
        raise ModelError(f"{where}: layer_norm_eps is {epsilon!r}; it lies between 0 and 1.")
    sizes = Sizes(
        size("hidden_size", _MOST_WIDE, 768), size("num_hidden_layers", _MOST_LAYERS, 12),
        size("num_attention_heads", _MOST_WIDE, 12), size("intermediate_size", 1 << 16, 3072),
        size("projection_dim", 1 << 16, 512), act,
        image=size("image_size", _MOST_PIXELS, 224), patch=size("patch_size", _MOST_PIXELS, 32),
        epsilon=float(epsilon),
    )  # fmt: skip
    _check(sizes, where)
    return sizes


CLIP_VISION_SETTINGS = (
    "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers", "num_attention_heads",
    "num_channels", "image_size", "patch_size", "hidden_act", "layer_norm_eps",
)  # fmt: skip
"""What transformers' `CLIPVisionConfig` is given of a `config.json`; its other keys are of other networks."""
_TRANSFORMERS = {
    "vision_model.embeddings.class_embedding": "class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "positional_embedding",
    "vision_model.pre_layrnorm.": "ln_pre.",
    "vision_model.post_layernorm.": "ln_post.",
    "vision_model.encoder.layers.": "transformer.resblocks.",
}
_IN_BLOCK = {
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
}


def from_transformers(state: State) -> State:
    """A `CLIPVisionModelWithProjection`'s tensors under the names of `PictureTower`; unknown ones keep theirs."""
    out: State = {}
    for key, value in state.items():
        if key.endswith("position_ids"):
            continue
        if key == "visual_projection.weight":
            out["proj"] = value.T
            continue
        for old, new in _TRANSFORMERS.items():
            if key.startswith(old):
                key = new + key.removeprefix(old)
                break
        for old, new in _IN_BLOCK.items():
            key = key.replace("." + old, "." + new)
        out[key] = value
    for kind in ("weight", "bias"):
        for name in [k for k in out if k.endswith(f".self_attn.q_proj.{kind}")]:
            block = name.removesuffix(f"self_attn.q_proj.{kind}")
            parts = [f"{block}self_attn.{p}_proj.{kind}" for p in "qkv"]
            if all(p in out for p in parts):
                out[f"{block}attn.in_proj_{kind}"] = torch.cat([out.pop(p) for p in parts])
    return out
