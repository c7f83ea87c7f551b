"""Which updates a bot gets, for how long they wait, and how a webhook receives them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from teltubby.simulator.curator import Curator
from teltubby.simulator.people import ChatKind, User
from teltubby.simulator.server import SimulatedTelegram
from tests.simulator.answers import description, result

Api = Callable[..., tuple[int, Any]]

WITHIN = 20.0


def test_updates_wait_for_24_hours(telegram: SimulatedTelegram, api: Api, curator: Curator) -> None:
    curator.send_text("old")
    telegram.call(telegram.world.advance, 24 * 3600 - 10)
    curator.send_text("new")
    telegram.call(telegram.world.advance, 20)
    assert [update["message"]["text"] for update in result(api("getUpdates"))] == ["new"]


def test_offsets_limits_and_kinds(api: Api, curator: Curator) -> None:
    ids = [curator.send_text(str(number)) for number in range(5)]
    assert len(result(api("getUpdates", limit=2))) == 2
    assert [update["message"]["text"] for update in result(api("getUpdates", offset=-2))] == ["3", "4"]
    assert len(result(api("getUpdates"))) == 2
    assert len(result(api("getUpdates", allowed_updates=["message"]))) == 2
    curator.edit(ids[0], "edited")
    assert len(result(api("getUpdates"))) == 2
    api("getUpdates", allowed_updates=[])
    curator.edit(ids[0], "again")
    curator.block_bot()
    kinds = [next(key for key in update if key != "update_id") for update in result(api("getUpdates", offset=-2))]
    assert kinds == ["edited_message", "my_chat_member"]


def test_a_bot_hears_channels_it_is_in_but_not_itself(telegram: SimulatedTelegram, bot: User, api: Api) -> None:
    def post() -> None:
        world = telegram.world
        editor = world.add_user("Eve")
        channel = world.add_chat(ChatKind.CHANNEL, "C", admins=(editor, bot))
        world.send(editor, channel, "news")
        world.send(bot, channel, "own")

    telegram.call(post)
    (update,) = result(api("getUpdates"))
    assert update["channel_post"]["text"] == "news"
    assert "from" not in update["channel_post"] and update["channel_post"]["sender_chat"]["type"] == "channel"


@pytest.fixture
def hook() -> Iterator[tuple[str, list[tuple[str | None, bytes]], threading.Event]]:
    """A webhook receiver that refuses the first delivery: (url, deliveries, set after the second)."""
    deliveries: list[tuple[str | None, bytes]] = []
    twice = threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            deliveries.append((self.headers.get("X-Telegram-Bot-Api-Secret-Token"), body))
            self.send_response(500 if len(deliveries) == 1 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if len(deliveries) == 2:
                twice.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", deliveries, twice
        server.shutdown()
        thread.join()


def test_webhooks_are_tried_again_and_exclude_polling(
    api: Api, curator: Curator, hook: tuple[str, list[tuple[str | None, bytes]], threading.Event]
) -> None:
    url, deliveries, twice = hook
    for far, complaint in (
        ("http://example.org/", "An HTTPS URL must be provided for webhook"),
        ("https://example.org:444/", "Webhook can be set up only on ports 80, 88, 443 or 8443"),
        ("https://example.org/", "Failed to resolve host: Name or service not known"),
    ):
        assert description(api("setWebhook", url=far)) == f"Bad Request: bad webhook: {complaint}"
    secret = "Bad Request: secret token contains unallowed characters"
    assert description(api("setWebhook", url=url, secret_token="no spaces")) == secret
    assert result(api("setWebhook", url=url, secret_token="s3cret")) is True
    conflict = api("getUpdates")
    assert conflict[0] == 409 and "webhook is active" in str(description(conflict))
    curator.send_text("hello")
    assert twice.wait(10)
    assert deliveries[0] == deliveries[1] and deliveries[0][0] == "s3cret"
    info = result(api("getWebhookInfo"))
    assert info["url"] == url and "500" in info["last_error_message"]
    assert result(api("deleteWebhook", drop_pending_updates=True)) is True
    assert result(api("getUpdates")) == []


def test_webhooks_hear_chats_side_by_side_and_each_in_order(
    telegram: SimulatedTelegram, bot: User, api: Api, curator: Curator
) -> None:
    """Messages of one chat wait for each other; those of another, and presses, do not wait for them."""
    heard: list[str] = []
    changed = threading.Condition()
    gate = threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            update = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = update["message"]["text"] if "message" in update else update["callback_query"]["data"]
            if text == "slow":
                gate.wait(WITHIN)
            with changed:
                heard.append(text)
                changed.notify_all()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    def until(count: int) -> None:
        with changed:
            assert changed.wait_for(lambda: len(heard) >= count, WITHIN), heard

    curator.send_text("first")
    keyboard = {"inline_keyboard": [[{"text": "x", "callback_data": "press"}]]}
    api("sendMessage", chat_id=curator.user.id, text="job", reply_markup=keyboard)
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            telegram.call(lambda: telegram.world.faults.add("webhook", cut=True))
            result(api("setWebhook", url=f"http://127.0.0.1:{server.server_address[1]}/hook"))
            until(2)
            assert heard == ["first", "first"], "it comes again when the answer was lost"
            for text in ("slow", "after it"):
                curator.send_text(text)
            curator.press(curator.conversation()[1].message_id, "press")
            telegram.add_curator(bot, "Boris").send_text("elsewhere")
            until(4)
            assert sorted(heard[2:]) == ["elsewhere", "press"]
            gate.set()
            until(6)
            assert heard[4:] == ["slow", "after it"]
        finally:
            gate.set()
            result(api("deleteWebhook"))
            server.shutdown()
            thread.join()
