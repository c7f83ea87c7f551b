"""How a worker learns whether it is its turn to run a job whose message it holds."""

from __future__ import annotations

import logging

from teltubby.actors.letters import question_letter
from teltubby.adapters.base import Broker
from teltubby.errors import BrokerUnavailable, MalformedMessage, NotAnswered
from teltubby.messages.questions import Turn, TurnAsked
from teltubby.messages.wire import decode_answer

_LOG = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a bot may take; one that runs takes milliseconds."""


async def turn_told(broker: Broker, asked: TurnAsked, *, within: float = PATIENCE_SECONDS) -> Turn | None:
    """The ledger's answer, across the broker; None when nobody gives one that can be acted on."""
    try:
        return decode_answer(await broker.ask(question_letter(asked), within=within), asked).turn
    except (BrokerUnavailable, NotAnswered, MalformedMessage) as error:
        _LOG.info("nobody says whose turn job %s is: %s", asked.job_id, error)
        return None
