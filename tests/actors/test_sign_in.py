"""Signing a worker in through the bot, over a real ledger and queue, with a worker that says what the test says."""

from __future__ import annotations

import io
from pathlib import Path

import anyio
import pytest
from PIL import Image

from teltubby.actors.phrases import sign_in as words
from teltubby.actors.sign_in_dialogue import ANSWER_SECONDS, PERSON_SECONDS
from teltubby.errors import BadRequest, DatabaseUnavailable
from teltubby.messages.control import BeginSignIn, CancelSignIn, SignInMethod, SubmitCode, SubmitPassword
from teltubby.messages.session import SessionState
from tests.actors.bot_wing import BORIS, BotWing, bot_wing
from tests.actors.counter import says
from tests.actors.distant_worker import QR_SECONDS, URL, DistantWorker, worker_at
from tests.actors.stage import ANNA
from tests.actors.updates import update
from tests.actors.world import World
from tests.qr_reading import read_picture
from tests.twins import Bubble
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

REVOKED, READY = SessionState.REVOKED, SessionState.READY
QR, CODE, PASSWORD = SessionState.QR_SHOWN, SessionState.CODE_NEEDED, SessionState.PASSWORD_NEEDED


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def pictures(wing: BotWing, chat: int = ANNA) -> list[Bubble]:
    return [bubble for bubble in wing.telegram.bubbles if bubble.picture and not bubble.gone and bubble.chat_id == chat]


def seen(bubble: Bubble) -> list[str]:
    """What a camera reads in it."""
    assert bubble.picture is not None
    return read_picture(Image.open(io.BytesIO(bubble.picture)))


async def hears(wing: BotWing, text: str, *, chat: int = ANNA, within: float = 60) -> str:
    """Wait for words of the bot's in the chat; the whole message."""
    await until(lambda: any(text in said for said in wing.said(chat)), within=within)
    return next(said for said in wing.said(chat) if text in said)


async def begins(wing: BotWing, worker: DistantWorker, command: str = "/mtlogin", *, user: int = ANNA) -> BeginSignIn:
    before = len(worker.orders)
    assert "I asked worker" in await says(wing, command, user=user)
    order = await worker.ordered(before + 1)
    assert isinstance(order, BeginSignIn)
    return order


async def asks_for(wing: BotWing, worker: DistantWorker, state: SessionState) -> None:
    """A sign-in by code has come so far."""
    await begins(wing, worker, "/mtlogin code")
    await worker.tell(CODE, "Telegram sent a code to its app")
    await hears(wing, "Telegram sent a code to its app")
    if state is PASSWORD:
        await worker.tell(PASSWORD, "the second factor is asked for")
        await hears(wing, "the second factor is asked for")


# -- by QR code


async def test_a_qr_code_is_shown_renewed_and_taken_away(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing, name="<b>ox") as worker:
        order = await begins(wing, worker)
        assert (order.worker, order.method) == ("<b>ox", SignInMethod.QR)
        await worker.tell(QR, qr="AAA")
        await until(lambda: len(pictures(wing)) == 1)
        (bubble,) = pictures(wing)
        assert seen(bubble) == [f"{URL}AAA"] and "30 s" in bubble.text
        await anyio.sleep(QR_SECONDS)
        await worker.tell(QR, qr="BBB")
        await until(lambda: seen(bubble) == [f"{URL}BBB"])
        assert pictures(wing) == [bubble], "the same message"
        await worker.tell(READY, "as A…a", is_over=True)
        assert "&lt;b&gt;ox" in await hears(wing, "Signed in")
        assert pictures(wing) == [] and bubble.gone
        await anyio.sleep(2 * PERSON_SECONDS)
        assert await says(wing, "/mtlogin cancel") == words.NOTHING_TO_CANCEL
        assert len(worker.orders) == 1, "a worker that ended it itself is told nothing more"


async def test_a_picture_that_cannot_be_replaced_makes_room_for_another(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await begins(wing, worker)
        await worker.tell(QR, qr="AAA")
        await until(lambda: len(pictures(wing)) == 1)
        await wing.gateway.delete(ANNA, pictures(wing)[0].message_id)  # somebody did
        await worker.tell(QR, qr="BBB")
        await until(lambda: [seen(bubble) for bubble in pictures(wing)] == [[f"{URL}BBB"]])


async def test_a_qr_code_that_was_left_behind_is_taken_away(world: World) -> None:
    """Of a process that stopped while it was shown, as of one that died."""
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await begins(wing, worker)
        await worker.tell(QR, qr="AAA")
        await until(lambda: world.facts("SELECT 1 FROM sign_in_pictures"))
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        wing.ledger_script.fail("ListPictures", DatabaseUnavailable("locked"))
        await until(lambda: pictures(wing) == [] and world.facts("SELECT 1 FROM sign_in_pictures") == [])
        await begins(wing, worker)
        await worker.tell(QR, qr="BBB")
        await until(lambda: [seen(bubble) for bubble in pictures(wing)] == [[f"{URL}BBB"]])
        wing.ledger_script.fail("ForgetPicture", DatabaseUnavailable("locked"))
        await worker.tell(READY, "as A…a", is_over=True)
        await hears(wing, "Signed in")
        assert pictures(wing) == []


async def test_a_sign_in_that_failed_says_why(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await begins(wing, worker)
        await worker.tell(QR, qr="AAA")
        await until(lambda: len(pictures(wing)) == 1)
        await worker.tell(SessionState.DISCONNECTED, "another account <x> signed in", is_over=True)
        assert "another account &lt;x&gt; signed in" in await hears(wing, "is over")
        assert pictures(wing) == []


async def test_a_worker_that_does_not_answer_is_told_about_with_the_remedy(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        worker.answers = False
        began = anyio.current_time()
        assert "I asked worker" in await says(wing, "/mtlogin")
        told = await hears(wing, "did not answer within 15 s")
        assert "teltubby login" in told and anyio.current_time() - began < ANSWER_SECONDS + 10
        assert await says(wing, "/mtlogin cancel") == words.NOTHING_TO_CANCEL


async def test_a_qr_code_that_is_not_renewed_is_taken_away(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await begins(wing, worker)
        await worker.tell(QR, qr="AAA")
        await until(lambda: len(pictures(wing)) == 1)
        await hears(wing, "did not answer", within=QR_SECONDS + 2 * ANSWER_SECONDS)
        assert pictures(wing) == []
        order = await worker.ordered(2)
        assert order == CancelSignIn(worker=worker.name, sign_in_id=worker.begun.sign_in_id)


async def test_who_began_may_give_up(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await begins(wing, worker)
        await worker.tell(QR, qr="AAA")
        await until(lambda: len(pictures(wing)) == 1)
        assert "is signing in" in await says(wing, "/mtlogin cancel", user=BORIS)
        assert await says(wing, "/mtlogin cancel") == words.CANCELLED
        await until(lambda: pictures(wing) == [])
        assert isinstance(await worker.ordered(2), CancelSignIn)
        said = wing.said()
        await worker.tell(QR, qr="BBB")
        await anyio.sleep(60)
        assert wing.said() == said, "what comes after it is not shown"


async def test_a_restarted_worker_ends_what_it_was_asked_for(world: World) -> None:
    async with bot_wing(world) as wing:
        async with worker_at(wing) as worker:
            await asks_for(wing, worker, PASSWORD)
        async with worker_at(wing) as anew:
            await hears(wing, "was restarted")
            await begins(wing, anew, user=BORIS)


# -- by code and password


async def test_code_and_password_reach_the_worker_and_nobody_else(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await begins(wing, worker, "/mtlogin code")
        await worker.tell(CODE, "Telegram sent a code")
        assert "/mtcode" in await hears(wing, "Telegram sent a code")
        await wing.receives(update(21, text="/mtcode 1-2 3.4_5"))
        assert isinstance(await worker.ordered(2), SubmitCode)
        await worker.tell(PASSWORD, "hint: none")
        assert "/mtpass" in await hears(wing, "hint: none")
        await wing.receives(update(22, text="/mtpass  two  spaces, \n a line "))
        assert isinstance(await worker.ordered(3), SubmitPassword)
        assert worker.secrets == ["12345", " two  spaces, \n a line "]
        assert wing.telegram.deleted == [(ANNA, 21), (ANNA, 22)]
        await worker.tell(READY, "as A…a", is_over=True)
        await hears(wing, "Signed in")
        assert words.DELETED["mtcode"] + words.CODE_PASSED_ON in wing.said()
        assert words.DELETED["mtpass"] + words.PASSWORD_PASSED_ON in wing.said()
        rows = world.facts("SELECT user_id, command, job_id, accepted FROM commands WHERE kind = 'command' ORDER BY id")
        assert [tuple(row) for row in rows] == [(ANNA, name, "", 1) for name in ("mtlogin", "mtcode", "mtpass")]


async def test_the_password_is_deleted_before_anything_else(world: World) -> None:
    moments: list[str] = []

    async def watch(moment: str) -> None:
        moments.append(moment)

    order = ["delete after", "CountCommands before", "RecordCommand before", "broadcast before", "send before"]
    async with bot_wing(world, watch=watch) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, PASSWORD)
        moments.clear()
        await wing.receives(update(22, text="/mtpass hunter2"))
        assert [moment for moment in moments if moment in order] == order


@pytest.mark.parametrize("again", ["the code is wrong", "the password is wrong"])
async def test_another_try_is_asked_for(world: World, again: str) -> None:
    state, command = (CODE, "/mtcode 1 2 3 4 6") if "code" in again else (PASSWORD, "/mtpass wrong")
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, state)
        await wing.receives(update(21, text=command))
        await worker.ordered(2)
        await worker.tell(state, again)
        await hears(wing, again)
        await wing.receives(update(22, text=command))
        await worker.ordered(3)


@pytest.mark.parametrize("text", ["/mtcode 12345", "/mtcode my code is 12345", "/mtcode@archive_bot\n٢٣٤٥٦"])
async def test_a_bare_code_is_refused_with_the_reason(world: World, text: str) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, CODE)
        await wing.receives(update(21, text=text))
        told = await hears(wing, "This cannot work")
        assert "1-2-3-4-5" in told and "/mtlogin code" in told
        await anyio.sleep(60)
        assert worker.secrets == [] and wing.telegram.deleted == []
        assert wing.telegram.bubbles[-1].reply_to == 21


@pytest.mark.parametrize("text", ["/mtpass:hunter2", "/mtpassword hunter2", "/mtpass\u200bhunter2", "/mtcode12345"])
async def test_what_is_miswritten_is_deleted_and_explained(world: World, text: str) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, CODE if "code" in text else PASSWORD)
        await wing.receives(update(21, text=text))
        await hears(wing, words.MISWRITTEN)
        assert wing.telegram.deleted == [(ANNA, 21)] and worker.secrets == []


async def test_what_nobody_asked_for_is_told(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        for text in ("/mtcode 1 2 3 4 5", "/mtpass hunter2"):
            assert (await says(wing, text)).endswith(words.NO_SIGN_IN)
        await asks_for(wing, worker, CODE)
        assert (await says(wing, "/mtpass hunter2")).endswith(words.NOT_ASKED_FOR["password"])
        await worker.tell(PASSWORD)
        await hears(wing, "/mtpass")
        assert (await says(wing, "/mtcode 1 2 3 4 5")).endswith(words.NOT_ASKED_FOR["code"])
        assert await says(wing, "/mtpass") == words.PASSWORD_USAGE and await says(wing, "/mtcode") == words.CODE_USAGE
        assert worker.secrets == []


async def test_another_admin_is_told_who_signs_in(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, PASSWORD)
        for text in ("/mtlogin", "/mtpass hunter2", "/mtcode 1 2 3 4 5"):
            assert "@user7 is signing in" in await says(wing, text, user=BORIS), text
        assert worker.secrets == [] and len(worker.orders) == 1
        assert [chat for chat, _ in wing.telegram.deleted] == [BORIS, BORIS]


async def test_a_person_who_takes_too_long_is_told(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, CODE)
        await hears(wing, "given up", within=PERSON_SECONDS + 60)
        assert isinstance(await worker.ordered(2), CancelSignIn)


async def test_a_worker_that_falls_silent_is_told_about_and_may_speak_again(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, CODE)
        await wing.receives(update(21, text="/mtcode 1 2 3 4 5"))
        await hears(wing, "says nothing any more")
        await worker.tell(READY, is_over=True)
        await hears(wing, "Signed in")


async def test_a_message_that_cannot_be_deleted_is_warned_about(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, PASSWORD)
        wing.gateway.script.fail("delete", BadRequest("message can't be deleted"))
        assert (await says(wing, "/mtpass hunter2")).startswith(words.REMAINS)
        wing.gateway.script.slow("delete", 1e5)
        assert (await says(wing, "/mtpass hunter3")).startswith(words.REMAINS), "it takes too long"
        await until(lambda: worker.secrets == ["hunter2", "hunter3"])
