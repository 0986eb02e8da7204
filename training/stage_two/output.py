"""Writing a model folder that `build` opens at once."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from prom3e_index.confidence.calibrated import Calibration
from prom3e_index.confidence.stored import written
from prom3e_index.errors import InputError, ModelError
from prom3e_index.evaluation.sets_choice import SetsChosen
from prom3e_index.models.folder import Model
from prom3e_index.models.hub_cache import HUB_PREFIX, PACKAGED
from prom3e_index.models.seen import Seen
from prom3e_index.mvae.files import read_mvae, write_mvae
from prom3e_index.mvae.network import MVAE
from prom3e_index.schema import NAMES
from prom3e_index.training.stage_two.choose_hubs import HubChoice
from prom3e_index.training.stage_two.choose_use import Use


@dataclass(frozen=True)
class Layout:
    """The modalities of a model and where their encoders are.

    Attributes:
        modalities: Names in order.
        width: Embedding width d.
        widths: Modalities narrower than d.
        encoders: The model that encodes; None when only embeddings are known.
        init: Weights to start from.
        seen: What those were trained on; None where that is not known.
    """

    modalities: tuple[str, ...]
    width: int
    widths: dict[str, int]
    encoders: Model | None = None
    init: MVAE | None = None
    seen: Seen | None = None

    @property
    def input_dims(self) -> tuple[int, ...] | None:
        """Own widths in order; None when all are d."""
        if not self.widths:
            return None
        return tuple(self.widths.get(m, self.width) for m in self.modalities)


def read_layout(
    model: str | None,
    init: str | None,
    add: dict[str, int],
    hub: Path | None = None,
    seed: int = 0,
) -> Layout:
    """Find out what a run trains.

    Args:
        model: A model whose encoders made the embeddings; its modalities and widths are taken.
        init: A model, or a bare folder of an MVAE, whose weights the run starts from.
        add: Modalities to append, with their widths.
        hub: Local copy of hub repositories.
        seed: Of the first weights of appended modalities.

    Raises:
        InputError: A modality that is there already, or one wider than d.
    """
    opened = Model.open(model, hub=hub) if model else None
    source: MVAE | None = None
    seen: Seen | None = None
    names, width = NAMES, 512
    widths: dict[str, int] = {}
    if init is not None:
        folder = Path(init)
        if (folder / "config.json").is_file() and not (folder / "model.toml").is_file():
            source, seen = read_mvae(folder), Seen.read(folder)
            if source.config.num_modalities != len(NAMES):
                raise InputError(
                    f"{folder} has {source.config.num_modalities} modalities and no model.toml that "
                    "names them."
                )
        else:
            from_model = Model.open(init, hub=hub)
            source, names = from_model.mvae, from_model.modalities
            seen = Seen.read(from_model.mvae_folder)
            widths = dict(from_model.widths)
        width = source.config.input_dim
    elif opened is not None:
        names, width, widths = opened.modalities, opened.width, dict(opened.widths)
    if opened is not None and (
        opened.width != width or opened.modalities != names[: len(opened.modalities)]
    ):
        raise InputError(
            f"--model {model} has {', '.join(opened.modalities)} of width {opened.width}, --init {init} "
            f"{', '.join(names)} of width {width}; the first must begin the second."
        )
    for name, wide in add.items():
        if name in names:
            raise InputError(f"--add {name}: the model has it already ({', '.join(names)}).")
        if not 0 < wide <= width:
            raise InputError(f"--add {name}:{wide}: between 1 and {width} columns are possible.")
        names = (*names, name)
        if wide != width:
            widths[name] = wide
    layout = Layout(tuple(names), width, widths, opened, source, seen)
    return replace(layout, init=extended(source, layout, seed)) if source and add else layout


def extended(source: MVAE, layout: Layout, seed: int) -> MVAE:
    """An MVAE with more modalities than `source`; of the modalities it knew, nothing changes."""
    config = replace(
        source.config, num_modalities=len(layout.modalities), input_dims=layout.input_dims
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        out = MVAE(config)
    own = out.state_dict()
    own.update(source.state_dict())
    out.load_state_dict(own)
    return out.eval()


def write_model(
    out: Path,
    mvae: MVAE,
    layout: Layout,
    use: Use | None,
    *,
    name: str,
    summary: str,
    half: bool = False,
    hubs: HubChoice | None = None,
    seen: Seen | None = None,
    decode: str = "expectation",
) -> None:
    """Write `model.toml`, `config.json`, `model.safetensors`, `seen.npz`, and a copy of local encoders.

    Args:
        out: The folder.
        mvae: The network.
        layout: Its modalities and encoders.
        use: Decoding and weights chosen on validation; the published weights when None.
        name: Of the model.
        summary: A sentence for `models show`.
        half: Store weights in half precision.
        hubs: Correction and bank; none are written when None.
        seen: Rows trained and chosen on; those of the weights that were started from are added.
        decode: Where validation chose none: as the decoders were trained, see `Recipe.decode`.
    """
    write_mvae(mvae, out, half=half)
    write_seen(out, seen, layout)
    lines = [
        f"name = {json.dumps(name)}",
        f"summary = {json.dumps(summary, ensure_ascii=False)}",
        f"width = {layout.width}",
    ]
    lines += _encoders(out, layout)
    names = ", ".join(json.dumps(m) for m in layout.modalities)
    lines += ["", "[mvae]", 'source = "."', f"modalities = [{names}]"]
    decode, hidden = (use.decode, use.hidden) if use else (decode, "mean")
    lines += [f'decode = "{decode}"', "nodes = 2", f'hidden = "{hidden}"']
    if use:
        lines += [f"sigma_spearman = {use.sigma_spearman}  # of ‖σ‖₁ with the error, on validation"]
    if layout.widths:
        inside = ", ".join(f"{json.dumps(k)} = {v}" for k, v in layout.widths.items())
        lines += [f"widths = {{ {inside} }}"]
    delta, gamma = use.default if use else (0.5, 0.0)
    lines += ["", "[weights.default]", *_entries({"delta": delta, "gamma": gamma, "epsilon": 0.0})]
    lines += set_lines(use.sets if use else None)
    lines += [
        "",
        "[weights.directions]  # `->target` is ε of a gallery; by example the encoder's own",
    ]
    lines += [f'"{m}->{m}" = {{ delta = 0.0, gamma = 0.0 }}' for m in layout.modalities]
    if use:
        lines += ["# chosen on validation"]
        for target, epsilon in use.epsilon.items():
            lines.append(f'"->{target}" = {{ epsilon = {epsilon} }}')
        for r in use.records:
            pair = f"{r['given']}->{r['target']}"
            lines.append(f'"{pair}" = {{ delta = {r["delta"]}, gamma = {r["gamma"]} }}')
    if hubs is not None:
        lines += hub_lines(out, hubs)
    temporary = out / "model.toml.new"
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(out / "model.toml")


def add_confidence(out: Path, calibration: Calibration) -> None:
    """Write `confidence.json` into a model's folder and name it in its `model.toml`."""
    (out / "confidence.json").write_text(written(calibration), encoding="utf-8")
    lines = (out / "model.toml").read_text(encoding="utf-8")
    lines += '\n[confidence]  # of validation rows, for indexes that are too small\nfile = "confidence.json"\n'
    temporary = out / "model.toml.new"
    temporary.write_text(lines, encoding="utf-8")
    temporary.replace(out / "model.toml")


def write_seen(out: Path, seen: Seen | None, layout: Layout) -> None:
    """Write what a model has seen, with what the weights that it began from had, or that this is not known."""
    if seen is not None:
        whole = seen if layout.seen is None else seen.joined(layout.seen)
        if layout.init is not None and (layout.seen is None or not layout.seen.n):
            whole = replace(whole, began_from_unknown=True)
        whole.arranged(layout.modalities).write(out)


def set_lines(sets: SetsChosen | None) -> list[str]:
    """The parts of `model.toml` that say how several modalities ask together; none where as one alone."""
    if sets is None or not sets.sizes:
        return []
    lines: list[str] = []
    for size, how in sets.sizes.items():
        gains = ", ".join(f"{rule} {gain:+.3f}" for rule, gain in how.gains.items())
        lines += ["", f"[weights.sets.{size}]  # recall@1 on other species than chose it: {gains}"]
        values = {"delta": how.delta, "gamma": how.gamma, "own": how.own}
        lines += _entries({k: v for k, v in values.items() if v is not None})
    if sets.kappa:
        lines += ["", "[weights.kappa]  # how sharply each alone tells, by likelihood"]
        lines += [f"{_toml(pair)} = {value}" for pair, value in sets.kappa.items()]
    return lines


def hub_lines(out: Path, hubs: HubChoice) -> list[str]:
    """Write `bank.safetensors` into a folder; give the part of `model.toml` that speaks of it."""
    from safetensors.numpy import save_file

    save_file({"x": hubs.x, "present": hubs.present}, out / "bank.safetensors")
    found = ", ".join(f"{k} {v:.4f}" for k, v in hubs.quality.items())
    return [
        "",
        "[hubs]  # validation, mean of recall@1 and @10: " + found,
        f'method = "{hubs.method}"',
        'bank = "bank.safetensors"',
    ]


def _entries(values: dict[str, Any]) -> list[str]:
    return [f"{k} = {_toml(v)}" for k, v in values.items()]


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _encoders(out: Path, layout: Layout) -> list[str]:
    """The encoders' part of `model.toml`; their local folders are copied beside it."""
    if layout.encoders is None:
        return []
    settings = layout.encoders.settings
    lines: list[str] = []
    if "config" in settings:
        lines.append(f"config = {_toml(settings['config'])}")
        _copy(layout.encoders, str(settings["config"]), out)
    for name, facts in settings.get("repositories", {}).items():
        lines += ["", f"[repositories.{_toml(name)}]", *_entries(facts)]
    if "preprocess" in settings:
        lines += ["", "[preprocess]", *_entries(settings["preprocess"])]
    for modality, entry in settings.get("encoder", {}).items():
        stated = {"licence": layout.encoders.licence} if "licence" in settings else {}
        lines += ["", f"[encoder.{modality}]", *_entries(stated | entry)]
        _copy(layout.encoders, str(entry["source"]), out)
    return lines


def _copy(model: Model, source: str, out: Path) -> None:
    if source.startswith(HUB_PREFIX) or source == PACKAGED:
        return
    here, there = model.folder / source, out / source
    if here.resolve() == there.resolve() or there.exists():
        return
    there.parent.mkdir(parents=True, exist_ok=True)
    if here.is_dir():
        shutil.copytree(here, there, ignore=shutil.ignore_patterns("run"))
    else:
        shutil.copyfile(here, there)


def export_published(out: Path, mvae: MVAE) -> Path:
    """Write the MVAE in the published layout alone, `out/published`: two files, float32, and what it has seen.

    Raises:
        ModelError: A modality has a width of its own, which that layout cannot say.
    """
    if mvae.config.input_dims is not None:
        raise ModelError(
            f"The published layout has one width for all modalities, this model {mvae.config.widths}."
        )
    folder = out / "published"
    with torch.no_grad():
        write_mvae(mvae, folder)
    seen = Seen.read(out)
    if seen is not None:
        seen.write(folder)
    return folder
