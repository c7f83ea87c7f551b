"""The curator is told what became of a submission: once, and once more of what joined it late."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from teltubby.actors import phrases
from teltubby.actors.announcing import Announcing
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.chat import Chat
from teltubby.actors.keyboards import job_keyboard
from teltubby.actors.phrases import intake as words
from teltubby.actors.phrases.words import is_acknowledgement, names_job
from teltubby.archive.album import late_messages
from teltubby.archive.estimate import estimate
from teltubby.archive.recall import recall
from teltubby.errors import RecordDamaged
from teltubby.messages.ledger import Acknowledged, LedgerMessage, Submission
from teltubby.messages.ledger_jobs import FindJob, ReadPace, SetNotice
from teltubby.messages.media import IncomingMessage, ItemOutcome, JsonObject
from teltubby.supervision import Ref

ASK_SECONDS = 60.0


class Acknowledging:
    """Tells what is settled, and for each job begins the line that grows with it; what was told is recorded at once.

    `obstacle` says why nobody fetches large files at present, if so.
    """

    def __init__(
        self,
        *,
        ledger: Ref[LedgerMessage],
        artifacts: Artifacts,
        chat: Chat,
        announcing: Announcing,
        location: Callable[[str], str],
        obstacle: Callable[[], str | None],
    ) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self._chat = chat
        self._announcing = announcing
        self._location = location
        self._obstacle = obstacle

    async def acknowledge(self, known: Submission, messages: Sequence[IncomingMessage]) -> None:
        """Tell the curator of these messages of the submission what he was not told before.

        Where the ledger's artifact is damaged, that is told instead. Raises NotAnswered when a stop ends the waiting,
        and what asking the ledger raises.
        """

        def recalled(artifact: JsonObject) -> tuple[JsonObject, frozenset[int], Sequence[ItemOutcome]]:
            words.album(artifact)  # what is said of an album has to be there too
            return artifact, late_messages(artifact), recall(known.artifact_json, messages)

        try:
            artifact, late, outcomes = await self._artifacts.read(known, recalled)
        except RecordDamaged:
            await self._chat.say(known.chat_id, words.RECORD_DAMAGED, reply_to=messages[0].message_id)
            return
        await self._first(known, artifact, [outcome for outcome in outcomes if outcome.message.message_id not in late])
        await self._late(known, artifact, [outcome for outcome in outcomes if outcome.message.message_id in late])

    async def _first(self, known: Submission, artifact: JsonObject, outcomes: Sequence[ItemOutcome]) -> None:
        """One answer for what is settled, and the lines of the jobs."""
        if not outcomes:
            return
        acknowledged = known.ack_message_id is not None
        if not acknowledged and any(outcome.job_id is None for outcome in outcomes):
            text = phrases.acknowledgement(outcomes, location=self._location(known.base_path))
            if len({outcome.message.message_id for outcome in outcomes}) > 1:
                text += f"\n🧾 Album: {words.album(artifact)}"
            first = outcomes[0].message.message_id
            line = await self._chat.say(known.chat_id, text, reply_to=first, said=is_acknowledgement)
            acknowledged = await self._record(known, line)
        for outcome in outcomes:
            if outcome.job_id is not None:
                line = await self._announce(outcome.job_id, outcome.message)
                acknowledged = acknowledged or await self._record(known, line)

    async def _late(self, known: Submission, artifact: JsonObject, outcomes: Sequence[ItemOutcome]) -> None:
        """One answer for all that joined together, then the lines of their jobs."""
        untold = [outcome for outcome in outcomes if outcome.message.message_id not in known.acknowledged]
        if untold:
            text = words.joined(untold, artifact)
            if any(outcome.job_id is None for outcome in untold):
                text += "\n" + phrases.acknowledgement(untold, location=self._location(known.base_path))
            first = untold[0].message.message_id
            line = await self._chat.say(known.chat_id, text, reply_to=first, said=is_acknowledgement)
            await self._record(known, line, members=tuple(outcome.message.message_id for outcome in untold))
        for outcome in outcomes:
            if outcome.job_id is not None:
                await self._announce(outcome.job_id, outcome.message)

    async def _record(self, known: Submission, line: int | None, members: tuple[int, ...] = ()) -> bool:
        """At once, before anything else is said: what a crash cuts off here is said again."""
        if line is None:
            return False
        request = Acknowledged(chat_id=known.chat_id, message_id=known.message_id, ack_message_id=line, members=members)
        await self._ledger.ask(request, within=ASK_SECONDS)
        return True

    async def _announce(self, job_id: str, message: IncomingMessage) -> int | None:
        async with self._announcing.line(job_id):
            return await self._begin_line(job_id, message)

    async def _begin_line(self, job_id: str, message: IncomingMessage) -> int | None:
        view = await self._ledger.ask(FindJob(job_id=job_id), within=ASK_SECONDS)
        if view is None or view.notice_message_id is not None:
            return None if view is None else view.notice_message_id
        pace = await self._ledger.ask(
            ReadPace(priority=view.job.job_metadata.priority, job_id=job_id), within=ASK_SECONDS
        )  # anew: of many that came together, none knew of the others when it was put into the queue
        wait = estimate(pace, view.job.file_info.file_size)
        text = phrases.job_queued(view.job, wait, pace.jobs_ahead, obstacle=self._obstacle())
        keyboard = job_keyboard(job_id, view.state)
        line = await self._chat.say(
            message.chat_id,
            text,
            reply_to=message.message_id,
            keyboard=keyboard,
            said=lambda told: names_job(told, job_id),
        )
        if line is not None:
            await self._ledger.ask(SetNotice(job_id=job_id, message_id=line), within=ASK_SECONDS)
        return line
