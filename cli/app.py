"""The `prom3e-index` program. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Annotated

import typer

from prom3e_index import __version__
from prom3e_index.cli import build, change, encode, evaluate, inspect, models, query, train, world

app = typer.Typer(
    name="prom3e-index",
    help="Search ecological observations by anything: photo, recording, place, tile, climate or name.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("build")(build.build)
app.command("query")(query.query)
app.command("add")(change.add)
app.command("update")(change.update)
app.command("remove")(change.remove)
app.command("compact")(change.compact)
app.command("rebuild")(change.rebuild)
app.command("certify")(change.certify)
app.command("history")(change.history)
app.command("info")(inspect.info)
app.command("verify")(inspect.verify)
app.command("export")(inspect.export)
app.command("doctor")(inspect.doctor)
app.command("encode")(encode.encode)
app.command("infer")(encode.infer)
app.command("world")(world.world)
app.command("demo")(world.demo)
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")


def _version(show: bool) -> None:
    if show:
        typer.echo(f"prom3e-index {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["PROM3E_DEBUG"] = "1"


class _Interrupted(BaseException):
    """Ctrl-C; not a KeyboardInterrupt, which Typer would swallow without a word."""


def _interrupt(*_: object) -> None:
    raise _Interrupted


def main() -> None:
    """Run the program: an error is one line on stderr and exit code 2; Ctrl-C is 130."""
    from prom3e_index.errors import Prom3eError

    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except _Interrupted:
        _fail("interrupted; the same command goes on where it stopped", 130)
    except Prom3eError as e:
        if os.environ.get("PROM3E_DEBUG"):
            raise
        _fail(str(e), 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as e:
        if os.environ.get("PROM3E_DEBUG"):
            raise
        where = f" ({e.filename})" if e.filename else ""
        if e.errno == errno.ENOSPC:
            _fail(
                f"the disk is full{where}; free some space, then run the same command to go on", 2
            )
        _fail(f"{e.strerror or e}{where}", 2)


def _fail(message: str, code: int) -> None:
    sys.stderr.write("Error: " + " ".join(message.split()) + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
