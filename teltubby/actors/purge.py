"""`/purge`: everything that the archive holds goes, after a second confirmation that names the count and the bytes."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from teltubby.actors.chat import Answer
from teltubby.actors.keyboards import purge_keyboard
from teltubby.actors.phrases import orders
from teltubby.archive.keys import PREFIX
from teltubby.errors import TeltubbyError
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_archive import ForgetArchive, ReadOverview
from teltubby.messages.transfer import MeasurePrefix, PurgePrefix, UploadMessage
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
VALID_SECONDS = 120.0
_CODE_BYTES = 4
"""As `keyboards.pressed` knows it: 8 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class _Asked:
    code: str
    until: float


class Purge:
    """Asks, and deletes what lies under the archive's prefix; `recount` corrects the usage by a new listing.

    A job that runs forbids it: its file may become visible just before the deletion comes by, and be settled in the
    ledger after everything was forgotten, which then counts on a file that is gone. Jobs that wait do no harm.
    """

    def __init__(self, *, ledger: Ref[LedgerMessage], upload: Ref[UploadMessage], recount: Callable[[], None]) -> None:
        self._ledger = ledger
        self._upload = upload
        self._recount = recount
        self._asked: dict[int, _Asked] = {}

    async def question(self, user_id: int) -> Answer:
        """Count, and ask this curator once more. Raises what the ledger does."""
        self._asked.pop(user_id, None)
        if (running := await self._running()) > 0:
            return Answer(html=orders.purge_running(running))
        try:
            found = await self._upload.ask(MeasurePrefix(prefix=PREFIX), within=math.inf)
        except TeltubbyError as error:
            return Answer(html=orders.purge_impossible(str(error)))
        if not found.objects:
            return Answer(html=orders.PURGE_NOTHING)
        code = secrets.token_hex(_CODE_BYTES)
        self._asked[user_id] = _Asked(code, anyio.current_time() + VALID_SECONDS)
        return Answer(
            html=orders.purge_question(
                objects=found.objects, used_bytes=found.used_bytes, code=code, minutes=int(VALID_SECONDS // 60)
            ),
            keyboard=purge_keyboard(code),
        )

    def is_good(self, user_id: int, code: str) -> bool:
        """Whether this curator was asked with this code, not long ago."""
        asked = self._asked.get(user_id)
        return asked is not None and asked.code == code and anyio.current_time() < asked.until

    async def confirmed(self, user_id: int, code: str) -> str:
        """Delete everything if the confirmation is good; what came of it, as HTML. Raises what the ledger does."""
        if not self.is_good(user_id, code):
            return orders.PURGE_EXPIRED
        if (running := await self._running()) > 0:
            return orders.purge_running(running)
        _LOG.warning("user %d has everything under %s deleted", user_id, PREFIX)
        # Forgotten before, so that a deletion that is cut off leaves nothing that the ledger counts on; and after, for
        # what was archived and deleted meanwhile.
        forgotten = await self._ledger.ask(ForgetArchive(user_id=user_id), within=ASK_SECONDS)
        self._asked.pop(user_id, None)  # good for one time
        try:
            deleted = await self._upload.ask(PurgePrefix(prefix=PREFIX), within=math.inf)
        except TeltubbyError as error:
            _LOG.error("the deletion stopped: %s", error)
            return orders.purge_stopped(str(error))
        finally:
            self._recount()
        try:
            forgotten += await self._ledger.ask(ForgetArchive(user_id=user_id), within=ASK_SECONDS)
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.error("files that were archived while everything was deleted may count as archived: %s", error)
        return orders.purge_done(objects=deleted.objects, used_bytes=deleted.used_bytes, forgotten=forgotten)

    async def _running(self) -> int:
        overview = await self._ledger.ask(ReadOverview(), within=ASK_SECONDS)
        return overview.jobs.get(JobState.PROCESSING, 0)
