"""Connections: cut, dead silent, slow, half open, and late by different times, so that they overtake each other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from tests.chaos.faults.base import Fault, Variant
from tests.chaos.installation import Installation, Wire
from tests.chaos.stage import Stage


@dataclass(frozen=True)
class OnWire(Fault):
    """Something that happens to one of them."""

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
class Cut(OnWire):
    """All connections are reset, and nobody can connect."""

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].refuse()
        stage.wires[self.wire].cut()


@dataclass(frozen=True)
class Blink(OnWire):
    """All connections are reset; who connects again is heard."""

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].cut()


@dataclass(frozen=True)
class Silence(OnWire):
    """Nothing comes through any more, and comes all at once in the end."""

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].stall()


@dataclass(frozen=True)
class HalfOpen(OnWire):
    """The other side forgot all connections; ours live on and nobody hears them, until they are reset in the end."""

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].abandon()

    def heal(self, stage: Stage) -> None:
        stage.wires[self.wire].cut()
        super().heal(stage)


@dataclass(frozen=True)
class Slow(OnWire):
    """What is connected anew is late, each connection by the same time."""

    seconds: float

    def strike(self, stage: Stage) -> None:
        stage.wires[self.wire].lag(lambda: self.seconds)
        stage.wires[self.wire].cut()

    def heal(self, stage: Stage) -> None:
        super().heal(stage)
        stage.wires[self.wire].cut()


@dataclass(frozen=True)
class Disorder(OnWire):
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


KINDS: Mapping[str, Callable[[Wire, random.Random], Fault]] = {
    "Cut": lambda wire, _: Cut(wire),
    "Blink": lambda wire, _: Blink(wire),
    "Silence": lambda wire, _: Silence(wire),
    "HalfOpen": lambda wire, _: HalfOpen(wire),
    "Slow": lambda wire, rng: Slow(wire, round(rng.uniform(0.05, 0.4), 2)),
    "Disorder": lambda wire, rng: Disorder(wire, round(rng.uniform(0.1, 0.8), 2), rng.getrandbits(16)),
}


def variants() -> Iterator[Variant]:
    """Each of them, on each wire."""
    for name, made in KINDS.items():
        for wire in Wire:
            yield Variant(name=f"{name} {wire}", made=partial(made, wire))


def drawn(rng: random.Random) -> Fault:
    """One of them."""
    wire = rng.choice(list(Wire))
    return rng.choice(list(KINDS.values()))(wire, rng)
