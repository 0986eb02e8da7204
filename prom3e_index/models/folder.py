"""A model is a folder: `model.toml` says which encoder serves which modality, and which MVAE."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import ModelError, NotCachedError
from prom3e_index.models.hub_cache import HUB_PREFIX, locate
from prom3e_index.models.joined import Joined, joined
from prom3e_index.models.mixing import Weights as Weights
from prom3e_index.models.settings import NOT_STATED, check_settings, three_numbers
from prom3e_index.models.weights import fingerprint, read_json, whole_number
from prom3e_index.schema import modality_name, set_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from prom3e_index.confidence.calibrated import Calibration
    from prom3e_index.encoders.protocol import Encoder
    from prom3e_index.media.audio import AudioSpec
    from prom3e_index.media.images import ImageSpec
    from prom3e_index.mvae.network import MVAE

BUILT_IN = Path(__file__).parent / "builtin"
KINDS = (
    "open_clip-image",
    "open_clip-text",
    "clip-vision",
    "clap-audio",
    "laion-clap",
    "geoclip-location",
    "sinr",
)
HIDDEN = ("mean", "sigma", "both")
NO_HUBS = "none"


class Model:
    """Encoders and MVAE of one model folder; each is loaded when first asked for.

    Attributes:
        folder: The model folder.
        name: Its name.
        modalities: Modality names in the MVAE's order.
        width: Embedding width d.
        decode: How completions are decoded: `expectation`, `mean`.
        hidden: Which vector serves as the hidden block: `mean` (μ, the paper), `sigma`, `both`.
        sigma_spearman: Rank correlation of ‖σ‖₁ with the reconstruction error on validation rows, where
            training measured it; None elsewhere.
        hubs: Correction against hubs that validation chose, `none` or one of `hubs.METHODS`.
        called: As it was named when opened.
        licence: Of its weights, as it states it.
        repositories: What it states of each hub repository: `bytes`, `licence`.
        planet: Whether it knows only the invented planet of `prom3e-index world`.
        widths: Modalities narrower than `width`, known only by embeddings; stored padded with zeros.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        *,
        hub: Path | None = None,
        device: str = "cpu",
        exif_transpose: bool = False,
        audio_windows: bool = False,
    ) -> None:
        self.folder, self.settings, self.hub, self.device = folder, settings, hub, device
        self._exif, self._windows = exif_transpose, audio_windows
        self.called = str(folder)
        where = folder / "model.toml"
        check_settings(settings, where)
        mvae = settings["mvae"]
        self.name = str(settings["name"])
        self.modalities = tuple(mvae["modalities"])
        self.width = whole_number(settings, "width", 1, 1 << 16, where)
        self.summary = str(settings.get("summary", ""))
        self.planet = bool(settings.get("planet", False))
        self.licence = str(settings.get("licence", NOT_STATED))
        self.repositories = dict(settings.get("repositories", {}))
        self.decode = str(mvae.get("decode", "expectation"))
        self.nodes = whole_number(mvae, "nodes", 1, 64, where, 2)
        self.hidden = str(mvae.get("hidden", "mean"))
        self._hubs = settings.get("hubs", {})
        self.hubs = str(self._hubs.get("method", NO_HUBS))
        follows = mvae.get("sigma_spearman")
        self.sigma_spearman = None if follows is None else float(follows)
        self.widths = {str(k): int(v) for k, v in mvae.get("widths", {}).items()}
        if self.hidden not in HIDDEN:
            raise ModelError(f"{where}: hidden is {self.hidden!r}; known: {', '.join(HIDDEN)}.")
        if self.decode not in ("expectation", "mean"):
            raise ModelError(f"{where}: decode is {self.decode!r}; known: expectation, mean.")
        for modality, entry in settings.get("encoder", {}).items():
            if modality not in self.modalities:
                raise ModelError(f"{where}: encoder {modality!r} is no modality of the MVAE.")
            if modality in self.widths:
                raise ModelError(
                    f"{where}: {modality} has a width of its own and so no encoder; give embeddings."
                )
            if entry.get("kind") not in KINDS:
                raise ModelError(f"{where}: kind {entry.get('kind')!r}; known: {', '.join(KINDS)}.")
        self._encoders: dict[str, Encoder] = {}

    @classmethod
    def open(cls, name: str | Path, **options: Any) -> Model:
        """Open a model by built-in name (`mini`, `taxabind`) or by the path of its folder.

        Options are those of the constructor: `hub`, `device`, `exif_transpose`, `audio_windows`.
        """
        folder = BUILT_IN / str(name)
        if str(name) not in built_in():
            folder = Path(name)
            earlier = folder.parent.name == "builtin" and folder.name in built_in()
            if (
                earlier and not folder.is_dir()
            ):  # as earlier indexes name it, of a program that moved
                folder = BUILT_IN / folder.name
        if not (folder / "model.toml").is_file():
            raise ModelError(
                f"{name!r} is neither a built-in model ({', '.join(built_in())}) nor a folder with a "
                "model.toml."
            )
        try:
            settings = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
        except (
            ValueError,
            RecursionError,
        ) as e:  # not UTF-8, not TOML, a number of thousands of digits
            raise ModelError(f"{folder / 'model.toml'} is not TOML: {e}.") from e
        model = cls(folder, settings, **options)
        model.called = str(name)
        return model

    def _locate(self, source: str) -> Path:
        """Where weights are; the error names all repositories of the model that are missing, and what to do."""
        from prom3e_index.models.parts import lacking

        try:
            return locate(source, self.folder, self.hub)
        except NotCachedError as e:
            if not source.startswith(HUB_PREFIX):
                raise
            raise NotCachedError(lacking(self) or e.typed) from e

    @cached_property
    def shared_config(self) -> dict[str, Any]:
        """The published `taxabind-config`, when the model names one: repositories, preprocessing."""
        source = self.settings.get("config")
        return read_json(self._locate(source) / "config.json") if source else {}

    def _preprocess(self, key: str, default: Any) -> Any:
        own = self.settings.get("preprocess", {})
        return self.shared_config.get(key, own.get(key, default))

    def image_spec(self, modality: str = "image") -> ImageSpec:
        """Preprocessing of photos or satellite tiles."""
        from prom3e_index.media.images import ImageSpec

        base = ImageSpec()
        resize = self._preprocessed_whole(f"{modality}_resize", 1 << 13, base.resize)
        return ImageSpec(
            resize,
            self._preprocessed_whole(f"{modality}_crop", resize, base.crop),
            self._three("normalize_mean", base.mean),
            self._three("normalize_std", base.std),
            self._exif,
        )

    def _preprocessed_whole(self, key: str, high: int, usual: int) -> int:
        return whole_number({key: self._preprocess(key, usual)}, key, 1, high, f"Model {self.name}")

    def _three(self, key: str, usual: tuple[float, ...]) -> tuple[float, ...]:
        return three_numbers(self._preprocess(key, usual), f"Model {self.name}: {key}")

    def audio_spec(self) -> AudioSpec:
        """Preprocessing of recordings; other padding or truncation than the published is refused."""
        from prom3e_index.media.audio import AudioSpec

        for key, known in (("audio_padding", "repeatpad"), ("audio_truncation", "fusion")):
            stated = self._preprocess(key, known)
            if stated != known:
                raise ModelError(
                    f"Model {self.name}: {key} is {stated!r}; only {known!r} is known."
                )
        return replace(
            AudioSpec(),
            sample_rate_hz=self._preprocessed_whole("audio_sample_rate", 1 << 20, 48_000),
            window_s=self._preprocessed_whole("audio_max_length_s", 600, 10),
            every_window=self._windows,
        )

    def media_spec(self, modality: str) -> ImageSpec | AudioSpec:
        """Preprocessing of a modality that is read from files."""
        return self.audio_spec() if modality == "audio" else self.image_spec(modality)

    def source(self, modality: str) -> str:
        """Where an encoder's weights come from, as `hub.locate` reads it."""
        entry = self.settings["encoder"][modality]
        for key in entry.get("config_keys", ()):
            if key in self.shared_config:
                return HUB_PREFIX + str(self.shared_config[key]).removeprefix("hf-hub:")
        if "source" not in entry:
            raise ModelError(
                f"Model {self.name} does not say where its encoder {modality} is: `source`."
            )
        return str(entry["source"])

    @property
    def mvae_source(self) -> str | None:
        """Where the MVAE's weights come from; None before one is fitted."""
        source = self.settings["mvae"].get("source")
        return None if source is None else str(source)

    def sources(self) -> list[Path]:
        """Folders or files of all weights; an error when one is not on this machine."""
        own = [self.source(m) for m in self.settings.get("encoder", {})]
        wanted = dict.fromkeys([*own, *([self.mvae_source] if self.mvae_source else [])])
        return [self.folder / "model.toml", *map(self._locate, wanted)]

    def encoder(self, modality: str) -> Encoder:
        """The encoder of a modality, loaded on first use; needs only that modality's packages."""
        modality = modality_name(modality, self.modalities)
        if modality not in self._encoders:
            if modality not in self.settings.get("encoder", {}):
                raise ModelError(
                    f"Model {self.name} has no encoder for {modality}; give embeddings."
                )
            encoder = self._load(modality)
            if encoder.width != self.width:
                raise ModelError(
                    f"Encoder {modality} of {self.name} is {encoder.width} wide, the model {self.width}."
                )
            self._encoders[modality] = encoder
        return self._encoders[modality]

    def _load(self, modality: str) -> Encoder:
        from prom3e_index.models.opening import open_encoder

        path = self._locate(self.source(modality))
        return open_encoder(self, self.settings["encoder"][modality]["kind"], path)

    @cached_property
    def mvae_folder(self) -> Path:
        """The folder of the MVAE's weights, on this machine."""
        if self.mvae_source is None and len(self.modalities) == 1:
            raise ModelError(
                f"Model {self.name} knows {self.modalities[0]} alone, so there is nothing to complete or to index; "
                f"use it with `prom3e-index evaluate probe --model {self.called}`."
            )
        if self.mvae_source is None:
            raise ModelError(
                f"Model {self.name} has encoders but no MVAE yet; fit one: `prom3e-index train mvae`."
            )
        return self._locate(self.mvae_source)

    @cached_property
    def mvae(self) -> MVAE:
        """The MVAE, loaded on first use."""
        from prom3e_index.mvae.files import read_mvae

        model = read_mvae(self.mvae_folder)
        want = (len(self.modalities), self.width)
        have = (model.config.num_modalities, model.config.input_dim)
        widths = tuple(self.widths.get(m, self.width) for m in self.modalities)
        if want == have and widths != model.config.widths:
            raise ModelError(
                f"model.toml of {self.name} has widths {list(widths)}, its MVAE "
                f"{list(model.config.widths)}."
            )
        if want != have:
            raise ModelError(
                f"model.toml of {self.name} has {want[0]} modalities of width {want[1]}, its MVAE "
                f"{have[0]} of width {have[1]}."
            )
        return model.to(self.device)

    @cached_property
    def mvae_fingerprint(self) -> str:
        """Equal for MVAEs whose completions are interchangeable."""
        from prom3e_index.models.weights import weights_file

        path = weights_file(self.mvae_folder, ("model.safetensors", "pytorch_model.bin"))
        config = read_json(self.mvae_folder / "config.json")
        return fingerprint(
            "mvae",
            path,
            config,
            {"decode": self.decode, "nodes": self.nodes, "hidden": self.hidden},
        )

    @cached_property
    def confidence(self) -> Calibration | None:
        """The calibration of its validation rows; None where it brings none."""
        from prom3e_index.models.confidence import confidence_of

        return confidence_of(self)

    @property
    def has_bank(self) -> bool:
        """Whether the model brings training queries against hubs."""
        return "bank" in self._hubs

    def bank(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Embeddings (b, m, d) of training rows, unit where present, and presence (b, m).

        Raises:
            ModelError: None, damaged, or of another shape than the model.
        """
        from prom3e_index.models.bank import read_bank

        if not self.has_bank:
            raise ModelError(f"Model {self.name} has no bank of training queries.")
        path = self._locate(str(self._hubs["bank"]))
        return read_bank(path, len(self.modalities), self.width)

    def weights(self, visible: Iterable[str], target: str) -> Weights:
        """The mixing weights for a visible set and target: its own entry, else its number's, else the default."""
        table, names = self.settings.get("weights", {}), list(visible)
        key = f"{set_key(names, self.modalities)}->{target}"
        size = table.get("sets", {}).get(str(len(names)), {})
        mixed = {k: v for k, v in size.items() if k != "own"}
        return Weights(
            **{**table.get("default", {}), **mixed, **table.get("directions", {}).get(key, {})}
        )

    def joined(self, visible: Iterable[str], target: str) -> Joined | None:
        """How a visible set's hybrid query is joined of its modalities' own; None where it asks as one."""
        names = [m for m in self.modalities if m in set(visible)]
        alone = [self.weights((m,), target) for m in names]
        return joined(self.settings.get("weights", {}), names, target, alone)


def built_in() -> tuple[str, ...]:
    """Names of the models that come with the program."""
    return tuple(sorted(p.parent.name for p in BUILT_IN.glob("*/model.toml")))
