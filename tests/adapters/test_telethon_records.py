"""Messages and chats of Telegram's schema, made into records: what every kind becomes, and that nothing raises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from telethon import types

from teltubby.adapters.telethon_chats import names_of, read_chat
from teltubby.adapters.telethon_records import read_message
from teltubby.messages.collected import (
    AbsentMessage,
    Channel,
    ChannelKind,
    ChannelMigrated,
    ChannelUnavailable,
    CollectedMedia,
    CollectedMessage,
    ForwardFacts,
    MediaFacts,
    Post,
    PostMetrics,
    UnreadableMessage,
)

CHANNEL, MARKED = 123, -1_000_000_000_123
WHEN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SEEN = WHEN + timedelta(hours=2)
HERE = types.PeerChannel(CHANNEL)


def message(**fields: Any) -> types.Message:
    return types.Message(**({"id": 7, "peer_id": HERE, "date": WHEN, "message": "hello"} | fields))


def service(action: Any, **fields: Any) -> types.MessageService:
    return types.MessageService(id=8, peer_id=HERE, date=WHEN, action=action, **fields)


def collected(found: Any, **context: Any) -> CollectedMessage:
    read = read_message(found, channel_id=CHANNEL, seen_at=SEEN, **context)
    assert isinstance(read, CollectedMessage), read
    return read


def post(**fields: Any) -> Post:
    return collected(message(**fields)).post


def metrics(**fields: Any) -> PostMetrics:
    found = collected(message(**fields)).metrics
    assert found is not None
    return found


def test_a_plain_message() -> None:
    assert collected(message()) == CollectedMessage(
        post=Post(channel_id=CHANNEL, msg_id=7, date=WHEN, text="hello"),
        metrics=PostMetrics(channel_id=CHANNEL, msg_id=7, ts=SEEN),
    )


def test_telethon_s_own_class_and_the_schema_s_are_read_alike() -> None:
    """Telethon puts a class with conveniences before those of the schema, whose objects lack half of the fields."""
    schema_message, schema_service, schema_empty = (
        next(each for each in kind.__mro__ if each.__module__ == "telethon.tl.types")
        for kind in (types.Message, types.MessageService, types.MessageEmpty)
    )
    plain = schema_message(id=7, peer_id=HERE, date=WHEN, message="hello", media=types.MessageMediaEmpty())
    assert collected(plain) == collected(message())
    pinned = schema_service(id=8, peer_id=HERE, date=WHEN, action=types.MessageActionPinMessage())
    assert collected(pinned) == collected(service(types.MessageActionPinMessage()))
    for empty in (schema_empty(id=9), types.MessageEmpty(id=9, peer_id=HERE), types.MessageEmpty(id=9, peer_id=None)):
        absent = AbsentMessage(channel_id=CHANNEL, msg_id=9)
        assert read_message(empty, channel_id=CHANNEL, seen_at=SEEN) == absent


def test_text_entities_links_mentions_and_hashtags() -> None:
    text = "😀 bold @ada #tag here x.org"
    entities = [
        types.MessageEntityBold(3, 4),
        types.MessageEntityMention(8, 4),
        types.MessageEntityHashtag(13, 4),
        types.MessageEntityTextUrl(18, 4, "https://y.org"),
        types.MessageEntityUrl(23, 5),
    ]
    found = post(message=text, entities=entities)
    assert [(link.url, link.offset, link.length, link.shown) for link in found.links] == [
        ("https://y.org", 18, 4, "here"),
        ("https://x.org", 23, 5, None),
    ]
    assert (found.mentions, found.hashtags) == (("@ada",), ("#tag",))
    assert [entity["type"] for entity in found.entities] == ["bold", "mention", "hashtag", "text_link", "url"]


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (types.MessageEntityBankCard(0, 5), {"type": "bank_card"}),
        (types.MessageEntityBlockquote(0, 5), {"type": "blockquote"}),
        (types.MessageEntityBlockquote(0, 5, collapsed=True), {"type": "expandable_blockquote"}),
        (types.MessageEntityBotCommand(0, 5), {"type": "bot_command"}),
        (types.MessageEntityCashtag(0, 5), {"type": "cashtag"}),
        (types.MessageEntityCode(0, 5), {"type": "code"}),
        (types.MessageEntityCustomEmoji(0, 5, 2**62), {"type": "custom_emoji", "custom_emoji_id": str(2**62)}),
        (types.MessageEntityEmail(0, 5), {"type": "email"}),
        (types.MessageEntityFormattedDate(0, 5, WHEN), {"type": "date_time", "unix_time": int(WHEN.timestamp())}),
        (types.MessageEntityItalic(0, 5), {"type": "italic"}),
        (types.MessageEntityMentionName(0, 5, 77), {"type": "text_mention", "user": {"id": 77}}),
        (types.MessageEntityPhone(0, 5), {"type": "phone_number"}),
        (types.MessageEntityPre(0, 5, "python"), {"type": "pre", "language": "python"}),
        (types.MessageEntityPre(0, 5, ""), {"type": "pre"}),
        (types.MessageEntitySpoiler(0, 5), {"type": "spoiler"}),
        (types.MessageEntityStrike(0, 5), {"type": "strikethrough"}),
        (types.MessageEntityUnderline(0, 5), {"type": "underline"}),
        (types.MessageEntityUnknown(0, 5), {"type": "other_MessageEntityUnknown"}),
        (types.MessageEntityDiffInsert(0, 5), {"type": "other_MessageEntityDiffInsert"}),
    ],
)
def test_entities_have_the_bot_api_s_names(entity: Any, expected: dict[str, Any]) -> None:
    assert post(entities=[entity]).entities == ({"offset": 0, "length": 5} | expected,)


def test_a_text_of_4096_emoji() -> None:
    found = post(message="😀" * 4096, entities=[types.MessageEntityCustomEmoji(2 * n, 2, n) for n in range(100)])
    assert len(found.text) == 4096
    assert len(found.entities) == 100


def test_a_rich_message_is_told_by_its_words_and_links() -> None:
    link = types.TextUrl(types.TextBold(types.TextPlain("here 😀")), "https://x.org", 0)
    row = types.PageTableRow([types.PageTableCell(text=types.TextPlain("cell "))])
    blocks = [
        types.PageBlockHeading1(types.TextPlain("😀 Head")),
        types.PageBlockParagraph(types.TextConcat([types.TextPlain("see "), link, types.TextEmpty()])),
        types.PageBlockList(
            [types.PageListItemText(types.TextPlain("one")), types.PageListItemText(types.TextPlain("two"))]
        ),
        types.PageBlockTable(types.TextEmpty(), [row]),
        types.PageBlockDivider(),
        object(),
    ]
    found = post(message="", rich_message=types.RichMessage(blocks, [], []))
    assert found.text == "😀 Head\nsee here 😀\none\ntwo\ncell"
    (only,) = found.links
    assert (only.url, only.offset, only.length, only.shown) == ("https://x.org", 12, 7, "here 😀")
    assert post(message="plain", rich_message=types.RichMessage(blocks, [], [])).text == "plain"


def test_a_rich_message_without_end_is_read_as_far_as_it_goes() -> None:
    endless = types.TextBold(types.TextPlain("x"))
    endless.text = types.TextConcat([types.TextPlain("a"), endless])
    assert set(post(message="", rich_message=types.RichMessage([endless], [], [])).text) == {"a"}


# -- context


@pytest.mark.parametrize(
    ("header", "reply_to", "topic_id"),
    [
        (None, None, None),
        (types.MessageReplyHeader(reply_to_msg_id=5), 5, None),
        (types.MessageReplyHeader(reply_to_msg_id=5, reply_to_top_id=3), 5, None),
        (types.MessageReplyHeader(forum_topic=True, reply_to_msg_id=3), None, 3),
        (types.MessageReplyHeader(forum_topic=True, reply_to_msg_id=5, reply_to_top_id=3), 5, 3),
        (types.MessageReplyHeader(reply_to_msg_id=5, reply_to_peer_id=HERE), 5, None),
        (types.MessageReplyHeader(reply_to_msg_id=5, reply_to_peer_id=types.PeerChannel(9)), None, None),
        (types.MessageReplyHeader(quote=True, quote_text="said"), None, None),
        (types.MessageReplyHeader(reply_to_msg_id=-5, reply_to_top_id=0), None, None),
        (types.MessageReplyStoryHeader(peer=HERE, story_id=4), None, None),
    ],
)
def test_replies_and_topics(header: Any, reply_to: int | None, topic_id: int | None) -> None:
    found = post(reply_to=header)
    assert (found.reply_to, found.topic_id) == (reply_to, topic_id)
    assert collected(message(reply_to=header), forum=True).post.topic_id == (topic_id or 1)


def test_what_names_no_topic_is_in_a_forum_s_general_one() -> None:
    assert collected(message(), forum=True).post.topic_id == 1
    assert collected(message()).post.topic_id is None
    created = collected(service(types.MessageActionTopicCreate(title="New", icon_color=0)), forum=True)
    assert (created.post.service, created.post.topic_id) == ("topic_create", 8)


def test_where_it_was_forwarded_from() -> None:
    from_channel = types.MessageFwdHeader(date=WHEN, from_id=types.PeerChannel(55), channel_post=9, saved_from_msg_id=3)
    assert post(fwd_from=from_channel).forward == ForwardFacts(from_id=-1_000_000_000_055, message_id=9, date=WHEN)
    named = collected(message(fwd_from=from_channel), names={-1_000_000_000_055: "News"}).post.forward
    assert named is not None
    assert named.from_name == "News"
    hidden = types.MessageFwdHeader(date=WHEN, from_name="Somebody")
    assert post(fwd_from=hidden).forward == ForwardFacts(from_name="Somebody", date=WHEN)
    person = types.MessageFwdHeader(date=None, from_id=types.PeerUser(77))
    assert post(fwd_from=person).forward == ForwardFacts(from_id=77)


def test_author_album_protection_and_restrictions() -> None:
    reasons = [types.RestrictionReason("ios", "porn", "text"), types.RestrictionReason("all", "copyright", "text")]
    found = post(post_author="Ada", grouped_id=2**62, noforwards=True, restriction_reason=reasons)
    assert (found.author, found.grouped_id, found.protected) == ("Ada", 2**62, True)
    assert found.restrictions == ("ios: porn", "all: copyright")
    assert collected(message(), protected=True).post.protected
    assert collected(message(from_id=types.PeerUser(77)), names={77: "Bob"}).post.author == "Bob"


def test_edited_only_where_telegram_shows_it_so() -> None:
    """`edit_date` moves on reactions too, and then it is hidden."""
    assert post(edit_date=SEEN).edited_at == SEEN
    assert post(edit_date=SEEN, edit_hide=True).edited_at is None
    assert post().edited_at is None


def test_moments_are_in_utc() -> None:
    elsewhere = WHEN.astimezone(timezone(timedelta(hours=5)))
    assert post(date=elsewhere, edit_date=WHEN.replace(tzinfo=None)) == post(date=WHEN, edit_date=WHEN)
    assert post(date=elsewhere).date.tzinfo is UTC


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (types.MessageActionPinMessage(), "pin_message"),
        (types.MessageActionChatEditTitle("New"), "chat_edit_title"),
        (types.MessageActionSetMessagesTTL(5), "set_messages_ttl"),
        (types.MessageActionChannelMigrateFrom("Old", 5), "channel_migrate_from"),
        (types.MessageActionEmpty(), "empty"),
        (object(), "object"),
    ],
)
def test_service_messages(action: Any, name: str) -> None:
    read = collected(service(action))
    assert (read.post.service, read.post.text, read.metrics) == (name, "", None)


def test_a_service_message_with_reactions_has_counters() -> None:
    reactions = types.MessageReactions([types.ReactionCount(types.ReactionEmoji("👍"), 3)])
    read = collected(service(types.MessageActionPinMessage(), reactions=reactions))
    assert read.metrics is not None
    assert read.metrics.reactions == {"👍": 3}


# -- counters


def test_comments_are_told_from_replies() -> None:
    comments = types.MessageReplies(replies=12, replies_pts=5, comments=True, channel_id=999)
    replies = types.MessageReplies(replies=4, replies_pts=5)
    assert (metrics(replies=comments).comments, metrics(replies=comments).replies) == (12, None)
    assert (metrics(replies=replies).comments, metrics(replies=replies).replies) == (None, 4)


def test_counters() -> None:
    found = metrics(views=2_000_000_000, forwards=0)
    assert (found.views, found.forwards, found.replies, found.comments) == (2_000_000_000, 0, None, None)
    assert (found.ts, found.reactions, found.reactions_count) == (SEEN, {}, 0)
    absurd = metrics(views=-1, forwards=2**80, replies=types.MessageReplies(replies=-3, replies_pts=0))
    assert (absurd.views, absurd.forwards, absurd.replies) == (None, None, None)


class ReactionOfTomorrow:
    """Of a layer that this version does not know."""


def test_reactions_of_every_kind() -> None:
    kinds: list[tuple[Any, int]] = [
        (types.ReactionEmoji("👍"), 5),
        (types.ReactionCustomEmoji(2**62), 3),
        (types.ReactionPaid(), 2),
        (types.ReactionEmpty(), 1),
        (ReactionOfTomorrow(), 4),
        (types.ReactionEmoji("👍"), 2),
        (types.ReactionEmoji("👎"), -9),
        (types.ReactionEmoji(""), 6),
        (None, 1),
    ]
    found = metrics(reactions=types.MessageReactions([types.ReactionCount(each, count) for each, count in kinds]))
    assert found.reactions == {
        "👍": 7,
        f"custom_{2**62}": 3,
        "paid": 2,
        "other_ReactionEmpty": 1,
        "other_ReactionOfTomorrow": 4,
        "other_ReactionEmoji": 6,
        "other_NoneType": 1,
    }
    assert found.reactions_count == 24


# -- what cannot be read


@pytest.mark.parametrize(
    ("odd", "msg_id", "reason"),
    [
        (message(date=None), 7, "it has no date"),
        (message(date=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))), 7, "it has no date"),
        (message(peer_id=types.PeerChannel(9)), 7, "it belongs to chat -1000000000009, not to channel 123"),
        (message(peer_id=types.PeerChat(123)), 7, "it belongs to chat -123, not to channel 123"),
        (message(peer_id=None), 7, "it belongs to chat None, not to channel 123"),
        (message(id=-4), 0, "it has no id that a message can have"),
        (message(id=2**40), 0, "it has no id that a message can have"),
        (message(id=True), 0, "it has no id that a message can have"),
        (None, 0, "it has no id that a message can have"),
        (types.User(id=7), 7, "a User is no message that this version knows"),
    ],
)
def test_what_is_no_message_of_the_channel(odd: Any, msg_id: int, reason: str) -> None:
    read = read_message(odd, channel_id=CHANNEL, seen_at=SEEN)
    assert isinstance(read, UnreadableMessage)
    assert (read.channel_id, read.msg_id, read.reason) == (CHANNEL, msg_id, reason)
    assert isinstance(read.raw, dict)
    assert read.raw["class"] == type(odd).__name__


def test_what_is_said_of_an_unreadable_message_is_short_and_tells_no_contents() -> None:
    odd = message(message="secret", peer_id=None)
    read = read_message(odd, channel_id=10**9999, seen_at=SEEN)
    assert isinstance(read, UnreadableMessage)
    assert len(read.reason) <= 200
    assert "secret" not in str(read.raw)


# -- chats


def channel(**fields: Any) -> types.Channel:
    return types.Channel(**({"id": 123, "title": "News", "photo": types.ChatPhotoEmpty(), "date": WHEN} | fields))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"broadcast": True}, ChannelKind.CHANNEL),
        ({"megagroup": True}, ChannelKind.SUPERGROUP),
        ({"gigagroup": True, "megagroup": True}, ChannelKind.SUPERGROUP),
        ({"forum": True, "megagroup": True}, ChannelKind.FORUM),
    ],
)
def test_kinds_of_channels(fields: dict[str, Any], kind: ChannelKind) -> None:
    expected = Channel(channel_id=123, username="news", title="News", kind=kind, seen_at=SEEN)
    assert read_chat(channel(username="news", **fields), seen_at=SEEN) == expected


def full(**fields: Any) -> types.ChannelFull:
    kept: dict[str, Any] = {
        "read_inbox_max_id": 0,
        "read_outbox_max_id": 0,
        "unread_count": 0,
        "bot_info": [],
        "pts": 5,
    }
    kept |= {"chat_photo": types.PhotoEmpty(0), "notify_settings": types.PeerNotifySettings()}
    return types.ChannelFull(**(kept | {"id": 123, "about": "All of it"} | fields))


def test_what_the_full_channel_adds() -> None:
    told = full(participants_count=50, linked_chat_id=456, migrated_from_chat_id=77)
    found = read_chat(channel(participants_count=40), seen_at=SEEN, full=told)
    assert isinstance(found, Channel)
    assert (found.subscribers, found.about, found.linked_chat_id, found.migrated_from) == (50, "All of it", 456, 77)
    other = read_chat(channel(participants_count=40), seen_at=SEEN, full=full(id=9))
    assert isinstance(other, Channel)
    assert (other.subscribers, other.about) == (40, None)


def test_the_name_in_use_of_several() -> None:
    names = [types.Username("old"), types.Username("shop", active=True), types.Username("more", active=True)]
    found = read_chat(channel(usernames=names), seen_at=SEEN)
    assert isinstance(found, Channel)
    assert found.username == "shop"


def group(**fields: Any) -> types.Chat:
    photo = types.ChatPhotoEmpty()
    return types.Chat(id=77, title="Old", photo=photo, participants_count=3, date=WHEN, version=1, **fields)


def test_a_group_that_has_moved() -> None:
    moved = group(deactivated=True, migrated_to=types.InputChannel(123, 5))
    assert read_chat(moved, seen_at=SEEN) == ChannelMigrated(chat_id=77, channel_id=123)


@pytest.mark.parametrize(
    ("chat", "chat_id", "title"),
    [
        (group(), 77, "Old"),
        (group(migrated_to=types.InputChannelEmpty()), 77, "Old"),
        (types.ChannelForbidden(id=123, access_hash=1, title="Secret", broadcast=True), 123, "Secret"),
        (types.ChatForbidden(id=77, title="Old"), 77, "Old"),
        (types.ChatEmpty(id=77), 77, None),
        (types.User(id=5), 5, None),
        (None, None, None),
        (channel(id=-5), None, "News"),
    ],
)
def test_what_nothing_can_be_collected_of(chat: Any, chat_id: int | None, title: str | None) -> None:
    found = read_chat(chat, seen_at=SEEN)
    assert isinstance(found, ChannelUnavailable)
    assert (found.chat_id, found.title) == (chat_id, title)
    assert found.reason


def test_names_of_what_came_with_a_page() -> None:
    users = [types.User(id=5, first_name="Ada", last_name="L."), types.User(id=6), types.UserEmpty(id=7)]
    chats = [channel(), group(), types.ChannelForbidden(id=9, access_hash=1, title="Far"), types.ChatEmpty(id=4)]
    assert names_of(chats, users) == {5: "Ada L.", MARKED: "News", -77: "Old", -1_000_000_000_009: "Far"}
    assert names_of(None, None) == {}


def test_kinds_that_are_no_files_have_no_facts_besides() -> None:
    assert post(media=types.MessageMediaDice(6, "🎲")).media == MediaFacts(kind=CollectedMedia.OTHER)


def test_counts_of_nonsense_fit_where_they_are_stored() -> None:
    told = [types.ReactionCount(types.ReactionEmoji(each), 2**63 - 1) for each in ("👍", "👍", "👎")]
    found = metrics(reactions=types.MessageReactions(told))
    assert found.reactions == {"👍": 2**63 - 1, "👎": 0}
    assert found.reactions_count == 2**63 - 1
