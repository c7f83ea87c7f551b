"""Who may sign in, where, how often, and which worker: and that no secret is left anywhere."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.audit import LIMITS
from teltubby.actors.phrases import sign_in as words
from teltubby.actors.phrases.workers import NOBODY_HEARD
from teltubby.actors.whispers import KEPT_SECONDS
from teltubby.errors import BrokerUnavailable, DatabaseUnavailable
from teltubby.messages.control import SignInMethod
from teltubby.messages.ledger import RecordUpdates
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionState
from tests.actors.bot_wing import BORIS, STRANGER, bot_wing
from tests.actors.counter import says
from tests.actors.distant_worker import session, worker_at
from tests.actors.stage import ANNA
from tests.actors.test_sign_in import CODE, PASSWORD, READY, REVOKED, asks_for, begins, hears
from tests.actors.updates import edited, sent, update
from tests.actors.world import World
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

CANARY = "kanarienvogel 7Qx! Öl"
GROUP = -100


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


# -- which worker


async def test_without_workers_that_is_said(world: World) -> None:
    async with bot_wing(world) as wing:
        assert await says(wing, "/mtlogin") == words.NO_WORKER
        assert await says(wing, "/mtstatus") == NOBODY_HEARD
        assert "no worker has said anything" in await says(wing, "/status")


async def test_where_mtproto_is_missing_that_is_said(world: World) -> None:
    async with bot_wing(world, missing="telethon <not> installed; large files wait in the queue") as wing:
        for command in ("/mtlogin", "/mtstatus", "/status"):
            assert "telethon &lt;not&gt; installed; large files wait in the queue" in await says(wing, command), command
        assert "my.telegram.org" in await says(wing, "/mtstatus")


async def test_workers_that_use_the_bots_account_need_nobody(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing, session(READY, account=AccountKind.BOT)):
        assert await says(wing, "/mtlogin") == words.NO_PERSONS_ACCOUNT


async def test_of_several_workers_one_is_chosen(world: World) -> None:
    async with (
        bot_wing(world) as wing,
        worker_at(wing, session(READY), name="one") as one,
        worker_at(wing, session(READY), name="two") as two,
    ):
        told = await says(wing, "/mtlogin")
        assert "<code>/mtlogin 1</code> <code>one</code>" in told and "<code>/mtlogin 2</code> <code>two</code>" in told
        for number in ("0", "3", "9999", "1 2"):
            assert words.LOGIN_USAGE in await says(wing, f"/mtlogin {number}"), number
        assert "teltubby logout" in await says(wing, "/mtlogin 2"), "one that works is not replaced by mistake"
        await two.stand(session(REVOKED))
        await hears(wing, "revoked")
        order = await begins(wing, two, "/mtlogin code")
        assert order.method is SignInMethod.CODE and one.orders == []
        await one.stand(session(SessionState.SUSPENDED))
        await hears(wing, "suspended")
        assert "Which one?" in await says(wing, "/mtlogin")
        await begins(wing, one, "/mtlogin QR 1")


@pytest.mark.parametrize("arguments", ["please", "again", "code qr", "cancel 2", "-1", "٢", "\N{SNOWMAN}"])
async def test_what_is_not_understood_is_explained(world: World, arguments: str) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        assert await says(wing, f"/mtlogin {arguments}") == words.LOGIN_USAGE
        assert worker.orders == []


async def test_a_broker_that_is_away_is_told_and_tried_again(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        wing.broker.script.break_down("broadcast", BrokerUnavailable("away"))
        assert await says(wing, "/mtlogin") == words.BROKER_AWAY
        assert "cannot be asked now" in await says(wing, "/mtstatus")
        wing.broker.script.repair("broadcast")
        await asks_for(wing, worker, PASSWORD)
        wing.broker.script.break_down("broadcast", BrokerUnavailable("away"))
        assert (await says(wing, "/mtpass hunter2")).endswith(words.BROKER_AWAY)
        wing.broker.script.repair("broadcast")
        assert (await says(wing, "/mtpass hunter2")).endswith(words.PASSWORD_PASSED_ON)
        await until(lambda: worker.secrets == ["hunter2"])


async def test_a_ledger_that_is_away_loses_no_password(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, PASSWORD)
        wing.ledger_script.fail("CountCommands", *[DatabaseUnavailable("locked")] * 3)
        await wing.receives(update(21, text="/mtpass hunter2"))
        await until(lambda: worker.secrets == ["hunter2"])
        assert wing.telegram.deleted == [(ANNA, 21)] and not any(words.NOT_KEPT in said for said in wing.said())


# -- how often


@pytest.mark.parametrize("command", ["mtlogin", "mtcode", "mtpass"])
async def test_attempts_are_limited_over_all_who_try(world: World, command: str) -> None:
    limit = LIMITS[command]
    secret = {"mtlogin": "", "mtcode": " 1 2 3 4 5", "mtpass": " hunter2"}[command]
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        if command != "mtlogin":
            await asks_for(wing, worker, CODE if command == "mtcode" else PASSWORD)
        for _ in range(limit.times):
            told = await says(wing, f"/{command}{secret}")
            assert "as often as" not in told
        count = len(worker.orders)
        user = BORIS if command == "mtlogin" else ANNA
        await says(wing, "/mtlogin cancel") if command == "mtlogin" else None
        assert "as often as I pass it on" in await says(wing, f"/{command}{secret}", user=user)
        rows = world.facts(f"SELECT accepted, detail FROM commands WHERE command = '{command}' ORDER BY id")
        assert [row["accepted"] for row in rows] == [1] * limit.times + [0] and rows[-1]["detail"] == "too often"
        await anyio.sleep(limit.within.total_seconds() + 1)
        if command != "mtlogin":
            await worker.tell(CODE if command == "mtcode" else PASSWORD, "still")
        assert "as often as" not in await says(wing, f"/{command}{secret}", user=user)
        await until(lambda: len(worker.orders) > count)


# -- where, and for how long


async def test_a_password_is_good_for_some_minutes_only(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, PASSWORD)
        wing.ledger_script.break_down("CountCommands", DatabaseUnavailable("locked"))
        wing.telegram.deliver(update(21, text="/mtpass hunter2"))
        await anyio.sleep(KEPT_SECONDS)
        wing.ledger_script.repair("CountCommands")
        await hears(wing, words.NOT_KEPT, within=300)
        assert worker.secrets == []


async def test_after_a_restart_it_has_to_be_sent_again(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing):
        lost = update(21, text="/mtpass hunter2")
        await wing.ledger.ask(RecordUpdates(updates=(lost,)), within=60)
        await wing.rests()
        await hears(wing, words.NOT_KEPT)
        assert wing.telegram.deleted == [(ANNA, 21)]


async def test_secrets_in_groups_are_deleted_and_never_used(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, PASSWORD)
        group = {"chat": GROUP, "chat_type": "supergroup"}
        await wing.receives(
            update(21, text="/mtpass hunter2", **group),  # type: ignore[arg-type]  # a mapping of its own options
            update(22, text="/mtpass hunter2", user=STRANGER, **group),  # type: ignore[arg-type]
            update(23, text="/mtlogin", **group),  # type: ignore[arg-type]
        )
        assert wing.telegram.deleted == [(GROUP, 21)] and words.IN_GROUP in wing.said()
        assert wing.said(GROUP) == [] and worker.secrets == [] and len(worker.orders) == 1


async def test_secrets_in_edited_messages_are_deleted_and_never_used(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, PASSWORD)
        await wing.receives(edited(21, 20, None, text="/mtpass hunter2"))
        assert wing.telegram.deleted == [(ANNA, 20)] and words.IN_EDIT in wing.said() and worker.secrets == []


async def test_secrets_in_captions_are_warned_about_and_not_archived(world: World) -> None:
    async with bot_wing(world) as wing:
        photo = sent(world.telegram, "photo", 1)
        await wing.receives(update(21, photo, caption="/mtpass hunter2"))
        await hears(wing, words.IN_CAPTION)
        assert "hunter2" not in json.dumps(world.artifact()) and world.files() == [photo.body]


async def test_a_command_that_comes_again_is_not_obeyed_again(world: World) -> None:
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        wing.ledger_script.fail("CloseUpdates", DatabaseUnavailable("locked"))
        await wing.receives(update(21, text="/mtlogin code"))
        assert len(worker.orders) == 1


# -- nowhere


async def test_no_secret_is_left_anywhere(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    code = "1 8 2 7 3"
    async with bot_wing(world) as wing, worker_at(wing) as worker:
        await asks_for(wing, worker, CODE)
        await wing.receives(update(21, text="/mtcode 18273"), update(22, text=f"/mtcode {code}"))
        await worker.ordered(2)
        await worker.tell(PASSWORD, "the second factor")
        await hears(wing, "the second factor")
        reply = {"message_id": 23, "date": 0, "chat": {"id": ANNA, "type": "private"}, "text": f"/mtpass {CANARY}"}
        for refused in (f"/mtpass:{CANARY}", f"/mtpass {'x' * 2000}{CANARY}"):
            await wing.receives(update(30 + len(refused), text=refused))
        wing.ledger_script.fail("RecordCommand", DatabaseUnavailable("locked"), RuntimeError("a bug"))
        await wing.receives(update(23, text=f"/MTPASS@archive_bot\n{CANARY}"))
        await wing.receives(update(24, text="what was that?", reply_to_message=reply, quote={"text": CANARY}))
        await until(lambda: CANARY in worker.secrets)
        assert worker.secrets[0] == "18273"
        await worker.tell(READY, is_over=True)
        await hears(wing, "Signed in")
        said = json.dumps([bubble.texts for bubble in wing.telegram.bubbles])
        crossed = repr([heard.body for heard in worker.heard]) + repr(worker.orders) + repr(wing.whispers[-1].__dict__)
        calls = repr([script.calls for script in (wing.ledger_script, wing.gateway.script, wing.broker.script)])
    files = b"".join(path.read_bytes() for path in world.folder.rglob("*") if path.is_file())
    for secret in (CANARY, json.dumps(CANARY)[1:-1], "18273", code):
        for where, text in (("chat", said), ("broker", crossed), ("log", caplog.text), ("calls", calls)):
            assert secret not in text, (secret, where)
        assert secret.encode() not in files, secret
    assert b"/mtpass" in files and "mtpass" in calls


async def test_routes_and_all_the_rest_are_in_the_status(world: World) -> None:
    now = wall_clock()
    async with (
        bot_wing(world) as wing,
        worker_at(
            wing, session(READY, since=now - timedelta(hours=2)), session(REVOKED, account=AccountKind.BOT), name="w"
        ) as worker,
    ):
        worker.routes = (FileRoute.RELAY, FileRoute.BOT)
        told = await says(wing, "/mtstatus")
        for part in ("relay, bot", "A…a", "ready", "2 h", "no success yet", "0 connections", "teltubby login --bot"):
            assert part in told, part
        assert "user account ready, bot account revoked" in await says(wing, "/status")
        worker.answers = False
        assert "does not answer" in await says(wing, "/mtstatus")
