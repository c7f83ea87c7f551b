"""Buttons: each press is answered within seconds, and does no more than its command would."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teltubby.actors.desk import PRESS_SECONDS
from teltubby.actors.lookups import FIND_PAGE, JOBS_PAGE
from teltubby.actors.phrases import orders
from teltubby.errors import BadRequest, DatabaseUnavailable, TelegramUnavailable
from teltubby.messages.chat import ButtonPress
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.counter import answer, hands_in, line_reads, presses
from tests.actors.stage import ANNA, restarts
from tests.actors.test_desk import BORIS, fails
from tests.actors.updates import sent, update
from tests.actors.world import World
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def asks(wing: BotWing, text: str) -> int:
    """A command by message; the id of the answer."""
    number = 500 + len(wing.telegram.bubbles)
    await wing.receives(update(number, text=text))
    return wing.telegram.bubbles[-1].message_id


async def test_the_status_of_a_job_is_told_in_the_popup(world: World) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        told = await presses(wing, f"job:status:{job_id}")
        assert told.alert and told.text.startswith("⏳ PENDING\nfilm 1.mp4, 307.2 KB\n")
        unknown = await presses(wing, "job:status:00000000-0000-4000-8000-000000000000")
        assert unknown.text == "There is no such job."


async def test_a_job_is_cancelled_and_retried_by_its_buttons(world: World) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        line = world.telegram.bubbles[0]
        assert line.buttons == [f"job:status:{job_id}", f"job:cancel:{job_id}"]
        assert "taken out of the queue" in (await presses(wing, line.buttons[1], user=BORIS)).text
        await line_reads(wing, line.message_id, "Cancelled")
        assert line.buttons == [f"job:status:{job_id}", f"job:retry:{job_id}"]
        assert "waits in the queue again" in (await presses(wing, line.buttons[1])).text
        assert [
            row["user_id"] for row in world.facts("SELECT user_id FROM commands WHERE kind = 'command' ORDER BY rowid")
        ] == [BORIS, ANNA]


async def test_what_an_old_button_offers_is_refused_as_its_command_would_be(world: World) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        await fails(wing, job_id, "gone")
        assert "has failed already" in (await presses(wing, f"job:cancel:{job_id}")).text
        assert "no such job" in (await presses(wing, "job:retry:00000000-0000-4000-8000-000000000000")).text


async def test_pages_are_turned_in_the_message(world: World) -> None:
    async with bot_wing(world) as wing:
        ids = await hands_in(wing, *range(1, JOBS_PAGE + 3))
        for command, first, last in (("queue", ids[0], ids[-1]), ("jobs", ids[-1], ids[0])):
            line = wing.telegram.bubble(await asks(wing, f"/{command}"))
            assert last[:8] not in line.text and line.buttons[-1] == f"{command}:{JOBS_PAGE}"
            assert (await presses(wing, line.buttons[-1], message_id=line.message_id)).text == ""
            await line_reads(wing, line.message_id, last[:8])
            assert line.buttons[-1] == f"{command}:0"
            await presses(wing, line.buttons[-1], message_id=line.message_id)
            await line_reads(wing, line.message_id, first[:8])


async def test_a_page_that_is_no_more_is_the_first_one(world: World) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        line = await asks(wing, "/help")
        await presses(wing, "queue:64", message_id=line)
        await line_reads(wing, line, job_id[:8])


async def test_what_was_found_has_pages(world: World) -> None:
    async with bot_wing(world) as wing:
        for number in range(1, FIND_PAGE + 2):
            photo = sent(wing.telegram, "photo", number)
            await wing.receives(update(number, photo, caption=f"holiday {number}"))
        line = wing.telegram.bubble(await asks(wing, "/find  Holiday"))
        assert line.buttons == [f"find:{FIND_PAGE}:Holiday"]
        await presses(wing, line.buttons[0], message_id=line.message_id)
        await line_reads(wing, line.message_id, f"\n{FIND_PAGE + 1}. holiday")
        assert line.buttons == ["find:0:Holiday"]


async def test_a_message_that_telegram_no_longer_has_cannot_be_turned(world: World) -> None:
    async with bot_wing(world) as wing:
        assert (await presses(wing, "queue:0", message_id=None, chat_id=None)).text == orders.MESSAGE_GONE


@pytest.mark.parametrize("data", ["", "job:delete:x", "queue:-1", "job:cancel:%", "\x00", "find:0:\ud800", "x" * 5000])
async def test_unknown_buttons_are_told_so(world: World, data: str) -> None:
    async with bot_wing(world) as wing:
        assert (await presses(wing, data)).text == orders.BUTTON_UNKNOWN
        assert world.facts("SELECT 1 FROM commands WHERE kind = 'command'") == []


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(words=st.text(min_size=1, max_size=58), offset=st.integers(0, 999_999))
async def test_whatever_a_search_button_says_is_answered(
    tmp_path_factory: pytest.TempPathFactory, words: str, offset: int
) -> None:
    async with bot_wing(World(folder=tmp_path_factory.mktemp("world"))) as wing:
        told = await presses(wing, f"find:{offset}:{words}", message_id=5)
        assert told.text in ("", orders.BUTTON_UNKNOWN)
        assert restarts(wing.tree) == {}


async def test_a_press_is_answered_in_time_however_long_its_work_takes(world: World) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        wing.ledger_script.slow("CommandJob", 15)
        began = anyio.current_time()
        told = await presses(wing, f"job:cancel:{job_id}")
        (answered,) = wing.gateway.script.times("answer_press")
        assert answered - began == pytest.approx(PRESS_SECONDS, abs=0.1)
        assert told.text == orders.BUTTON_TAKES_TIME
        await line_reads(wing, world.telegram.bubbles[0].message_id, "Cancelled")
        assert wing.said()[1:] == ["was waiting: taken out of the queue"]


async def test_what_is_said_late_has_the_names_that_people_gave(world: World) -> None:
    file = sent(world.telegram, "video", 1, size=400 << 10, name="<b>&.mp4")
    async with bot_wing(world) as wing:
        await wing.receives(update(1, file))
        (row,) = world.facts("SELECT job_id FROM jobs")
        wing.ledger_script.slow("FindJob", 15)
        await presses(wing, f"job:status:{row['job_id']}")
        await until(lambda: len(wing.said()) == 2)
        assert "\n&lt;b&gt;&amp;.mp4, " in wing.said()[1]
        assert restarts(wing.tree) == {}


@pytest.mark.parametrize(
    ("error", "words"),
    [(DatabaseUnavailable("locked"), orders.BUTTON_FAILED), (ZeroDivisionError("a bug"), orders.BUTTON_BUG)],
)
async def test_trouble_is_told_and_the_button_stays_good(world: World, error: Exception, words: str) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        wing.ledger_script.fail("FindJob", error)
        assert (await presses(wing, f"job:status:{job_id}")).text == words
        await anyio.sleep(60)
        assert (await presses(wing, f"job:status:{job_id}")).text.startswith("⏳")


@pytest.mark.parametrize("error", [BadRequest("query is too old"), TelegramUnavailable("away")])
async def test_a_press_that_cannot_be_answered_has_its_effect(world: World, error: Exception) -> None:
    async with bot_wing(world) as wing:
        (job_id,) = await hands_in(wing, 1)
        wing.gateway.script.fail("answer_press", error)
        press = ButtonPress(
            press_id="late", user_id=ANNA, chat_id=ANNA, chat_type="private", message_id=1, data=f"job:cancel:{job_id}"
        )
        await wing.desks[-1].press(press)
        assert world.telegram.presses == []
        assert "CANCELLED" in (await answer(wing, f"/jobs {job_id}")).html
