"""What every broker keeps of delayed messages: they come to their queue in their time, whoever else waits."""

from __future__ import annotations

import time

import pytest

from teltubby.adapters.base import Destination
from teltubby.adapters.broker_rules import DELAYED
from tests.contract.brokers import JOBS, BrokerWorld, await_depth, message, name_of, opened, take, take_names

pytestmark = pytest.mark.anyio

COMES_TO = {Destination.RETRY: Destination.JOBS, Destination.RETRY_PRIORITY: Destination.PRIORITY}


@pytest.mark.parametrize("destination", COMES_TO)
async def test_a_short_delay_does_not_wait_for_a_long_one(brokers: BrokerWorld, destination: Destination) -> None:
    async with opened(brokers.client()) as broker:
        stream = await broker.consume(JOBS, prefetch=4)
        began = time.monotonic()
        await broker.publish(destination, message("long"), delay=1.5)
        await broker.publish(destination, message("short"), delay=0.4)
        await broker.publish(destination, message("none"))
        await await_depth(broker, destination, 2)
        source = COMES_TO[destination]
        none = await take(stream)
        assert (name_of(none), none.source, none.headers) == ("none", source, {"schema": "1.0"})
        short = await take(stream)
        assert time.monotonic() - began >= 0.4
        assert (name_of(short), short.source, short.headers) == ("short", source, {"schema": "1.0"})
        assert await take_names(stream, 1) == ["long"]
        assert time.monotonic() - began >= 1.5


async def test_an_urgent_message_overtakes_again_after_its_delay(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for name in ("normal 1", "normal 2"):
            await broker.publish(Destination.JOBS, message(name))
        await broker.publish(Destination.RETRY, message("normal 3"), delay=0.2)
        await broker.publish(Destination.RETRY_PRIORITY, message("urgent"), delay=0.3)
        stream = await broker.consume(JOBS, prefetch=1)
        held = await take(stream)
        await await_depth(broker, Destination.PRIORITY, 1)
        await await_depth(broker, Destination.JOBS, 2)
        await held.ack()
        assert (name_of(held), await take_names(stream, 3)) == ("normal 1", ["urgent", "normal 2", "normal 3"])


async def test_delayed_messages_are_counted_by_kind(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for delay in (30, 600, 70_000):
            await broker.publish(Destination.RETRY, message(), delay=delay)
        for delay in (1, 7000):
            await broker.publish(Destination.RETRY_PRIORITY, message("urgent"), delay=delay)
        expected = dict.fromkeys(Destination, 0) | {Destination.RETRY: 3, Destination.RETRY_PRIORITY: 2}
        assert await broker.depths() == expected
        assert await take_names(await broker.consume([Destination.PRIORITY], prefetch=1), 1) == ["urgent"]
        assert await broker.depths() == expected | {Destination.RETRY_PRIORITY: 1}


async def test_only_retries_are_delayed(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        for destination in set(Destination) - DELAYED:
            with pytest.raises(ValueError, match="delayed"):
                await broker.publish(destination, message(), delay=1)
        for destination in DELAYED:
            with pytest.raises(ValueError, match="delayed"):
                await broker.publish(destination, message(), delay=-1)
