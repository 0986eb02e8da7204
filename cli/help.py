"""What `--help` shows: a whole sentence, examples, what goes in, the values of each option and its default.

Typer writes Python's types (`<list[str]>`), cuts sentences in lists of commands, and knows no examples.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_args

import typer
from typer.core import TyperGroup

from prom3e_index.cli import words
from prom3e_index.cli.examples import EXAMPLES, SECTIONS
from prom3e_index.cli.meant import command_meant
from prom3e_index.cli.spelling import Command as Spelled

PROGRAM = "prom3e-index"
WIDEST = 120
"""Columns of a help page in a terminal that has them, or where COLUMNS says so."""
_WORDS: dict[Any, str] = {int: "N", float: "NUMBER", Path: "FILE", str: "TEXT"}


class Command(Spelled):
    """A command whose help has examples, and words for what goes in."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`[OPTIONS] TABLE`, without the signs of Python's types."""
        named = words_of(self, path_of(ctx))
        return ["[OPTIONS]", *(_argument(p, named[p.name]) for p in _arguments(self))]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page: usage, sentences, examples, arguments, options."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        examples = EXAMPLES.get(path_of(ctx), ())
        if examples:
            with formatter.section("Examples"):
                for why, line in examples:
                    formatter.write(f"  # {why}\n  {line}\n")
        for title, rows in (("Arguments", arguments(self, ctx)), ("Options", options(self, ctx))):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Commands(TyperGroup):
    """A group of commands, listed by what they are for, each with its whole first sentence."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Typer does; what others call a command is told by its name here."""
        from prom3e_index.errors import InputError

        meant = command_meant(args[0], self.commands) if args else ""
        if meant and args[0] not in self.commands:
            raise InputError(f"No such command {args[0]!r}{meant} See {ctx.command_path} --help.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        for title, names in sections(self):
            with formatter.section(title):
                formatter.write_dl([(n, sentence(self.commands[n])) for n in names])
        formatter.write(
            f"\n{' '.join(filter(None, (PROGRAM, path_of(ctx))))} COMMAND --help has examples.\n"
        )


def dress(app: typer.Typer) -> typer.Typer:
    """Give every command and group of a program these pages; gives the program."""
    app.info.cls = Commands
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        group.cls = Commands
        if group.typer_instance is not None:
            dress(group.typer_instance)
    return app


def path_of(ctx: Any) -> str:
    """A command's name below the program's, as `evaluate probe`."""
    names: list[str] = []
    while ctx.parent is not None:
        names.insert(0, ctx.info_name)
        ctx = ctx.parent
    return " ".join(names)


def sentence(command: Any) -> str:
    """The first sentence of a command's help, on one line."""
    first = inspect.cleandoc(command.help or "").partition("\n\n")[0]
    return " ".join(first.split())


def sections(group: Any) -> list[tuple[str, list[str]]]:
    """Title and commands of each part of a list, in order; what stands in no part comes last."""
    shown = [n for n, c in group.commands.items() if not c.hidden]
    parts = [(title, [n for n in names if n in shown]) for title, names in SECTIONS.items()]
    known = {n for _, names in parts for n in names}
    if not known:
        return [("Commands", shown)]
    return [(t, ns) for t, ns in (*parts, ("More", [n for n in shown if n not in known])) if ns]


def words_of(command: Any, path: str) -> dict[str, str]:
    """Parameter → the word that stands for its value: its own, that of its name, or that of its type."""
    kinds = inspect.signature(command.callback, eval_str=True).parameters
    return {
        p.name: p.metavar
        or words.of(words.VALUES, path, _named(p))
        or _word(kinds[p.name].annotation)
        for p in command.params
        if p.name in kinds
    }


def _named(parameter: Any) -> str:
    """What a parameter is called in `words`: an option by its first long name."""
    if parameter.param_type_name == "argument":
        return str(parameter.name)
    return str(next((o for o in parameter.opts if o.startswith("--")), parameter.opts[0]))


def _word(kind: Any) -> str:
    """`FILE` for a path, `N` for an integer."""
    info = next(iter(getattr(kind, "__metadata__", ())), None)
    while get_args(kind):  # Annotated, optional, a list: what is inside
        kind = next(k for k in get_args(kind) if k is not type(None))
    if kind is Path and getattr(info, "file_okay", True) is False:
        return "FOLDER"
    return _WORDS.get(kind, "TEXT")


def _arguments(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "argument" and not p.hidden]


def _argument(parameter: Any, word: str) -> str:
    several = " ..." if parameter.nargs != 1 else ""
    return f"{word}{several}" if parameter.required else f"[{word}]{several}"


def arguments(command: Any, ctx: Any) -> list[tuple[str, str]]:
    """What stands without an option: the word and what it means."""
    path = path_of(ctx)
    named = words_of(command, path)
    return [(named[p.name], told(p, path)) for p in _arguments(command)]


def options(command: Any, ctx: Any) -> list[tuple[str, str]]:
    """Each option as it is typed, and what it means; hidden ones are left out."""
    path = path_of(ctx)
    named = words_of(command, path)
    shown = [p for p in command.get_params(ctx) if p.param_type_name == "option" and not p.hidden]
    return [(typed(p, named.get(p.name, "")), told(p, path)) for p in shown]


def typed(option: Any, word: str) -> str:
    """An option's names, the short one first, and the word for its value."""
    names = ", ".join(sorted(option.opts, key=lambda n: n.startswith("--")))
    if option.secondary_opts:
        return f"{names} / {', '.join(option.secondary_opts)}"
    return names if option.is_flag else f"{names} {word}"


def told(parameter: Any, path: str) -> str:
    """What a parameter means, and in brackets where else it is taken from, its default and its bounds."""
    facts = []
    if parameter.envvar:
        facts.append(f"env: {parameter.envvar}")
    default = _default(parameter, path)
    if default:
        facts.append(f"default: {default}")
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if least is not None and not getattr(parameter, "count", False):
        facts.append(
            f"{least:g} or more" if most is None or most > 1e9 else f"{least:g} to {most:g}"
        )
    if parameter.required:
        facts.append("required")
    if getattr(parameter, "multiple", False):
        facts.append("may be repeated")
    help = " ".join((parameter.help or "").split())
    return f"{help}  [{'; '.join(facts)}]" if facts else help


def _default(parameter: Any, path: str) -> str:
    """The default in words; empty where there is none to be told."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    value = parameter.default
    if parameter.required or not parameter.show_default:
        return ""
    if value is None or value in ([], ()):
        return words.of(words.DEFAULTS, path, _named(parameter)) or ""
    if getattr(parameter, "is_flag", False):
        return parameter.opts[0] if value and parameter.secondary_opts else ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
