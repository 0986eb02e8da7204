"""Options that several commands share: each stands here once, single or in a group."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, get_type_hints

import typer

from prom3e_index.schema import MAPPABLE

if TYPE_CHECKING:
    from prom3e_index.indexer.work import BuildConfig

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_INDEX = Path("index.p3i")
MOST_SEED = 2**63 - 1


def _index(path: Path) -> Path:
    """An index by a path that ends in a name: `.` and `..` are written out."""
    return path.resolve() if path.name in ("", "..") else path


Index = Annotated[
    Path,
    typer.Option(
        "--index", "-i", envvar="PROM3E_INDEX", callback=_index, help="The index: a folder."
    ),
]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=MOST_SEED, help="Number that everything drawn follows from."),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Model: taxabind, mini (the demo world), or a model folder."
    ),
]


def folder(path: Path | None) -> Path | None:
    """A folder that is written, by a name that is no file's; the callback of such options."""
    from prom3e_index.show.endings import told

    return None if path is None else told(path, "")


def npz(path: Path) -> Path:
    """An .npz that is written, by a name that says so or nothing; the callback of such options."""
    from prom3e_index.show.endings import told

    return told(path, "npz")


OtherModel = Annotated[
    str | None,
    typer.Option("--model", "-m", help="The index's model, where its folder is now."),
]
Hub = Annotated[
    Path | None,
    typer.Option(
        "--hub",
        exists=True,
        file_okay=False,
        help="Folder with copies of hub repositories, as FOLDER/OWNER/REPOSITORY.",
    ),
]


def _device(name: str) -> str:
    from prom3e_index.models.device import checked_device

    return checked_device(name)


Device = Annotated[
    str,
    typer.Option(
        "--device",
        callback=_device,
        help="Where networks run: cpu, cuda, or cuda:1 for the second GPU.",
    ),
]
Climate = Annotated[
    Path | None,
    typer.Option(
        "--climate",
        help="Climate raster, .npy or GeoTIFF, from which places without climate columns take it.",
    ),
]
MovedMedia = Annotated[
    Path | None,
    typer.Option(
        "--media",
        exists=True,
        file_okay=False,
        help="Folder that the paths of photos and recordings start from now, if they have moved.",
    ),
]
MovedModel = Annotated[
    str | None,
    typer.Option("--model", "-m", help="The index's model, where it is now, if it has moved."),
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        help='Only rows for which this is true: SQL over the columns that `info` lists, as "license LIKE '
        "'CC%'\".",
    ),
]


@dataclass(frozen=True)
class TableOptions:
    """How a table of observations is read."""

    table_format: Annotated[
        str | None,
        typer.Option(
            "--table-format", help="What kind of table it is, as gbif; a wrong name lists them."
        ),
    ] = None
    map: Annotated[
        list[str], typer.Option("--map", help=f"Which field a column is: {', '.join(MAPPABLE)}.")
    ] = field(default_factory=list)
    media: Annotated[
        Path | None,
        typer.Option(
            "--media", help="Folder that relative paths of photos and recordings start from."
        ),
    ] = None
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Also read media outside that folder.")
    ] = False
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Encoding of a text table, as gbk or latin-1.")
    ] = None

    @property
    def columns(self) -> dict[str, str]:
        """Column → field, of `--map`."""
        return pairs(self.map, "--map", "COLUMN=FIELD")

    def given(self) -> list[str]:
        """The options that differ from their defaults, as they are typed."""
        plain = type(self)()
        changed = [f.name for f in fields(self) if getattr(self, f.name) != getattr(plain, f.name)]
        return [f"--{name.replace('_', '-')}" for name in changed]


@dataclass(frozen=True)
class LookOptions(TableOptions):
    """What is done about rows and values of a table."""

    date_order: Annotated[
        str | None,
        typer.Option("--date-order", help="How 04/05/2023 is read: dmy (4 May) or mdy (April 5)."),
    ] = None
    duplicates: Annotated[
        str,
        typer.Option(
            "--duplicates", help="What is done with rows of one id: error, first or last."
        ),
    ] = "error"
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse a table of which a row or a value would be lost."),
    ] = False


@dataclass(frozen=True)
class RowOptions(LookOptions):
    """How a table is read to be encoded."""

    climate: Climate = None
    windows: Annotated[
        str | None,
        typer.Option(
            help="Seconds of the windows that longer recordings become, a row each; none: one row a recording; "
            "auto: windows of 10 s where a recording has more than 30 s. An index keeps its choice."
        ),
    ] = None
    hop: Annotated[
        float | None, typer.Option(help="Seconds from the start of one window to the next.")
    ] = None
    file_facts: Annotated[
        bool,
        typer.Option(
            "--file-facts/--no-file-facts",
            help="Take place, date and name from EXIF, GUANO and tags where the table has none.",
        ),
    ] = True
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            help="TOML of rules on which places are generalised before they are encoded; `policy init` writes one. An "
            "index keeps its policy.",
        ),
    ] = None
    keep_column: Annotated[
        list[str],
        typer.Option(
            "--keep-column",
            help="Keep this column in generalised rows, though it may tell the place; never a private one.",
        ),
    ] = field(default_factory=list)
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Items that an encoder takes at once.")
    ] = None
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes of this machine that decode media."),
    ] = None
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=0.1, help="Seconds that one file may take to be decoded."),
    ] = 120.0
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Discard unfinished work on another table or with other settings."
        ),
    ] = False


@dataclass(frozen=True)
class EncodeOptions(RowOptions):
    """How a table is encoded for the first time: an index keeps the choices of this group for good."""

    exif_transpose: Annotated[
        bool,
        typer.Option(
            "--exif-transpose",
            help="Turn photos upright, as EXIF says. The published model was trained without.",
        ),
    ] = False
    audio_window: Annotated[
        bool,
        typer.Option(
            "--audio-window", help="Embed every 10 s of a long recording and take the mean."
        ),
    ] = False


_FIELDS = {
    "table_format": "format",
    "map": "columns",
    "timeout": "timeout_s",
    "audio_window": "audio_windows",
    "keep_column": "keep_columns",
}
"""Options whose field of a configuration has another name; the others' is their own."""


def config_from(table: str, out: Path, options: LookOptions, **more: Any) -> BuildConfig:
    """The configuration of a command that reads a table; `more` are its own fields."""
    from prom3e_index.indexer.work import BuildConfig

    for f in fields(options):
        more[_FIELDS.get(f.name, f.name)] = getattr(options, f.name)
    more["columns"] = options.columns
    if "keep_columns" in more:
        more["keep_columns"] = tuple(more["keep_columns"])
    if more.get("policy") is not None:
        from prom3e_index.policy.rules import read_policy

        more["policy"] = read_policy(more["policy"])
    if more.get("workers", 0) is None:
        del more["workers"]
    return BuildConfig(table=table, out=out, **more)


def grouped(command: Callable[P, R]) -> Callable[P, R]:
    """Let a command take groups of options as one parameter each.

    Typer sees an option per field of the group, in the group's place; the command gets the dataclass.
    """
    own = inspect.signature(command)
    kinds = get_type_hints(command, include_extras=True)
    seen: list[inspect.Parameter] = []
    groups = {}
    for name, parameter in own.parameters.items():
        kind = kinds[name]
        if isinstance(kind, type) and is_dataclass(kind):
            groups[name] = kind
            seen += _options(kind)
        else:
            seen.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def called(*args: P.args, **given: P.kwargs) -> R:
        for name, kind in groups.items():
            given[name] = kind(**{f.name: given.pop(f.name) for f in fields(kind)})
        return command(*args, **given)

    called.__signature__ = own.replace(parameters=seen)  # type: ignore[attr-defined]
    return called


def _options(kind: type[Any]) -> list[inspect.Parameter]:
    """A group's fields as parameters."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            f.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=f.default if f.default_factory is MISSING else f.default_factory(),
            annotation=hints[f.name],
        )
        for f in fields(kind)
    ]


def pairs(entries: list[str], option: str, form: str = "SETTING=VALUE") -> dict[str, str]:
    """Read the `name=value` entries of a repeated option; the last `=` divides."""
    from prom3e_index.errors import InputError

    out: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.rpartition("=")
        if not equals or not name or not value:
            raise InputError(f"{option} is {form}, not {entry!r}.")
        if out.get(name, value) != value:
            raise InputError(f"{option} says both {name}={out[name]} and {entry}; give one.")
        out[name] = value
    return out


def filled(option: str, text: str | None) -> str | None:
    """The text of an option that was given; an empty one, as of an unset variable, is an error."""
    from prom3e_index.errors import InputError

    if text is not None and not text.strip():
        raise InputError(f"{option} is empty; leave it out, or say which.")
    return text
