"""The simulated Telegram as a process of its own: what it tells, and the orders that it takes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, cast
from urllib.request import Request, urlopen

import pytest
from telethon import TelegramClient, errors
from telethon.crypto import rsa
from telethon.sessions import MemorySession

from teltubby.simulator.console import SentFile
from teltubby.simulator.content import GeneratedContent
from teltubby.simulator.process import SimulatorProcess

MIB = 1 << 20
PASSWORD = "correct horse"
OPTIONS = (
    "--phone",
    "+15550100",
    "--password",
    PASSWORD,
    "--dcs",
    "2,4",
    "--media-only",
    "--file",
    f"{MIB + 5}:7:4",
    "--file",
    "4000M:8",
    "--file",
    "0",
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """One process for all tests here, which leave it as it was."""
    with SimulatorProcess(*OPTIONS) as simulator:
        yield simulator


def new_client(simulator: SimulatorProcess) -> TelegramClient:
    """Stock Telethon that knows the server by nothing but the description."""
    description = simulator.description
    rsa.add_key(description["public_key"], old=False)
    TelegramClient._config = None
    session = MemorySession()
    session.set_dc(2, "127.0.0.1", description["ports"]["2"])
    return TelegramClient(
        session,
        description["api_id"],
        description["api_hash"],
        receive_updates=False,
        flood_sleep_threshold=0,
        request_retries=1,
    )


async def downloaded(simulator: SimulatorProcess, file: SentFile) -> bytes:
    """A file as stock Telethon fetches it, by nothing but the description."""
    description = simulator.description
    client = new_client(simulator)
    await client.connect()
    try:
        await client.sign_in(bot_token=description["bot_token"])
        message = await client.get_messages(file["chat_id"], ids=file["message_id"])
        assert message.media.document.id == file["document_id"]
        return await client.download_media(message, file=bytes) or b""
    finally:
        await client.disconnect()


def run(simulator: SimulatorProcess, file: SentFile) -> bytes:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(downloaded(simulator, file))


def counted(simulator: SimulatorProcess, file: SentFile) -> Any:
    return simulator.ask("counters")["documents"].get(str(file["document_id"]))


def test_it_describes_itself(simulator: SimulatorProcess) -> None:
    description = simulator.description
    assert description["mtproto_dc"] == f"2@127.0.0.1:{description['ports']['2']}"
    assert description["ports"].keys() == description["media_ports"].keys() == {"2", "4"}
    first, largest, empty = description["files"]
    assert (first["size"], first["dc"]) == (MIB + 5, 4)
    assert (largest["size"], largest["dc"]) == (4_194_304_000, 2)
    assert empty["size"] == 0
    assert first["sha256"] is None
    assert [file["message_id"] for file in description["files"]] == [2, 3, 4]


def test_a_file_is_served_and_every_byte_counted(simulator: SimulatorProcess) -> None:
    file = simulator.description["files"][0]
    data = run(simulator, file)
    content = GeneratedContent(size=MIB + 5, seed=7)
    assert data == content.read(0, content.size)
    assert simulator.ask("sha256", document=file["document_id"])["sha256"] == sha256(data).hexdigest()
    once = counted(simulator, file)
    assert (once["bytes"], once["covered"], once["repeated"]) == (MIB + 5, MIB + 5, 0)
    run(simulator, file)
    assert counted(simulator, file)["repeated"] == MIB + 5
    simulator.ask("reset")
    assert counted(simulator, file) is None
    counters = simulator.ask("counters")
    assert counters["cpu_seconds"] > 0 and counters["calls"]["upload.getFile"] > 0
    assert counters["failures"] == counters["violations"] == []


def test_trouble_is_ordered(simulator: SimulatorProcess) -> None:
    file = cast(SentFile, simulator.ask("send", file="200000:3:2"))
    simulator.ask("fault", method="upload.getFile", message=[5, 5], matches={"offset": 131072})
    with pytest.raises(errors.FloodWaitError) as flood:
        run(simulator, file)
    assert flood.value.seconds == 5
    content = GeneratedContent(size=200_000, seed=3).read(0, 200_000)
    asked = simulator.ask("counters")["calls"]["messages.getMessages"]
    simulator.ask("fault", method="upload.getFile", expire=True)
    assert run(simulator, file) == content
    assert simulator.ask("counters")["calls"]["messages.getMessages"] == asked + 2  # Telethon asks for a new reference
    simulator.ask("fault", method="upload.getFile", corrupt=True, times=1000)
    assert run(simulator, file) != content
    simulator.ask("clear")
    assert run(simulator, file) == content


def test_what_the_bot_answered_is_told_as_it_reads_now(simulator: SimulatorProcess) -> None:
    description = simulator.description
    first, second, *_ = (file["message_id"] for file in description["files"])

    def call(method: str, **parameters: Any) -> Any:
        url = f"{description['bot_api_url']}/bot{description['bot_token']}/{method}"
        body = json.dumps({"chat_id": description["curator_id"], **parameters}).encode()
        with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=30) as answer:
            return json.load(answer)["result"]

    assert simulator.ask("said", message_id=first) == {"texts": []}
    call("sendMessage", text="that is no answer")
    sent = call("sendMessage", text="queued", reply_parameters={"message_id": first})
    call("sendMessage", text="too large", reply_parameters={"message_id": first})
    call("editMessageText", text="started", message_id=sent["message_id"])
    assert simulator.ask("said", message_id=first) == {"texts": ["started", "too large"]}
    assert simulator.ask("said", message_id=second) == {"texts": []}


def test_the_line_is_set_and_read(simulator: SimulatorProcess) -> None:
    assert simulator.ask("line", latency=0.05, bandwidth=40e6) == {
        "latency": 0.05,
        "bandwidth": 40e6,
        "shared_bandwidth": None,
    }
    assert simulator.ask("line", shared_bandwidth=80e6)["latency"] == 0.05
    assert simulator.ask("hashes", mode="wrong") == {"mode": "wrong"}
    simulator.ask("clear")
    assert simulator.ask("line") == {"latency": 0.0, "bandwidth": None, "shared_bandwidth": None}


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ({"do": "dance"}, "dance"),
        ({"do": "line", "latency": "much"}, "no number"),
        ({"do": "fault", "method": "x", "then": "boom"}, "no then"),
        ({"do": "fault", "message": "X"}, "method"),
        ({"do": "hashes", "mode": "sometimes"}, "sometimes"),
        ({"do": "send", "file": "big"}, "big"),
        ({"do": "sha256", "document": 5}, "5"),
        ({"do": "account", "who": "nobody"}, "nobody"),
        ({"do": "membership", "who": "bot", "chat_id": 5, "membership": "member"}, "no chat 5"),
        ({"do": "sign_out", "dc": "two"}, "no data centre"),
        ({"do": "clock", "skew": "late"}, "seconds"),
        ({"do": "said", "message_id": "the last"}, "no whole number"),
    ],
)
def test_orders_that_make_no_sense_are_refused(
    simulator: SimulatorProcess, order: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RuntimeError, match=complaint):
        simulator.ask(**order)
    assert simulator.ask("line")["latency"] == 0.0


def test_logins_are_ended_and_keys_lost(simulator: SimulatorProcess) -> None:
    for order in ("expire", "sign_out", "forget_keys"):
        assert simulator.ask(order) == {}
    assert simulator.ask("sign_out", dc=4) == simulator.ask("forget_keys", dc=4) == {}


async def signed_in_by_qr(simulator: SimulatorProcess) -> int:
    """Sign in as the curator by nothing but orders; who that is."""
    client = new_client(simulator)
    await client.connect()
    try:
        shown = await client.qr_login()
        simulator.ask("scan", url=shown.url)
        with pytest.raises(RuntimeError, match="AUTH_TOKEN_ALREADY_ACCEPTED"):
            simulator.ask("scan", url=shown.url)
        with pytest.raises(errors.SessionPasswordNeededError):
            await shown.recreate()
        return int((await client.sign_in(password=PASSWORD)).id)
    finally:
        await client.disconnect()


async def signed_in_by_code(simulator: SimulatorProcess) -> int:
    client = new_client(simulator)
    await client.connect()
    try:
        phone = simulator.description["curator_phone"]
        await client.send_code_request(phone)
        with pytest.raises(errors.SessionPasswordNeededError):
            await client.sign_in(phone, simulator.ask("codes")["codes"][-1])
        await client.sign_in(password=PASSWORD)
        simulator.ask("account", who="curator", frozen=True)
        with pytest.raises(errors.FrozenMethodInvalidError):
            await client.get_dialogs()
        simulator.ask("account", who="curator", frozen=False)
        simulator.ask("sign_out", who="curator", refusal="SESSION_REVOKED")
        with pytest.raises(errors.SessionRevokedError):
            await client.get_dialogs()
        return len(simulator.ask("codes")["codes"])
    finally:
        await client.disconnect()


def test_a_person_signs_in(simulator: SimulatorProcess) -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(signed_in_by_qr(simulator)) == simulator.description["curator_id"]
        assert runner.run(signed_in_by_code(simulator)) == 1
    with pytest.raises(RuntimeError, match="AUTH_TOKEN_INVALIDX"):
        simulator.ask("scan", url="https://example.org")


def test_a_channel_is_made_and_taken_away(simulator: SimulatorProcess) -> None:
    chat_id = simulator.ask("relay")["chat_id"]
    assert chat_id < -1_000_000_000_000
    for membership in ("kicked", "left", "member", "administrator"):
        assert simulator.ask("membership", who="bot", chat_id=chat_id, membership=membership) == {}
    assert simulator.ask("delete_chat", chat_id=chat_id) == {}
    with pytest.raises(RuntimeError, match="deleted"):
        simulator.ask("membership", who="bot", chat_id=chat_id, membership="member")


def test_the_clock_is_set(simulator: SimulatorProcess) -> None:
    before = simulator.ask("clock", skew=3600)
    assert before["skew"] == 3600
    assert simulator.ask("clock", skew=0, advance=100)["now"] >= before["now"] + 100


def test_it_ends_with_its_input() -> None:
    command = [sys.executable, "-m", "teltubby.simulator", "--file", "10:1", "--sha256", "--latency", "0.1"]
    ended = subprocess.run(command, input="{}\n", capture_output=True, text=True, timeout=60, check=True)
    described, answer = ended.stdout.splitlines()
    assert sha256(GeneratedContent(size=10, seed=1).read(0, 10)).hexdigest() in described
    assert "error" in answer and not ended.stderr


def test_a_wrong_option_is_told() -> None:
    with pytest.raises(RuntimeError, match="has ended"), SimulatorProcess("--fault", '{"method": "x", "nonsense": 1}'):
        pass
