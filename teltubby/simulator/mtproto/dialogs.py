"""messages.getDialogs, messages.getPeerDialogs: an account's conversations, by which it learns their access hashes."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from teltubby.simulator.messages import Message
from teltubby.simulator.mtproto.paging import seconds_of
from teltubby.simulator.mtproto.peers import peer_of
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, types
from teltubby.simulator.mtproto.updates import state_at
from teltubby.simulator.mtproto.views import chat_view, dialog_view, message_view, people_of, user_view
from teltubby.simulator.people import Chat, Peer, User
from teltubby.simulator.timeline import newest_of

MAX_DIALOGS = 100


Place = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialog:
    """A conversation and its newest message; one in which nothing was said is as old as the chat."""

    peer: Peer
    top: Message | None

    @property
    def place(self) -> Place:
        """Where it stands: newest first."""
        date = self.top.post.date if self.top else self.peer.date if isinstance(self.peer, Chat) else 0
        return (-date, -self.top.id if self.top else 0, self.peer.id)


def get_dialogs(caller: Caller, request: Any) -> Any:
    """messages.getDialogs, newest first, at most 100 at a time; barred to bots.

    A page begins behind the conversation that the offsets name: the date and id of its newest message, and its peer
    (core.telegram.org/api/offsets). Assumed: one without a message is named by its peer alone.
    """
    account = caller.person
    if request.limit < 0:
        raise RpcError(400, "LIMIT_INVALID")
    dialogs = _dialogs(caller, account)
    after = _offset(caller, account, request)
    start = next((number for number, dialog in enumerate(dialogs) if dialog.place > after), len(dialogs))
    page = dialogs[start : start + min(request.limit or MAX_DIALOGS, MAX_DIALOGS)]
    if start == 0 and len(page) == len(dialogs):
        return types.messages.Dialogs(**_views(caller, account, page))
    return types.messages.DialogsSlice(count=len(dialogs), **_views(caller, account, page))


def get_peer_dialogs(caller: Caller, request: Any) -> Any:
    """messages.getPeerDialogs: those that are named."""
    account = caller.person
    named = [reference.peer for reference in request.peers if isinstance(reference, types.InputDialogPeer)]
    page = [_dialog(caller, account, peer_of(caller, reference)) for reference in named[:MAX_DIALOGS]]
    return types.messages.PeerDialogs(
        state=state_at(caller.world, account.mailbox.pts), **_views(caller, account, page)
    )


def _offset(caller: Caller, account: User, request: Any) -> Place:
    peer = None
    if not isinstance(request.offset_peer, types.InputPeerEmpty):
        peer = peer_of(caller, request.offset_peer)
    date = seconds_of(request.offset_date)
    if date:
        return (-date, -request.offset_id if request.offset_id else inf, peer.id if peer else inf)
    return _dialog(caller, account, peer).place if peer else (-inf, -inf, -inf)


def _dialogs(caller: Caller, account: User) -> list[_Dialog]:
    peers: dict[int, Peer] = {id(message.peer): message.peer for message in account.mailbox.messages.values()}
    peers |= {id(chat): chat for chat in caller.world.chats.values() if account.id in chat.members}
    dialogs = [_dialog(caller, account, peer) for peer in peers.values()]
    return sorted(dialogs, key=lambda dialog: dialog.place)


def _dialog(caller: Caller, account: User, peer: Peer) -> _Dialog:
    return _Dialog(peer=peer, top=newest_of(caller.world.timeline(account, peer)))


def _views(caller: Caller, account: User, dialogs: list[_Dialog]) -> dict[str, list[Any]]:
    world = caller.world
    tops = [dialog.top for dialog in dialogs if dialog.top]
    users, chats = people_of(account, tops)
    for peer in (dialog.peer for dialog in dialogs):
        match peer:
            case User() if peer not in users:
                users.append(peer)
            case Chat() if peer not in chats:
                chats.append(peer)
    return {
        "dialogs": [dialog_view(dialog.peer, dialog.top) for dialog in dialogs],
        "messages": [message_view(world, account, top) for top in tops],
        "users": [user_view(world, account, user) for user in users],
        "chats": [chat_view(world, account, chat) for chat in chats],
    }


HANDLERS: Handlers = {
    functions.messages.GetDialogsRequest: get_dialogs,
    functions.messages.GetPeerDialogsRequest: get_peer_dialogs,
}
