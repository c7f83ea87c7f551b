"""The world: mailboxes, contents, file ids, rules and faults, without any server."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.simulator.content import GeneratedContent, LiteralContent, sha256_of
from teltubby.simulator.files import FileKind, document_unique_id, zeros_encoded
from teltubby.simulator.messages import Event, MessageAdded, MessageEdited, MessagesDeleted, OriginChannel, OriginUser
from teltubby.simulator.people import ChatKind, Peer, User
from teltubby.simulator.rules import FloodControl, FloodRule, Reason, Refused
from teltubby.simulator.server import SimulatedTelegram
from teltubby.simulator.world import World

MIB = 1 << 20


# -- content


@pytest.mark.parametrize("size", [0, 1, 7, 8, 4095, 4096, 4097, MIB - 1, MIB, MIB + 5, 3 * MIB + 12345])
def test_generated_content_is_as_long_as_said(size: int) -> None:
    content = GeneratedContent(size=size, seed=3)
    assert len(content.read(0, size + 100)) == size
    assert content.read(size, 10) == b""


@given(offset=st.integers(0, 3 * MIB), length=st.integers(0, 2 * MIB), aligned=st.booleans())
def test_a_range_is_a_slice_of_the_whole(offset: int, length: int, aligned: bool) -> None:
    if aligned:
        offset, length = offset // 4096 * 4096, length // 4096 * 4096
    content = GeneratedContent(size=3 * MIB - 777, seed=1)
    assert content.read(offset, length) == b"".join(content.pieces(offset, length)) == WHOLE[offset : offset + length]


WHOLE = GeneratedContent(size=3 * MIB - 777, seed=1).read(0, 3 * MIB)


def test_every_block_of_4_kib_is_different() -> None:
    content = GeneratedContent(size=8 * MIB, seed=2)
    blocks = {content.read(offset, 4096) for offset in range(0, content.size, 4096)}
    assert len(blocks) == 8 * MIB // 4096


def test_seeds_make_different_contents_and_hashes_are_those_of_the_bytes() -> None:
    one, other = GeneratedContent(size=5000, seed=1), GeneratedContent(size=5000, seed=2)
    assert one.read(0, 5000) != other.read(0, 5000)
    assert sha256_of(one) == hashlib.sha256(one.read(0, 5000)).hexdigest()
    assert sha256_of(LiteralContent(b"abc")) == hashlib.sha256(b"abc").hexdigest()


def test_four_gigabytes_can_be_read_at_any_place_at_once() -> None:
    content = GeneratedContent(size=4 << 30, seed=9)
    started = time.perf_counter()
    for offset in range(0, content.size, 128 * MIB):
        assert len(content.read(offset + 4097, MIB)) == MIB
    assert time.perf_counter() - started < 2


def test_hash_ranges_cover_the_file() -> None:
    file = World().add_file(FileKind.VIDEO, 300_000, seed=1)
    ranges = file.sha256_ranges(200_000, 5)
    assert [(start, length) for start, length, _ in ranges] == [(131072, 131072), (262144, 37856)]
    assert ranges[1][2] == hashlib.sha256(file.read(262144, 131072)).digest()


# -- ids


@pytest.mark.parametrize(
    ("unique_id", "document_id"),
    [("AgADuwgAAj0d4FE", 5899747659685562555), ("AgADBAsAAgKLowAB", 46033261910035204)],
)
def test_unique_ids_of_documents_are_those_of_telegram(unique_id: str, document_id: int) -> None:
    assert document_unique_id(document_id) == unique_id


def test_long_runs_of_zeros_are_encoded_in_pieces() -> None:
    assert zeros_encoded(bytes(251) + b"x\0") == b"\0\xfa\0\x01x\0\x01"


def test_the_same_content_sent_anew_has_other_ids_and_the_same_hash() -> None:
    world = World()
    first, second = (world.add_file(FileKind.PHOTO, 9999, seed=4) for _ in range(2))
    assert first.id != second.id and first.unique_id != second.unique_id
    assert first.sha256() == second.sha256()


def test_photo_sizes_have_distinct_unique_ids() -> None:
    photo = World().add_file(FileKind.PHOTO, 100_000)
    assert len({photo.size_unique_id(size) for size in photo.sizes}) == len(photo.sizes) == 4
    assert photo.sizes[-1].content is photo.content


def test_access_hashes_belong_to_accounts_and_references_expire() -> None:
    world = World()
    file = world.add_file(FileKind.VIDEO, 10)
    assert world.access_hash(1, file) == world.access_hash(1, file) != world.access_hash(2, file)
    before = world.file_reference(file)
    world.expire_references()
    assert world.file_reference(file) != before


def test_references_may_wear_out() -> None:
    file = World().add_file(FileKind.VIDEO, 10)
    assert all(file.use_reference() for _ in range(100)) and file.references == 0
    file.reference_uses, file.uses = 2, 0
    assert [file.use_reference() for _ in range(5)] == [True, True, False, True, True]
    assert file.references == 1


def test_a_document_can_be_swapped_unseen() -> None:
    world = World()
    ada, bot = world.add_user("Ada"), world.add_bot("Bot", "a_bot")
    file, other, third = (world.add_file(FileKind.VIDEO, 10) for _ in range(3))
    message = world.send(ada, bot, media=file)
    untouched = world.send(ada, bot, media=third)
    events = len(bot.mailbox.events)
    world.swap_file(file, other)
    assert message.post.media is other and untouched.post.media is third
    assert message.post.edits == 0 and len(bot.mailbox.events) == events


def test_files_are_stored_at_the_senders_home() -> None:
    with SimulatedTelegram(mtproto=False) as telegram:
        curator = telegram.add_curator(telegram.add_bot(), home_dc=5)
        assert curator.new_file(FileKind.PHOTO, 10).dc == 5
        assert curator.new_file(FileKind.PHOTO, 10, dc=4).dc == 4
        assert telegram.call(telegram.world.add_file, FileKind.PHOTO, 10).dc == 2


# -- mailboxes


def test_a_private_message_has_another_id_in_each_mailbox() -> None:
    world = World()
    ada, bot = world.add_user("Ada"), world.add_bot("Bot", "a_bot")
    sent = world.send(ada, bot, "hello")
    (received,) = bot.mailbox.messages.values()
    assert sent.id != received.id
    assert (sent.out, received.out) == (True, False)
    assert (sent.peer, received.peer) == (bot, ada)
    assert (ada.mailbox.pts, bot.mailbox.pts) == (2, 2)
    assert world.message(bot, ada, sent.id) is None
    assert world.message(bot, ada, received.id) is received


def test_a_channel_has_one_mailbox_for_all() -> None:
    world = World()
    bot, ada = world.add_bot("Bot", "a_bot"), world.add_user("Ada")
    channel = world.add_chat(ChatKind.CHANNEL, "C", admins=(bot,), members=(ada,))
    post = world.send(bot, channel, "news")
    assert post.mailbox is channel.mailbox and post.id == 1
    assert world.message(ada, channel, 1) is world.message(bot, channel, 1) is post
    assert post.post.sender is channel
    assert {user.id for user in world.audience(channel.mailbox)} == {bot.id, ada.id}
    assert channel.bot_api_id == -1_000_000_000_000 - channel.id


def test_a_basic_group_gives_everybody_a_copy() -> None:
    world = World()
    people = [world.add_user(name) for name in "abc"]
    group = world.add_chat(ChatKind.GROUP, "G", members=tuple(people))
    world.send(people[0], group, "hi")
    assert [len(user.mailbox.messages) for user in people] == [1, 1, 1]
    assert group.bot_api_id == -group.id


def test_edits_and_deletions_reach_both_sides_and_are_events() -> None:
    world = World()
    seen: list[Event] = []
    end = world.subscribe(seen.append)
    ada, bot = world.add_user("Ada"), world.add_bot("Bot", "a_bot")
    sent = world.send(ada, bot, "hello")
    world.edit(sent, text="bye")
    with pytest.raises(Refused, match=Reason.NOT_MODIFIED):
        world.edit(sent, text="bye")
    (received,) = bot.mailbox.messages.values()
    assert received.post.text == "bye" and received.post.edits == 1
    world.delete(sent)
    assert not bot.mailbox.messages and received.deleted
    assert [type(event) for event in seen[:2]] == [MessageAdded] * 2
    assert [type(event) for event in seen[2:]] == [MessageEdited] * 2 + [MessagesDeleted] * 2
    assert [event.pts for event in bot.mailbox.since(1)] == [2, 3, 4]
    end()
    world.send(ada, bot, "again")
    assert len(seen) == 6 and max(ada.mailbox.messages) == sent.id + 1


def test_replies_are_known_by_each_sides_own_ids() -> None:
    world = World()
    ada, bot = world.add_user("Ada"), world.add_bot("Bot", "a_bot")
    question = world.send(ada, bot, "?")
    (received,) = bot.mailbox.messages.values()
    answer = world.send(bot, ada, "!", reply_to=received)
    assert answer.reply_to is received
    assert world.history(ada, bot)[-1].reply_to is question


def test_forwards_keep_the_file_and_the_first_origin() -> None:
    world = World()
    ada, bot, eve = world.add_user("Ada"), world.add_bot("Bot", "a_bot"), world.add_user("Eve")
    channel = world.add_chat(ChatKind.CHANNEL, "C", admins=(eve,), members=(ada,))
    post = world.send(eve, channel, "", media=world.add_file(FileKind.VIDEO, 10))
    forwarded = world.forward(post, ada, bot)
    assert forwarded.post.media is post.post.media
    assert forwarded.post.origin == OriginChannel(chat=channel, message_id=1, date=post.post.date)
    again = world.forward(forwarded, ada, eve)
    assert again.post.origin == forwarded.post.origin
    assert world.copy(forwarded, ada, eve).post.origin is None
    own = world.forward(world.send(ada, bot, "mine"), ada, eve)
    assert own.post.origin == OriginUser(user=ada, date=own.post.date)


def test_protected_content_is_neither_copied_nor_forwarded() -> None:
    world = World()
    ada, bot = world.add_user("Ada"), world.add_bot("Bot", "a_bot")
    message = world.send(ada, bot, "secret", protected=True)
    for attempt in (world.forward, world.copy):
        with pytest.raises(Refused, match=Reason.PROTECTED):
            attempt(message, ada, bot)


# -- rules


def test_who_may_write() -> None:
    world = World()
    ada, bot, other = world.add_user("Ada"), world.add_bot("Bot", "a_bot"), world.add_bot("B", "b_bot")
    channel = world.add_chat(ChatKind.CHANNEL, "C", members=(bot,))

    def reason(sender: User, peer: Peer) -> Reason:
        with pytest.raises(Refused) as caught:
            world.send(sender, peer, "x")
        return caught.value.reason

    assert reason(bot, ada) is Reason.NOT_STARTED
    world.send(ada, bot, "/start")
    world.send(bot, ada, "hello")
    world.block(ada, bot)
    assert reason(bot, ada) is Reason.BLOCKED
    assert reason(bot, other) is Reason.BOT_TO_BOT
    assert reason(bot, channel) is Reason.ADMIN_REQUIRED
    assert reason(ada, channel) is Reason.NOT_A_MEMBER


def test_flood_control_allows_a_burst_and_then_one_per_second() -> None:
    control = FloodControl(FloodRule(per_chat_burst=3, overall_burst=5))
    assert [control.spend(1, 0.0) for _ in range(3)] == [0, 0, 0]
    assert control.spend(1, 0.0) == pytest.approx(1.0)
    assert control.spend(1, 0.4) == pytest.approx(0.6)
    assert control.spend(1, 1.0) == 0
    assert [control.spend(chat, 1.0) for chat in (2, 3, 4, 5)] == [0, 0, 0, 0]
    assert control.spend(6, 1.0) > 0


def test_faults_strike_as_often_as_they_were_ordered() -> None:
    faults = World().faults
    fault = faults.add("sendMessage", error=500, times=2, skip=1, matches=lambda call: call.get("text") == "x")
    calls = [faults.take("sendMessage", 1, {"text": text}) for text in "xyxxx"]
    assert calls == [None, None, fault, fault, None]
    assert fault.used == 2 and not faults.programmed
