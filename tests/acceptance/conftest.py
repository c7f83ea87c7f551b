"""Households for the acceptance tests, on both backends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.archives import BucketArchive, FolderArchive
from tests.acceptance.household import Household
from tests.acceptance.nursery import Nursery
from tests.acceptance.product import Begin
from tests.acceptance.queues import Queues
from tests.servers.rabbitmq import RabbitNode
from tests.servers.rabbitmq_fixtures import rabbit_node, rabbit_proxy, rabbit_vhost
from tests.servers.swift import SwiftNode
from tests.servers.swift_fixtures import swift
from tests.servers.tcp_proxy import TcpProxy

__all__ = ["rabbit_node", "rabbit_proxy", "rabbit_vhost", "swift"]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The event loop that the product runs on."""
    return str(request.param)


@pytest.fixture(scope="session")
def nurseries() -> Iterator[dict[str, Nursery]]:
    """Where processes come from, by backend."""
    found: dict[str, Nursery] = {}
    yield found
    for nursery in found.values():
        nursery.close()


@pytest.fixture
def nursery(nurseries: dict[str, Nursery], backend: str) -> Nursery:
    """Where processes on this backend come from."""
    if backend not in nurseries:
        nurseries[backend] = Nursery(backend)
    return nurseries[backend]


@pytest.fixture
def begin(nursery: Nursery) -> Begin:
    """How processes are started; a test that is about the command itself overrides it with run_command."""
    return nursery.fork


@pytest.fixture
def telegram() -> Iterator[SimulatedTelegram]:
    """A Telegram of this test alone."""
    with SimulatedTelegram(media_only=True) as telegram:
        yield telegram


@pytest.fixture
def bucket(swift: SwiftNode) -> Iterator[BucketArchive]:
    """A name for a bucket of this test alone; nothing made it yet."""
    archive = BucketArchive(swift, f"acceptance-{uuid.uuid4().hex[:12]}")
    yield archive
    archive.close()


Keep = Callable[[Household], Household]


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Takes households in: at the end they are stopped in order, and looked at.

    A fixture names it last, so that processes end before what they use does.
    """
    with ExitStack() as stack:

        def take_in(household: Household) -> Household:
            stack.callback(household.kill)
            stack.callback(household.stop)
            return household

        yield take_in


def folder_household(telegram: SimulatedTelegram, home: Path, backend: str, begin: Begin) -> Household:
    """A single box: embedded queue, folder store."""
    archive = FolderArchive(home / "archive")
    archive.root.mkdir()
    settings = {"TELTUBBY_BACKEND": backend, "STORAGE_FOLDER": str(archive.root)}
    return Household(telegram, home, archive, begin, settings)


@pytest.fixture
def box(telegram: SimulatedTelegram, tmp_path: Path, backend: str, begin: Begin, keep: Keep) -> Household:
    """A single box, not started."""
    return keep(folder_household(telegram, tmp_path, backend, begin))


def s3_settings(swift: SwiftNode, bucket: BucketArchive) -> dict[str, str]:
    """How a process reaches the bucket."""
    return {
        "S3_ENDPOINT": swift.endpoint,
        "S3_ACCESS_KEY_ID": swift.access_key_id,
        "S3_SECRET_ACCESS_KEY": swift.secret_access_key,
        "S3_BUCKET": bucket.name,
    }


def rabbit_settings(node: RabbitNode, vhost: str) -> dict[str, str]:
    """How a process reaches the virtual host."""
    return {
        "QUEUE_BACKEND": "rabbitmq",
        "RABBITMQ_HOST": node.host,
        "RABBITMQ_PORT": str(node.port),
        "RABBITMQ_USERNAME": node.user,
        "RABBITMQ_PASSWORD": node.password,
        "RABBITMQ_VHOST": vhost,
    }


@pytest.fixture
def wings(
    telegram: SimulatedTelegram,
    tmp_path: Path,
    backend: str,
    begin: Begin,
    swift: SwiftNode,
    bucket: BucketArchive,
    rabbit_node: RabbitNode,
    rabbit_vhost: str,
    keep: Keep,
) -> Household:
    """For `teltubby bot` and `teltubby worker` on RabbitMQ and S3, not started."""
    bucket.create()
    settings = {
        "TELTUBBY_BACKEND": backend,
        **rabbit_settings(rabbit_node, rabbit_vhost),
        **s3_settings(swift, bucket),
    }
    return keep(Household(telegram, tmp_path, bucket, begin, settings))


@pytest.fixture
def queues(rabbit_node: RabbitNode, rabbit_vhost: str) -> Queues:
    """The queues of this test."""
    return Queues(node=rabbit_node, vhost=rabbit_vhost)


@pytest.fixture
def s3_box(
    telegram: SimulatedTelegram,
    tmp_path: Path,
    backend: str,
    begin: Begin,
    swift: SwiftNode,
    bucket: BucketArchive,
    keep: Keep,
) -> Household:
    """A single box on S3; nobody made the bucket yet."""
    settings = {"TELTUBBY_BACKEND": backend, **s3_settings(swift, bucket)}
    return keep(Household(telegram, tmp_path, bucket, begin, settings))


@pytest.fixture
def store_wire(swift: SwiftNode, s3_box: Household) -> Iterator[TcpProxy]:
    """The box reaches S3 through it."""
    wire = TcpProxy(swift.port)
    s3_box.settings["S3_ENDPOINT"] = f"http://127.0.0.1:{wire.port}"
    yield wire
    s3_box.stop()  # before the wire goes
    wire.close()
