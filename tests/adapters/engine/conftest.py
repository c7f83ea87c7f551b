"""A Telegram of two data centres with addresses for files, reached over wires, and transfers to begin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from teltubby.simulator.curator import Curator
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.abroad import ABROAD, HOME, Wires, wired
from tests.adapters.engine.transfers import Begin, transfer
from tests.adapters.house import House


@pytest.fixture
def telegram(request: pytest.FixtureRequest) -> Iterator[SimulatedTelegram]:
    with SimulatedTelegram(**{"dcs": (HOME, ABROAD), "media_only": True, **getattr(request, "param", {})}) as telegram:
        yield telegram


@pytest.fixture
def wires(telegram: SimulatedTelegram) -> Iterator[Wires]:
    with wired(telegram) as wires:
        yield wires


@pytest.fixture
def begin(house: House, wires: Wires, curator: Curator, tmp_path: Path) -> Begin:
    return partial(transfer, house, wires, curator, tmp_path)
