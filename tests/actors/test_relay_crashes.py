"""The process dies between any two steps of the relay's work: the next one leaves nothing there that no job needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import anyio
import pytest

from teltubby.actors import relay
from teltubby.adapters.bot_api import AiogramGateway
from teltubby.messages.jobs import Job
from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import AdminRights, Chat, ChatKind, User
from teltubby.simulator.server import SimulatedTelegram
from tests.actors.relay_wing import RELAY, RelayWing, relay_wing, with_channel
from tests.actors.stage import large_job
from tests.actors.test_crash_anywhere import Fuse, moments
from tests.actors.world import World
from tests.script import Watcher
from tests.virtual_time import until

pytestmark = pytest.mark.anyio

__all__ = ["moments"]
JOBS = (large_job(1), large_job(2))
KEPT = "keep this"


async def live(wing: RelayWing, fuse: Fuse, jobs: Sequence[Job]) -> bool:
    """Both jobs are copied, one twice; both are over, and swept away. Answers whether it got to the end."""
    done = False
    async with anyio.create_task_group() as tasks:

        async def work() -> None:
            nonlocal done
            await wing.submit(*jobs)
            first = await wing.copied(jobs[0])
            await wing.copied(jobs[1])
            await wing.copied(jobs[0], lost=first)
            for job in jobs:
                await wing.ends(job)
            await until(partial(is_clear, wing))
            done = True
            tasks.cancel_scope.cancel()

        tasks.start_soon(work)
        await fuse.burnt.wait()
        wing.context.cancel()
        tasks.cancel_scope.cancel()
    return done


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("then", ["asks", "ends"])
async def test_nothing_is_left_behind(tmp_path: Path, moments: Iterator[int], then: str) -> None:
    """Whether workers still ask for copies afterwards, or the jobs are over."""
    for moment in moments:
        world, fuse = World(folder=tmp_path / f"{moment}"), Fuse(left=moment)
        world.folder.mkdir()
        channel, doomed = with_channel(world, watch=fuse.watch)
        channel.write(KEPT)
        async with relay_wing(world, doomed, watch=fuse.watch) as wing:
            finished = await live(wing, fuse, JOBS)
        if finished:
            break
        channel.write(KEPT)
        where = f"cut off at moment {moment}: {fuse.seen[-1]}"
        _, gateway = with_channel(world)
        async with relay_wing(world, gateway) as wing:
            await wing.submit(*JOBS)
            if then == "asks" and all(row["state"] == "PENDING" for row in world.facts("SELECT state FROM jobs")):
                copies = [await wing.copied(job) for job in JOBS]
                await anyio.sleep(10)
                assert set(copies) <= set(channel.posts), where
                assert {message_id for _, message_id in wing.rows} == {
                    message_id for message_id, post in channel.posts.items() if post.is_ours
                }, where
            for job in JOBS:
                await wing.ends(job)
            await anyio.sleep(10)
            assert wing.rows == [], where
        assert [post.source for post in channel.posts.values()] == [KEPT, KEPT], where
    assert moment > 40, "the life was watched"


# -- at the simulated Telegram


class DoomedGateway(AiogramGateway):
    """Whoever watches is told before and after Telegram is asked, and may let nothing go on from there."""

    watch: Watcher

    async def send(self, chat_id: int, html: str, **others: object) -> int:
        await self.watch("send before")
        sent = await super().send(chat_id, html)
        await self.watch("send after")
        return sent

    async def copy(self, chat_id: int, from_chat_id: int, message_id: int) -> int:
        await self.watch("copy before")
        copy = await super().copy(chat_id, from_chat_id, message_id)
        await self.watch("copy after")
        return copy

    async def delete(self, chat_id: int, message_id: int) -> None:
        await self.watch("delete before")
        await super().delete(chat_id, message_id)
        await self.watch("delete after")

    async def delete_all(self, chat_id: int, message_ids: Sequence[int]) -> None:
        await self.watch("delete_all before")
        await super().delete_all(chat_id, message_ids)
        await self.watch("delete_all after")


def is_clear(wing: RelayWing) -> bool:
    return not wing.rows


def channel_at(telegram: SimulatedTelegram, bot: User, owner: User) -> Chat:
    """The relay, where the bot may post and nothing else, with something in it."""

    def make() -> Chat:
        world = telegram.world
        chat = world.add_chat(ChatKind.CHANNEL, "Relay", admins=(bot, owner))
        chat.rights[bot.id] = AdminRights(can_delete=False)
        world.send(owner, chat, KEPT)
        return chat

    return telegram.call(make)


def texts(telegram: SimulatedTelegram, chat: Chat) -> list[str]:
    """What lies in the channel; a file has no text there."""
    return telegram.call(lambda: [message.post.text for message in chat.mailbox.messages.values()])


def handed_in(curator: Curator, bot: User) -> tuple[Job, ...]:
    """Two large files that the bot was sent; how the bot calls their messages."""
    for number in (1, 2):
        curator.send_video(curator.new_file(FileKind.VIDEO, 25 << 20, name=f"{number}.mp4"), caption="a caption")
    return tuple(large_job(number) for number in sorted(bot.mailbox.messages))


async def test_nothing_is_left_behind_at_the_simulated_telegram(
    tmp_path: Path, moments: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LOOK_SECONDS", 0.05)
    with SimulatedTelegram(mtproto=False) as telegram:
        telegram.world.flood_rule.enabled = False
        bot = telegram.add_bot()
        curator = telegram.add_curator(bot, id=7)
        chat = channel_at(telegram, bot, curator.user)
        assert chat.bot_api_id == RELAY
        jobs = handed_in(curator, bot)

        def gateway(watch: Watcher) -> DoomedGateway:
            made = DoomedGateway(token=bot.token or "", api_url=telegram.bot_api_url, local=False, timeout=20.0)
            made.watch = watch
            return made

        for moment in moments:
            world, fuse = World(folder=tmp_path / f"{moment}"), Fuse(left=moment)
            world.folder.mkdir()
            async with relay_wing(world, gateway(fuse.watch), in_real_time=True) as wing:
                finished = await live(wing, fuse, jobs)
            if finished:
                break
            async with relay_wing(world, gateway(Fuse(left=-1).watch), in_real_time=True) as wing:
                await wing.submit(*jobs)
                for job in jobs:
                    await wing.ends(job)
                await until(partial(is_clear, wing), within=30)
            assert texts(telegram, chat) == [KEPT], f"cut off at moment {moment}: {fuse.seen[-1]}"
        assert moment > 8, "the life was watched"
