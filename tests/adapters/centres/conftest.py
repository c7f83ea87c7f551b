"""A Telegram of two data centres, with addresses for files unless the test says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.abroad import ABROAD, HOME, Wires, wired
from tests.adapters.house import House


@pytest.fixture
def telegram(request: pytest.FixtureRequest) -> Iterator[SimulatedTelegram]:
    options = {"dcs": (HOME, ABROAD), "media_only": True, **getattr(request, "param", {})}
    with SimulatedTelegram(**options) as telegram:
        yield telegram


@pytest.fixture
def wires(telegram: SimulatedTelegram) -> Iterator[Wires]:
    with wired(telegram) as wires:
        yield wires


@pytest.fixture
def house(house: House, wires: Wires) -> House:
    """Every address that its clients learn of is a wire's."""
    return house
