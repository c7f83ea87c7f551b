"""Fixtures for tests that need a real RabbitMQ: load it as a plugin, or import the fixtures by name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.servers.rabbitmq import RabbitNode
from tests.servers.tcp_proxy import TcpProxy

CONSUMER_TIMEOUT_SECONDS = 2.0
"""How long a channel of `impatient_rabbit` may hold a delivery; half an hour is RabbitMQ's own default."""

_TICK_SECONDS = 0.5
_DEFAULT_TIMEOUT_SECONDS, _DEFAULT_TICK_SECONDS = 1800.0, 60.0
_NODE = pytest.StashKey[RabbitNode]()


@pytest.fixture(scope="session")
def rabbit_node(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> RabbitNode:
    """A private RabbitMQ node, started once (5 s) however often this is imported; fails where RabbitMQ is missing."""
    if _NODE not in pytestconfig.stash:
        node = RabbitNode(tmp_path_factory.mktemp("rabbitmq"))
        pytestconfig.add_cleanup(node.kill)
        node.start()
        pytestconfig.stash[_NODE] = node
    return pytestconfig.stash[_NODE]


@pytest.fixture
def rabbit_vhost(rabbit_node: RabbitNode) -> Iterator[str]:
    """A virtual host of this test alone."""
    name = rabbit_node.create_vhost(f"test-{uuid.uuid4().hex[:12]}")
    yield name
    rabbit_node.delete_vhost(name)


@pytest.fixture
def impatient_rabbit(rabbit_node: RabbitNode) -> Iterator[RabbitNode]:
    """The node, which closes a channel that holds a delivery for CONSUMER_TIMEOUT_SECONDS; it is patient afterwards."""
    rabbit_node.set_consumer_timeout(CONSUMER_TIMEOUT_SECONDS, tick=_TICK_SECONDS)
    yield rabbit_node
    rabbit_node.set_consumer_timeout(_DEFAULT_TIMEOUT_SECONDS, tick=_DEFAULT_TICK_SECONDS)


@pytest.fixture
def rabbit_proxy(rabbit_node: RabbitNode) -> Iterator[TcpProxy]:
    """A wire to the node that the test can cut."""
    proxy = TcpProxy(rabbit_node.port)
    yield proxy
    proxy.close()
