"""Bot and worker in two processes: that content is known is found out before the second copy becomes visible."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.queues import QUESTIONS, Queues
from tests.acceptance.test_duplicates import anew, objects
from tests.servers.s3_proxy import S3Proxy
from tests.servers.swift import SwiftNode

MIB = 1 << 20


@pytest.fixture
def gate(swift: SwiftNode, wings: Household) -> Iterator[S3Proxy]:
    """Every request to the store goes through it."""
    proxy = S3Proxy(swift)
    wings.settings["S3_ENDPOINT"] = proxy.endpoint
    wings.settings["S3_MULTIPART_PART_SIZE_MB"] = "5"
    yield proxy
    wings.stop()  # before the gate goes
    proxy.close()


def appearances(gate: S3Proxy) -> list[str]:
    """Requests that made a file visible: whole objects that are no artifacts, and completed uploads."""
    puts = [line for line in gate.requests if line.startswith("PUT ") and "?" not in line and ".json" not in line]
    return puts + [line for line in gate.requests if line.startswith("POST ") and "uploadId=" in line]


def disappearances(gate: S3Proxy) -> tuple[list[str], list[str]]:
    """Uploads that were aborted, and objects that were deleted."""
    deleted = [line for line in gate.requests if line.startswith("DELETE ")]
    aborted = [line for line in deleted if "uploadId=" in line]
    return aborted, [line for line in deleted if line not in aborted]


def large(house: Household) -> File:
    return house.ada.new_file(FileKind.DOCUMENT, 22 * MIB, seed=7, name="large.bin")


def test_the_second_copy_never_becomes_visible(wings: Household, gate: S3Proxy, queues: Queues) -> None:
    """It goes up, is recognised by its bytes, and its upload is aborted."""
    bot = wings.start("bot", "worker")
    file = large(wings)
    first = wings.ada.send_document(file)
    wings.answer(first, "Large file archived successfully")
    [stored] = wings.settled(first, "stored")
    second = wings.ada.send_document(anew(wings, file))
    told = wings.answer(second, "archived already")
    [item] = wings.settled(second, "duplicate")
    assert (item["s3_key"], item["dedup_reason"], item["route"]) == (stored["s3_key"], "sha256", "mtproto_bot")
    assert item["job_id"] != stored["job_id"] and item["sha256"] == file.sha256() and stored["s3_key"] in told
    [appeared] = appearances(gate)
    assert stored["s3_key"] in appeared
    aborted, deleted = disappearances(gate)
    assert len(aborted) == 1 and deleted == []
    assert wings.archive.unfinished() == [] and objects(wings) == [stored["s3_key"]]
    assert sha256(wings.archive, stored["s3_key"]) == file.sha256()
    assert bot.metric("teltubby_dedup_hits_total") == 1
    wings.stop()
    assert queues.depths() == {} and queues.depth(QUESTIONS) == 0


def test_the_bot_is_away_when_the_worker_asks(wings: Household, gate: S3Proxy, queues: Queues) -> None:
    """The worker waits some seconds and completes; when the bot is back, the copy goes, after the artifact is right."""
    bot, worker = wings.start("bot"), wings.start("worker")
    file = large(wings)
    first = wings.ada.send_document(file)
    wings.answer(first, "Large file archived successfully")
    [stored] = wings.settled(first, "stored")
    faults = wings.telegram.world.faults
    wings.in_world(lambda: setattr(faults, "shared_bandwidth", 8 * MIB))
    second = wings.ada.send_document(anew(wings, file))
    wings.answer(second, "processing started")
    bot.stop()
    wings.in_world(lambda: setattr(faults, "shared_bandwidth", None))
    worker.wait_logged("duplicates are settled later, the ledger does not answer: no answer within 5 s")
    eventually(lambda: len(objects(wings)) == 2, what="the second copy")
    wings.start("bot")
    wings.answer(second, "archived already")
    [item] = wings.settled(second, "duplicate")
    assert item["s3_key"] == stored["s3_key"]
    eventually(lambda: objects(wings) == [stored["s3_key"]], what="the second copy to go")
    assert wings.archive.unfinished() == [] and sha256(wings.archive, stored["s3_key"]) == file.sha256()
    assert len(wings.answers(second)) == 1
    wings.stop()
    assert queues.depths() == {} and queues.depth(QUESTIONS) == 0


@ON_ASYNCIO
def test_every_copy_is_kept_where_that_is_wanted(wings: Household, gate: S3Proxy) -> None:
    """DEDUP_ENABLE=false for the bot is enough: a worker that asks is told that nobody knows."""
    wings.start("bot", DEDUP_ENABLE="false")
    worker = wings.start("worker")
    file = large(wings)
    for message in (wings.ada.send_document(file), wings.ada.send_document(anew(wings, file))):
        wings.answer(message, "Large file archived successfully")
        wings.settled(message, "stored")
    assert len(objects(wings)) == len(appearances(gate)) == 2
    assert disappearances(gate) == ([], [])
    assert "duplicates are settled later" not in worker.log
