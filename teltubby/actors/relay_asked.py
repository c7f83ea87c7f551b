"""How a worker has a file put where its user account can read it: the bot copies the message into the relay channel."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from teltubby.actors.letters import question_letter
from teltubby.adapters.base import Broker
from teltubby.errors import BrokerUnavailable, MalformedMessage, NotAnswered
from teltubby.messages.questions import RelayAsked, RelayTold
from teltubby.messages.wire import decode_answer

_LOG = logging.getLogger(__name__)

PATIENCE_SECONDS = 30.0
"""Longer than the bot takes at most; copies are made one after the other."""

RelayCopies = Callable[[str, int | None], Awaitable[RelayTold]]
"""Where the copy of the job with this id is; the one with the other id, told before, is not there any more."""


def relay_copies(broker: Broker, *, worker: str, within: float = PATIENCE_SECONDS) -> RelayCopies:
    """The bot's answer, across the broker; where nobody gives one, there is no copy now."""

    async def told(job_id: str, lost: int | None) -> RelayTold:
        asked = RelayAsked(job_id=job_id, worker=worker, lost=lost)
        try:
            return decode_answer(await broker.ask(question_letter(asked), within=within), asked)
        except (BrokerUnavailable, NotAnswered, MalformedMessage) as error:
            _LOG.info("nobody says where the copy for job %s is: %s", job_id, error)
            return RelayTold(job_id=job_id, reason=f"the bot made no copy: {error}", passing=True)

    return told
