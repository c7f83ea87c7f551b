"""How a worker learns, before it completes an upload, that the archive has the bytes already."""

from __future__ import annotations

from teltubby.actors.letters import question_letter
from teltubby.adapters.base import Broker
from teltubby.messages.questions import FirstCopyAsked
from teltubby.messages.wire import decode_answer
from teltubby.supervision import current_trace
from teltubby.transfer.upload import FirstCopy

PATIENCE_SECONDS = 5.0
"""What a file costs at most while no bot answers; a bot that does takes milliseconds."""


def asked_of_the_bot(broker: Broker, *, within: float = PATIENCE_SECONDS) -> FirstCopy:
    """The ledger's answer, across the broker. Raises BrokerUnavailable, NotAnswered, MalformedMessage.

    Whoever asks goes on without an answer: duplicates are settled by the ledger then, when the report arrives there.
    The same holds for two who ask about the same bytes at the same time, and are both told that nobody knows them.
    """

    async def first_copy(sha256: str) -> str | None:
        asked = FirstCopyAsked(sha256=sha256, job_id=current_trace.get())
        return decode_answer(await broker.ask(question_letter(asked), within=within), asked).key

    return first_copy
