"""Receiving on both backends: updates that are fetched, and updates that are brought to a webhook."""

from __future__ import annotations

import itertools
import json
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from teltubby.actors.ledger import LedgerActor
from teltubby.actors.receiving import INTAKE, REGISTER_SECONDS, UNAUTHORISED_SECONDS, Receiving, Webhook
from teltubby.actors.troubles import Troubles
from teltubby.actors.wakeup import Wakeup
from teltubby.actors.whispers import Whispers
from teltubby.adapters.webhook_server import SECRET_HEADER
from teltubby.errors import (
    BadRequest,
    ConfigurationError,
    DatabaseUnavailable,
    FloodWait,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
    WebhookActive,
)
from teltubby.messages.ledger import InboxGroup, LedgerMessage, OpenGroups, RecordUpdates
from teltubby.supervision import ChildSpec, Context, Mailbox, Ref, Runnable
from tests.actors.stage import ANNA, restarts, running
from tests.actors.updates import update
from tests.actors.worker_wing import BACKOFF
from tests.bot_twin import BotTwin, Telegram
from tests.script import Script
from tests.servers.ports import free_port
from tests.virtual_time import until

pytestmark = pytest.mark.anyio

SECRET = "s3cret"
URL = "https://archive.example/hook"
WITHIN = 20.0


class Receiver(Runnable):
    """What the BotActor does with its Receiving; `listens` only where there is real time for sockets."""

    def __init__(self, receiving: Receiving, gateway: BotTwin, *, listens: bool) -> None:
        self._receiving = receiving
        self._gateway = gateway
        self._listens = listens

    async def setup(self) -> None:
        await self._gateway.open()
        if self._listens:
            await self._receiving.open()

    async def teardown(self) -> None:
        await self._receiving.aclose()

    async def run(self, context: Context[object]) -> None:
        context.started()
        await self._receiving.receive(context)


class Ledger(LedgerActor):
    """The real one, with trouble on order."""

    def __init__(self, path: Path, script: Script) -> None:
        super().__init__(path)
        self._script = script

    async def handle(self, message: LedgerMessage, /) -> object:
        await self._script.begin(type(message).__name__, message)
        return await super().handle(message)


@dataclass
class Stage:
    """What a test reaches."""

    gateway: BotTwin
    ledger: Ref[LedgerMessage]
    ledger_script: Script
    recorded: Wakeup
    troubles: Troubles
    whispers: Whispers

    @property
    def set_to(self) -> tuple[str, str] | None:
        """The webhook that Telegram knows."""
        return self.gateway.telegram.webhook

    async def inbox(self) -> tuple[InboxGroup, ...]:
        return await self.ledger.ask(OpenGroups(), within=WITHIN)


@asynccontextmanager
async def receiving(
    folder: Path, telegram: Telegram, webhook: Webhook | None = None, *, listens: bool = False
) -> AsyncIterator[Stage]:
    mailbox, script = Mailbox[LedgerMessage]("ledger"), Script()
    stage = Stage(BotTwin(telegram), mailbox.ref, script, Wakeup(), Troubles(), Whispers((ANNA,)))
    receiving = Receiving(
        gateway=stage.gateway,
        ledger=mailbox.ref,
        recorded=stage.recorded,
        troubles=stage.troubles,
        backoff=BACKOFF,
        rng=random.Random(0),
        whispers=stage.whispers,
        webhook=webhook,
    )
    async with running(
        ChildSpec("ledger", lambda: Ledger(folder / "ledger.db", script), mailbox=mailbox),
        ChildSpec("receiving", lambda: Receiver(receiving, stage.gateway, listens=listens)),
    ) as tree:
        yield stage
    assert "receiving" not in restarts(tree)


def webhook(port: int = 0) -> Webhook:
    return Webhook(url=URL, secret=SECRET, host="127.0.0.1", port=port, path="/hook")


# -- fetched


@pytest.mark.usefixtures("virtual_time")
async def test_polling_takes_a_webhook_away_and_goes_on(tmp_path: Path) -> None:
    telegram = Telegram()
    telegram.webhook = (URL, SECRET)
    telegram.deliver(update(10, text="it waited"))
    async with receiving(tmp_path, telegram) as stage:
        await stage.recorded.wait(at_most=60)
        assert [group.update_ids for group in await stage.inbox()] == [(10,)]
        assert stage.set_to is None and stage.gateway.script.count("delete_webhook") == 1
        assert stage.troubles.reasons == {}


@pytest.mark.usefixtures("virtual_time")
async def test_a_webhook_that_comes_back_is_trouble_for_an_operator(tmp_path: Path) -> None:
    async with receiving(tmp_path, Telegram()) as stage:
        stage.gateway.script.break_down("updates", WebhookActive("can't use getUpdates while webhook is active"))
        await until(lambda: stage.troubles.reasons)
        assert "another process" in stage.troubles.reasons[INTAKE]
        await anyio.sleep(600)
        assert 5 <= stage.gateway.script.count("delete_webhook") <= 150
        stage.gateway.script.repair("updates")
        stage.gateway.telegram.deliver(update(10, text="x"))
        await until(lambda: not stage.troubles.reasons)
        await until(lambda: stage.ledger_script.count("RecordUpdates"))


@pytest.mark.usefixtures("virtual_time")
async def test_what_was_said_in_confidence_goes_no_further(tmp_path: Path) -> None:
    telegram = Telegram()
    async with receiving(tmp_path, telegram) as stage:
        stage.ledger_script.fail("RecordUpdates", DatabaseUnavailable("locked"))
        telegram.deliver(update(10, text="/mtpass hunter2"))
        await until(lambda: stage.ledger_script.count("RecordUpdates") == 2)
        for call in stage.ledger_script.asked("RecordUpdates"):
            assert isinstance(call, RecordUpdates) and [each.secret for each in call.updates] == [None]
        assert stage.whispers.about(ANNA, 10) == "hunter2"
        assert "hunter2" not in str(await stage.inbox())


# -- brought


@pytest.mark.usefixtures("virtual_time")
async def test_the_webhook_is_set_and_kept_set(tmp_path: Path) -> None:
    telegram = Telegram()
    async with receiving(tmp_path, telegram, webhook()) as stage:
        await until(lambda: stage.set_to)
        assert stage.set_to == (URL, SECRET)
        telegram.webhook = None  # somebody polled
        await anyio.sleep(REGISTER_SECONDS + 1)
        assert stage.set_to == (URL, SECRET)
        assert stage.gateway.script.count("set_webhook") == 2
        assert stage.gateway.script.count("updates") == 0
    assert stage.set_to == (URL, SECRET), "updates wait at Telegram for the next start"


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("error", [TelegramUnavailable("502"), FloodWait(50)], ids=lambda error: type(error).__name__)
async def test_it_is_set_as_soon_as_telegram_lets_us(tmp_path: Path, error: TeltubbyError) -> None:
    telegram = Telegram()
    async with receiving(tmp_path, telegram, webhook()) as stage:
        stage.gateway.script.break_down("set_webhook", error)
        await anyio.sleep(REGISTER_SECONDS + 600)
        tries = stage.gateway.script.times("set_webhook")[1:]
        assert 5 <= len(tries) <= 150
        if isinstance(error, FloodWait):
            assert min(after - before for before, after in itertools.pairwise(tries)) >= error.seconds
        telegram.webhook = None
        stage.gateway.script.repair("set_webhook")
        await until(lambda: stage.set_to, within=100)
        assert stage.troubles.reasons == {}


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unauthorised("Unauthorized"), "Telegram refuses the bot token: Unauthorized"),
        (BadRequest("bad webhook: Failed to resolve host"), "Telegram refuses WEBHOOK_URL: bad webhook: Failed"),
    ],
    ids=["token", "address"],
)
async def test_what_only_an_operator_can_mend_is_told(tmp_path: Path, error: TeltubbyError, told: str) -> None:
    telegram = Telegram()
    async with receiving(tmp_path, telegram, webhook()) as stage:
        await until(lambda: stage.set_to)
        telegram.webhook = None
        stage.gateway.script.break_down("set_webhook", error)
        await until(lambda: stage.troubles.reasons)
        assert stage.troubles.reasons[INTAKE].startswith(told)
        began = stage.gateway.script.count("set_webhook")
        await anyio.sleep(10 * UNAUTHORISED_SECONDS)
        assert stage.gateway.script.count("set_webhook") - began <= 11
        stage.gateway.script.repair("set_webhook")
        await until(lambda: stage.set_to)
        await until(lambda: not stage.troubles.reasons)


# -- brought, over real sockets


async def bring(port: int, payload: object, *, secret: str = SECRET) -> int:
    """POST it as Telegram does; the status of the answer."""
    body = json.dumps(payload).encode()
    head = f"POST /hook HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    with anyio.fail_after(WITHIN):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(head.encode() + body)
            return int((await stream.receive()).split()[1])


def payload(number: int) -> object:
    """What Telegram would bring."""
    return json.loads(update(number, text=f"text {number}").payload)


async def test_an_update_is_in_the_inbox_when_telegram_is_told_so(tmp_path: Path) -> None:
    port = free_port()
    async with receiving(tmp_path, Telegram(), webhook(port), listens=True) as stage:
        assert await bring(port, payload(11)) == 200
        assert [group.update_ids for group in await stage.inbox()] == [(11,)]
        with anyio.fail_after(WITHIN):
            await stage.recorded.wait(at_most=600)
        assert await bring(port, payload(11)) == 200, "a duplicate is fine"
        assert await bring(port, payload(10)) == 200, "and so is one that was overtaken"
        assert await bring(port, payload(12), secret="wrong") == 403
        assert [group.update_ids for group in await stage.inbox()] == [(10,), (11,)]
        stored = [json.loads(group.payloads[0]) for group in await stage.inbox()]
        assert stored == [payload(10), payload(11)]


async def test_what_is_brought_in_confidence_goes_no_further(tmp_path: Path) -> None:
    port = free_port()
    brought = {"message_id": 11, "date": 1, "chat": {"id": ANNA, "type": "private"}, "text": "/mtcode 1 2 3 4 5"}
    async with receiving(tmp_path, Telegram(), webhook(port), listens=True) as stage:
        assert await bring(port, {"update_id": 11, "message": brought}) == 200
        assert stage.whispers.about(ANNA, 11) == "1 2 3 4 5"
        assert "1 2 3" not in str(await stage.inbox())


async def test_what_the_ledger_cannot_take_is_left_to_telegram(tmp_path: Path) -> None:
    port = free_port()
    async with receiving(tmp_path, Telegram(), webhook(port), listens=True) as stage:
        stage.ledger_script.fail("RecordUpdates", DatabaseUnavailable("disk full"), RuntimeError("a bug"))
        assert [await bring(port, payload(10)) for _ in range(2)] == [503, 503]
        assert await stage.inbox() == ()
        assert await bring(port, payload(10)) == 200
        assert len(await stage.inbox()) == 1


async def test_many_at_once_are_all_there(tmp_path: Path) -> None:
    port, statuses = free_port(), list[int]()

    async def bring_one(number: int) -> None:
        statuses.append(await bring(port, payload(number)))

    async with receiving(tmp_path, Telegram(), webhook(port), listens=True) as stage:
        async with anyio.create_task_group() as tasks:
            for number in [*range(1, 31), *range(1, 31)]:
                tasks.start_soon(bring_one, number)
        assert statuses == [200] * 60
        assert [group.update_ids for group in await stage.inbox()] == [(number,) for number in range(1, 31)]


async def test_after_the_end_nothing_is_taken(tmp_path: Path) -> None:
    port = free_port()
    async with receiving(tmp_path, Telegram(), webhook(port), listens=True):
        assert await bring(port, payload(10)) == 200
    with pytest.raises(OSError):
        await bring(port, payload(11))


async def test_a_port_that_is_taken_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Receiving(
            gateway=BotTwin(Telegram()),
            ledger=Mailbox[LedgerMessage]("ledger").ref,
            recorded=Wakeup(),
            troubles=Troubles(),
            backoff=BACKOFF,
            rng=random.Random(0),
            whispers=Whispers((ANNA,)),
            webhook=webhook(other.getsockname()[1]),
        )
        with pytest.raises(ConfigurationError, match="WEBHOOK_LISTEN_PORT"):
            await taken.open()
        await taken.aclose()


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(webhook())
