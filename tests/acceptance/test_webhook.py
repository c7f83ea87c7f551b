"""TELEGRAM_MODE=webhook: Telegram brings the updates, through everything that happens to the process."""

from __future__ import annotations

import http.client
import json

import pytest

from teltubby.simulator.files import FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.servers.ports import free_port

SECRET = "s3cret-of_the-webhook"


@pytest.fixture
def webhook(box: Household) -> Household:
    """A box whose updates are brought."""
    port = free_port()
    box.settings |= {
        "TELEGRAM_MODE": "webhook",
        "WEBHOOK_URL": f"http://127.0.0.1:{port}/telegram/hook",
        "WEBHOOK_SECRET": SECRET,
        "WEBHOOK_LISTEN_PORT": str(port),
    }
    return box


def post(house: Household, update: object, headers: dict[str, str]) -> int:
    """What somebody sends who found the address."""
    connection = http.client.HTTPConnection("127.0.0.1", int(house.settings["WEBHOOK_LISTEN_PORT"]), timeout=10)
    try:
        connection.request("POST", "/telegram/hook", json.dumps(update), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_everything_works_as_with_polling(webhook: Household) -> None:
    """Small files and albums are archived and commands answered; who does not know the secret is not heard."""
    product = webhook.start("run")
    assert "webhook" in webhook.answer(webhook.ada.send_text("/mode"), "webhook")
    photos = [webhook.ada.new_file(FileKind.PHOTO, 30_000 + number, seed=number) for number in range(3)]
    first, *_ = webhook.ada.send_album([(photos[0], "an album"), *photos[1:]])
    items = webhook.settled(first, "stored", "stored", "stored")
    assert [sha256(webhook.archive, item["s3_key"]) for item in items] == [photo.sha256() for photo in photos]

    forged = {"update_id": 7, "message": {"message_id": 9, "date": 1, "chat": {"id": 1, "type": "private"}}}
    assert post(webhook, forged, {}) == 401
    assert post(webhook, forged, {"X-Telegram-Bot-Api-Secret-Token": SECRET + "x"}) == 403
    assert webhook.rows("SELECT count(*) FROM inbox WHERE update_id = 7") == [(0,)]
    assert webhook.calls("getUpdates") == 0
    assert SECRET not in product.log


def test_what_happens_while_it_is_down_is_brought_later_and_once(webhook: Household) -> None:
    """Killed and started again; and answers of ours that are lost bring updates twice."""
    product = webhook.start("run")
    webhook.in_world(lambda: webhook.telegram.world.faults.add("webhook", cut=True, times=3))
    before = webhook.ada.send_photo(webhook.ada.new_file(FileKind.PHOTO, 30_000))
    webhook.answer(before, "Archived")
    eventually(
        lambda: webhook.rows("SELECT count(*) FROM inbox WHERE done_at IS NULL") == [(0,)], what="an empty inbox"
    )
    product.kill()
    during = [webhook.ada.send_photo(webhook.ada.new_file(FileKind.PHOTO, 31_000 + number)) for number in range(3)]
    webhook.start("run")
    for message in during:
        webhook.settled(message, "stored")
    for message in (before, *during):
        webhook.answer(message, "Archived")
        assert len(webhook.answers(message)) == 1
    assert webhook.rows("SELECT count(*) FROM inbox") == [(4,)]


@ON_TRIO
def test_polling_takes_over_from_a_webhook(webhook: Household) -> None:
    """An operator who changes the mode loses nothing: what nobody took yet is fetched."""
    webhook.start("run").stop()
    message = webhook.ada.send_text("/mode")
    webhook.start("run", TELEGRAM_MODE="polling")
    assert "polling" in webhook.answer(message, "polling")
    assert webhook.calls("deleteWebhook") == 1


@ON_ASYNCIO
def test_an_address_that_telegram_does_not_take_is_told_in_readyz(webhook: Household) -> None:
    """Where an operator looks first."""
    product = webhook.launch("run", WEBHOOK_URL="https://nowhere.invalid/hook")

    def troubles_alone() -> list[str]:
        """What /readyz says when every actor is ready, and yet somebody is needed."""
        status, body = product.get("/readyz")
        told = json.loads(body)
        return list(told["troubles"].values()) if status == 503 and not told["unwell"] else []

    (trouble,) = eventually(troubles_alone, what="the trouble in /readyz")
    assert "Telegram refuses WEBHOOK_URL: " in trouble and "resolve host" in trouble
