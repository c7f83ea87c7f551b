"""The four ways to a large file, each alone and each after another that could not serve, over real processes."""

from __future__ import annotations

import json

import pytest

from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import copy_in
from teltubby.simulator.people import Chat, ChatKind
from teltubby.simulator.phone import Phone
from tests.acceptance.accounts import (
    Person,
    await_empty,
    person,
    relay_channel,
    said,
    sign_in_by_qr,
    start_unsigned,
    ways,
)
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually

MIB = 1 << 20
SIZE = 22 * MIB


def large(house: Household, size: int = SIZE) -> File:
    return house.ada.new_file(FileKind.VIDEO, size, name="film.mp4")


def look_at(house: Household, message: int, file: File, *, route: str, via: str, chat: str = "ada") -> None:
    """It is archived, whole, and the artifact says by which way it came."""
    assert file.sha256() in house.answer(message, "Large file archived successfully")
    [item] = house.settled(message, "stored", chat=chat)
    assert (item["route"], item["via"]) == (route, via)
    assert sha256(house.archive, item["s3_key"]) == file.sha256()
    assert house.telegram.mtproto_server.served.repeated(file.id) == 0, "nothing is fetched twice"


def channel(house: Household, *members: Person, username: str | None = None) -> Chat:
    """Somewhere else, from where things are forwarded."""
    users = tuple(member.user for member in members)
    chat: Chat = house.in_world(
        lambda: house.telegram.world.add_chat(
            ChatKind.CHANNEL, "news", username=username, members=(*users, house.ada.user), admins=(house.ada.user,)
        )
    )
    return chat


def forwarded(house: Household, chat: Chat, file: File) -> int:
    """Ada posts the file in the channel and forwards it to the bot."""

    def forward() -> int:
        posted = house.telegram.world.send(house.ada.user, chat, "a post", media=file)
        return house.telegram.world.forward(posted, house.ada.user, house.bot).id

    return int(house.in_world(forward))


def forget_at_the_bot(house: Household, message: int) -> None:
    """The message is gone from the bot's mailbox alone: its own session finds nothing there any more."""

    def remove() -> None:
        sent = house.telegram.world.message(house.ada.user, house.bot, message)
        assert sent is not None
        received = copy_in(sent.post, house.bot.mailbox)
        assert received is not None
        house.telegram.world.delete(received, for_all=False)

    house.in_world(remove)


def test_the_relay_with_the_persons_account(wings: Household) -> None:
    """The bot copies, the person's account fetches, and the copy is removed."""
    someone = person(wings)
    relay = relay_channel(wings, someone.user)
    wings.settings["MTPROTO_ROUTES"] = "relay"
    start_unsigned(wings, "bot", "worker")
    sign_in_by_qr(wings, someone)
    file = large(wings)
    message = wings.ada.send_video(file, caption="with words")
    look_at(wings, message, file, route="mtproto_user", via="relay")
    await_empty(wings, relay)
    eventually(lambda: wings.rows("SELECT count(*) FROM relay_copies") == [(0,)], what="the copy to be forgotten")
    assert "relay: served" in ways(wings, message)
    wings.stop()
    assert not wings.telegram.mtproto_server.violations


@ON_TRIO
def test_the_bots_own_session(box: Household) -> None:
    """The default of a single box: nothing but the token and the api id."""
    box.settings["MTPROTO_ROUTES"] = "bot"
    box.start("run")
    file = large(box)
    look_at(box, box.ada.send_video(file), file, route="mtproto_bot", via="bot")


@pytest.mark.parametrize("username", ["the_news", None], ids=["public", "private"])
def test_the_forwards_origin(box: Household, username: str | None) -> None:
    """A channel that the person's account reads, because it is public or because it is a member."""
    someone = person(box)
    chat = channel(box, *([] if username else [someone]), username=username)
    box.settings["MTPROTO_ROUTES"] = "origin"
    start_unsigned(box, "run")
    sign_in_by_qr(box, someone)
    file = large(box)
    look_at(box, forwarded(box, chat, file), file, route="mtproto_user", via="origin", chat=username or "news")


@ON_ASYNCIO
def test_the_curators_own_dialog(box: Household) -> None:
    """The signed-in account is the curator's: its own dialog with the bot has the file."""
    box.settings["MTPROTO_ROUTES"] = "own"
    start_unsigned(box, "run")
    sign_in_by_qr(box, Person(box.ada.user, Phone(box.telegram, box.ada.user)))
    file = large(box)
    look_at(box, box.ada.send_video(file), file, route="mtproto_user", via="own")


def test_each_way_that_cannot_serve_is_passed_over(wings: Household) -> None:
    """The file is taken away from one way after the other, and the next one serves; the reasons are kept."""
    someone = person(wings)
    relay = relay_channel(wings, someone.user)
    chat = channel(wings, someone)
    wings.start("bot", "worker")
    first, second = large(wings), large(wings, SIZE + 1)
    message = wings.ada.send_video(first)
    look_at(wings, message, first, route="mtproto_bot", via="bot")  # nobody is signed in
    assert "bot: served" in ways(wings, message)
    sign_in_by_qr(wings, someone)
    wings.in_world(lambda: relay.members.discard(someone.user.id))
    message = wings.ada.send_video(second)
    look_at(wings, message, second, route="mtproto_bot", via="bot")
    assert "relay: " in ways(wings, message) and "bot: served" in ways(wings, message)
    await_empty(wings, relay)
    third = large(wings, SIZE + 2)
    wings.in_world(lambda: relay.admins.discard(wings.bot.id))
    wings.in_world(lambda: wings.telegram.world.faults.add("messages.getMessages", delay=3.0))
    message = forwarded(wings, chat, third)
    forget_at_the_bot(wings, message)
    said(wings.ada, third.sha256())  # no answer to the message, which the bot has no more
    rows = wings.rows("SELECT via, route, routes_json FROM job_attempts WHERE via = 'origin'")
    assert [row[:2] for row in rows] == [("origin", "mtproto_user")]
    assert [step["route"] for step in json.loads(rows[0][2])] == ["relay", "bot", "origin"]
    asked = wings.ada.send_text(f"/jobs {wings.rows('SELECT job_id FROM jobs ORDER BY created_at DESC')[0][0][:8]}")
    told = wings.answer(asked, "origin: served")
    assert "relay: " in told and "bot: " in told


@ON_ASYNCIO
def test_a_file_that_is_nowhere_any_more(box: Household) -> None:
    """No way serves: the job fails at once, and the curator reads what was tried."""
    box.settings["MTPROTO_ROUTES"] = "bot,origin"
    box.start("run")
    box.in_world(lambda: box.telegram.world.faults.add("messages.getMessages", delay=2.0))
    file = large(box)
    message = box.ada.send_video(file)
    forget_at_the_bot(box, message)
    told = said(box.ada, "Processing failed")
    assert "bot: message" in told and "origin: the message was not forwarded" in told
    assert box.rows("SELECT state, attempt FROM jobs") == [("FAILED", 1)], "what no way can ever serve fails at once"


def test_membership_that_is_lost_in_the_middle(wings: Household) -> None:
    """The relay's reader is removed half-way: the bot's session goes on from the journal, fetching nothing twice."""
    someone = person(wings)
    relay = relay_channel(wings, someone.user)
    wings.start("bot", "worker")
    sign_in_by_qr(wings, someone)
    wings.in_world(lambda: setattr(wings.telegram.world.faults, "shared_bandwidth", 12 * MIB))
    file = large(wings, 60 * MIB)
    message = wings.ada.send_video(file)
    served = wings.telegram.mtproto_server.served
    eventually(lambda: served.bytes(file.id) > 20 * MIB, what="a third of the transfer")

    def throw_out() -> None:
        relay.members.discard(someone.user.id)
        relay.kicked.add(someone.user.id)
        wings.telegram.world.expire_references([file])

    wings.in_world(throw_out)
    wings.in_world(lambda: setattr(wings.telegram.world.faults, "shared_bandwidth", None))
    assert file.sha256() in wings.answer(message, "Large file archived successfully", within=120)
    [item] = wings.settled(message, "stored")
    assert (item["route"], item["via"]) == ("mtproto_bot", "bot")
    assert sha256(wings.archive, item["s3_key"]) == file.sha256()
    assert served.repeated(file.id) <= 8 * MIB, "at most what was in flight"
    assert "relay: " in ways(wings, message)
    await_empty(wings, relay)


@ON_ASYNCIO
def test_what_is_protected_cannot_be_copied(box: Household) -> None:
    """Protected content is refused before any way is tried, as its owner wants it."""
    box.start("run")
    message = box.ada.send_media(large(box), protected=True)
    assert "protected" in box.answer(message, "protected").lower()
    [item] = box.settled(message, "skipped")
    assert item["reason"] == "protected_content"
