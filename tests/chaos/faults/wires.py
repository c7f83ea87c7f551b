"""Connections: cut, dead silent, slow, half open, and late by different times, so that they overtake each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.faults.base import Fault
from tests.chaos.installation import Installation, Wire
from tests.chaos.stage import Stage


@dataclass(frozen=True)
class _OnWire(Fault):
    family = "wires"
    wire: Wire

    def fits(self, installation: Installation) -> bool:
        return self.wire in installation.wires

    def heal(self, stage: Stage) -> None:
        wire = stage.wires[self.wire]
        wire.accept()
        wire.resume()
        wire.lag(None)
        stage.wire_is_back(self.wire)


@dataclass(frozen=True)
class Cut(_OnWire):
    """All connections are reset, and nobody can connect."""

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].refuse()
        stage.wires[self.wire].cut()


@dataclass(frozen=True)
class Blink(_OnWire):
    """All connections are reset; who connects again is heard."""

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].cut()


@dataclass(frozen=True)
class Silence(_OnWire):
    """Nothing comes through any more, and comes all at once in the end."""

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].stall()


@dataclass(frozen=True)
class HalfOpen(_OnWire):
    """The other side forgot all connections; ours live on and nobody hears them, until they are reset in the end."""

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].abandon()

    def heal(self, stage: Stage) -> None:
        stage.wires[self.wire].cut()
        super().heal(stage)


@dataclass(frozen=True)
class Slow(_OnWire):
    """What is connected anew is late, each connection by the same time."""

    seconds: float

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].lag(lambda: self.seconds)
        stage.wires[self.wire].cut()

    def heal(self, stage: Stage) -> None:
        super().heal(stage)
        stage.wires[self.wire].cut()


@dataclass(frozen=True)
class Disorder(_OnWire):
    """What is connected anew is late, each connection by another time."""

    seconds: float
    seed: int

    def strike(self, stage: Stage) -> None:
        dice = random.Random(self.seed)
        stage.wires[self.wire].lag(lambda: dice.uniform(0.0, self.seconds))
        stage.wires[self.wire].cut()

    def heal(self, stage: Stage) -> None:
        super().heal(stage)
        stage.wires[self.wire].cut()


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    wire = rng.choice(list(Wire))
    kinds: tuple[Callable[[], Fault], ...] = (
        lambda: Cut(wire),
        lambda: Blink(wire),
        lambda: Silence(wire),
        lambda: HalfOpen(wire),
        lambda: Slow(wire, round(rng.uniform(0.05, 0.4), 2)),
        lambda: Disorder(wire, round(rng.uniform(0.1, 0.8), 2), rng.getrandbits(16)),
    )
    return rng.choice(kinds)()
