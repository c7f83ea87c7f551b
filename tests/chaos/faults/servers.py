"""Broker and store: ended as by a power cut, and there again after a while with what they had."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.faults.base import Fault, OfServers, Variant
from tests.chaos.stage import Stage


@dataclass(frozen=True)
class KillBroker(OfServers):
    """kill -9 of RabbitMQ."""

    family = "servers"

    def strike(self, stage: Stage) -> None:
        if stage.ground.rabbit.running:
            stage.ground.rabbit.crash()

    def heal(self, stage: Stage) -> None:
        if not stage.ground.rabbit.running:
            stage.ground.rabbit.start()
        stage.expect_consumer()


@dataclass(frozen=True)
class KillStore(OfServers):
    """kill -9 of the store."""

    family = "servers"

    def strike(self, stage: Stage) -> None:
        stage.ground.swift.stop()

    def heal(self, stage: Stage) -> None:
        if not stage.ground.swift.running:
            stage.ground.swift.start()
        stage.expect_uploads()


def variants() -> Iterator[Variant]:
    """Each of them."""
    yield Variant(name="KillBroker", made=lambda _: KillBroker())
    yield Variant(name="KillStore", made=lambda _: KillStore())


def drawn(rng: random.Random) -> Fault:
    """One of them; the broker takes longest of all faults."""
    return rng.choice((KillBroker(), KillStore(), KillStore()))
