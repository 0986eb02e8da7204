"""The `prom3e-index` program. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from prom3e_index import __version__
from prom3e_index.cli import (
    build,
    certify,
    change,
    demo,
    diversity,
    encode,
    evaluate,
    export,
    inspect,
    look,
    map,
    models,
    policy,
    push,
    query,
    report,
    serve,
    train,
    undo,
    world,
)
from prom3e_index.cli.help import WIDEST, dress
from prom3e_index.cli.screen import ClosedOutput, kept, prepare, say
from prom3e_index.cli.start import CODES, SIGNALS, WORDS, Interrupted, deaf

app = typer.Typer(
    name="prom3e-index",
    help="Search ecological observations by anything: photo, recording, place, tile, climate or name.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
)
app.command("look")(look.look)
app.command("build")(build.build)
app.command("query")(query.query)
app.command("add")(change.add)
app.command("update")(change.update)
app.command("remove")(undo.remove)
app.command("restore")(undo.restore)
app.command("compact")(change.compact)
app.command("rebuild")(change.rebuild)
app.command("relocate")(change.relocate)
app.command("push")(push.push)
app.command("certify")(certify.certify)
app.command("history")(undo.history)
app.command("info")(inspect.info)
app.command("verify")(inspect.verify)
app.command("export")(export.export)
app.command("doctor")(inspect.doctor)
app.command("encode")(encode.encode)
app.command("infer")(encode.infer)
app.command("world")(world.world)
app.command("demo")(demo.demo)
app.command("report")(report.report)
app.command("map")(map.map_)
app.command("serve")(serve.serve)
app.command("diversity")(diversity.diversity)
app.add_typer(policy.app, name="policy")
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")
dress(app)


def _version(show: bool) -> None:
    if show:
        say(f"prom3e-index {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, instead of one line.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version of the program."
        ),
    ] = False,
) -> None:
    if debug:
        os.environ["PROM3E_DEBUG"] = "1"


_GO_ON = "the same command goes on where it stopped"
_WHOLE = "the index is whole: as it was, or as it was to become"
_KEPT = {
    **dict.fromkeys(("build", "add", "update", "encode", "train", "push"), _GO_ON),
    **dict.fromkeys(("remove", "restore", "compact", "rebuild", "relocate", "certify"), _WHOLE),
    "evaluate": "what was encoded is kept; the same command measures anew",
    "world": "its folder holds only a part; remove it",
    "demo": "its folder holds what was made; remove it and begin anew",
    "models": "what was downloaded is kept",
}
"""What a command that is interrupted keeps; the others change nothing."""
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Click's error of a command line that is wrong, wherever Typer keeps its Click."""


def main() -> None:
    """Run the program: an error is one line on stderr and exit code 2; Ctrl-C is 130."""
    SIGNALS.watch()
    prepare()
    try:
        SIGNALS.raises()
        code = _run()
    except Interrupted:
        _end_interrupted()
    except ClosedOutput:
        _forget_output()
        sys.exit(141)
    except Exception as e:
        if SIGNALS.caught is not None:  # a library made an error of its own of it
            _end_interrupted()
        if os.environ.get("PROM3E_DEBUG"):
            raise
        if type(e).__name__ == "NoArgsIsHelpError":  # the help says which commands there are
            say(str(e), err=True)
            sys.exit(2)
        _fail(_sentence(e), 2)
    sys.exit(code)


def _end_interrupted() -> NoReturn:
    """Say what is kept, and end."""
    caught = SIGNALS.caught or signal.SIGINT
    more = _what_is_kept()
    if SIGNALS.caught is not None:
        deaf()
    _fail(f"{WORDS[caught]}; {more}", CODES[caught])


def _what_is_kept() -> str:
    """What the command that was given keeps when it ends before its end."""
    words = [w for w in sys.argv[1:] if not w.startswith("-")]
    return kept() or _KEPT.get(words[0] if words else "", "nothing was changed")


def _run() -> int:
    """Run the command; give its exit code. What it wrote is out when this returns."""
    code = app(standalone_mode=False)
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise ClosedOutput from None
    return code if isinstance(code, int) else 0


def _forget_output() -> None:
    """Let what stdout still holds go nowhere when the interpreter ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass  # it has no descriptor, so nothing is flushed


def _sentence(e: Exception) -> str:
    """What went wrong, for one line."""
    from prom3e_index.errors import Prom3eError
    from prom3e_index.indexer.disk import FULL, full_disk

    full = full_disk(e)
    if full is not None:
        where = f" ({full})" if full else ""
        return f"{FULL}{where}; free some space, then run it again; {_what_is_kept()}"
    if isinstance(e, Prom3eError):
        return e.typed
    if isinstance(e, _UsageError):
        context = getattr(e, "ctx", None)
        more = f" See {context.command_path} --help." if context else ""
        said = e.format_message().rstrip(".")  # type: ignore[attr-defined]
        return f"{said}{'' if said.endswith('?') else '.'}{more}"
    if isinstance(e, MemoryError):
        return "the memory is full; close other programs, or give less at a time"
    if isinstance(e, OSError):
        where = f" ({e.filename})" if e.filename else ""
        return f"{e.strerror or e}{where}"
    if type(e).__module__.partition(".")[0] in ("duckdb", "_duckdb", "pyarrow"):
        return " ".join(str(e).split("\n\n")[0].split())
    return f"unexpected {type(e).__name__}: {e}. This is a fault of the program; `prom3e-index --debug …` shows where"


_MOST = 600
"""Characters of an error; what repeats a whole file or query is cut in the middle."""


def _fail(message: str, code: int) -> NoReturn:
    text = " ".join(message.split())
    if len(text) > _MOST:
        gone = len(text) - _MOST
        text = f"{text[: _MOST // 2]} … ({gone:,} characters) … {text[-_MOST // 2 :]}"
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _forget_output()
    say(f"Error: {text}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
