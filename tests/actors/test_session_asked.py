"""SessionActor answers what is asked of channels with the session's own words, and only where it has some."""

from __future__ import annotations

import anyio
import pytest

from teltubby.errors import BadRequest, ChatUnavailable, FloodWait, NotSignedIn, SessionRevoked, TelegramUnavailable
from teltubby.messages.channels import (
    ChannelRequest,
    DescribeChannel,
    FindChannel,
    FollowUpdates,
    PostsAfter,
    PostsBefore,
    PostsById,
    PushedChange,
    ReadDifference,
)
from teltubby.messages.collected import AbsentMessage
from teltubby.messages.session import SessionState
from tests.actors.session_stage import nobody, session_actor
from tests.person_twin import PersonTwin
from tests.unit.collector.channel_world import ChannelWorld

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

WITHIN = 60.0


async def test_every_request_is_answered_by_the_session() -> None:
    world = ChannelWorld()
    space = world.add("Space", posts=30, username="space")
    async with session_actor(PersonTwin(), channels=world) as watched:
        await watched.reaches(SessionState.READY)
        ask = watched.ref.ask
        found = await ask(FindChannel(peer="@space"), within=WITHIN)
        again = await ask(DescribeChannel(ref=found.ref), within=WITHIN)
        assert (found.ref, found.newest) == (again.ref, again.newest) == (space.ref, space.newest)
        newest = await ask(PostsBefore(ref=found.ref, before=None, limit=5), within=WITHIN)
        oldest = await ask(PostsAfter(ref=found.ref, after=0, limit=7), within=WITHIN)
        assert (len(newest.messages), len(oldest.messages)) == (5, 7)
        (absent,) = await ask(PostsById(ref=found.ref, msg_ids=(10_000,)), within=WITHIN)
        assert isinstance(absent, AbsentMessage)
        pushes = await ask(FollowUpdates(), within=WITHIN)
        written = space.post("news")
        pushed = await pushes.next()
        assert isinstance(pushed, PushedChange) and pushed.channel_id == space.id
        difference = await ask(ReadDifference(ref=found.ref, pts=found.pts), within=WITHIN)
        assert difference.pts == pushed.pts and space.newest == written


async def test_many_channels_are_asked_at_once() -> None:
    """As many as MTPROTO_CONCURRENCY may say; and a sign-in or a job need not wait for them."""
    world = ChannelWorld()
    space = world.add("Space", posts=30)
    async with session_actor(PersonTwin(), channels=world) as watched:
        await watched.reaches(SessionState.READY)
        held = world.script.hold("posts_before")
        async with anyio.create_task_group() as tasks:
            for _ in range(32):
                tasks.start_soon(lambda: watched.ref.ask(PostsBefore(ref=space.ref, before=None), within=WITHIN))
            await anyio.sleep(1)
            assert world.script.count("posts_before") == 32
            assert (await watched.standing()).state is SessionState.READY
            held.set()


ONE_OF_EACH: tuple[ChannelRequest, ...] = (FindChannel(peer="@space"), FollowUpdates())


@pytest.mark.parametrize("request_", ONE_OF_EACH, ids=lambda value: type(value).__name__)
async def test_a_bots_session_is_asked_nothing(request_: ChannelRequest) -> None:
    async with session_actor() as watched:
        await watched.reaches(SessionState.READY)
        with pytest.raises(BadRequest, match="nothing of channels"):
            await watched.ref.ask(request_, within=WITHIN)


async def test_a_session_in_which_nobody_signed_in_says_so() -> None:
    world = ChannelWorld()
    async with session_actor(nobody(), channels=world) as watched:
        with pytest.raises(NotSignedIn):
            await watched.ref.ask(FollowUpdates(), within=WITHIN)
    assert world.script.calls == []


@pytest.mark.parametrize(
    "trouble",
    [FloodWait(7), ChatUnavailable("it is private"), TelegramUnavailable("slow")],
    ids=lambda v: type(v).__name__,
)
async def test_what_a_channel_meets_is_told_and_leaves_the_session_alone(trouble: Exception) -> None:
    world = ChannelWorld()
    space = world.add("Space", posts=3)
    world.script.fail("posts_before", trouble)
    async with session_actor(PersonTwin(), channels=world) as watched:
        await watched.reaches(SessionState.READY)
        with pytest.raises(type(trouble)):
            await watched.ref.ask(PostsBefore(ref=space.ref, before=None), within=WITHIN)
        assert (await watched.ref.ask(PostsBefore(ref=space.ref, before=None), within=WITHIN)).messages
        assert (await watched.standing()).state is SessionState.READY


async def test_a_login_lost_while_channels_are_read_is_noted() -> None:
    world = ChannelWorld()
    space = world.add("Space", posts=3)
    world.script.fail("posts_before", SessionRevoked("ended elsewhere"))
    async with session_actor(PersonTwin(), channels=world) as watched:
        await watched.reaches(SessionState.READY)
        with pytest.raises(SessionRevoked):
            await watched.ref.ask(PostsBefore(ref=space.ref, before=None), within=WITHIN)
        await watched.reaches(SessionState.REVOKED)
