"""A channel is collected whole and followed, over real processes: what the database has is what the channel has."""

from __future__ import annotations

from tests.acceptance.accounts import person, sign_in_by_qr
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.channels import COLLECTED_WITHIN, Kept, collecting, seeded
from tests.acceptance.household import Household
from tests.acceptance.polling import always, eventually

POSTS = 750
HISTORY_CALLS = ("messages.getHistory", "channels.getFullChannel", "updates.getChannelDifference")


def change(kept: Kept) -> int:
    """Somebody writes, edits and deletes in the channel; returns the id of the new post."""
    world, writer, chat = kept.house.telegram.world, kept.house.ada.user, kept.chat

    def do() -> int:
        new = world.send(writer, chat, f"Breaking: {chat.mailbox.last_id} https://example.org/now #now")
        plain = [one for one in list(chat.mailbox.messages.values())[-60:-1] if one.post.text and one.id != new.id]
        world.edit(plain[0], text=plain[0].post.text + " (corrected)")
        world.remove([plain[1]])
        return int(new.id)

    return int(kept.house.in_world(do))


def asked(house: Household) -> int:
    """How often the collector's methods were called."""
    calls = house.telegram.call(lambda: [call.method for call in house.telegram.mtproto_server.calls])
    return sum(method in HISTORY_CALLS for method in calls)


def test_history_updates_and_a_restart(wings: Household) -> None:
    """Everything until now, what happens then, and what happened while the worker was dead."""
    kept = collecting(wings, POSTS)
    kept.await_equal()
    new = change(kept)
    kept.await_equal()
    assert kept.rows("SELECT url FROM links WHERE msg_id = ?", new) == [("https://example.org/now",)]
    assert kept.rows("SELECT count(*) FROM post_edits") != [(0,)], "what an edited post said before is kept"
    assert kept.rows("SELECT title, subscribers FROM channels JOIN channel_metrics USING (channel_id)") == [
        ("The News", 1234)
    ]
    worker = next(process for process in wings.processes if process.role == "worker")
    worker.kill()
    change(kept)
    change(kept)
    wings.start("worker")
    kept.await_equal()
    assert kept.rows("SELECT count(*), count(DISTINCT msg_id) FROM posts") == [(len(kept.stored()) + 3,) * 2]


@ON_TRIO
def test_counters_are_read_again(wings: Household) -> None:
    """Views and reactions, by pushes and by asking again."""
    kept = collecting(wings, 40)
    kept.await_equal()
    world, chat = wings.telegram.world, kept.chat
    new = change(kept)
    kept.await_equal()

    def liked() -> None:
        message = chat.mailbox.messages[new]
        world.view(message, times=41)
        world.react(message, wings.ada.user, "👍")

    wings.in_world(liked)
    query = "SELECT views, reactions_json FROM post_latest WHERE msg_id = ?"
    eventually(
        lambda: [(row[0] or 0) >= 41 and "👍" in row[1] for row in kept.rows(query, new)] == [True],
        within=COLLECTED_WITHIN,
        what="the counters",
    )


def test_channels_by_command(box: Household) -> None:
    """An admin tracks a channel in the chat, sees how far it is collected, has a report, and lets go of it."""
    kept = collecting(box, 120, roles=("run",), peers=None)
    message = box.ada.send_text("/track @the_news")
    box.answer(message, "The News")
    kept.await_equal()
    told = ""

    def complete() -> bool:
        nonlocal told
        told = box.answer(box.ada.send_text("/channels"), "The News")
        return f"{len(kept.real())}" in told

    eventually(complete, within=COLLECTED_WITHIN, what="the channel's posts in /channels")
    report = box.ada.send_text("/report @the_news 30")
    eventually(lambda: len([line for line in box.answers(report) if line.media is not None]) == 2, what="two files")
    box.answer(box.ada.send_text("/untrack @the_news"), "The News")
    stored = kept.stored()
    change(kept)
    always(lambda: kept.stored() == stored, seconds=5)


@ON_ASYNCIO
def test_nothing_is_asked_without_the_flags(wings: Household) -> None:
    """MTPROTO_ENABLED alone collects nothing, and the commands say what to set."""
    someone = person(wings)
    kept = seeded(wings, 40, someone)
    wings.settings |= {
        "MTPROTO_ENABLED": "true",
        "MTPROTO_PEERS": "@the_news",
        "MTPROTO_DATABASE_PATH": str(kept.database),
    }
    wings.start("bot", "worker")
    sign_in_by_qr(wings, someone)
    assert "MTPROTO_HISTORY_ENABLED" in wings.answer(wings.ada.send_text("/channels"), "MTPROTO_ENABLED")
    always(lambda: asked(wings) == 0, seconds=3)
    assert not kept.database.exists()
