"""Runs a tree: the backend, the signals, the exit code. The only anyio.run() of the product."""

from __future__ import annotations

import ctypes
import gc
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import TaskStatus

from teltubby import flavour
from teltubby.config import Config
from teltubby.config.choices import AsyncBackend
from teltubby.errors import ConfigurationError, TeltubbyError
from teltubby.interrupts import forget_interrupt, until_signalled
from teltubby.supervision import Context, IntensityExceeded, Supervisor

_LOG = logging.getLogger(__name__)

_MALLOC = {
    -8: 1,  # M_ARENA_MAX: one heap for all threads
    -3: 8 << 20,  # M_MMAP_THRESHOLD: larger blocks lie outside the heap, and go back to the system when they are freed
    -1: 16 << 20,  # M_TRIM_THRESHOLD: what lies free at the heap's end beyond this goes back, too
}
"""glibc's mallopt(3); the numbers are those of its malloc.h."""

EXIT_STOPPED = 0
EXIT_GAVE_UP = 70


def run_bot(config: Config) -> int:
    """`teltubby bot`: run the bot wing until a signal, and return the exit code."""

    def tree() -> Supervisor:
        from teltubby.trees.bot import bot_tree

        return bot_tree(config)

    return _run(tree, config)


def run_worker(config: Config) -> int:
    """`teltubby worker`: run the worker wing. Raises ConfigurationError when MTProto cannot be spoken."""

    def tree() -> Supervisor:
        from teltubby.trees import parts
        from teltubby.trees.worker import worker_tree

        if (missing := parts.mtproto_missing(config)) is not None:
            raise ConfigurationError((f"The worker needs MTProto: {missing}.",))
        return worker_tree(config)

    return _run(tree, config)


def run_box(config: Config) -> int:
    """`teltubby run`: run both wings in this process."""

    def tree() -> Supervisor:
        from teltubby.trees.box import box_tree

        return box_tree(config)

    return _run(tree, config)


def run_command(command: Callable[[], Awaitable[None]], config: Config) -> None:
    """Run what ends by itself. SIGINT or SIGTERM cancels it: raises KeyboardInterrupt, once it has cleaned up."""
    options = _prepare(config)
    if not anyio.run(_finish, command, backend=_backend(config), backend_options=options):
        raise KeyboardInterrupt


def _prepare(config: Config) -> dict[str, Any]:
    """What has to happen before the trees, and with them the libraries, are imported; anyio's options for the backend.

    trio-asyncio patches asyncio, and a library that was imported earlier (aiofiles does) has bound the unpatched names.
    """
    _tame_malloc()
    return flavour.backend_options(_backend(config))


def _backend(config: Config) -> flavour.Backend:
    return "trio" if config.process.backend is AsyncBackend.TRIO else "asyncio"


def _tame_malloc() -> None:
    """Have glibc's memory follow what is in use, without having every page anew for each part of a file.

    Left alone it gives a dozen threads heaps of their own, and parts that go up (16 MiB) come to lie in them and stay:
    memory would grow with the file. With a threshold of 1 MiB, on the other hand, each of the dozen blocks that a part
    passes through on its way down comes from the system, page by page and zeroed: 6 CPU seconds per GiB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _MALLOC.items():
            mallopt(parameter, value)


def _settle() -> None:
    """What has been imported stays: the collector need not walk it again, which takes 0.1 s and stops the loop.

    Where libraries have no byte code (`python -m compileall`), compiling them left 90 MiB of holes, which go back.
    """
    gc.collect()
    gc.freeze()
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def _run(tree: Callable[[], Supervisor], config: Config) -> int:
    """Make the tree, which imports for seconds, and run it; a signal stops it in order from its first moment."""
    try:
        with until_signalled():
            options = _prepare(config)
            root = tree()
            _settle()
    except KeyboardInterrupt:
        forget_interrupt()
        return EXIT_STOPPED
    return anyio.run(_live, root, backend=_backend(config), backend_options=options)


async def _live(root: Supervisor) -> int:
    """Run the tree to its end. Raises ConfigurationError when an actor met one at its start."""
    context = Context[Any](root.name)
    mistakes: list[ConfigurationError] = []
    code = EXIT_STOPPED
    try:
        async with flavour.hosted(), anyio.create_task_group() as tasks:
            tasks.start_soon(_obey_signals, context)
            await root.run(context)
            tasks.cancel_scope.cancel()
    except* ConfigurationError as errors:
        mistakes += [error for error in errors.exceptions if isinstance(error, ConfigurationError)]
    except* IntensityExceeded as errors:
        _LOG.critical("gave up: %s", errors.exceptions[0])
        code = EXIT_GAVE_UP
    if mistakes:
        raise mistakes[0]
    return code


async def _finish(command: Callable[[], Awaitable[None]]) -> bool:
    """Whether it ended by itself. Raises the TeltubbyError that it ended with."""
    failure: TeltubbyError | None = None
    done = False
    async with flavour.hosted(), anyio.create_task_group() as tasks:
        await tasks.start(_cancel_on_signals, tasks.cancel_scope)
        try:
            await command()
            done = True
        except TeltubbyError as error:  # re-raised below, past the group, which would wrap it
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return done


async def _cancel_on_signals(scope: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()  # a command imports for seconds before it waits for the first time
        async for _ in signals:
            scope.cancel()


async def _obey_signals(context: Context[Any]) -> None:
    """The first SIGTERM or SIGINT asks for an orderly stop, a second one cancels what is left."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if context.stopping.is_set():
                _LOG.warning("%s again: stopping at once", signal.Signals(number).name)
                context.cancel()
            else:
                _LOG.info("%s: stopping in order", signal.Signals(number).name)
                context.stop(drain=True)
