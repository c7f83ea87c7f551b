"""`teltubby poll-updates` as people start it: what happens in a channel is in the database soon after."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from teltubby.adapters.clock import utc_now
from teltubby.collector.repositories import CollectorStore
from teltubby.simulator.messages import Message
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.nursery import Nursery
from tests.acceptance.polling import eventually
from tests.acceptance.study import Running, Study

SOON = 40.0


@pytest.fixture
def study(telegram: SimulatedTelegram, tmp_path: Path, backend: str, nursery: Nursery) -> Iterator[Study]:
    """The reader is signed in; nothing was collected yet."""
    study = Study(telegram, tmp_path, backend, nursery, posts=20)
    study.sign_in()
    yield study
    study.close()


def following(study: Study, *arguments: str) -> Running:
    """The command, once it follows the channel."""
    running = study.begin("poll-updates", *arguments)
    asked = "updates.getChannelDifference"
    before = study.called(asked)
    eventually(lambda: study.called(asked) > before, within=60, what=f"updates to be followed: {running.log}")
    return running


def post(study: Study, text: str) -> Message:
    """Something new in the channel."""
    message: Message = study.in_world(lambda: study.telegram.world.send(study.reader, study.channel, text))
    return message


def texts(study: Study) -> dict[int, str]:
    """What is stored of the channel and not known to be deleted."""
    rows = study.rows("SELECT msg_id, text FROM posts WHERE channel_id = ? AND deleted_at IS NULL")
    return {row["msg_id"]: row["text"] for row in rows}


def stored(study: Study, posts: int) -> bool:
    """Whether so many are."""
    return len(texts(study)) == posts


def test_new_edited_and_deleted_posts_until_a_signal(study: Study) -> None:
    world = study.telegram.world
    running = following(study)
    kept, dropped = post(study, "first words"), post(study, "a slip")
    eventually(lambda: len(texts(study)) == 2, within=SOON, what="two posts")
    study.in_world(lambda: world.edit(kept, text="second words"))
    study.in_world(lambda: world.delete(dropped))
    eventually(lambda: texts(study) == {kept.id: "second words"}, within=SOON, what="an edit and a deletion")
    ended = running.interrupt(signal.SIGINT)
    assert ended.code == 130 and "Traceback" not in ended.complained, ended.complained
    [told] = ended.summary["channels"]
    assert (told["peer"], told["new"]) == ("@news", 2) and ended.summary["pushes"] >= 4


@ON_TRIO
def test_what_happened_while_it_did_not_run(study: Study) -> None:
    assert following(study).interrupt(signal.SIGTERM).code == 130
    missed = post(study, "nobody looked")
    following(study)
    eventually(lambda: texts(study) == {missed.id: "nobody looked"}, within=SOON, what="the post that was missed")


@ON_ASYNCIO
def test_a_lost_connection_ends_it(study: Study) -> None:
    running = following(study)
    study.in_world(lambda: study.telegram.mtproto_server.cut(study.reader))
    ended = running.ends()
    assert ended.code == 1 and "The connection to Telegram is lost." in ended.complained
    assert ended.summary["restarts"] == 0


@ON_TRIO
def test_after_a_lost_connection_it_begins_again_when_told_so(study: Study) -> None:
    running = following(study, "--restart-on-error")
    for posts in (1, 2):
        study.in_world(lambda: study.telegram.mtproto_server.cut(study.reader))
        post(study, "after a cut")
        eventually(partial(stored, study, posts), within=SOON, what=f"{posts} posts: {running.log}")
    ended = running.interrupt(signal.SIGTERM)
    assert ended.code == 130 and ended.summary["restarts"] >= 2, ended.complained


@ON_ASYNCIO
def test_a_channel_that_is_added_meanwhile_is_followed_too(study: Study) -> None:
    weather = study.add_channel("weather", 5)
    study.settings["MTPROTO_SYNC_INTERVAL"] = "1"
    with closing(CollectorStore.open_to_track(study.database)) as store:
        store.tracking.add("@nobody_there", user_id=None, at=utc_now())
    running = following(study)
    added = study.runs("channels", "add", "@weather")
    assert added.code == 0, added.complained
    eventually(lambda: "@weather is followed" in running.log, within=60, what="the other channel")
    message = study.in_world(lambda: study.telegram.world.send(study.reader, weather, "rain"))
    eventually(lambda: study.stored_ids(weather) == [message.id], within=SOON, what="its post")
    ended = running.interrupt(signal.SIGTERM)
    assert "@nobody_there" in ended.summary["troubles"], ended.complained


@ON_TRIO
def test_no_channel_that_can_be_followed(study: Study) -> None:
    ended = study.runs("poll-updates", "--restart-on-error", MTPROTO_PEERS="@nobody_there")
    assert ended.code == 1 and "No channel can be followed: @nobody_there: " in ended.complained
