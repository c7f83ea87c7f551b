"""`teltubby demo`: the main job against a simulated Telegram on this machine, shown, timed and checked.

The product runs as it would anywhere, as a child process that is configured by its environment alone; the simulated
Telegram and the curator live in this process. `scenes.py` is what happens, `checking.py` and `left_behind.py` say
whether it is right.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.text import Text

from teltubby.demo.errors import DemoFailed
from teltubby.demo.performance import perform
from teltubby.demo.report import Report, show_problems
from teltubby.demo.screen import PLAIN_COLUMNS, screen_on

EX_OK, EX_FAILED, EX_INTERRUPTED = 0, 1, 130


def main(*, out: Path | None = None, json: bool = False, keep_running: bool = False) -> int:
    """Show the demonstration and return the exit code: 0 all right, 1 something is wrong, 130 interrupted.

    `out` is a new or empty folder that keeps the archive, the databases and the log. With `json` stdout gets one JSON
    object and nothing else. With `keep_running` the product stays up afterwards until Ctrl-C, which is then no
    interruption; the JSON object comes before that. SIGTERM and SIGHUP end it in order too, with 128 plus their number.
    """
    console = _console(stderr=json)

    def publish(report: Report) -> None:
        if json:
            sys.stdout.write(report.as_json() + "\n")
            sys.stdout.flush()

    try:
        with _ended_by_signals():
            right = perform(screen_on(console), out=out, keep_running=keep_running, publish=publish)
    except DemoFailed as failure:
        show_problems(console, [str(failure)])
        if failure.details:
            console.print(Text(failure.details), soft_wrap=True)
        publish(Report(problems=(str(failure),)))
        return EX_FAILED
    except KeyboardInterrupt:
        console.print(Text("Interrupted; everything that was started has ended."))
        return EX_INTERRUPTED
    return EX_OK if right else EX_FAILED


def _console(*, stderr: bool) -> Console:
    """Plain output is as wide as the table needs, whatever a pipe is taken for."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.file.isatty() else Console(stderr=stderr, highlight=False, width=PLAIN_COLUMNS)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Unwind on SIGTERM and SIGHUP as on Ctrl-C, so that the product never outlives the demonstration.

    SIGINT too is taken again where it was ignored: a shell starts background jobs of a script that way.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: end, signal.SIGHUP: end}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
