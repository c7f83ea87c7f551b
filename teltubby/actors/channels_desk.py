"""The desk for channels: `/track`, `/untrack`, `/channels` and `/report`, asked of every collector that listens."""

from __future__ import annotations

import logging
import re
import uuid
from base64 import b64decode
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from teltubby.actors.audit import Audit, user_of
from teltubby.actors.chat import Answer, Chat
from teltubby.actors.order_sent import send_order
from teltubby.actors.phrases import channels as words
from teltubby.actors.phrases.workers import mtproto_missing
from teltubby.actors.workers import Workers
from teltubby.archive.media_filter import read_filter
from teltubby.archive.peers import RefusedPeer, read_peer
from teltubby.messages.collector import (
    ChannelsTold,
    CollectorOrder,
    DescribeChannels,
    MakeReport,
    ReportTold,
    TrackChannel,
    TrackTold,
    UntrackChannel,
)
from teltubby.messages.media import IncomingMessage
from teltubby.messages.queue import SendOrder
from teltubby.messages.wire_collector import REPORT_DAYS
from teltubby.supervision import Ref, Signal

_LOG = logging.getLogger(__name__)

BROKER_SECONDS = 10.0
ANSWER_SECONDS = 30.0
"""What the collectors do not answer by then is said when they do."""
FIRST_SECONDS = 5.0
"""A collector that is there says at once how it stands."""
OTHERS_SECONDS = 1.0
"""After the first answer: there may be more collectors."""
REMEMBERED = 50
"""Orders whose answer is still waited for, should it come."""
USUAL_DAYS = 30
_DAYS = range(1, REPORT_DAYS + 1)
_ID = re.compile(r"(-?[0-9]{1,19})\.([0-9]{1,10})\.[0-9a-f]{32}")

Told = TrackTold | ChannelsTold | ReportTold


@dataclass(slots=True, eq=False)
class _Order:
    """An order and its answers, by worker. Those that come when nobody waits any more go to the chat it came from."""

    order: CollectorOrder
    message: IncomingMessage
    answers: dict[str, Told] = field(default_factory=dict)
    is_waited_for: bool = True
    changed: Signal = field(default_factory=Signal)
    turn: anyio.Lock = field(default_factory=anyio.Lock)


class ChannelsDesk:
    """Knows which collectors answered; `workers` know who has none, and why this process fetches nothing, if so."""

    def __init__(
        self,
        *,
        queue: Ref[SendOrder],
        audit: Audit,
        chat: Chat,
        workers: Workers,
        clock: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._audit = audit
        self._chat = chat
        self._workers = workers
        self._clock = clock
        self._orders: dict[str, _Order] = {}
        self._known: set[str] = set()
        """Workers whose collectors answered when all were asked last, or since."""

    # -- what collectors tell

    async def told(self, told: Told) -> None:
        """A collector answers. Raises NotAnswered when a stop ends the waiting for Telegram."""
        self._known.add(told.worker)
        asked = self._orders.get(told.order_id)
        if asked is None and isinstance(told, ReportTold) and await self._is_half_given(told):
            return
        if asked is None:
            _LOG.info("an answer of the collector of %s is left out: nobody waits for it any more", told.worker)
        elif asked.is_waited_for:
            asked.answers[told.worker] = told
            asked.changed.notify()
        else:
            async with asked.turn:  # what is brought twice is said once
                await self._say_late(asked, told)

    async def _say_late(self, asked: _Order, told: Told) -> None:
        if told.worker not in asked.answers and not _has_report(asked):
            answer, message = _answer(asked.order, [told]), asked.message
            await self._chat.give(message.chat_id, answer, reply_to=message.message_id)
            asked.answers[told.worker] = told

    async def _is_half_given(self, told: ReportTold) -> bool:
        """Whether another process was given this report late, and died before its file was through; it is now."""
        place = _place_of(told.order_id)
        if place is None or not await self._chat.is_half_given(*place):
            return False
        chat_id, message_id = place
        await self._chat.give(chat_id, _report(told), reply_to=message_id)
        return True

    # -- commands

    async def track(self, arguments: Sequence[str], message: IncomingMessage) -> Answer:
        """`/track @name media=…`. Raises what the ledger does: the command may be repeated then."""
        if not arguments:
            return Answer(html=words.TRACK_USAGE)
        peer = read_peer(arguments[0])
        if isinstance(peer, RefusedPeer):
            return Answer(html=f"{words.refused(arguments[0], peer.reason)}\n\n{words.TRACK_USAGE}")
        try:
            media = read_filter(arguments[1:])
        except ValueError as error:
            return Answer(html=words.refused(arguments[0], str(error)))
        order = TrackChannel(order_id=_id_for(message), peer=str(peer), user_id=user_of(message), media=media)
        return await self._ordered("track", order, message)

    async def untrack(self, arguments: Sequence[str], message: IncomingMessage) -> Answer:
        """`/untrack @name`. Raises what the ledger does."""
        if len(arguments) != 1:
            return Answer(html=words.UNTRACK_USAGE)
        peer = read_peer(arguments[0])
        if isinstance(peer, RefusedPeer):
            return Answer(html=words.refused(arguments[0], peer.reason))
        order = UntrackChannel(order_id=_id_for(message), peer=str(peer), user_id=user_of(message))
        return await self._ordered("untrack", order, message)

    async def report(self, arguments: Sequence[str], message: IncomingMessage) -> Answer:
        """`/report @name 90`. Raises what the ledger does."""
        days = USUAL_DAYS if len(arguments) == 1 else _number(arguments[-1]) if len(arguments) == 2 else 0
        if days not in _DAYS:
            return Answer(html=words.REPORT_USAGE)
        peer = read_peer(arguments[0])
        if isinstance(peer, RefusedPeer):
            return Answer(html=words.refused(arguments[0], peer.reason))
        return await self._ordered("report", MakeReport(order_id=_id_for(message), peer=str(peer), days=days), message)

    async def channels(self, message: IncomingMessage) -> Answer:
        """`/channels`."""
        asked = await self._roll_call(message)
        if asked is None:
            return Answer(html=words.BROKER_AWAY)
        told = [each for each in asked.answers.values() if isinstance(each, ChannelsTold)]
        told.sort(key=lambda each: each.worker)
        return Answer(html=words.channels_text(told, now=self._clock())) if told else self._nobody()

    # -- what all of them need

    async def _ordered(
        self, command: str, order: TrackChannel | UntrackChannel | MakeReport, message: IncomingMessage
    ) -> Answer:
        limit = await self._audit.passed_limit(message, command)
        if limit is not None:
            minutes = round(limit.within.total_seconds() / 60)
            return Answer(html=words.too_often(command, times=limit.times, minutes=minutes))
        present = await self._roll_call(message)
        if present is None or not present.answers:
            await self._audit.refuse(message, command, f"{order.peer}: no collector")
            return Answer(html=words.BROKER_AWAY) if present is None else self._nobody()
        await self._audit.accept(message, command, order.peer)
        asked = _Order(order, message)
        try:
            if not await self._send(asked):
                return Answer(html=words.BROKER_AWAY)
            await _wait(asked, lambda: _is_enough(asked, present.answers.keys()), ANSWER_SECONDS)
        finally:
            asked.is_waited_for = False
        if not asked.answers:
            return Answer(html=words.takes_time(order.peer))
        return _answer(order, [asked.answers[worker] for worker in sorted(asked.answers)])

    async def _roll_call(self, message: IncomingMessage) -> _Order | None:
        """What every collector says of its channels, which takes none of them long; None where the broker is away."""
        asked, expected = _Order(DescribeChannels(order_id=_id_for(message)), message), frozenset(self._known)
        if not expected and self._workers.collect_nothing:
            return asked
        try:
            if not await self._send(asked):
                return None
            if expected:
                await _wait(asked, lambda: bool(asked.answers), ANSWER_SECONDS)
            else:
                await self._wait_for_the_first(asked)
            if asked.answers:
                await _wait(asked, lambda: bool(expected) and expected <= asked.answers.keys(), OTHERS_SECONDS)
        finally:
            self._orders.pop(asked.order.order_id, None)
        self._known = set(asked.answers)
        return asked

    async def _wait_for_the_first(self, asked: _Order) -> None:
        """Until a collector answers, or the workers say that none of them has one."""

        async def ask_workers() -> None:
            if not self._workers.were_asked:
                await self._workers.ask(others=True)
            asked.changed.notify()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_workers)
            await _wait(asked, lambda: bool(asked.answers) or self._workers.collect_nothing, FIRST_SECONDS)
            tasks.cancel_scope.cancel()

    async def _send(self, asked: _Order) -> bool:
        self._orders[asked.order.order_id] = asked
        for old in list(self._orders)[:-REMEMBERED]:
            del self._orders[old]
        return await send_order(self._queue, asked.order, within=BROKER_SECONDS)

    def _nobody(self) -> Answer:
        why = self._workers.missing
        missing = "" if why is None else f"\n\n{mtproto_missing(why)}"
        return Answer(html=f"{words.NO_COLLECTOR}{missing}")


async def _wait(asked: _Order, is_enough: Callable[[], bool], seconds: float) -> None:
    with anyio.move_on_after(seconds):
        while not is_enough():
            await asked.changed.wait()


def _is_enough(asked: _Order, present: Set[str]) -> bool:
    """All of them answered; one report that could be made is as good as several."""
    return _has_report(asked) or present <= asked.answers.keys()


def _has_report(asked: _Order) -> bool:
    return any(isinstance(told, ReportTold) and told.refusal is None for told in asked.answers.values())


def _answer(order: CollectorOrder, answers: Sequence[Told]) -> Answer:
    """What is said of these answers to the order."""
    reports = [told for told in answers if isinstance(told, ReportTold)]
    if reports:
        return _report(next((told for told in reports if told.refusal is None), reports[0]))
    say = words.untracked if isinstance(order, UntrackChannel) else words.tracked
    return Answer(html="\n".join(dict.fromkeys(say(told) for told in answers if isinstance(told, TrackTold))))


def _report(told: ReportTold) -> Answer:
    if told.refusal is not None or told.page is None:
        return Answer(html=words.no_report(told))
    return Answer(
        html=words.report_caption(told),
        picture=None if told.picture is None else b64decode(told.picture),
        document=(told.file_name or "report.html", b64decode(told.page)),
    )


def _id_for(message: IncomingMessage) -> str:
    """A new id, in which stands what was asked where: an answer may find another process than gave the order."""
    return f"{message.chat_id}.{message.message_id}.{uuid.uuid4().hex}"


def _place_of(order_id: str) -> tuple[int, int] | None:
    """The chat and the message that an order came from."""
    found = _ID.fullmatch(order_id)
    return None if found is None else (int(found[1]), int(found[2]))


def _number(text: str) -> int:
    """The number, or 0 where it is none, or one that nobody means."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else 0
