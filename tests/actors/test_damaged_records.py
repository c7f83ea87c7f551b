"""An artifact that is damaged in the ledger: whoever it concerns is told once, and nothing else waits for it."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors import phrases
from teltubby.actors.phrases import intake as words
from teltubby.actors.reconciler import ReconcilerRules
from teltubby.adapters.base import Destination
from teltubby.errors import TelegramUnavailable
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_jobs import FindJob
from teltubby.messages.queue import CollectorNews
from tests.actors.bot_wing import BotWing, bot_wing
from tests.actors.found_media import PHOTO, found
from tests.actors.stage import restarts
from tests.actors.test_news import completed, failed, queued, started, tells
from tests.actors.updates import sent, update
from tests.actors.world import World, assert_true
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

RECONCILED = ReconcilerRules(silent_seconds=15.0, retention_days=0, look_seconds=6.0, tidy_seconds=60.0)
DAMAGES = [pytest.param("[" * 100_000, id="deep"), '{"telegram": {"items": [1]}}']


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


def damage(world: World, text: str = "{", message_id: int = 11) -> None:
    world.write("UPDATE messages SET artifact_json = ? WHERE message_id = ?", text, message_id)


async def assert_told_of(world: World, wing: BotWing) -> None:
    """By one line of the trail; nothing was given up, and nothing crashed."""
    (line,) = world.facts("SELECT detail FROM commands WHERE command = 'damaged'")
    assert line["detail"].endswith(" is damaged in the ledger")
    assert phrases.INTERNAL_ERROR not in wing.said()
    assert await wing.queue.depth(Destination.DEAD) == 0
    assert restarts(wing.tree) == {} and world.at_rest()


@pytest.mark.parametrize("text", DAMAGES)
async def test_a_job_ends_all_the_same(world: World, text: str) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
    damage(world, text)
    async with bot_wing(world) as wing:
        await tells(wing, started(job), completed(job), completed(job))
        (line,) = wing.said()
        assert job.target.key in line and line.endswith(words.RECORD_DAMAGED)
        view = await wing.ledger.ask(FindJob(job_id=job.job_id), within=30)
        assert view is not None and view.state is JobState.COMPLETED
        assert wing.counted("jobs_completed") == 1
        await assert_told_of(world, wing)


async def test_a_job_that_fails_and_an_order_are_told_too(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing)
    damage(world)
    async with bot_wing(world) as wing:
        await tells(wing, started(job), failed(job))
        assert "the message is gone" in wing.said()[0] and wing.said()[0].endswith(words.RECORD_DAMAGED)
        await wing.receives(update(20, text=f"/retry {job.job_id}"))
        await wing.receives(update(21, text=f"/cancel {job.job_id}"))
        view = await wing.ledger.ask(FindJob(job_id=job.job_id), within=30)
        assert view is not None and view.state is JobState.CANCELLED
        await assert_told_of(world, wing)


@pytest.mark.parametrize("text", DAMAGES)
async def test_what_would_join_a_damaged_album_is_not_archived_and_told_so(world: World, text: str) -> None:
    first, late, other = (sent(world.telegram, "photo", number) for number in (1, 2, 3))
    async with bot_wing(world) as wing:
        await wing.receives(update(11, first, group="g"))
    damage(world, text)
    async with bot_wing(world) as wing:
        await wing.receives(update(12, late, group="g"), update(13, other))
        assert [bubble.text for bubble in wing.telegram.bubbles if bubble.reply_to == 12] == [words.ITEM_OF_DAMAGED]
        assert {first.body, other.body} == set(world.files())
        await assert_told_of(world, wing)
        assert_true(world)


@pytest.mark.parametrize("text", DAMAGES)
async def test_what_was_not_acknowledged_yet_is_told_to_be_damaged(world: World, text: str) -> None:
    photo = sent(world.telegram, "photo", 1)
    async with bot_wing(world) as wing:
        wing.gateway.script.break_down("send", TelegramUnavailable("away"))
        wing.telegram.deliver(update(11, photo))
        await until(lambda: len(world.objects) == 2)
        await anyio.sleep(10)
    damage(world, text)
    async with bot_wing(world) as wing:
        await wing.rests()
        assert wing.said() == [words.RECORD_DAMAGED]
        await assert_told_of(world, wing)


async def test_a_post_whose_record_is_damaged_is_not_told_for_ever(world: World) -> None:
    async with bot_wing(world) as wing:
        await wing.news.ask(CollectorNews(report=found()), within=1000)
    damage(world, message_id=17)
    async with bot_wing(world) as wing:
        await wing.news.ask(CollectorNews(report=found(media=PHOTO)), within=1000)
        await wing.news.ask(CollectorNews(report=found(18)), within=1000)
        await wing.rests()
        assert [row["message_id"] for row in world.facts("SELECT message_id FROM messages")] == [17, 18]
        await assert_told_of(world, wing)


async def test_who_looks_through_all_artifacts_gets_past_it(world: World) -> None:
    photos = [sent(world.telegram, "photo", number) for number in (1, 2)]
    async with bot_wing(world) as wing:
        await wing.receives(update(11, photos[0]), update(12, photos[1]))
        job = await queued(wing, 20)
    whole = dict(world.objects)
    damage(world)
    damage(world, message_id=job.message_id)
    world.write("UPDATE messages SET artifact_stored = 0 WHERE artifact_json IS NOT NULL")
    for key in world.artifacts():
        del world.objects[key]
    async with bot_wing(world, reconciler=RECONCILED) as wing:
        await anyio.sleep(200)
        assert [key for key in world.artifacts() if "/12/" in key] and len(world.artifacts()) == 1
        assert world.objects.items() <= whole.items()
        assert len(world.facts("SELECT 1 FROM commands WHERE command = 'damaged'")) == 2
        assert restarts(wing.tree) == {}
