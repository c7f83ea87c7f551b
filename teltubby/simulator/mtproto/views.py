"""How accounts, chats and messages of the world look to one account, as TL objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from teltubby.simulator.actions import MembersAdded, MigratedFrom, MigratedTo
from teltubby.simulator.messages import (
    Entity,
    Message,
    Origin,
    OriginChannel,
    OriginChat,
    OriginHiddenUser,
    OriginUser,
    Post,
)
from teltubby.simulator.mtproto.counters import counted_in, reactions_view, replies_view
from teltubby.simulator.mtproto.media import media_view
from teltubby.simulator.mtproto.services import action_view
from teltubby.simulator.mtproto.tl import PLAIN_MESSAGE, PLAIN_MESSAGE_SERVICE, types
from teltubby.simulator.people import Chat, ChatKind, Peer, User
from teltubby.simulator.world import World

ENTITIES: dict[str, Any] = {
    "mention": types.MessageEntityMention,
    "hashtag": types.MessageEntityHashtag,
    "cashtag": types.MessageEntityCashtag,
    "bot_command": types.MessageEntityBotCommand,
    "url": types.MessageEntityUrl,
    "email": types.MessageEntityEmail,
    "phone_number": types.MessageEntityPhone,
    "bold": types.MessageEntityBold,
    "italic": types.MessageEntityItalic,
    "underline": types.MessageEntityUnderline,
    "strikethrough": types.MessageEntityStrike,
    "spoiler": types.MessageEntitySpoiler,
    "blockquote": types.MessageEntityBlockquote,
    "code": types.MessageEntityCode,
}


def peer_id(peer: Peer) -> Any:
    """The Peer object of an account or chat."""
    match peer:
        case User():
            return types.PeerUser(peer.id)
        case Chat():
            return types.PeerChannel(peer.id) if peer.is_channel else types.PeerChat(peer.id)


def user_view(world: World, viewer: User, user: User) -> Any:
    """An account, with the access hash that `viewer` needs; phone numbers are shown to their owners only."""
    is_self = user is viewer
    return types.User(
        id=user.id,
        is_self=is_self,
        deleted=user.deactivated,
        bot=user.is_bot,
        bot_info_version=1 if user.is_bot else None,
        premium=user.premium,
        access_hash=world.access_hash(viewer.id, user),
        first_name=None if user.deactivated else user.first_name,
        last_name=None if user.deactivated else user.last_name,
        username=None if user.deactivated else user.username,
        phone=user.phone.lstrip("+") if user.phone and is_self else None,
        lang_code=user.language_code if is_self else None,
    )


def chat_view(world: World, viewer: User, chat: Chat) -> Any:
    """A group or channel; one that `viewer` may not see is only its name."""
    member = viewer.id in chat.members
    megagroup = chat.kind is ChatKind.SUPERGROUP
    if not chat.is_channel:
        return types.Chat(
            id=chat.id,
            title=chat.title,
            photo=types.ChatPhotoEmpty(),
            participants_count=len(chat.members),
            date=chat.date,
            version=1,
            left=not member,
            noforwards=chat.protected,
            deactivated=chat.migrated_to is not None,
            migrated_to=_input_channel(world, viewer, chat.migrated_to) if chat.migrated_to else None,
        )
    access_hash = world.access_hash(viewer.id, chat)
    if not member and not chat.username:
        return types.ChannelForbidden(
            id=chat.id, access_hash=access_hash, title=chat.title, broadcast=not megagroup, megagroup=megagroup
        )
    return types.Channel(
        id=chat.id,
        title=chat.title,
        photo=types.ChatPhotoEmpty(),
        date=chat.date,
        left=not member,
        broadcast=not megagroup,
        megagroup=megagroup,
        noforwards=chat.protected,
        admin_rights=rights_view(chat, viewer),
        access_hash=access_hash,
        username=chat.username,
        participants_count=chat.size,
        has_link=chat.linked is not None,
        forum=chat.forum,
    )


def _input_channel(world: World, viewer: User, chat: Chat) -> Any:
    return types.InputChannel(chat.id, world.access_hash(viewer.id, chat))


def rights_view(chat: Chat, user: User) -> Any:
    """ChatAdminRights of an admin; None of anybody else."""
    rights = chat.rights_of(user.id)
    if rights is None:
        return None
    in_channel = chat.kind is ChatKind.CHANNEL
    return types.ChatAdminRights(
        post_messages=in_channel and rights.can_post,
        edit_messages=in_channel and rights.can_post,
        delete_messages=rights.can_delete,
        other=True,
    )


def message_view(world: World, viewer: User, message: Message) -> Any:
    """A message as `viewer` finds it in their own mailbox or in a channel."""
    post, peer = message.post, message.peer
    author = post.sender
    in_private = isinstance(peer, User)
    if post.service is not None:
        return _service_view(viewer, message)
    counters = counted_in(message)
    return PLAIN_MESSAGE(
        id=message.id,
        peer_id=peer_id(peer),
        # In private chats the sender follows from `out`; on a channel's own behalf nobody is named.
        from_id=None if in_private or author is peer else peer_id(author),
        date=post.date,
        message=post.text,
        out=author is viewer,
        post=isinstance(peer, Chat) and peer.kind is ChatKind.CHANNEL,
        noforwards=message.protected,
        media=media_view(world, viewer, post.media) if post.media else None,
        entities=[_entity_view(entity) for entity in post.entities] or None,
        fwd_from=_origin_view(post) if post.origin else None,
        reply_to=_reply_view(message),
        grouped_id=post.grouped_id,
        edit_date=post.edit_date,
        edit_hide=post.edit_hidden,
        views=counters.views if counters else None,
        forwards=counters.forwards if counters else None,
        replies=replies_view(message),
        reactions=reactions_view(viewer, message),
    )


def _service_view(viewer: User, message: Message) -> Any:
    post = message.post
    return PLAIN_MESSAGE_SERVICE(
        id=message.id,
        peer_id=peer_id(message.peer),
        from_id=None if post.sender is message.peer else peer_id(post.sender),
        date=post.date,
        action=action_view(post.service) if post.service else None,
        out=post.sender is viewer,
        post=isinstance(message.peer, Chat) and message.peer.kind is ChatKind.CHANNEL,
        reply_to=_reply_view(message),
        reactions=reactions_view(viewer, message),
    )


def _reply_view(message: Message) -> Any:
    """MessageReplyHeader: the answered message, though it was deleted, and the top of the thread if that is another."""
    answered, topic = message.reply_to_id, message.post.topic
    top = message.thread_id if topic is None else topic
    if answered is None:
        return types.MessageReplyHeader(reply_to_msg_id=topic, forum_topic=True) if topic else None
    return types.MessageReplyHeader(
        reply_to_msg_id=answered, reply_to_top_id=top if top != answered else None, forum_topic=topic is not None
    )


def dialog_view(peer: Peer, top: Message | None) -> Any:
    """Dialog, in which nothing is said about what was read; of a channel with the state of its mailbox."""
    return types.Dialog(
        peer=peer_id(peer),
        top_message=top.id if top else 0,
        read_inbox_max_id=0,
        read_outbox_max_id=0,
        unread_count=0,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        notify_settings=types.PeerNotifySettings(),
        pts=peer.mailbox.pts if isinstance(peer, Chat) and peer.is_channel else None,
    )


def people_of(viewer: User, messages: Iterable[Message]) -> tuple[list[User], list[Chat]]:
    """The accounts and chats that messages mention, and the viewer: a client must be told of all of them."""
    users = {viewer.id: viewer}
    chats: dict[int, Chat] = {}
    for message in messages:
        mentioned: list[Peer] = [message.peer, message.post.sender]
        match message.post.service:
            case MigratedTo(chat=chat) | MigratedFrom(chat=chat):
                mentioned.append(chat)
            case MembersAdded(users=added):
                mentioned.extend(added)
            case _:
                pass
        if isinstance(message.peer, Chat) and message.peer.linked is not None:
            mentioned.append(message.peer.linked)
        match message.post.origin:
            case OriginUser(user=user):
                mentioned.append(user)
            case OriginChat(chat=chat) | OriginChannel(chat=chat):
                mentioned.append(chat)
            case OriginHiddenUser() | None:
                pass
        mentioned.extend(entity.user for entity in message.post.entities if entity.user)
        for peer in mentioned:
            match peer:
                case User():
                    users[peer.id] = peer
                case Chat():
                    chats[peer.id] = peer
    return list(users.values()), list(chats.values())


def people_views(world: World, viewer: User, messages: Iterable[Message]) -> dict[str, list[Any]]:
    """`users` and `chats` of an answer that holds these messages."""
    users, chats = people_of(viewer, messages)
    return {
        "users": [user_view(world, viewer, user) for user in users],
        "chats": [chat_view(world, viewer, chat) for chat in chats],
    }


def _origin_view(post: Post) -> Any:
    header = _header(post.origin)
    if post.comments_on is not None:
        header.saved_from_peer, header.saved_from_msg_id = peer_id(post.comments_on.peer), post.comments_on.id
    return header


def _header(origin: Origin | None) -> Any:
    match origin:
        case None:
            return None
        case OriginUser():
            return types.MessageFwdHeader(date=origin.date, from_id=peer_id(origin.user))
        case OriginHiddenUser():
            return types.MessageFwdHeader(date=origin.date, from_name=origin.name)
        case OriginChat():
            return types.MessageFwdHeader(
                date=origin.date, from_id=peer_id(origin.chat), post_author=origin.author_signature
            )
        case OriginChannel():
            return types.MessageFwdHeader(
                date=origin.date,
                from_id=peer_id(origin.chat),
                channel_post=origin.message_id,
                post_author=origin.author_signature,
            )


def _entity_view(entity: Entity) -> Any:
    place = {"offset": entity.offset, "length": entity.length}
    match entity.type:
        case "text_link":
            return types.MessageEntityTextUrl(**place, url=entity.url or "")
        case "text_mention":
            return types.MessageEntityMentionName(**place, user_id=entity.user.id if entity.user else 0)
        case "pre":
            return types.MessageEntityPre(**place, language=entity.language or "")
        case "expandable_blockquote":
            return types.MessageEntityBlockquote(**place, collapsed=True)
        case "custom_emoji":
            return types.MessageEntityCustomEmoji(**place, document_id=int(entity.custom_emoji_id or 0))
        case _:
            return ENTITIES.get(entity.type, types.MessageEntityUnknown)(**place)
