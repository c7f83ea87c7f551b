"""Files of collected channels: one submission and one job of each post, archived like others, and not a word of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest

from teltubby.actors.quota import QuotaRules
from teltubby.adapters.base import Destination
from teltubby.archive.channel_posts import is_channel_post
from teltubby.archive.identity import unique_id_of_document, unique_id_of_photo
from teltubby.errors import DatabaseUnavailable, StoreUnavailable, Transient
from teltubby.messages.collected import CollectedMedia, ForwardFacts, MediaFacts
from teltubby.messages.collector import ChannelMediaFound
from teltubby.messages.jobs import Job, JobCompleted, JobFailed, JobProgress, JobRetrying, JobStarted, JobState
from teltubby.messages.ledger import SettleFile
from teltubby.messages.ledger_archive import SearchArchive
from teltubby.messages.ledger_jobs import FindJob, ListJobs
from teltubby.messages.media import MediaKind, Route
from teltubby.messages.queue import CollectorNews, JobNews
from teltubby.messages.routes import FileRoute
from teltubby.supervision import SupervisionError
from tests.actors.bot_wing import BORIS, BotWing, bot_wing
from tests.actors.found_media import CHAT, PHOTO, POSTED, VIDEO, found
from tests.actors.stage import ANNA, noise, sha256
from tests.actors.world import World
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

BODY = noise(1000, seed=9)
KEY = "teltubby/2025/01/space_news/17/20250127-101112_space_news_space_news_m17_001_lift-off-at-dawn.mp4"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(folder=tmp_path)


async def take(wing: BotWing, *told: ChannelMediaFound) -> None:
    """The collector's word arrives, and is dealt with."""
    for one in told:
        await wing.news.ask(CollectorNews(report=one), within=1000)
    await wing.rests()


async def queued(wing: BotWing, one: ChannelMediaFound) -> Job:
    """The job of a post."""
    await take(wing, one)
    (job,) = await wing.queue.jobs()
    return job


def completed(job: Job, body: bytes = BODY, *, duplicate_of: str | None = None) -> JobCompleted:
    return JobCompleted(
        job_id=job.job_id,
        worker="w",
        attempt=1,
        at=BEGINNING,
        key=job.target.key,
        size_bytes=len(body),
        sha256=sha256(body),
        route=Route.MTPROTO_USER,
        seconds=1.0,
        duplicate_of=duplicate_of,
        via=FileRoute.ORIGIN,
    )


async def reports(wing: BotWing, *events: JobStarted | JobProgress | JobRetrying | JobFailed | JobCompleted) -> None:
    for event in events:
        await wing.news.ask(JobNews(event=event), within=1000)
    await anyio.sleep(20)  # what would be shown, had there been a line


def silent(wing: BotWing) -> bool:
    """Whether nothing was said, to anybody."""
    return not any(wing.said(chat) for chat in (ANNA, BORIS, CHAT))


async def test_a_post_becomes_a_submission_and_a_job(world: World) -> None:
    async with bot_wing(world) as wing:
        forward = ForwardFacts(from_id=-1005, from_name="Elsewhere", message_id=3, date=POSTED)
        job = await queued(wing, found(grouped_id=55, author="Ada", forward=forward, entities=({"type": "bold"},)))
        assert (job.user_id, job.chat_id, job.message_id) == (ANNA, CHAT, 17)
        assert job.target.key == KEY.replace("m17_", "m17-g55_")
        assert job.file_info.file_unique_id == unique_id_of_document(7001)
        assert (job.file_info.file_size, job.file_info.file_type) == (1000, MediaKind.VIDEO)
        assert (job.telegram_context.caption, job.telegram_context.media_group_id) == ("Lift-off at dawn", "55")
        assert is_channel_post(job)
        artifact = world.artifact()
        assert list(world.artifacts()) == ["teltubby/2025/01/space_news/17/message.json"]
        assert artifact["message_timestamp_utc"] == "2025-01-27T10:11:12Z"
        told = artifact["telegram"]
        assert (told["message_id"], told["chat_id"], told["chat_title"]) == ("17", str(CHAT), "Space News")
        assert (told["sender_id"], told["media_group_id"]) == (None, "55")
        assert told["forward_origin"] == {
            "type": "channel",
            "date": int(POSTED.timestamp()),
            "chat": {"id": CHAT, "type": "channel", "title": "Space News", "username": "space_news"},
            "message_id": 17,
            "author_signature": "Ada",
        }
        assert told["forwarded_from"]["name"] == "Elsewhere"
        (item,) = told["items"]
        assert (item["status"], item["job_id"], item["type"], item["duration"]) == ("queued", job.job_id, "video", 12)
        assert wing.counted("jobs_created") == 1
        assert silent(wing)


async def test_a_photo_is_called_as_the_bot_api_calls_its_largest_size(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing, found(3, PHOTO))
        assert job.file_info.file_unique_id == unique_id_of_photo(7002, "y")
        assert job.target.key.endswith("_m3_001_lift-off-at-dawn.jpg")
        large = await queued(wing, found(4, replace(PHOTO, document_id=7003, width=2000, height=2560)))
        assert large.file_info.file_unique_id == unique_id_of_photo(7003, "w")


@pytest.mark.parametrize(
    ("mime_type", "ending"), [("application/x-tgsticker", ".tgs"), ("video/webm", ".webm"), ("image/webp", ".webp")]
)
async def test_stickers_are_named_by_their_kind(world: World, mime_type: str, ending: str) -> None:
    async with bot_wing(world) as wing:
        sticker = MediaFacts(kind=CollectedMedia.STICKER, document_id=1, mime_type=mime_type)
        assert (await queued(wing, found(3, sticker))).target.key.endswith(ending)


async def test_a_post_that_is_told_of_again_and_again_is_one_job(world: World) -> None:
    async with bot_wing(world) as wing:
        async with anyio.create_task_group() as tasks:
            for number in (17, 18, 17, 18, 17):
                tasks.start_soon(take, wing, found(number, replace(VIDEO, document_id=7000 + number)))
        again = [found(number, replace(VIDEO, document_id=7000 + number)) for number in (17, 18)]
        await take(wing, replace(again[0], post=replace(again[0].post, text="edited meanwhile")), again[1])
        jobs = await wing.queue.jobs()
        assert sorted(job.message_id for job in jobs) == [17, 18]
        assert len(world.artifacts()) == 2
        world.objects[jobs[0].target.key] = BODY
        await reports(wing, completed(jobs[0]))
        await take(wing, *again)
        assert len(world.facts("SELECT 1 FROM jobs")) == 2


async def test_a_file_that_an_edit_puts_in_anothers_place_joins_the_post(world: World) -> None:
    other = replace(VIDEO, document_id=7009, file_name="better.mp4")
    async with bot_wing(world) as wing:
        first = await queued(wing, found())
        world.objects[first.target.key] = BODY
        await reports(wing, completed(first))
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(take, wing, found(17, other))
        await take(wing, found(17, other), found())
        (second,) = [job for job in await wing.queue.jobs() if job.job_id != first.job_id]
        assert (second.chat_id, second.message_id, second.user_id) == (CHAT, 17, ANNA)
        assert second.file_info.file_unique_id == unique_id_of_document(7009)
        assert second.target.key == first.target.key.replace("_001_", "_002_")
        world.objects[second.target.key] = b"better" * 100
        await reports(wing, completed(second, b"better" * 100))
        assert list(world.artifacts()) == ["teltubby/2025/01/space_news/17/message.json"]
        artifact = world.artifact()
        assert artifact["keys"] == [first.target.key, second.target.key]
        items = artifact["telegram"]["items"]
        assert [(item["status"], item["ordinal"], item.get("exchanged", False)) for item in items] == [
            ("stored", 1, False),
            ("stored", 2, True),
        ]
        assert len(world.facts("SELECT 1 FROM jobs")) == 2 and silent(wing)


async def test_a_file_put_in_anothers_place_may_be_known_or_too_large(world: World) -> None:
    async with bot_wing(world, max_bytes=2000) as wing:
        await queued(wing, found())
        known = SettleFile(
            sha256=sha256(BODY),
            s3_key="teltubby/first",
            size_bytes=len(BODY),
            mime=None,
            file_unique_id=unique_id_of_document(7009),
        )
        await wing.ledger.ask(known, within=100)
        for _ in range(2):
            await take(wing, found(17, replace(VIDEO, document_id=7009)))
            await take(wing, found(17, replace(VIDEO, document_id=7010, size_bytes=2001)))
        told = [(item["status"], item["ordinal"]) for item in world.artifact()["telegram"]["items"]]
        assert told == [("queued", 1), ("duplicate", 2), ("skipped", 3)]
        assert len(world.facts("SELECT 1 FROM jobs")) == 1


async def test_it_is_seen_by_those_who_ask(world: World) -> None:
    """In /jobs of who wanted it, in /queue, and in /find."""
    async with bot_wing(world) as wing:
        job = await queued(wing, found())
        own = await wing.ledger.ask(ListJobs(states=tuple(JobState), limit=9, user_id=ANNA), within=100)
        others = await wing.ledger.ask(ListJobs(states=tuple(JobState), limit=9, user_id=BORIS), within=100)
        waiting = await wing.ledger.ask(ListJobs(states=(JobState.PENDING,), limit=9, in_turn=True), within=100)
        assert [view.job.job_id for view in own] == [view.job.job_id for view in waiting] == [job.job_id]
        assert others == ()
        (hit,) = await wing.ledger.ask(SearchArchive(words="dawn space", limit=5, offset=0), within=100)
        assert hit.base_path == "teltubby/2025/01/space_news/17/"


async def test_what_becomes_of_it_settles_the_artifact_and_is_told_to_nobody(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing, found())
        world.objects[job.target.key] = BODY
        common: dict[str, Any] = {"job_id": job.job_id, "worker": "w", "at": BEGINNING}
        await reports(
            wing,
            JobStarted(**common, attempt=1),
            JobProgress(
                **common,
                attempt=1,
                downloaded_bytes=500,
                uploaded_bytes=0,
                total_bytes=1000,
                bytes_per_second=1.0,
            ),
            JobRetrying(**common, attempt=1, reason="cut", delay_seconds=1.0),
            completed(job),
        )
        (item,) = world.artifact()["telegram"]["items"]
        assert (item["status"], item["s3_key"], item["sha256"]) == ("stored", job.target.key, sha256(BODY))
        assert (item["route"], item["via"]) == ("mtproto_user", "origin")
        assert wing.counted("jobs_completed") == 1
        assert silent(wing)


async def test_a_failure_is_settled_and_can_be_retried(world: World) -> None:
    async with bot_wing(world) as wing:
        job = await queued(wing, found())
        await reports(wing, JobFailed(job_id=job.job_id, worker="w", attempt=1, at=BEGINNING, reason="gone"))
        assert world.artifact()["telegram"]["items"][0]["reason"] == "gone"
        answer = await wing.orders[-1].retry(job.job_id, ANNA)
        assert answer.accepted
        assert world.artifact()["telegram"]["items"][0]["status"] == "queued"
        cancelled = await wing.orders[-1].cancel(job.job_id, ANNA)
        assert cancelled.accepted
        assert world.artifact()["telegram"]["items"][0]["status"] == "skipped"
        await anyio.sleep(20)
        assert silent(wing)


async def test_a_file_that_the_archive_has_is_not_fetched_again(world: World) -> None:
    async with bot_wing(world) as wing:
        first = SettleFile(
            sha256=sha256(BODY),
            s3_key="teltubby/first",
            size_bytes=len(BODY),
            mime=None,
            file_unique_id=unique_id_of_document(7001),
        )
        await wing.ledger.ask(first, within=100)
        await take(wing, found())
        assert await wing.queue.jobs() == []
        artifact = world.artifact()
        assert (artifact["duplicate_of"], artifact["dedup_reason"]) == ("teltubby/first", "file_unique_id")
        assert wing.counted("dedup_hits") == 1


async def test_the_same_bytes_under_another_id_are_a_duplicate(world: World) -> None:
    async with bot_wing(world) as wing:
        one, other = await queued(wing, found(17)), await queued(wing, found(18, replace(VIDEO, document_id=7009)))
        for job in (one, other):
            world.objects[job.target.key] = BODY
        await reports(wing, completed(one), completed(other))
        assert [world.artifacts()[f"teltubby/2025/01/space_news/{n}/message.json"]["keys"] for n in (17, 18)] == [
            [one.target.key],
            [one.target.key],
        ]
        assert other.target.key not in world.objects


@pytest.mark.parametrize(
    ("post", "reason"),
    [
        ({"protected": True}, "protected_content"),
        ({"media": replace(VIDEO, size_bytes=2001)}, "exceeds_cfg_limit"),
    ],
)
async def test_what_may_not_be_archived_is_skipped_with_the_reason(
    world: World, post: dict[str, Any], reason: str
) -> None:
    async with bot_wing(world, max_bytes=2000) as wing:
        await take(wing, found(**post))
        assert await wing.queue.jobs() == []
        (item,) = world.artifact()["telegram"]["items"]
        assert (item["status"], item["reason"]) == ("skipped", reason)
        assert silent(wing)


@pytest.mark.parametrize("media", [None, MediaFacts(kind=CollectedMedia.POLL), replace(VIDEO, document_id=None)])
async def test_a_post_without_a_file_is_nothing(world: World, media: MediaFacts | None) -> None:
    async with bot_wing(world) as wing:
        await take(wing, found(17, media))
        assert world.facts("SELECT 1 FROM messages") == []
        assert world.artifacts() == {}


async def test_in_a_full_archive_jobs_wait_until_there_is_room(world: World) -> None:
    """Recorded, and not published: what is on its way from workers is not held up by it, nor are curators' jobs."""
    world.objects["teltubby/old"] = bytes(2_000_000)
    rules = QuotaRules(quota_bytes=1_000_000, threshold_pct=80, cooldown=timedelta(hours=24))
    async with bot_wing(world, quota_rules=rules) as wing:
        await until(lambda: wing.quotas[-1].full)
        for number in range(40):
            one = found(number + 1, replace(VIDEO, document_id=number + 1))
            await wing.news.ask(CollectorNews(report=one), within=1000)
        await anyio.sleep(100)
        assert await wing.queue.jobs() == []
        waiting = await wing.ledger.ask(ListJobs(states=(JobState.PENDING,), limit=99), within=100)
        assert len(waiting) == 40
        assert all(not view.published for view in waiting)
        del world.objects["teltubby/old"]
        wing.quotas[-1].recount()
        await until(lambda: not wing.quotas[-1].full, within=7200)
        await wing.queue.settle(Destination.JOBS, 40)


async def test_a_store_that_is_away_gets_the_artifact_later(world: World) -> None:
    async with bot_wing(world) as wing:
        wing.store.script.break_down("put", StoreUnavailable("away"))
        await take(wing, found())
        assert len(await wing.queue.jobs()) == 1
        assert world.facts("SELECT artifact_stored FROM messages")[0]["artifact_stored"] == 0


@pytest.mark.parametrize("request_name", ["FindSubmission", "FindFile", "Submit"])
async def test_a_locked_database_has_it_brought_again(world: World, request_name: str) -> None:
    async with bot_wing(world) as wing:
        wing.ledger_script.fail(request_name, DatabaseUnavailable("locked"))
        with pytest.raises(Transient):
            await take(wing, found())
        await take(wing, found())
        assert len(await wing.queue.jobs()) == 1
        assert world.facts("SELECT artifact_stored FROM messages")[0]["artifact_stored"] == 1


async def test_killed_at_any_moment_and_told_again_it_is_one_job(tmp_path: Path) -> None:
    """A life that ends at its first, second, … moment, and another that is told of the same post."""
    for left in count(1):
        world = World(folder=tmp_path / str(left))
        world.folder.mkdir()
        seen: list[str] = []
        burnt = anyio.Event()

        async def watch(moment: str, left: int = left, seen: list[str] = seen, burnt: anyio.Event = burnt) -> None:
            if moment.split()[0] in ("FindSubmission", "FindFile", "ReadPace", "Submit", "put", "ArtifactStored"):
                seen.append(moment)
            if len(seen) >= left:
                burnt.set()
                await anyio.sleep_forever()

        async with bot_wing(world, watch=watch) as wing, anyio.create_task_group() as tasks:

            async def told(wing: BotWing = wing) -> None:
                try:
                    await wing.news.ask(CollectorNews(report=found()), within=1000)
                except (SupervisionError, TimeoutError):
                    return

            tasks.start_soon(told)
            with anyio.move_on_after(500):
                await burnt.wait()
            wing.context.cancel()
            tasks.cancel_scope.cancel()
        async with bot_wing(world) as wing:
            await take(wing, found())
            assert len(await wing.queue.jobs()) == 1, seen
            assert len(world.artifacts()) == 1
            (row,) = world.facts("SELECT job_id FROM jobs")
            assert world.artifact()["telegram"]["items"][0]["job_id"] == row["job_id"]
            view = await wing.ledger.ask(FindJob(job_id=row["job_id"]), within=100)
            assert view is not None and view.state is JobState.PENDING
        if not burnt.is_set():
            break
    assert left > 4, "the fuse was burnt at several moments"
