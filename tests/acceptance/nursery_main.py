"""A process with the product imported and nothing begun, that forks itself for each process that a test starts.

Imports cost seconds of every start, and the tests start the product some hundred times. Run as `python nursery_main.py
BACKEND`; each line on stdin is a request, each line on stdout an answer, both JSON. It ends when its stdin does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import sys
import threading
from typing import Any

from teltubby import flavour
from tests.one_authority import trust_one_authority

LATER = (
    "actors.collector",
    "adapters.bot_api",
    "adapters.embedded_broker",
    "adapters.folder_store",
    "adapters.media_details",
    "adapters.rabbitmq",
    "adapters.s3_store",
    "adapters.session_vault",
    "adapters.telethon_bot",
    "adapters.telethon_person",
)
"""What the product imports when its settings ask for it."""


def imported(backend: str) -> None:
    """Import what a process imports, in the order in which it does."""
    trust_one_authority()
    flavour.backend_options("trio" if backend == "trio" else "asyncio")
    import telethon.sessions  # noqa: F401 - imported so that a fork has it

    import teltubby.cli
    import teltubby.runtime
    import teltubby.trees.bot
    import teltubby.trees.box
    import teltubby.trees.worker  # noqa: F401

    for name in LATER:
        importlib.import_module(f"teltubby.{name}")
    from tests.short_secrets import shorten_secrets  # it imports Telethon, too

    shorten_secrets()
    gc.collect()
    gc.freeze()  # a fork begins with a walk of the collector over all that it does not know to stay, which takes 0.4 s


def answer(**fields: Any) -> None:
    """Tell the tests."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def serve() -> dict[str, Any] | None:
    """Fork on request and report ends; returns in the child with its request, in the parent None at the end."""
    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    signal.set_wakeup_fd(sending)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.buffer.raw.fileno(), selectors.EVENT_READ)
        selector.register(receiving, selectors.EVENT_READ)
        answer(ready=True)
        pending = b""
        while True:
            for key, _ in selector.select():
                data = os.read(key.fd, 1 << 16)
                if key.fd == receiving:
                    reap()
                    continue
                if not data:
                    return None
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    if (pid := os.fork()) == 0:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        os.close(receiving)
                        os.close(sending)
                        return dict(json.loads(line))
                    answer(started=pid)


def reap() -> None:
    """Report whoever ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        answer(ended=pid, code=os.waitstatus_to_exitcode(status))


def become(request: dict[str, Any]) -> None:
    """Be the process that was asked for."""
    os.setsid()
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if "terminal" in request:
        read = write = errors = os.open(request["terminal"], os.O_RDWR)
        sys.stdout.reconfigure(line_buffering=True)
    else:
        read, write = os.open(os.devnull, os.O_RDONLY), _emptied(request["log"])
        errors = write if request["errors"] == request["log"] else _emptied(request["errors"])
    for number, stream in enumerate((read, write, errors)):
        os.dup2(stream, number)
    sys.argv = ["teltubby", *request["arguments"]]


def _emptied(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def live() -> None:
    """Run the command, then end without taking the interpreter apart, which takes longer than most tests."""
    from teltubby.cli import main

    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - shown as the interpreter shows it, and the process ends with 1
        sys.excepthook(*sys.exc_info())
    for thread in threading.enumerate():  # a thread that would keep the real command from ending keeps this one too
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    imported(sys.argv[1])
    found = serve()
    if found is not None:
        become(found)
        live()
