"""Standing: whoever does not answer is told about, and what cannot be painted is said in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from teltubby.actors.growth import Growth
from teltubby.actors.standing import Paint, Standing
from teltubby.actors.workers import Workers
from teltubby.errors import ExtraNotInstalled, NotAnswered, Transient
from teltubby.messages.history import Statistics
from teltubby.messages.queue import PublisherMessage
from teltubby.messages.transfer import PrefixSize
from teltubby.supervision import Mailbox
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.world import World
from tests.virtual_time import wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def painted(statistics: Statistics) -> bytes:
    return b"picture"


def standing(
    wing: BotWing, *, missing: str | None = "none here", paint: Paint = painted, growth: Growth | None = None
) -> Standing:
    queue = Mailbox[PublisherMessage]("queue").ref  # which nobody reads
    return Standing(
        ledger=wing.ledger,
        queue=queue,
        storage="s3://b/",
        quota_bytes=3000,
        growth=growth or Growth(),
        workers=Workers(queue=queue, missing=missing, clock=wall_clock),
        paint=paint,
        clock=wall_clock,
    )


async def test_why_nobody_fetches_large_files_is_told(world: World) -> None:
    async with bot_wing(world) as wing:
        here = standing(wing, missing="<nothing> is installed")
        assert "&lt;nothing&gt; is installed" in (await here.status()).html
        assert "&lt;nothing&gt; is installed" in (await here.mtproto()).html


async def test_workers_that_cannot_be_asked_are_told_about(world: World) -> None:
    async with bot_wing(world) as wing:
        here = standing(wing, missing=None)
        assert "no worker has said anything" in (await here.status()).html
        assert "cannot be asked" in (await here.mtproto()).html


async def test_what_was_stored_a_moment_ago_counts(world: World) -> None:
    growth = Growth()
    growth.add(PrefixSize(used_bytes=1500, objects=2))
    async with bot_wing(world) as wing:
        here = standing(wing, growth=growth)
        for answer in (await here.quota(), await here.status()):
            assert "1.5 KB in 2 objects, 50% of the quota of 3.0 KB" in answer.html
        growth.add(PrefixSize(used_bytes=-9000, objects=-9))
        assert "0 B in 0 objects" in (await here.quota()).html


async def test_a_queue_that_does_not_answer_is_told_about(world: World) -> None:
    async with bot_wing(world) as wing:
        told = (await standing(wing).status()).html
        assert "<b>Queue</b>: no answer" in told and "The broker is away" in told


@pytest.mark.parametrize("error", [ExtraNotInstalled("matplotlib"), NotAnswered("slow"), Transient("crashed")])
async def test_statistics_without_a_picture_are_told_in_words(world: World, error: Exception) -> None:
    async def fails(statistics: Statistics) -> bytes:
        raise error

    async with bot_wing(world) as wing:
        told = await standing(wing, paint=fails).statistics(7)
        assert told.picture is None and "The last 7 days" in told.html
        told = await standing(wing).statistics(7)
        assert told.picture == b"picture" and "The last 7 days" in told.html


async def test_a_quota_is_told_with_its_share(world: World) -> None:
    async with bot_wing(world) as wing:
        assert "0% of the quota of 3.0 KB" in (await standing(wing).quota()).html
