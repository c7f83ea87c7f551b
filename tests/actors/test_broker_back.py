"""How soon a QueueActor is connected again: sooner after a short outage than after a long one."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.errors import BrokerUnavailable
from tests.actors.office import Office, office
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


async def outage(here: Office, seconds: float) -> float:
    """The broker is away for so long; seconds from its return to the next connection."""
    before = here.broker.script.count("consume")
    here.broker.script.break_down("open", BrokerUnavailable("away"))
    await here.broker.lose()
    await anyio.sleep(seconds)
    here.broker.script.repair("open")
    back = anyio.current_time()
    await until(lambda: here.broker.script.count("consume") > before, within=100, every=0.05)
    return here.broker.script.times("consume")[-1] - back


async def test_after_short_outages_nobody_waits_for_long_however_many_there_are(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await until(lambda: here.broker.script.count("consume") == 1)
        for _ in range(30):
            await anyio.sleep(6)
            assert await outage(here, 3.0) <= 3.0


async def test_a_long_outage_is_waited_for_in_peace(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await until(lambda: here.broker.script.count("consume") == 1)
        tries = here.broker.script.count("open")
        await outage(here, 3600.0)
        assert here.broker.script.count("open") - tries < 1000


async def test_a_broker_that_hangs_up_at_once_is_not_hammered(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        here.broker.script.break_down("consume", BrokerUnavailable("hung up"))
        await here.broker.lose()
        await anyio.sleep(60)
        tries = here.broker.script.count("open")
        await anyio.sleep(3600)
        assert here.broker.script.count("open") - tries < 1000
