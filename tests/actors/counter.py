"""Somebody at the desk: commands, buttons, and what is said to them."""

from __future__ import annotations

import itertools

from teltubby.actors.chat import Answer
from teltubby.adapters.bot_updates import parse_update
from teltubby.messages.chat import ButtonPress
from teltubby.messages.jobs import Job, JobStarted
from teltubby.messages.ledger_jobs import ApplyEvent, FindJob
from teltubby.messages.media import IncomingMessage
from tests.actors.bot_wing import KIB, BotWing
from tests.actors.stage import ANNA
from tests.actors.updates import sent, update
from tests.twins import PressAnswer
from tests.virtual_time import BEGINNING, until

_presses = itertools.count(1)
_commands = itertools.count(900)


async def answer(wing: BotWing, text: str, *, user: int = ANNA) -> Answer:
    """What the desk answers to this text, which came as all do: without its secret."""
    (received,) = wing.whispers[-1].taken_from([update(next(_commands), text=text, user=user)])
    message = parse_update(received.payload)
    assert isinstance(message, IncomingMessage)
    return await wing.desks[-1].answer(message)


async def says(wing: BotWing, text: str, *, user: int = ANNA) -> str:
    """Its words alone."""
    return (await answer(wing, text, user=user)).html


async def presses(
    wing: BotWing, data: str, *, user: int = ANNA, message_id: int | None = None, chat_id: int | None = ANNA
) -> PressAnswer:
    """Somebody presses a button (under that message); what the popup said to them."""
    press = ButtonPress(
        press_id=f"press-{next(_presses)}",
        user_id=user,
        chat_id=chat_id,
        chat_type=None if chat_id is None else "private",
        message_id=message_id,
        data=data,
    )
    await wing.desks[-1].press(press)
    (told,) = [told for told in wing.telegram.presses if told.press_id == press.press_id]
    return told


async def hands_in(wing: BotWing, *numbers: int, user: int = ANNA) -> list[str]:
    """Large files, one message each; the ids of their jobs."""
    for number in numbers:
        file = sent(wing.telegram, "video", number, size=300 * KIB, name=f"film {number}.mp4")
        await wing.receives(update(number, file, user=user, caption=f"caption {number}"))
    rows = wing.world.facts("SELECT job_id, message_id FROM jobs")
    ids = {row["message_id"]: row["job_id"] for row in rows}
    return [ids[number] for number in numbers]


async def starts(wing: BotWing, job_id: str, worker: str = "box-1") -> None:
    """A worker took it up, as far as the ledger is told."""
    await wing.ledger.ask(
        ApplyEvent(event=JobStarted(job_id=job_id, worker=worker, attempt=1, at=BEGINNING)), within=60
    )


async def job_of(wing: BotWing, job_id: str) -> Job:
    """As the ledger has it."""
    view = await wing.ledger.ask(FindJob(job_id=job_id), within=60)
    assert view is not None
    return view.job


async def line_reads(wing: BotWing, message_id: int, part: str) -> None:
    """Wait until one of the bot's messages does."""
    await until(lambda: part in wing.telegram.bubble(message_id).text)
