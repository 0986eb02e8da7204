"""The command line's options as keywords of Python functions: names, types, meanings and defaults stand here once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import (
    Annotated,
    Any,
    NamedTuple,
    ParamSpec,
    TypedDict,
    TypeVar,
    get_args,
    get_type_hints,
)

from prom3e_index.bundle.faiss.kinds import Wish, parse_bytes, parse_milliseconds
from prom3e_index.errors import InputError, near_names
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.licences import allowed_codes
from prom3e_index.models.device import checked_device
from prom3e_index.policy.rules import read_policy

P = ParamSpec("P")
R = TypeVar("R")
AnyPath = str | Path


class Said(NamedTuple):
    """What an option means, and what it is when it is left out."""

    text: str
    default: Any = None


class LookOptions(TypedDict, total=False):
    """How a table is read, and what is done about its rows and values."""

    table_format: Annotated[str | None, Said("Of the table; recognised when None.")]
    map: Annotated[Mapping[str, str] | None, Said("Column → field, as {'Foto': 'image'}.")]
    media: Annotated[AnyPath | None, Said("Folder of relative media paths; the table's when None.")]
    allow_outside: Annotated[bool, Said("Accept media outside that folder.", False)]
    encoding: Annotated[str | None, Said("Of a text table; told by its bytes when None.")]
    date_order: Annotated[
        str | None, Said("Of 04/05/2023: 'dmy' or 'mdy'; told by the column when None.")
    ]
    duplicates: Annotated[str, Said("Rows of one id: 'error', 'first' or 'last'.", "error")]
    strict: Annotated[bool, Said("Refuse a table of which a row or a value is lost.", False)]


class RowOptions(LookOptions, total=False):
    """How a table is encoded."""

    climate: Annotated[
        AnyPath | None, Said("Climate raster for rows without climate values, .npy or GeoTIFF.")
    ]
    windows: Annotated[
        str | float | None,
        Said(
            "Seconds of the windows that longer recordings become, 'auto' or 'none'; the index's own when None."
        ),
    ]
    hop: Annotated[
        float | None, Said("Seconds from one window to the next; half a window when None.")
    ]
    file_facts: Annotated[
        bool,
        Said(
            "Take place, date and name from EXIF, GUANO and tags, where the table has none.", True
        ),
    ]
    policy: Annotated[
        AnyPath | None,
        Said(
            "TOML of rules on which places are generalised before they are encoded; the index's own when None."
        ),
    ]
    keep_column: Annotated[
        Sequence[str],
        Said(
            "Columns that stay in generalised rows though they may tell the place; none when left out.",
            (),
        ),
    ]
    batch_size: Annotated[int | None, Said("Items per encoder call; the encoder's own when None.")]
    workers: Annotated[int | None, Said("Decode processes; one per core when None.")]
    timeout: Annotated[float, Said("Seconds that one file may take.", 120.0)]
    restart: Annotated[bool, Said("Discard unfinished work of another table or settings.", False)]
    hub: Annotated[AnyPath | None, Said("Local copy of hub repositories.")]
    device: Annotated[str, Said("'cpu', 'cuda', 'cuda:1', …", "cpu")]


class BuildOptions(RowOptions, total=False):
    """How an index is built."""

    exif_transpose: Annotated[bool, Said("Turn photos upright.", False)]
    audio_window: Annotated[bool, Said("Embed every 10 s of long recordings and average.", False)]
    licence_allow: Annotated[
        str | Iterable[str] | None,
        Said("Only rows, photos and sounds under these licences, as 'cc0,by,by-nc'."),
    ]
    overwrite: Annotated[bool, Said("Replace an index that is there.", False)]
    hubs: Annotated[str | None, Said("Correction against hubs; the model's own when None.")]
    target_recall: Annotated[
        float | None, Said("Share of the ten nearest to be found; 1 is exact.")
    ]
    memory: Annotated[str | None, Said("For the search files of all targets, as '8GB'.")]
    latency: Annotated[str | None, Said("For one query on one core, as '5ms'.")]
    engine: Annotated[
        str | None, Said("'ray': the machines of a cluster do the work; this one when None.")
    ]
    ray_address: Annotated[
        str | None, Said("Of the Ray cluster, as 'auto'; one of this machine alone when None.")
    ]
    shards: Annotated[
        str | None,
        Said(
            "Folder that all machines share, or 's3://bucket/name', where finished parts are kept; with the index when "
            "None."
        ),
    ]
    media_address: Annotated[
        str | None,
        Said("Address that machines read relative media paths from, as 's3://bucket/name'."),
    ]
    kind: Annotated[str | None, Said("Of the search files, as 'exact'; chosen by size when None.")]


_FIELDS = {
    "table_format": "format", "map": "columns", "timeout": "timeout_s", "audio_window": "audio_windows",
    "keep_column": "keep_columns",
}  # fmt: skip
"""Options whose field of a configuration has another name; the others' is their own."""
_PATHS = ("media", "climate", "hub")
_WISHES = ("target_recall", "memory", "latency", "kind")


def takes(options: type[Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Show the options that a function takes as `**options` in its signature and in its documentation.

    Unknown ones are refused with the nearest names.
    """
    said: dict[str, tuple[Any, Said]] = {}
    for name, kind in get_type_hints(options, include_extras=True).items():
        said[name] = get_args(kind)  # the type and what is said of it

    def shown(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def called(*given: P.args, **more: P.kwargs) -> R:
            for name in more:
                if name not in known:
                    near = near_names(name, list(known))
                    raise InputError(f"{function.__name__} has no option {name!r}{near}.")
            return function(*given, **more)

        own = inspect.signature(function)
        plain = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        extra = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=text.default, annotation=kind)
            for name, (kind, text) in said.items()
        ]  # fmt: skip
        signature = own.replace(parameters=[*plain, *extra])
        known = list(signature.parameters)
        called.__signature__ = signature  # type: ignore[attr-defined]
        lines = "".join(f"\n        {name}: {text.text}" for name, (_, text) in said.items())
        called.__doc__ = (function.__doc__ or "").replace("\n        **options: See there.", lines)
        return called

    return shown


def config_of(table: AnyPath, out: AnyPath, options: Mapping[str, Any], **more: Any) -> BuildConfig:
    """The configuration of a function that reads a table."""
    values = {
        name: value for name, value in options.items() if name not in _WISHES and value is not None
    }
    checked_device(values.get("device", "cpu"))
    for name in _PATHS:
        if name in values:
            values[name] = Path(values[name])
    if "map" in values:
        values["map"] = _columns(values["map"])
    if "policy" in values:
        values["policy"] = read_policy(Path(values["policy"]))
    if "keep_column" in values:
        values["keep_column"] = _names(values["keep_column"])
    if "windows" in values:
        windows = values["windows"]
        values["windows"] = windows if isinstance(windows, str) else f"{windows:g}"
    if "licence_allow" in values:
        values["licence_allow"] = allowed_codes(values["licence_allow"])
    fields = {_FIELDS.get(name, name): value for name, value in values.items()}
    return BuildConfig(table=str(table), out=Path(out), wish=_wish(options), **fields, **more)


def _columns(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise InputError(
            f"map is {given!r:.80}; it must be {{column: field}}, as {{'Foto': 'image'}}."
        )
    return {str(column): str(field) for column, field in given.items()}


def _names(given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(
            f"keep_column is {given!r:.80}; it must be a list of columns, as ['locality']."
        )
    return tuple(map(str, given))


def _wish(options: Mapping[str, Any]) -> Wish:
    """What the search files must do."""
    memory, latency = options.get("memory"), options.get("latency")
    given: dict[str, Any] = {
        "recall": options.get("target_recall"),
        "memory": None if memory is None else parse_bytes(str(memory)),
        "milliseconds": None if latency is None else parse_milliseconds(str(latency)),
        "kind": options.get("kind"),
    }
    return Wish(**{k: v for k, v in given.items() if v is not None})
