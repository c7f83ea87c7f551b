"""channels.getParticipant and channels.getFullChannel: who is in a channel or supergroup, and as what."""

from __future__ import annotations

from typing import Any, assert_never

from teltubby.simulator.communities import top_of_migrated
from teltubby.simulator.mtproto.peers import channel_of, user_of
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, types
from teltubby.simulator.mtproto.views import chat_view, peer_id, rights_view, user_view
from teltubby.simulator.people import Chat, ChatKind, Membership, User


def get_participant(caller: Caller, request: Any) -> Any:
    """channels.getParticipant: of others in a channel only its admins learn anything."""
    account, chat = caller.account, channel_of(caller, request.channel)
    user = user_of(caller, request.participant)
    if user is None:
        raise RpcError(400, "PARTICIPANT_ID_INVALID")
    if user is not account and chat.kind is ChatKind.CHANNEL and account.id not in chat.admins:
        raise RpcError(400, "CHAT_ADMIN_REQUIRED")
    return types.channels.ChannelParticipant(
        participant=_participant(chat, user, account),
        chats=[chat_view(caller.world, account, chat)],
        users=[user_view(caller.world, account, user)],
    )


def get_full_channel(caller: Caller, request: Any) -> Any:
    """channels.getFullChannel: description, subscribers, the linked group or channel, the basic group that it was."""
    account, chat = caller.account, channel_of(caller, request.channel)
    shown = [one for one in (chat, chat.linked, chat.migrated_from) if one is not None]
    full = types.ChannelFull(
        id=chat.id,
        about=chat.about,
        participants_count=chat.size,
        linked_chat_id=chat.linked.id if chat.linked else None,
        migrated_from_chat_id=chat.migrated_from.id if chat.migrated_from else None,
        migrated_from_max_id=top_of_migrated(chat.migrated_from, account) if chat.migrated_from else None,
        admins_count=len(chat.admins),
        kicked_count=len(chat.kicked),
        banned_count=0,
        read_inbox_max_id=0,
        read_outbox_max_id=0,
        unread_count=0,
        chat_photo=types.PhotoEmpty(0),
        notify_settings=types.PeerNotifySettings(),
        bot_info=[],
        pts=chat.mailbox.pts,
    )
    return types.messages.ChatFull(
        full_chat=full, chats=[chat_view(caller.world, account, one) for one in shown], users=[]
    )


def _participant(chat: Chat, user: User, account: User) -> Any:
    match chat.membership(user.id):
        case Membership.ADMINISTRATOR:
            return types.ChannelParticipantAdmin(
                user_id=user.id,
                promoted_by=user.id,
                date=chat.date,
                admin_rights=rights_view(chat, user),
                is_self=user is account,
                inviter_id=user.id if user is account else None,
            )
        case Membership.MEMBER if user is account:
            return types.ChannelParticipantSelf(user_id=user.id, inviter_id=user.id, date=chat.date)
        case Membership.MEMBER:
            return types.ChannelParticipant(user_id=user.id, date=chat.date)
        case Membership.KICKED:
            rights = types.ChatBannedRights(until_date=None, view_messages=True)
            return types.ChannelParticipantBanned(
                peer=peer_id(user), kicked_by=0, date=chat.date, banned_rights=rights, left=True
            )
        case Membership.LEFT:
            raise RpcError(400, "USER_NOT_PARTICIPANT")
        case unknown:
            assert_never(unknown)


HANDLERS: Handlers = {
    functions.channels.GetParticipantRequest: get_participant,
    functions.channels.GetFullChannelRequest: get_full_channel,
}
