"""RabbitMQ in trouble of its own: memory and disk alarms, which block who publishes, and closed connections."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.faults.base import Fault, OfServers, Variant
from tests.chaos.stage import Stage

USUAL_WATERMARK = 0.4
"""RabbitMQ's own (vm_memory_high_watermark)."""


@dataclass(frozen=True)
class MemoryAlarm(OfServers):
    """`rabbitmqctl set_vm_memory_high_watermark 0`: all publishers are blocked, and told so (connection.blocked)."""

    family = "broker"

    def strike(self, stage: Stage) -> None:
        stage.on_broker("vm_memory_monitor:set_vm_memory_high_watermark(0)")

    def heal(self, stage: Stage) -> None:
        stage.on_broker(f"vm_memory_monitor:set_vm_memory_high_watermark({USUAL_WATERMARK})")


@dataclass(frozen=True)
class DiskAlarm(OfServers):
    """The same for the broker's disk."""

    family = "broker"

    def strike(self, stage: Stage) -> None:
        stage.on_broker("rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []})")

    def heal(self, stage: Stage) -> None:
        stage.on_broker("rabbit_alarm:clear_alarm({resource_limit, disk, node()})")


@dataclass(frozen=True)
class ConnectionsClosed(OfServers):
    """An operator closes all connections (`rabbitmqctl close_all_connections`)."""

    family = "broker"

    def strike(self, stage: Stage) -> None:
        stage.on_broker(
            '[catch rabbit_networking:close_connection(Pid, "chaos") || Pid <- rabbit_networking:connections()]'
        )


def variants() -> Iterator[Variant]:
    """Each of them."""
    yield Variant(name="MemoryAlarm", made=lambda _: MemoryAlarm())
    yield Variant(name="DiskAlarm", made=lambda _: DiskAlarm())
    yield Variant(name="ConnectionsClosed", made=lambda _: ConnectionsClosed())


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    return rng.choice((MemoryAlarm(), MemoryAlarm(), DiskAlarm(), ConnectionsClosed()))
