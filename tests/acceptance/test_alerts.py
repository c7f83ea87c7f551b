"""The admins are told of trouble once, and once when it is over, also by a bot that was started again meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from teltubby.simulator.files import FileKind
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.archives import BucketArchive
from tests.acceptance.backends import ON_TRIO
from tests.acceptance.conftest import Keep, s3_settings
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.product import Begin
from tests.servers.swift import SwiftNode
from tests.servers.tcp_proxy import TcpProxy

MIB = 1 << 20
AWAY, FAILED = "The object store is away", "could not be archived"


@pytest.fixture
def wire(swift: SwiftNode) -> Iterator[TcpProxy]:
    wire = TcpProxy(swift.port)
    yield wire
    wire.close()


@pytest.fixture
def house(
    telegram: SimulatedTelegram,
    tmp_path: Path,
    backend: str,
    begin: Begin,
    swift: SwiftNode,
    bucket: BucketArchive,
    wire: TcpProxy,
    keep: Keep,
) -> Household:
    """A single box that reaches S3 over the wire, and tells of trouble within seconds."""
    bucket.create()
    settings = {
        "TELTUBBY_BACKEND": backend,
        **s3_settings(swift, bucket),
        "S3_ENDPOINT": f"http://127.0.0.1:{wire.port}",
        "MTPROTO_ROUTES": "bot",
        "ALERT_AFTER_SECONDS": "1",
        "ALERT_GROUP_SECONDS": "1",
        "ALERT_DISK_FREE_MB": "0",
    }
    return keep(Household(telegram, tmp_path, bucket, begin, settings))


def told(house: Household) -> list[str]:
    """What the admin was told of trouble, in one line each."""
    lines = house.ada.conversation()
    return [line.text for line in lines if line.from_bot and line.text.startswith(("🚨 Trouble", "❌", "✅ Over"))]


def of(house: Household, words: str, start: str) -> list[str]:
    return [text for text in told(house) if words in text and text.startswith(start)]


@ON_TRIO
def test_a_store_that_goes_and_comes_and_a_job_that_fails(house: Household, wire: TcpProxy) -> None:
    product, ada = house.start("run"), house.ada
    wire.refuse()
    wire.cut()
    photo = ada.send_photo(ada.new_file(FileKind.PHOTO, 50_000))
    eventually(lambda: of(house, AWAY, "🚨"), within=90, what="an alert")
    asked = ada.send_text("/status")
    house.answer(asked, AWAY)
    assert [alert["kind"] for alert in json.loads(product.get("/status")[1])["alerts"]] == ["store"]
    product.stop()

    house.start("run")  # which does not tell of it again
    wire.accept()
    house.answer(photo, "Archived 1 file", within=90)
    eventually(lambda: of(house, AWAY, "✅ Over"), within=90, what="that it is over")
    house.answer(ada.send_text("/alerts"), "There is no open alert")

    house.in_world(lambda: house.telegram.world.faults.add("messages.getMessages", delay=4.0))
    ada.delete(ada.send_video(ada.new_file(FileKind.VIDEO, 21 * MIB)))
    eventually(lambda: of(house, FAILED, "❌"), within=90, what="an alert of the job")
    assert len(of(house, AWAY, "🚨")) == len(of(house, AWAY, "✅ Over")) == len(of(house, FAILED, "❌")) == 1
