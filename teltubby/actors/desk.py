"""The desk: answers to commands and to buttons."""

from __future__ import annotations

import logging
from contextlib import suppress
from html import escape
from typing import assert_never

import anyio

from teltubby.actors import keyboards, phrases
from teltubby.actors.alerts_desk import AlertsDesk
from teltubby.actors.channels_desk import ChannelsDesk
from teltubby.actors.chat import Answer, Chat
from teltubby.actors.job_orders import JobOrders, OrderAnswer
from teltubby.actors.lookups import Lookups, search_words
from teltubby.actors.phrases import alerts as alert_words
from teltubby.actors.phrases import channels as channel_words
from teltubby.actors.phrases import house, lists, orders, sign_in
from teltubby.actors.purge import Purge
from teltubby.actors.sign_in import SignInDesk
from teltubby.actors.standing import Standing
from teltubby.actors.trail import Trail
from teltubby.errors import NotAnswered
from teltubby.messages.chat import ButtonPress
from teltubby.messages.jobs import Priority
from teltubby.messages.media import IncomingMessage
from teltubby.supervision import SupervisionError

_LOG = logging.getLogger(__name__)

PRESS_SECONDS = 5.0
"""Who pressed a button is told something within this time, whatever the button does."""
STATISTICS_DAYS = 14
_SHOWABLE_DAYS = range(2, 91)
_NOT_UNDERSTOOD = frozenset(
    {
        *(phrases.NOT_UNDERSTOOD, lists.JOBS_USAGE, sign_in.LOGIN_USAGE, sign_in.CODE_USAGE, sign_in.PASSWORD_USAGE),
        *(orders.RETRY_USAGE, orders.CANCEL_USAGE, orders.PRIORITY_USAGE, orders.FIND_USAGE, orders.STATS_USAGE),
        *(orders.PURGE_USAGE, orders.PURGE_EXPIRED, alert_words.USAGE),
        *(channel_words.TRACK_USAGE, channel_words.UNTRACK_USAGE, channel_words.REPORT_USAGE),
    }
)
"""Answers to what was put so that nothing came of it."""


class Desk:
    """Knows the commands and the buttons, for people who were let in; what they do is done elsewhere."""

    def __init__(
        self,
        *,
        chat: Chat,
        lookups: Lookups,
        standing: Standing,
        job_orders: JobOrders,
        sign_in: SignInDesk,
        channels: ChannelsDesk,
        alerts: AlertsDesk,
        purge: Purge,
        trail: Trail,
        mode: str,
    ) -> None:
        self._chat = chat
        self._lookups = lookups
        self._standing = standing
        self._orders = job_orders
        self._sign_in = sign_in
        self._channels = channels
        self._alerts = alerts
        self._purge = purge
        self._trail = trail
        self._mode = mode

    async def hide(self, message: IncomingMessage) -> None:
        """Take a command with a secret out of the chat, before it is even asked whether it was answered already."""
        await self._sign_in.hide(message)

    async def spilled(self, message: IncomingMessage) -> None:
        """Somebody who was let in sent a secret where none is taken: in a group, or in an edited message."""
        html = sign_in.IN_EDIT if message.chat_type == "private" else sign_in.IN_GROUP
        await self._sign_in.spilled(message, html)

    async def answer(self, message: IncomingMessage) -> Answer:
        """The answer to `/command arguments`. Raises what the ledger does: the command may be repeated then."""
        async with self._chat.typing(message.chat_id):
            command, _, arguments = (message.text or "").strip().partition(" ")
            command, newline, more = command.partition("\n")
            name = command.lstrip("/").partition("@")[0].lower()
            words = f"{more} {arguments}".split() if newline else arguments.split()
            answer = await self._answer(name, words, message)
            self._trail.answered(message, name, words, understood=answer.html not in _NOT_UNDERSTOOD)
            return answer

    async def _answer(self, name: str, arguments: list[str], message: IncomingMessage) -> Answer:
        user = message.chat_id if message.sender_id is None else message.sender_id
        match name, arguments:
            case "start", _:
                return Answer(html=phrases.greeting())
            case "help", _:
                return Answer(html=phrases.help_text())
            case "status", _:
                return await self._standing.status()
            case "quota", _:
                return await self._standing.quota()
            case "mode", _:
                return Answer(html=house.mode_text(self._mode))
            case "db_maint", _:
                return await self._standing.maintenance()
            case "mtstatus", _:
                return await self._standing.mtproto()
            case "mtlogin", words:
                return await self._sign_in.login(words, message)
            case (("mtcode" | "mtcode!"), _):
                return await self._sign_in.code(message)
            case (("mtpass" | "mtpass!"), _):
                return await self._sign_in.password(message)
            case "channels", _:
                return await self._channels.channels(message)
            case "track", words:
                return await self._channels.track(words, message)
            case "untrack", words:
                return await self._channels.untrack(words, message)
            case "report", words:
                return await self._channels.report(words, message)
            case "alerts", words:
                return await self._alerts.answer(words, message)
            case "queue", _:
                return await self._lookups.queue()
            case "jobs", []:
                return await self._lookups.jobs(user)
            case "jobs", [wanted]:
                return await self._lookups.history(wanted)
            case "jobs", _:
                return Answer(html=lists.JOBS_USAGE)
            case "retry", [wanted]:
                return _ordered(await self._orders.retry(wanted, user), wanted)
            case "retry", _:
                return Answer(html=orders.RETRY_USAGE)
            case "cancel", [wanted]:
                return _ordered(await self._orders.cancel(wanted, user), wanted)
            case "cancel", _:
                return Answer(html=orders.CANCEL_USAGE)
            case "priority", [wanted, priority] if priority.lower() in list(Priority):
                return _ordered(await self._orders.prioritise(wanted, Priority(priority.lower()), user), wanted)
            case "priority", _:
                return Answer(html=orders.PRIORITY_USAGE)
            case "find", words if search_words(" ".join(words)):
                return await self._lookups.find(search_words(" ".join(words)))
            case "find", _:
                return Answer(html=orders.FIND_USAGE)
            case "stats", []:
                return await self._standing.statistics(STATISTICS_DAYS)
            case "stats", [days] if _number(days) in _SHOWABLE_DAYS:
                return await self._standing.statistics(_number(days))
            case "stats", _:
                return Answer(html=orders.STATS_USAGE)
            case "purge", ["confirm"]:
                return await self._purge.question(user)
            case "purge", [code]:
                return Answer(html=await self._purge.confirmed(user, code.lower()))
            case "purge", _:
                return Answer(html=orders.PURGE_USAGE)
            case _:
                return Answer(html=phrases.NOT_UNDERSTOOD)

    async def press(self, press: ButtonPress) -> None:
        """Do what the button says, and tell who pressed it, within seconds; what it says may be anything.

        Raises nothing: what went wrong is told, and the button can be pressed again.
        """
        eased = False

        async def ease() -> None:
            nonlocal eased
            await anyio.sleep(PRESS_SECONDS)
            eased = True
            await self._chat.answer_press(press.press_id, orders.BUTTON_TAKES_TIME)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ease)
            words = await self._outcome(press)
            if not eased:
                tasks.cancel_scope.cancel()
        if not eased:
            await self._chat.answer_press(press.press_id, words, alert="\n" in words)
        elif words:
            with suppress(NotAnswered):  # at a stop; the job's own line says what came of it
                await self._chat.say(press.user_id if press.chat_id is None else press.chat_id, escape(words))

    async def _outcome(self, press: ButtonPress) -> str:
        """What the popup says, in plain words; nothing where the chat shows it."""
        try:
            return await self._do(press)
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.warning("a pressed button waits to be pressed again: %s", error)
            return orders.BUTTON_FAILED
        except Exception:  # noqa: BLE001 - forged or not, a button must not stop what else arrives
            _LOG.exception("a pressed button met a bug")
            return orders.BUTTON_BUG

    async def _do(self, press: ButtonPress) -> str:
        match button := keyboards.pressed(press.data):
            case keyboards.JobButton():
                if button.action is keyboards.JobAction.STATUS:
                    self._trail.pressed(press, "jobs", button.job_id)
                return await self._do_to_job(button, press.user_id)
            case keyboards.QueueButton(offset=offset):
                self._trail.pressed(press, "queue", f"from {offset}")
                return self._turn_page(press, await self._lookups.queue(offset))
            case keyboards.JobsButton(offset=offset):
                self._trail.pressed(press, "jobs", f"from {offset}")
                return self._turn_page(press, await self._lookups.jobs(press.user_id, offset))
            case keyboards.FindButton(offset=offset, words=words):
                self._trail.pressed(press, "find", f"{words}, from {offset}")
                return self._turn_page(press, await self._lookups.find(words, offset))
            case keyboards.PurgeButton(code=code):
                return await self._purge_now(press, code)
            case None:
                self._trail.pressed(press, "unknown", "by a button", accepted=False)
                return orders.BUTTON_UNKNOWN
            case _:
                assert_never(button)

    async def _do_to_job(self, button: keyboards.JobButton, user_id: int) -> str:
        match button.action:
            case keyboards.JobAction.STATUS:
                return await self._lookups.popup(button.job_id)
            case keyboards.JobAction.CANCEL:
                return (await self._orders.cancel(button.job_id, user_id)).words
            case keyboards.JobAction.RETRY:
                return (await self._orders.retry(button.job_id, user_id)).words
            case _:
                assert_never(button.action)

    def _turn_page(self, press: ButtonPress, page: Answer) -> str:
        if press.chat_id is None or press.message_id is None:
            return orders.MESSAGE_GONE
        line = (press.chat_id, press.message_id)
        self._chat.show(line, phrases.pages(page.html)[0], keyboard=page.keyboard)
        return ""

    async def _purge_now(self, press: ButtonPress, code: str) -> str:
        chat_id = press.user_id if press.chat_id is None else press.chat_id
        is_good = self._purge.is_good(press.user_id, code)
        self._trail.pressed(press, "purge", "confirmed by a button", accepted=is_good)
        if press.message_id is not None and is_good:
            self._chat.show((chat_id, press.message_id), orders.PURGE_BEGINS)
        async with self._chat.typing(chat_id):
            await self._chat.say(chat_id, await self._purge.confirmed(press.user_id, code))
        return ""


def _ordered(answer: OrderAnswer, wanted: str) -> Answer:
    if answer.view is None:
        return Answer(html=lists.job_unknown(wanted))
    return Answer(html=orders.order_answer(answer.view.job, answer.words))


def _number(text: str) -> int:
    """The number, or -1 where it is none, or one that nobody means."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else -1
