"""users.*, contacts.*, channels.getChannels: who is who, and who may name whom by which access hash."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, types
from teltubby.simulator.mtproto.views import chat_view, peer_id, user_view
from teltubby.simulator.people import Chat, Peer, User

MAX_IDS = 200


def user_of(caller: Caller, reference: Any) -> User | None:
    """The account that an InputUser or InputPeer names; None when the id or its access hash is wrong."""
    world, account = caller.world, caller.account
    match reference:
        case types.InputUserSelf() | types.InputPeerSelf():
            return account
        case types.InputUser() | types.InputPeerUser():
            user = world.users.get(reference.user_id)
            return user if user and _hash_is_good(caller, user, reference.access_hash) else None
        case _:
            return None


def channel_of(caller: Caller, reference: Any) -> Chat:
    """The channel or supergroup that an InputChannel or InputPeerChannel names, if it may be read; raises RpcError."""
    match reference:
        case types.InputChannel() | types.InputPeerChannel():
            chat = caller.world.chats.get(reference.channel_id)
        case _:
            chat = None
    account = caller.account
    if chat is None or not chat.is_channel or not _hash_is_good(caller, chat, reference.access_hash):
        raise RpcError(400, "CHANNEL_INVALID")
    if account.id in chat.kicked or (account.id not in chat.members and not chat.username):
        raise RpcError(400, "CHANNEL_PRIVATE")
    return chat


def peer_of(caller: Caller, reference: Any) -> Peer:
    """The conversation that an InputPeer names; raises RpcError."""
    match reference:
        case types.InputPeerChannel():
            return channel_of(caller, reference)
        case types.InputPeerChat():
            chat = caller.world.chats.get(reference.chat_id)
            if chat is None or chat.is_channel or caller.account.id not in chat.members:
                raise RpcError(400, "CHAT_ID_INVALID")
            return chat
        case _:
            user = user_of(caller, reference)
            if user is None:
                raise RpcError(400, "PEER_ID_INVALID")
            return user


def _hash_is_good(caller: Caller, peer: Peer, access_hash: int) -> bool:
    """Access hashes are per account. Bots may give 0 for anybody, people only for themselves."""
    account = caller.account
    if access_hash == 0 and (account.is_bot or peer is account):
        return True
    return access_hash == caller.world.access_hash(account.id, peer)


def get_users(caller: Caller, request: Any) -> list[Any]:
    """users.getUsers; who is not found is UserEmpty."""
    if len(request.id) > MAX_IDS:
        raise RpcError(400, "LIMIT_INVALID")
    found = [(reference, user_of(caller, reference)) for reference in request.id]
    return [
        user_view(caller.world, caller.account, user) if user else types.UserEmpty(getattr(reference, "user_id", 0))
        for reference, user in found
    ]


def get_full_user(caller: Caller, request: Any) -> Any:
    """users.getFullUser, with as little as an account can have."""
    user = user_of(caller, request.id)
    if user is None:
        raise RpcError(400, "USER_ID_INVALID")
    full = types.UserFull(
        id=user.id,
        settings=types.PeerSettings(),
        notify_settings=types.PeerNotifySettings(),
        common_chats_count=0,
    )
    return types.users.UserFull(full_user=full, chats=[], users=[user_view(caller.world, caller.account, user)])


def get_channels(caller: Caller, request: Any) -> Any:
    """channels.getChannels; one that may not be named fails the whole request."""
    chats = [channel_of(caller, reference) for reference in request.id[:MAX_IDS]]
    return types.messages.Chats([chat_view(caller.world, caller.account, chat) for chat in chats])


def get_chats(caller: Caller, request: Any) -> Any:
    """messages.getChats: basic groups by id."""
    chats = [peer_of(caller, types.InputPeerChat(chat_id)) for chat_id in request.id[:MAX_IDS]]
    return types.messages.Chats(
        [chat_view(caller.world, caller.account, chat) for chat in chats if isinstance(chat, Chat)]
    )


def resolve_username(caller: Caller, request: Any) -> Any:
    """contacts.resolveUsername."""
    world, account = caller.world, caller.account
    name = request.username.lstrip("@")
    if not name or not all(character.isascii() and (character.isalnum() or character == "_") for character in name):
        raise RpcError(400, "USERNAME_INVALID")
    chat = world.chat_by_username(name)
    if chat is not None:
        return types.contacts.ResolvedPeer(peer_id(chat), [chat_view(world, account, chat)], [])
    user = world.user_by_username(name)
    if user is not None:
        return types.contacts.ResolvedPeer(peer_id(user), [], [user_view(world, account, user)])
    raise RpcError(400, "USERNAME_NOT_OCCUPIED")


HANDLERS: Handlers = {
    functions.users.GetUsersRequest: get_users,
    functions.users.GetFullUserRequest: get_full_user,
    functions.channels.GetChannelsRequest: get_channels,
    functions.messages.GetChatsRequest: get_chats,
    functions.contacts.ResolveUsernameRequest: resolve_username,
}
