"""An update of which a part was not answered in time waits, is tried again at once, and nothing is said twice."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.errors import NotAnswered
from tests.actors.bot_wing import bot_wing
from tests.actors.updates import update
from tests.actors.world import World
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


async def test_it_is_tried_again_soon_and_that_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(folder=tmp_path)
    async with bot_wing(world) as wing:
        await anyio.sleep(10)
        wing.ledger_script.fail("CloseUpdates", NotAnswered("nobody says anything"))
        wing.telegram.deliver(update(50, text="hello"))
        await until(wing.said)
        await until(lambda: wing.ledger_script.count("CloseUpdates") == 2, within=10)
        assert "update 50 waits: nobody says anything" in caplog.text
        await anyio.sleep(60)
        assert len(wing.said()) == 1, "it was looked up that this was said"
        assert not world.facts("SELECT 1 FROM inbox WHERE done_at IS NULL")
