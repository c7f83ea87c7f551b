"""Real servers for the contract tests, one per session."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.brokers import BrokerWorld, EmbeddedWorld, RabbitWorld
from tests.contract.stores import FolderWorld, S3World, StoreWorld
from tests.servers.rabbitmq import RabbitNode
from tests.servers.rabbitmq_fixtures import impatient_rabbit, rabbit_node, rabbit_proxy, rabbit_vhost
from tests.servers.swift import SwiftNode
from tests.servers.swift_fixtures import swift
from tests.servers.tcp_proxy import TcpProxy

__all__ = ["impatient_rabbit", "rabbit_node", "rabbit_proxy", "rabbit_vhost", "swift"]


@pytest.fixture
def folder_world(tmp_path: Path) -> FolderWorld:
    """An empty folder store."""
    return FolderWorld(tmp_path / "archive")


@pytest.fixture
def s3_world(swift: SwiftNode) -> Iterator[S3World]:
    """An empty bucket of its own."""
    world = S3World(swift, f"archive-{uuid.uuid4().hex}")
    yield world
    world.close()


@pytest.fixture(params=["folder", "s3"])
def world(request: pytest.FixtureRequest) -> StoreWorld:
    """Every store in turn."""
    chosen: StoreWorld = request.getfixturevalue(f"{request.param}_world")
    return chosen


@pytest.fixture(params=["embedded", "rabbitmq"])
def brokers(request: pytest.FixtureRequest, tmp_path: Path) -> BrokerWorld:
    """Every broker in turn."""
    if request.param == "embedded":
        return EmbeddedWorld(path=tmp_path / "queue.db")
    node = request.getfixturevalue("rabbit_node")
    return RabbitWorld(node=node, vhost=request.getfixturevalue("rabbit_vhost"), port=node.port)


@pytest.fixture
def direct(rabbit_node: RabbitNode, rabbit_vhost: str) -> RabbitWorld:
    """RabbitMQ, its clients connected to the node itself."""
    return RabbitWorld(node=rabbit_node, vhost=rabbit_vhost, port=rabbit_node.port)


@pytest.fixture
def wired(rabbit_node: RabbitNode, rabbit_vhost: str, rabbit_proxy: TcpProxy) -> RabbitWorld:
    """RabbitMQ, its clients connected through the proxy."""
    return RabbitWorld(node=rabbit_node, vhost=rabbit_vhost, port=rabbit_proxy.port)


@pytest.fixture
def queue(tmp_path: Path) -> EmbeddedWorld:
    """A queue whose file and directory do not exist yet."""
    return EmbeddedWorld(path=tmp_path / "new" / "queue.db")
