"""Channels that close, go, are called otherwise or move, and posts of every odd kind, through the whole product."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from pathlib import Path

from teltubby.simulator.messages import Unsupported
from teltubby.simulator.people import Chat, ChatKind
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.accounts import person, sign_in_by_qr, start_unsigned
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.channels import COLLECTED_WITHIN, Kept, collecting
from tests.acceptance.household import Household
from tests.acceptance.nursery import Nursery
from tests.acceptance.polling import eventually
from tests.acceptance.study import Study

FAMILY = "👨‍👩‍👧‍👦"
"""One picture of eleven UTF-16 units."""


def await_trouble(kept: Kept, peer: str, words: str) -> None:
    """Return when this is known to be in the way of that peer."""

    def is_known() -> bool:
        found = kept.rows("SELECT trouble FROM found_peers WHERE peer = ? AND trouble IS NOT NULL", peer)
        return bool(found) and words in found[0][0]

    eventually(is_known, within=COLLECTED_WITHIN, what=f"{words!r} of {peer}")


@ON_ASYNCIO
def test_channels_that_close_go_and_are_called_otherwise(box: Household) -> None:
    """Each one's trouble is told and is its own; what was collected stays, and what is there again is gone on with."""
    world, ada = box.telegram.world, box.ada.user
    reader = person(box)

    def seeded(title: str, username: str | None) -> Kept:
        chat: Chat = box.in_world(
            lambda: world.add_seeded_channel(
                title, 30, seed=len(title), username=username, members=(reader.user, ada), admins=(ada,)
            )
        )
        return Kept(box, chat, box.home / "collector.db")

    news, club = seeded("The News", "the_news"), seeded("The Club", None)
    doomed, moving = seeded("Doomed", "the_doomed"), seeded("Moving", "the_moving")
    group = box.in_world(lambda: world.add_chat(ChatKind.GROUP, "Family", members=(reader.user, ada), admins=(ada,)))
    box.settings |= {
        "MTPROTO_ENABLED": "true",
        "MTPROTO_HISTORY_ENABLED": "true",
        "MTPROTO_UPDATES_ENABLED": "true",
        "MTPROTO_DATABASE_PATH": str(news.database),
        "MTPROTO_SYNC_INTERVAL": "2",
        "MTPROTO_PEERS": f"@the_news,{club.chat.bot_api_id},@the_doomed,@the_moving,{group.bot_api_id},@no_such_name",
    }
    start_unsigned(box, "run")
    sign_in_by_qr(box, reader)
    for each in (news, club, doomed, moving):
        each.await_equal()
    await_trouble(news, str(group.bot_api_id), "basic group")
    await_trouble(news, "@no_such_name", "nobody has this name")

    before = club.stored(), doomed.stored()
    box.in_world(lambda: world.kick(club.chat, reader.user))
    box.in_world(lambda: world.delete_chat(doomed.chat))
    box.in_world(lambda: world.rename(moving.chat, ada, title="Moved", username="has_moved"))
    impostor = seeded("Impostor", "the_moving")
    larger = Kept(box, box.in_world(lambda: world.migrate(group, ada)), news.database)
    for each in (news, club, moving, larger):
        each.in_channel(partial(world.send, ada, each.chat, f"after it, in {each.chat.title}"))
    news.await_equal()
    moving.await_equal()
    names = "SELECT title, username FROM channels WHERE channel_id = ?"
    eventually(
        lambda: moving.rows(names, moving.chat.id) == [("Moved", "has_moved")],
        within=COLLECTED_WITHIN,
        what="the new name, by a round",
    )
    await_trouble(news, str(club.chat.bot_api_id), "")
    await_trouble(news, "@the_doomed", "")
    told = box.answer(box.ada.send_text("/channels"), "The News").split("\n\n")
    assert sorted(part.split()[0] for part in told[1:]) == ["⚠️"] * 4 + ["✅"] * 2
    assert (club.stored(), doomed.stored()) == before, "what was collected is not taken for deleted"

    box.in_world(lambda: world.join(club.chat, reader.user))
    club.in_channel(lambda: world.send(ada, club.chat, "together again"))
    box.answer(box.ada.send_text("/track @the_news"), "The News")  # then all that was not to be found is looked for
    for each in (club, larger, moving, news):
        each.await_equal()
    assert doomed.stored() == before[1]
    assert impostor.stored() == {}, "who takes a name over is not the channel that is collected"
    assert box.processes[0].get("/healthz")[0] == 200


@ON_TRIO
def test_posts_of_every_odd_kind(box: Household) -> None:
    """Texts of 4096 emoji, media of a newer layer, service messages, restricted posts, reactions of every kind."""
    kept = collecting(box, 10, roles=("run",))
    world, ada, chat = box.telegram.world, box.ada.user, kept.chat
    kept.await_equal()
    long = kept.in_channel(lambda: world.send(ada, chat, "🦆" * 2048))
    families = kept.in_channel(lambda: world.send(ada, chat, FAMILY * (4096 // 11) + " https://example.org/🦆?q=1."))
    newer = kept.in_channel(lambda: world.send(ada, chat, "of a newer layer", media=Unsupported()))
    silent = kept.in_channel(lambda: world.send(ada, chat, protected=True, text="not to be copied"))
    box.in_world(lambda: world.rename(chat, ada, title="The News 📰\u202e"))

    def react() -> None:
        message = chat.mailbox.messages[long]
        for reaction in ("👍", "❤️‍🔥", "custom_5368324170671202286", "paid"):
            world.react(message, ada, reaction)

    box.in_world(react)
    kept.await_equal()
    assert kept.stored()[long] == "🦆" * 2048 and kept.stored()[families].startswith(FAMILY)
    urls = [url for (url,) in kept.rows("SELECT url FROM links WHERE msg_id = ?", families)]
    assert urls and urls[0].startswith("https://example.org/")
    assert kept.rows("SELECT media_kind FROM posts WHERE msg_id = ?", newer) == [("other",)]
    assert kept.rows("SELECT protected FROM posts WHERE msg_id = ?", silent) == [(1,)]
    renamed = kept.rows("SELECT service FROM posts WHERE msg_id > ? AND service IS NOT NULL", silent)
    assert len(renamed) == 1, "a message of the channel itself is known for one"

    def reactions() -> dict[str, int]:
        found = kept.rows("SELECT reactions_json FROM post_latest WHERE msg_id = ?", long)
        return dict(json.loads(found[0][0])) if found and found[0][0] else {}

    eventually(lambda: len(reactions()) == 4, within=COLLECTED_WITHIN, what="reactions of four kinds")
    assert set(reactions()) == {"👍", "❤️‍🔥", "custom_5368324170671202286", "paid"}
    assert kept.rows("SELECT count(*) FROM unreadable") == [(0,)]
    eventually(
        lambda: "📰" in kept.rows("SELECT title FROM channels")[0][0], within=COLLECTED_WITHIN, what="the new title"
    )
    box.answer(box.ada.send_text("/channels"), "The News 📰")


@ON_ASYNCIO
def test_membership_that_is_lost_in_the_middle_of_the_history(
    telegram: SimulatedTelegram, tmp_path: Path, backend: str, nursery: Nursery
) -> None:
    """What came before is kept, it is no end of the history, and a member again goes on from there."""
    with closing(Study(telegram, tmp_path, backend, nursery)) as study:
        study.sign_in()
        world, club, reader = telegram.world, study.channel, study.reader
        study.in_world(lambda: world.rename(club, reader, username=""))
        club_id = str(club.bot_api_id)
        study.fault("messages.getHistory", skip=4, then=lambda: world.kick(club, reader))
        ended = study.runs("sync-history", club_id, "--limit", "100000")
        assert ended.code == 1, ended.complained
        [told] = ended.summary["channels"]
        assert told["trouble"] and not told["backfill_done"]
        kept = study.stored_ids()
        assert 0 < len(kept) < study.posts and kept == study.world_ids()[-len(kept) :]
        study.in_world(lambda: world.join(club, reader))
        rest = study.runs("sync-history", club_id, "--limit", "100000")
        assert rest.code == 0 and study.stored_ids() == study.world_ids(), rest.complained
