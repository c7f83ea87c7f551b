"""The audit trail of what needs no order: questions, strangers, decisions. It holds nobody up, and no secret."""

from __future__ import annotations

import io
from pathlib import Path

import anyio
import pytest

from teltubby import logs
from teltubby.actors import phrases
from teltubby.actors.trail import AGAIN_SECONDS, LONGEST_WORDS, MOST_STRANGERS, MOST_WAITING, OTHERS, Trail
from teltubby.config import LogSettings
from teltubby.errors import DatabaseUnavailable
from teltubby.messages.chat import ButtonPress
from teltubby.messages.trail import TrailKind
from tests.actors.bot_wing import BORIS, STRANGER, bot_wing
from tests.actors.stage import ANNA, restarts
from tests.actors.updates import pressed, update
from tests.actors.world import World
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

HOUR = 3600.0
Line = tuple[int | None, str, int, str | None, int]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def lines(world: World, *kinds: TrailKind) -> list[Line]:
    """Who, what, whether it was accepted, more of it, how often."""
    wanted = ", ".join(f"'{kind}'" for kind in kinds)
    question = f"SELECT user_id, command, accepted, detail, times FROM commands WHERE kind IN ({wanted}) ORDER BY id"
    return [(row[0], row[1], row[2], row[3], row[4]) for row in world.facts(question)]


async def written(world: World, count: int, *kinds: TrailKind) -> list[Line]:
    await until(lambda: len(lines(world, *kinds)) >= count)
    await anyio.sleep(1)
    return lines(world, *kinds)


# -- who looked


async def test_questions_are_written_down_with_their_words(world: World) -> None:
    async with bot_wing(world) as wing:
        for number, text in enumerate(("/status", "/find cats  dogs", "/jobs", "/alerts", "/stats 7"), 10):
            await wing.receives(update(number, text=text, user=BORIS if number == 10 else ANNA))
        assert await written(world, 5, TrailKind.QUESTION) == [
            (BORIS, "status", 1, None, 1),
            (ANNA, "find", 1, "cats dogs", 1),
            (ANNA, "jobs", 1, None, 1),
            (ANNA, "alerts", 1, None, 1),
            (ANNA, "stats", 1, "7", 1),
        ]


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("/jobs one two", TrailKind.QUESTION, (ANNA, "jobs", 0, "not understood", 1)),
        ("/retry", TrailKind.COMMAND, (ANNA, "retry", 0, "not understood", 1)),
        ("/track", TrailKind.COMMAND, (ANNA, "track", 0, "not understood", 1)),
        ("/mtlogin sideways", TrailKind.COMMAND, (ANNA, "mtlogin", 0, "not understood", 1)),
        ("/untrack not-a-channel!", TrailKind.COMMAND, (ANNA, "untrack", 0, "not begun", 1)),
        ("/purge 0badc0de", TrailKind.QUESTION, (ANNA, "purge", 0, "not understood", 1)),
        ("/purge confirm", TrailKind.QUESTION, (ANNA, "purge", 1, "confirm", 1)),
        ("/mtpss hunter2", TrailKind.QUESTION, (ANNA, "unknown", 0, None, 1)),
        ("/hunter2", TrailKind.QUESTION, (ANNA, "unknown", 0, None, 1)),
    ],
)
async def test_what_comes_to_nothing_is_written_down_too(world: World, text: str, kind: TrailKind, line: Line) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(update(10, text=text))
        assert await written(world, 1, TrailKind.QUESTION, TrailKind.COMMAND) == lines(world, kind) == [line]


async def test_what_an_order_writes_is_not_written_twice(world: World) -> None:
    async with bot_wing(world) as wing:
        for number, text in enumerate(("/cancel 12345678", "/mtpass hunter2", "/alerts mute 2h", "/help"), 10):
            await wing.receives(update(number, text=text))
        kinds = (TrailKind.QUESTION, TrailKind.COMMAND)
        told = [(line[1], line[2]) for line in await written(world, 4, *kinds)]
        assert sorted(told) == [("alerts", 1), ("cancel", 0), ("help", 1), ("mtpass", 0)]
        assert "hunter2" not in str(lines(world, *TrailKind))


async def test_buttons_that_only_look(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(pressed(10, "queue:8"), pressed(11, "rubbish"), pressed(12, "purge:0badc0de"))
        assert sorted(await written(world, 3, TrailKind.QUESTION)) == [
            (ANNA, "purge", 0, "confirmed by a button", 1),
            (ANNA, "queue", 1, "from 8", 1),
            (ANNA, "unknown", 0, "by a button", 1),
        ]


# -- it holds nobody up


async def test_a_question_is_answered_while_the_trail_cannot_be_written(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.break_down("RecordTrail", DatabaseUnavailable("its disk is full"))
        await wing.receives(update(10, text="/help"), within=5)
        assert wing.said() == [phrases.help_text()]
        assert lines(world, *TrailKind) == []
        wing.ledger_script.repair("RecordTrail")
        await anyio.sleep(2 * AGAIN_SECONDS)
        assert [line[1] for line in lines(world, TrailKind.QUESTION)] == ["help"]
        assert restarts(wing.tree) == {}


async def test_a_stop_writes_what_is_left(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.fail("RecordTrail", DatabaseUnavailable("locked"))
        await wing.receives(update(10, text="/help"))
        await wing.receives(update(11, text="/start", user=STRANGER), update(12, text="/start", user=STRANGER))
        assert lines(world, *TrailKind) == []
    assert lines(world, *TrailKind) == [
        (ANNA, "help", 1, None, 1),
        (STRANGER, "command in private", 0, None, 1),
        (STRANGER, "command in private", 0, "again", 1),
    ]


async def test_what_does_not_fit_is_counted(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.break_down("RecordTrail", DatabaseUnavailable("its disk is full"))
        trail = Trail(ledger=wing.ledger, clock=wall_clock)
        for number in range(MOST_WAITING + 7):
            trail.decided("test", str(number))
        wing.ledger_script.repair("RecordTrail")
        await trail.aclose()
        told = lines(world, TrailKind.DECISION)
        assert [line[3] for line in told] == [
            *map(str, range(MOST_WAITING)),
            "7 lines were lost: the ledger was away for long",
        ]


# -- who is not let in


async def test_a_stranger_is_two_lines_an_hour(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.receives(*(update(number, text="/start", user=STRANGER) for number in range(10, 40)))
        await wing.receives(pressed(50, "queue:0", user=STRANGER))
        await wing.receives(update(51, text="hello", user=BORIS, chat_type="group"))
        assert await written(world, 3, TrailKind.STRANGER) == [
            (STRANGER, "command in private", 0, None, 1),
            (STRANGER, "button in private", 0, None, 1),
            (BORIS, "message in a group", 0, None, 1),
        ]
        await anyio.sleep(HOUR)
        assert lines(world, TrailKind.STRANGER)[3:] == [(STRANGER, "command in private", 0, "again", 29)]
        await wing.receives(update(60, text="/start", user=STRANGER))
        assert (await written(world, 5, TrailKind.STRANGER))[4:] == [(STRANGER, "command in private", 0, None, 1)]
        assert wing.said(STRANGER) == []
        (row,) = world.facts("SELECT * FROM inbox")
        assert row["payload"] == "", "what strangers send is not kept"


async def test_a_crowd_of_strangers_fills_no_disk(world: World) -> None:
    async with bot_wing(world) as wing:
        trail = Trail(ledger=wing.ledger, clock=wall_clock)
        for number in range(5 * MOST_STRANGERS):
            press = ButtonPress(press_id="p", user_id=number, chat_id=1, chat_type="private", message_id=1, data="")
            trail.turned_away(press)
        await trail.aclose()
        told = lines(world, TrailKind.STRANGER)
        assert len(told) == MOST_STRANGERS + 2
        assert told[-2:] == [(None, OTHERS, 0, None, 1), (None, OTHERS, 0, "again", 4 * MOST_STRANGERS - 1)]


# -- what must not be in it


async def test_no_secret_and_nothing_that_the_database_cannot_keep(world: World) -> None:
    logs.configure(LogSettings(), ["hunter2/7"], stream=io.StringIO())
    async with bot_wing(world) as wing:
        await wing.receives(update(10, text="/find hunter2/7 cats"), update(11, text="/find " + "x" * 3000))
        trail = Trail(ledger=wing.ledger, clock=wall_clock)
        trail.decided("test", "half of a \ud83e fox, hunter2%2F7")
        await trail.aclose()
        assert [line[3] for line in await written(world, 1, TrailKind.DECISION)] == ["half of a ? fox, ****"]
        asked = await written(world, 2, TrailKind.QUESTION)
        short, long = sorted(asked, key=lambda line: len(line[3] or ""))
        assert short[3] == "**** cats" and len(long[3] or "") == LONGEST_WORDS


async def test_a_line_that_no_database_keeps_is_dropped_and_those_around_it_are_written(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with bot_wing(world) as wing:
        ledger = wing.ledger
        trail = Trail(ledger=ledger, clock=wall_clock)
        for user in (1, 2, 1 << 70, 3):
            press = ButtonPress(press_id="p", user_id=user, chat_id=None, chat_type="private", message_id=None, data="")
            trail.pressed(press, "test", "looked")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(trail.keep)
            kept = await written(world, 3, TrailKind.QUESTION)
            assert [line[0] for line in kept] == [1, 2, 3]
            trail.decided("test", "after it")
            assert len(await written(world, 1, TrailKind.DECISION)) == 1
            tasks.cancel_scope.cancel()
        assert [record.levelname for record in caplog.records if "is dropped" in record.message] == ["ERROR"]
