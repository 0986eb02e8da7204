"""Where the program begins: signals are answered from the first import on, in one line and without a traceback."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import FrameType
from typing import Any

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Exit codes: 128 and the signal's number, as a shell gives them."""
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by a signal"}


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM; not a KeyboardInterrupt, which Typer would swallow without a word."""


class Signals:
    """Turns the first signal into `Interrupted`; the second, and one while a library loads, ends the program at once.

    Attributes:
        caught: The first signal. Libraries may lose the exception that it raises, or make another of it: what fails
            after it was interrupted.
    """

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None
        self._raises = False

    def watch(self) -> None:
        """Answer signals, by leaving at once until `raises` is called."""
        for number in CODES:
            signal.signal(number, self._answer)
        plain_hook, plain_thread = sys.unraisablehook, threading.excepthook

        def unraisable(failed: Any) -> None:
            if self.caught is None:
                plain_hook(failed)

        def in_thread(failed: Any) -> None:
            if self.caught is None:
                plain_thread(failed)

        sys.unraisablehook, threading.excepthook = unraisable, in_thread

    def raises(self) -> None:
        """From now on let the first signal be an exception, so that what was begun is put in order."""
        self._raises = True

    def _answer(self, number: int, frame: FrameType | None) -> None:
        first, self.caught = self.caught is None, self.caught or signal.Signals(number)
        if first and self._raises and not _in_compiled_import(frame):
            raise Interrupted
        leave(self.caught)


def _in_compiled_import(frame: FrameType | None) -> bool:
    """Whether a compiled module is being loaded: C++ that runs Python then aborts of an exception, or swallows it."""
    while frame is not None:
        if frame.f_code.co_name in ("create_module", "exec_module") and isinstance(
            frame.f_locals.get("self"), ExtensionFileLoader
        ):
            return True
        frame = frame.f_back
    return False


SIGNALS = Signals()


def deaf() -> None:
    """Ignore signals from here on: the last line is written, and the interpreter would die of one while it ends."""
    for number in CODES:
        signal.signal(number, signal.SIG_IGN)


def leave(caught: signal.Signals) -> None:
    """End the process now, and the processes that it began."""
    with suppress(OSError):  # nobody may read it any more
        os.write(2, f"Error: {WORDS[caught]}\n".encode())
    _end(CODES[caught])


def leave_quietly() -> None:
    """End the process when all is done: large libraries take seconds to be taken apart, and may wait for a thread."""
    deaf()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    atexit._run_exitfuncs()  # temporary folders are removed by them
    _end(0)


def _end(code: int) -> None:
    for listed in Path("/proc/self/task").glob(
        "*/children"
    ):  # elsewhere they end when their pipe closes
        for child in listed.read_text().split():
            with suppress(OSError):
                os.kill(int(child), signal.SIGKILL)
    os._exit(code)


def main() -> None:
    """Run the program."""
    SIGNALS.watch()
    from prom3e_index.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
