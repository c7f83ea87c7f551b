"""RelayActor: copies into the relay channel what a user account is to fetch, and leaves nothing there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

import anyio

from teltubby.actors.relay_channel import ASK_SECONDS, OVER, RelayChannel
from teltubby.adapters.base import BotGateway
from teltubby.errors import FloodWait, Permanent
from teltubby.messages.jobs import Job
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_jobs import FindJob
from teltubby.messages.questions import RelayTold
from teltubby.messages.relay import RelayMessage
from teltubby.supervision import Actor, Context, Ref, SupervisionError

_LOG = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How soon a copy goes after its job: a look costs one small query."""
AGAIN_SECONDS = 60.0
NO_RELAY = "no relay is configured (MTPROTO_RELAY_CHAT_ID)"


class RelayActor(Actor[RelayMessage]):
    """Answers a job's question with the copy that is there, or makes one; deletes copies whose jobs are over.

    It owns `gateway`. While Telegram asks to wait, nothing is tried, and whoever asks is told so at once. Without a
    `relay_chat_id` it makes no copies, and still deletes what it made under another configuration.
    """

    def __init__(
        self,
        gateway: BotGateway,
        *,
        ledger: Ref[LedgerMessage],
        relay_chat_id: int | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._relay_chat_id = relay_chat_id
        self._channel = RelayChannel(gateway, ledger=ledger, clock=clock)
        self._wait_until = 0.0

    async def setup(self) -> None:
        await self._gateway.open()

    async def teardown(self) -> None:
        await self._gateway.aclose()

    async def run(self, context: Context[RelayMessage]) -> None:
        context.started()
        await context.serve(self.handle, partial(self._look, context))

    async def handle(self, wanted: RelayMessage, /) -> RelayTold:
        """Where the copy is; what was foreseen to go wrong is a reason."""
        told = partial(RelayTold, job_id=wanted.job_id)
        chat_id = self._relay_chat_id
        if chat_id is None:
            return told(reason=NO_RELAY)
        try:
            view = await self._ledger.ask(FindJob(job_id=wanted.job_id), within=ASK_SECONDS)
            if view is None or view.job.job_id != wanted.job_id:
                return told(reason="the bot does not know this job")
            if view.state in OVER:
                return told(reason="the job is over")
            found = await self._channel.find(wanted.job_id, chat_id, lost=wanted.lost)
            return told(chat_id=chat_id, message_id=await self._copy(view.job, chat_id) if found is None else found)
        except Permanent as error:
            _LOG.warning("job %s: no copy in the relay: %s", wanted.job_id, error)
            return told(reason=f"the bot cannot copy the message into the relay channel: {error}")
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            reason = str(error) or "the ledger did not answer in time"
            _LOG.warning("job %s: no copy in the relay now: %s", wanted.job_id, reason)
            return told(reason=f"the bot cannot copy the message into the relay channel now: {reason}", passing=True)

    async def _copy(self, job: Job, chat_id: int) -> int:
        if (left := self._wait_until - anyio.current_time()) > 0:
            raise FloodWait(round(left, 1))
        try:
            message_id = await self._channel.make(job, chat_id)
        except FloodWait as error:
            self._wait_until = anyio.current_time() + error.seconds
            raise
        _LOG.info("job %s: copied to message %d of the relay", job.job_id, message_id)
        return message_id

    async def _look(self, context: Context[RelayMessage]) -> None:
        """Sweep at the start and every few seconds, but not while Telegram asks to wait."""
        while not context.stopping.is_set():
            with context.interruptible():
                pause = LOOK_SECONDS if await self._sweep() else AGAIN_SECONDS
                await anyio.sleep(max(pause, self._wait_until - anyio.current_time()))

    async def _sweep(self) -> bool:
        try:
            await self._channel.sweep()
        except FloodWait as error:
            self._wait_until = anyio.current_time() + error.seconds
            _LOG.warning("the relay is swept later: %s", error)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("the relay is swept later: %s", str(error) or "something took too long")
        else:
            return True
        return False
