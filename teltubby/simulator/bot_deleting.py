"""Bot API methods that delete messages; which ones a bot may delete is said in the documentation of deleteMessage."""

from __future__ import annotations

from teltubby.simulator.bot_account import BotAccount
from teltubby.simulator.bot_errors import bad_request, refusal
from teltubby.simulator.bot_markup import message_id_of, message_ids_of
from teltubby.simulator.bot_parameters import Parameters
from teltubby.simulator.messages import Message
from teltubby.simulator.people import Chat, ChatKind, Peer
from teltubby.simulator.rules import Reason

DELETABLE_SECONDS = 48 * 3600


async def delete_message(account: BotAccount, parameters: Parameters) -> object:
    """deleteMessage."""
    peer = _writable(account, parameters)
    message = account.message(peer, message_id_of(parameters), "delete")
    _check(account, peer, message)
    account.world.delete(message)
    return True


async def delete_messages(account: BotAccount, parameters: Parameters) -> object:
    """deleteMessages: those that are gone are skipped; where one may not be deleted, none is (TDLib)."""
    peer = _writable(account, parameters)
    found = [account.world.message(account.bot, peer, message_id) for message_id in message_ids_of(parameters)]
    messages = [message for message in found if message is not None]
    for message in messages:
        _check(account, peer, message)
    for message in messages:
        if not message.deleted:  # the same id twice
            account.world.delete(message)
    return True


def _writable(account: BotAccount, parameters: Parameters) -> Peer:
    """The chat; in a channel a bot has to be an admin to be let near the messages."""
    peer = account.readable(parameters.text("chat_id"))
    if isinstance(peer, Chat) and peer.kind is ChatKind.CHANNEL and account.bot.id not in peer.admins:
        raise refusal(Reason.ADMIN_REQUIRED, peer)
    return peer


def _check(account: BotAccount, peer: Peer, message: Message) -> None:
    """Raises ApiError 400 when the bot may not delete it."""
    if not _may_delete(account, peer, message):
        raise bad_request("message can't be deleted")
    if message.post.date + DELETABLE_SECONDS <= account.world.now():
        raise bad_request("message can't be deleted for everyone")


def _may_delete(account: BotAccount, peer: Peer, message: Message) -> bool:
    """In private chats everything; own posts in channels take can_post_messages, others' can_delete_messages."""
    if not isinstance(peer, Chat):
        return True
    rights, own = peer.rights_of(account.bot.id), message.post.author is account.bot
    if rights is not None and (rights.can_delete or peer.kind is ChatKind.GROUP):
        return True
    return own and (peer.kind is not ChatKind.CHANNEL or (rights is not None and rights.can_post))
