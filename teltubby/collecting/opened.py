"""What a command that speaks to Telegram works with; the user session and the database are its own meanwhile."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio

from teltubby.adapters.base import Account, ChannelGateway
from teltubby.adapters.clock import utc_now
from teltubby.collecting.connection import ConnectedChannels, signed_in
from teltubby.collector.patience import PatientChannels
from teltubby.collector.repositories import BUCKET_SECONDS, CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.config import Config
from teltubby.errors import ConfigurationError, DatabaseUnavailable, SessionFileUnusable, SessionNotReady, TeltubbyError
from teltubby.supervision import Backoff
from teltubby.trees import parts

CLOSE_SECONDS = 10.0
"""Time that a connection has to be closed in."""
LONGEST_PAUSE = 300.0
"""Seconds between two tries of a request, at most."""


class InOtherHands(TeltubbyError):
    """The user session or the database cannot be had; the text says whose they may be, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The collector's database, and Telegram as `account` sees it, asked with patience."""

    store: StoreThread
    account: Account
    gateway: ChannelGateway


@asynccontextmanager
async def opened(
    config: Config, *, follows: bool, on_wait: Callable[[float, str], None], endless: bool = False
) -> AsyncIterator[Opened]:
    """Have the database and the user session, and give them back. `follows`: Telegram is to push what happens;
    `endless`: where it cannot be reached, that is waited for.

    Raises InOtherHands, SessionNotReady (nobody is signed in), ConfigurationError where MTProto cannot be spoken, and
    what the gateway raises.
    """
    if (missing := parts.mtproto_missing(config)) is not None:
        raise ConfigurationError((f"Collecting needs MTProto: {missing}.",))
    session = parts.personal_session(config, follows=follows)()
    store = await _owned(config)
    retry_max = config.collector.retry_max
    try:
        try:
            account = await _signed_in(
                signed_in(
                    session,
                    retry_max=math.inf if endless else retry_max,
                    backoff=patience(config),
                    rng=parts.RNG,
                    on_wait=on_wait,
                )
            )
            yield Opened(
                store=StoreThread(store),
                account=account,
                gateway=PatientChannels(
                    ConnectedChannels(session, session),
                    retry_max=retry_max,
                    backoff=patience(config),
                    rng=parts.RNG,
                    on_wait=on_wait,
                ),
            )
        finally:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await session.aclose()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(store.close)


def patience(config: Config) -> Backoff:
    """How long a request that Telegram does not serve is put off."""
    first = config.collector.retry_backoff
    return Backoff(first=first, cap=max(LONGEST_PAUSE, first))


async def _owned(config: Config) -> CollectorStore:
    settings = config.collector
    steps = [step.every.total_seconds() for step in settings.metrics_schedule]
    bucket = int(min([BUCKET_SECONDS, *steps]))  # readings within one are one snapshot: no more of them than asked for
    open_it = partial(CollectorStore.open, settings.database_path, bucket_seconds=bucket, clock=utc_now)
    try:
        return await anyio.to_thread.run_sync(open_it)
    except DatabaseUnavailable as error:
        raise InOtherHands(f"{error}. {_A_WORKER}") from error


async def _signed_in(account: Awaitable[Account]) -> Account:
    try:
        return await account
    except SessionFileUnusable as error:
        raise InOtherHands(f"{error}. {_A_WORKER}") from error
    except SessionNotReady as error:
        raise type(error)(f"{error}: `teltubby login` signs the user account in") from error


_A_WORKER = (
    "A worker that runs has the user session, and where it collects the database too: then it does this by itself; "
    "else stop it meanwhile"
)
