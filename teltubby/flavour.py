"""Where asyncio-flavoured libraries meet a program that runs on asyncio or on trio.

aiogram, aio-pika, aioboto3 and Telethon speak asyncio only. On trio, trio-asyncio hosts one asyncio loop
inside the trio run, and code is of one of two *flavours*: trio's, or that of the hosted loop. Adapters mark
the functions that touch such a library with `asyncio_hosted`; everybody else awaits them and need not know
which backend runs. Three rules hold for their bodies:

- **The whole life of an asyncio resource is spent in asyncio-flavoured calls on the one hosted loop.** An
  object may be kept between calls (`self._client` made in one, used and closed in others), but each call runs
  in an asyncio task of its own. So whatever is bound to a task (`async with` a response or a timeout, an
  async generator, anyio's cancel scopes and task groups) is entered and left within one call.
- Primitives that are awaited belong to the flavour that made them: an event, a lock or a stream of trio's
  side can be set, but not awaited, in a hosted body. `Ref.tell`, `send` and `ask` of teltubby.supervision
  work in both, as do anyio's threads.
- Cancelling the caller cancels the hosted task and waits for its end. On trio it arrives once; on asyncio,
  repeatedly.

trio_asyncio patches asyncio when it is imported, and anyio's asyncio backend binds asyncio's functions when
*it* is imported: so trio_asyncio comes first or not at all. It is imported here only, on the way to a trio
run.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal, ParamSpec, TypeVar

import anyio.lowlevel
import sniffio

P = ParamSpec("P")
R = TypeVar("R")

Backend = Literal["asyncio", "trio"]

logger = logging.getLogger("teltubby.flavour")


class ForeignCancelled(Exception):
    """A library ended a call with `asyncio.CancelledError` although nobody of ours cancelled it.

    aio-pika does so when a connection is lost under an acknowledgement, Telethon when it gives a connection
    up. The original is a BaseException that no error handling sees; adapters translate this one to the
    failure it stands for. The original is the `__cause__`.
    """


def current() -> Backend:
    """The flavour of the calling code: "asyncio" also inside a hosted body on trio."""
    match sniffio.current_async_library():
        case "asyncio":
            return "asyncio"
        case "trio":
            return "trio"
        case other:
            raise RuntimeError(f"teltubby runs on asyncio and trio, not on {other}")


def backend_options(name: Backend) -> dict[str, Any]:
    """What `anyio.run(..., backend=name)` and pytest's anyio_backend need as options. Call it before the run begins."""
    if name == "trio":
        _trio_asyncio()  # now, because nothing has imported anyio's asyncio backend yet
        return {}
    # Once trio_asyncio is imported (a test run does), asyncio's policy makes its own loops outside of trio.
    return {"loop_factory": asyncio.SelectorEventLoop}


@asynccontextmanager
async def hosted() -> AsyncIterator[None]:
    """Hosts the asyncio loop that `asyncio_hosted` calls run on; opened once, around the whole program.

    On asyncio that loop runs already. On either, errors of tasks that nobody awaits are logged: left to itself trio's
    hosted loop would end the program. An exception of the body leaves as it is, not in a group.
    """
    if current() == "asyncio":
        running = asyncio.get_running_loop()
        before = running.get_exception_handler()
        running.set_exception_handler(_log_stray_error)
        try:
            yield
        finally:
            running.set_exception_handler(before)
        return
    failure: Exception | None = None
    async with _trio_asyncio().open_loop() as loop:
        loop.set_exception_handler(_log_stray_error)
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - re-raised below, past open_loop's nurseries, which would wrap it
            failure = exc
    if failure is not None:
        raise failure


def asyncio_hosted(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Makes an asyncio-flavoured `async def` function or method callable from either flavour.

    From asyncio-flavoured code the body runs where it is called; from trio's, as a task of the loop that
    `hosted` opened. Raises what the body raises, and ForeignCancelled in place of a CancelledError that is
    not an answer to a cancellation.
    """

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        body = functools.partial(_guarded, function, *args, **kwargs)
        if current() == "asyncio":
            return await body()
        trio_asyncio = _trio_asyncio()
        if trio_asyncio.current_loop.get() is None:
            raise RuntimeError(f"{function.__qualname__} needs the loop that flavour.hosted() opens")
        result: R = await trio_asyncio.aio_as_trio(body)()
        return result

    return call


async def _guarded(function: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> R:
    task = asyncio.current_task()
    requests = task.cancelling() if task else 0
    try:
        return await function(*args, **kwargs)
    except asyncio.CancelledError as exc:
        await anyio.lowlevel.checkpoint_if_cancelled()  # a cancelled scope of ours speaks for itself
        if task and task.cancelling() > requests:
            raise
        raise ForeignCancelled(f"{function.__qualname__} was cancelled by a library") from exc


def _trio_asyncio() -> Any:
    if "trio_asyncio" not in sys.modules and "anyio._backends._asyncio" in sys.modules:
        raise RuntimeError("trio_asyncio must be imported before anyio's asyncio backend: call backend_options first")
    return importlib.import_module("trio_asyncio")


def _log_stray_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A future that is no task is an answer for which nobody waits, as those to Telethon's pings: no error of ours."""
    del loop
    error, what = context.get("exception"), context.get("message", "unhandled error")
    if error is not None and what.startswith("Future exception was never retrieved"):
        logger.info("an answer for which nobody waits did not come: %s", type(error).__name__)
    else:
        logger.error("hosted asyncio loop: %s", what, exc_info=error)
