"""messages.checkChatInvite: where a link leads, and whether one is there already; barred to bots."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, types
from teltubby.simulator.mtproto.views import chat_view
from teltubby.simulator.people import ChatKind


def check_chat_invite(caller: Caller, request: Any) -> Any:
    """messages.checkChatInvite: ChatInviteAlready for members; who was kicked hears that the link has expired."""
    account = caller.person
    if not request.hash:
        raise RpcError(400, "INVITE_HASH_EMPTY")
    chat = caller.world.chat_by_invite(request.hash)
    if chat is None:
        raise RpcError(400, "INVITE_HASH_INVALID")
    if chat.deleted or account.id in chat.kicked:
        raise RpcError(400, "INVITE_HASH_EXPIRED")
    if account.id in chat.members:
        return types.ChatInviteAlready(chat_view(caller.world, account, chat))
    return types.ChatInvite(
        title=chat.title,
        photo=types.PhotoEmpty(0),
        participants_count=chat.size,
        color=0,
        channel=chat.is_channel,
        broadcast=chat.kind is ChatKind.CHANNEL,
        megagroup=chat.kind is ChatKind.SUPERGROUP,
        public=chat.username is not None,
        about=chat.about or None,
    )


HANDLERS: Handlers = {functions.messages.CheckChatInviteRequest: check_chat_invite}
