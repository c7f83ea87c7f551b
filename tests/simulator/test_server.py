"""The simulated Telegram as a whole: its thread, and the curator's view of the conversation."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from teltubby.simulator.curator import Conversation, Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram

Api = Callable[..., tuple[int, Any]]


def test_the_world_has_a_thread_of_its_own(telegram: SimulatedTelegram) -> None:
    assert telegram.call(threading.current_thread).name == "simulated-telegram"
    assert telegram.call(telegram.call, threading.current_thread).name == "simulated-telegram"
    with pytest.raises(ZeroDivisionError):
        telegram.call(lambda: 1 // 0)


def test_the_world_can_be_set_up_before_the_start_and_read_after_the_end() -> None:
    telegram = SimulatedTelegram(mtproto=False)
    bot = telegram.add_bot()
    curator = telegram.add_curator(bot)
    curator.send_text("early")
    with telegram:
        url = f"{telegram.bot_api_url}/bot{bot.token}/getUpdates"
        with urllib.request.urlopen(url, timeout=10) as response:
            assert b"early" in response.read()
    assert telegram.call(lambda: len(bot.mailbox.messages)) == 1
    assert "simulated-telegram" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_runs_beside_either_backend(backend: str) -> None:
    async def main() -> bytes:
        with SimulatedTelegram(mtproto=False) as telegram:
            bot = telegram.add_bot()
            return await anyio.to_thread.run_sync(fetch, f"{telegram.bot_api_url}/bot{bot.token}/getMe")

    def fetch(url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=10) as response:
            return bytes(response.read())

    assert b"teltubby_bot" in anyio.run(main, backend=backend)


def test_the_curator_waits_for_the_bot(api: Api, curator: Curator) -> None:
    seen: list[Conversation] = []
    curator.on_change(seen.append)
    curator.send_text("/start")
    answer = threading.Thread(target=api, args=("sendMessage",), kwargs={"chat_id": curator.user.id, "text": "hello"})
    answer.start()
    conversation = curator.wait_for(lambda lines: lines and lines[-1].from_bot, within=10)
    answer.join()
    assert [line.text for line in conversation] == ["/start", "hello"] == [line.text for line in seen[-1]]
    assert [len(lines) for lines in seen] == [1, 2]
    with pytest.raises(TimeoutError, match=r"you#\d+ /start\nbot#\d+ hello"):
        curator.wait_for(lambda lines: len(lines) > 2, within=0.01)


def test_the_curator_edits_deletes_and_sends_albums(curator: Curator, bot: User) -> None:
    photos = [curator.new_file(FileKind.PHOTO, 1000) for _ in range(3)]
    ids = curator.send_album([(photos[0], "caption"), *photos[1:]])
    assert ids == (ids[0], ids[0] + 1, ids[0] + 2)
    lines = curator.conversation()
    assert len({line.grouped_id for line in lines}) == 1 and lines[0].grouped_id is not None
    curator.edit(ids[0], "other")
    curator.delete(ids[1])
    assert [(line.text, line.edits) for line in curator.conversation()] == [("other", 1), ("", 0)]
    with pytest.raises(ValueError, match="not a video"):
        curator.send_video(photos[0])
    with pytest.raises(LookupError):
        curator.edit(ids[1], "gone")
    assert len(bot.mailbox.messages) == 2


def test_latency_and_bandwidth(telegram: SimulatedTelegram, bot: User, api: Api, curator: Curator) -> None:
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 600_000))
    _, body = api("getUpdates")
    (update,) = body["result"]
    _, body = api("getFile", file_id=update["message"]["document"]["file_id"])
    faults = telegram.world.faults
    faults.latency, faults.bandwidth = 0.1, 3_000_000.0
    started = time.perf_counter()
    url = f"{telegram.bot_api_url}/file/bot{bot.token}/{body['result']['file_path']}"
    with urllib.request.urlopen(url, timeout=10) as response:
        assert len(response.read()) == 600_000
    assert time.perf_counter() - started >= 0.3
