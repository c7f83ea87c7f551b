"""Translates what aio-pika, aiormq and the network raise into BrokerUnavailable."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pamqp.exceptions
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from teltubby.errors import BrokerUnavailable
from teltubby.flavour import ForeignCancelled, asyncio_hosted

BROKER_FAILURES: tuple[type[Exception], ...] = (
    AMQPError,
    ChannelInvalidStateError,  # a RuntimeError: the channel was closed before our call
    pamqp.exceptions.PAMQPException,
    OSError,  # TimeoutError too
    EOFError,  # a connection that ends in the middle of a frame
    ForeignCancelled,  # aiormq cancels the calls that a lost connection leaves behind
)

CLOSE_SECONDS = 3.0
"""aiormq itself waits 2 s for the broker's answer to a close; an actor's teardown has 5 s."""


@contextlib.contextmanager
def broker_errors(what: str) -> Iterator[None]:
    """Turn every failure of the broker into BrokerUnavailable: "`what`: the reason"."""
    try:
        yield
    except BROKER_FAILURES as exc:
        raise BrokerUnavailable(f"{what}: {describe(exc)}") from exc
    except Exception as exc:
        # aiormq rejects what waits on a connection that was closed without a reason with a bare Exception.
        if type(exc) is not Exception:
            raise
        raise BrokerUnavailable(f"{what}: the connection was closed") from exc


def describe(exc: BaseException) -> str:
    """The reason in words; some exceptions have none of their own."""
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if isinstance(exc, ForeignCancelled | ChannelInvalidStateError):
        return "the connection is lost"
    return str(exc) or type(exc).__name__


async def close_quietly(resource: AbstractChannel | AbstractConnection) -> None:
    """Close it, giving up after CLOSE_SECONDS. Failures mean that it is closed already, or lost."""
    with contextlib.suppress(BrokerUnavailable), broker_errors("closing"):
        await _close(resource)


@asyncio_hosted
async def _close(resource: AbstractChannel | AbstractConnection) -> None:
    async with asyncio.timeout(CLOSE_SECONDS):
        await resource.close()
