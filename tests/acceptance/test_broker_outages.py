"""RabbitMQ away, back, cut off, and with messages in it that nobody can read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.queues import DEAD, EVENTS, JOBS, PRIORITY, Queues
from tests.servers.tcp_proxy import TcpProxy

MIB = 1 << 20


@pytest.fixture
def wire(wings: Household, rabbit_proxy: TcpProxy) -> Iterator[TcpProxy]:
    """Both processes reach RabbitMQ through it."""
    wings.settings["RABBITMQ_PORT"] = str(rabbit_proxy.port)
    yield rabbit_proxy
    wings.stop()  # before the wire goes


def large(house: Household, seed: int = 0) -> File:
    """A file that has to take the queue."""
    return house.ada.new_file(FileKind.VIDEO, 21 * MIB + seed, name=f"large-{seed}.mp4")


def test_away_at_the_start(wings: Household, wire: TcpProxy, queues: Queues) -> None:
    """Intake goes on, small files are archived, jobs wait in the outbox and are published when RabbitMQ is there."""
    wire.refuse()
    bot = wings.start("bot", "worker")
    ada, photo, video = wings.ada, wings.ada.new_file(FileKind.PHOTO, 50_000), large(wings)
    message = ada.send_video(video)
    wings.answer(ada.send_photo(photo), "Archived 1 file")
    wings.answer(message, "queued for processing")
    wings.answer(ada.send_text("/status"), "Not in the queue yet: 1 job")
    bot.wait_logged("broker: ")
    assert bot.get("/healthz")[0] == 200, "a broker that is away is no fault of the process"
    status, body = bot.get("/readyz")
    assert status == 503 and json.loads(body)["dependencies"]["broker"]["state"] == "down"
    wire.accept()
    assert video.sha256() in wings.answer(message, "Large file archived successfully", within=90)
    assert sha256(wings.archive, wings.items(message)[0]["s3_key"]) == video.sha256()
    eventually(lambda: bot.get("/readyz")[0] == 200, within=60, what="the bot to be ready")


def test_cut_in_the_middle(wings: Household, wire: TcpProxy, queues: Queues) -> None:
    """Both sides lose the connection while a large file is on its way: it is archived once, and told once."""
    wings.start("bot", "worker")
    world = wings.telegram.world
    wings.in_world(lambda: setattr(world.faults, "shared_bandwidth", 8 * MIB))
    files = [large(wings, seed) for seed in range(3)]
    messages = [wings.ada.send_video(file) for file in files[:2]]
    wings.answer(messages[0], "processing started")
    wire.refuse()
    assert wire.cut() >= 2
    messages.append(wings.ada.send_video(files[2]))
    wings.answer(messages[2], "queued for processing")
    wings.in_world(lambda: setattr(world.faults, "shared_bandwidth", None))
    wire.accept()
    for message, file in zip(messages, files, strict=True):
        assert file.sha256() in wings.answer(message, "Large file archived successfully", within=90)
        assert len(wings.answers(message)) == 1
    stored = [key for key in wings.archive.stored() if not key.endswith(".json")]
    assert sorted(sha256(wings.archive, key) for key in stored) == sorted(file.sha256() for file in files)
    wings.stop()
    # A job that came twice reports twice; the bot may be stopped before it heard the second time.
    assert queues.depths().keys() <= {EVENTS} and wings.spooled() == []


def test_messages_that_are_no_jobs(wings: Household, queues: Queues) -> None:
    """To the dead letters with the reason; the worker goes on."""
    worker = wings.start("worker", "bot")
    worker.wait_logged("the bot session is ready")
    eventually(queues.declared, what="the queues")
    job = {"job_id": "0b0e0ae4-3a5b-4b1e-8f6f-2b3a1f1e9d11", "user_id": 1, "chat_id": 1}
    bad = {
        "not JSON": (JOBS, b"\xff{nonsense", {"schema": "1.0"}),
        "half a job": (PRIORITY, json.dumps(job).encode(), {"schema": "1.0"}),
        "unknown schema": (JOBS, json.dumps(job).encode(), {"schema": "9.9"}),
        "no schema": (JOBS, b"{}", {}),
        "nothing": (JOBS, b"", {"schema": "1.0"}),
    }
    for queue, body, headers in bad.values():
        queues.put(queue, body, headers)
    eventually(lambda: queues.depths() == {DEAD: len(bad)}, what="all of them among the dead letters")
    letters = [queues.take(DEAD) for _ in bad]
    assert sorted(letter.body for letter in letters if letter) == sorted(body for _, body, _ in bad.values())
    reasons = {letter.body: str(letter.headers["x-reason"]) for letter in letters if letter}
    assert all(reasons.values()), "each says why"
    assert "9.9" in next(
        str(each.headers["x-reason"]) for each in letters if each and each.headers.get("schema") == "9.9"
    )
    video = large(wings)
    message = wings.ada.send_video(video)
    assert video.sha256() in wings.answer(message, "Large file archived successfully")


@ON_TRIO
def test_a_job_whose_message_is_gone(wings: Household, queues: Queues) -> None:
    """Deleted before the worker came: failed for good, told with the reason, in the artifact too."""
    wings.start("bot")
    video = large(wings)
    message = wings.ada.send_video(video)
    wings.answer(message, "queued for processing")
    line = wings.answers(message)[0].message_id
    number = wings.number(message)
    folder = wings.folder(message)
    wings.ada.delete(message)
    wings.start("worker")
    wings.ada.wait_for(
        lambda lines: any(each.message_id == line and "Processing failed" in each.text for each in lines), 60
    )
    eventually(lambda: queues.depths() == {DEAD: 1}, what="a dead letter")
    letter = queues.take(DEAD)
    assert letter is not None and str(number) in str(letter.headers["x-reason"])
    assert wings.archive.stored() == [folder + "message.json"]
    assert wings.rows("SELECT state FROM jobs") == [("FAILED",)]
