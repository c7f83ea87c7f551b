"""How a collector learns whether the archive has room: files of channels wait with it while there is none."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from teltubby.actors.letters import question_letter
from teltubby.adapters.base import Broker
from teltubby.errors import BrokerUnavailable, MalformedMessage, NotAnswered
from teltubby.messages.questions import RoomAsked
from teltubby.messages.wire import decode_answer

_LOG = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""What some files cost at most while no bot answers; a bot that does takes milliseconds."""

HasRoom = Callable[[], Awaitable[bool]]
"""Whether the archive has not reached its quota."""


def room_asked(broker: Broker, *, worker: str, within: float = PATIENCE_SECONDS) -> HasRoom:
    """The bot's answer, across the broker; without one there is room: what is told then waits in the queue, and how
    much may wait there has a limit.
    """

    async def has_room() -> bool:
        asked = RoomAsked(worker=worker)
        try:
            return not decode_answer(await broker.ask(question_letter(asked), within=within), asked).full
        except (BrokerUnavailable, NotAnswered, MalformedMessage) as error:
            _LOG.info("nobody says whether the archive has room: %s", error)
            return True

    return has_room
