"""The bot dies between the picture and the file of a report: the next one sends what is missing, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.adapters.base import Destination
from teltubby.messages.collector import MakeReport
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.test_channels_desk import DistantCollector, collector_at
from tests.actors.updates import update
from tests.actors.world import World
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

MOMENTS = ("send_photo after", "send_document before", "send_document after")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


class Death:
    """Stops everything at the first of these moments, for ever."""

    def __init__(self, moment: str) -> None:
        self._moment = moment
        self.came = anyio.Event()

    async def watch(self, moment: str) -> None:
        if self.came.is_set() or moment == self._moment:
            self.came.set()
            await anyio.sleep_forever()


def parts(world: World) -> list[str]:
    """What a person sees of reports, in order."""
    return [
        "picture" if bubble.picture is not None else "file"
        for bubble in world.telegram.bubbles
        if bubble.picture is not None or bubble.document is not None
    ]


async def die(wing: BotWing, death: Death) -> None:
    with anyio.fail_after(500):
        await death.came.wait()
    wing.context.cancel()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_in_time(world: World, moment: str) -> None:
    death = Death(moment)
    async with bot_wing(world, watch=death.watch) as wing, collector_at(wing):
        world.telegram.deliver(update(90, text="/report @news"))
        await die(wing, death)
    async with bot_wing(world) as wing, collector_at(wing):
        await wing.rests()
        assert parts(world) == ["picture", "file"]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_late(world: World, moment: str) -> None:
    death = Death(moment)
    async with bot_wing(world, watch=death.watch) as wing, collector_at(wing) as collector:
        await told_late(wing, collector)
        await die(wing, death)
    async with bot_wing(world) as wing:
        await wing.queue.settle(Destination.EVENTS, 0)
        await wing.rests()
        assert parts(world) == ["picture", "file"]


async def told_late(wing: BotWing, collector: DistantCollector) -> None:
    collector.holds = True
    await wing.receives(update(91, text="/report @news"))
    await until(lambda: any("needs longer" in said for said in wing.said()), within=60)
    order = await collector.ordered()
    assert isinstance(order, MakeReport)
    await collector.say(collector.report(order))
