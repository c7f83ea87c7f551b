"""QR codes to sign in with, one after the other: each is good for some 30 s, and a person takes longer than that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import anyio

from teltubby.adapters.base import Account, PersonalGateway
from teltubby.errors import TeltubbyError
from teltubby.messages.session import ShownQr

LEAST_SECONDS = 5.0
MOST_SECONDS = 30.0
"""A code is good for some 30 s by Telegram's clock; ours may be wrong."""
ENDING_SECONDS = 15.0
"""When there is no new code, it may be because the last one was scanned, and somebody is signed in at the moment."""


async def scanned(
    gateway: PersonalGateway, show: Callable[[ShownQr], None], *, clock: Callable[[], datetime], within: float
) -> Account | None:
    """Have codes shown until one is accepted; None when nobody did that within so many seconds.

    Raises what the gateway does, PasswordNeeded among it. Renewing goes on beside waiting, which is not broken off for
    it: a session that is just being stored would be lost sight of.
    """
    outcome: Account | TeltubbyError | None = None
    with anyio.move_on_after(within):
        show(shown := await gateway.show_qr())
        async with anyio.create_task_group() as tasks:

            async def renew(shown: ShownQr) -> None:
                nonlocal outcome
                try:
                    while True:
                        await anyio.sleep(_good_for(shown, clock()))
                        show(shown := await gateway.show_qr())
                except TeltubbyError as error:
                    outcome = error
                    tasks.cancel_scope.deadline = anyio.current_time() + ENDING_SECONDS

            tasks.start_soon(renew, shown)
            try:
                outcome = await gateway.wait_scanned()
            except TeltubbyError as error:
                outcome = error
            tasks.cancel_scope.cancel()
    if isinstance(outcome, TeltubbyError):
        raise outcome
    return outcome


def _good_for(shown: ShownQr, now: datetime) -> float:
    return min(max((shown.expires_at - now).total_seconds(), LEAST_SECONDS), MOST_SECONDS)
