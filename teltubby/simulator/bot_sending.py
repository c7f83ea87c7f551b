"""Bot API methods that write: send, copy, forward, edit, delete, answer. All but the last are under flood control."""

from __future__ import annotations

import asyncio

from teltubby.simulator.bot_account import BotAccount
from teltubby.simulator.bot_errors import bad_request, refusal, too_many_requests
from teltubby.simulator.bot_markup import entities_of, keyboard_of, reply_target
from teltubby.simulator.bot_parameters import Parameters
from teltubby.simulator.bot_text import checked_caption, checked_text, formatted
from teltubby.simulator.files import FileKind
from teltubby.simulator.messages import Entity, Media, Message
from teltubby.simulator.people import Chat, Peer, User
from teltubby.simulator.rules import Reason, Refused, may_write

DELETABLE_SECONDS = 48 * 3600
QUERY_SECONDS = 15
"""Reported; the documentation gives no number."""
MAX_NOTICE = 200
ACTIONS = frozenset(
    (
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    )
)


async def send_message(account: BotAccount, parameters: Parameters) -> object:
    """sendMessage."""
    text, entities = checked_text(*_text(account, parameters, "text"))
    return _send(account, parameters, text, entities, None)


async def send_file(account: BotAccount, parameters: Parameters, kind: FileKind) -> object:
    """sendPhoto, sendDocument and the like."""
    caption, entities = checked_caption(*_text(account, parameters, "caption"))
    account.chat(parameters.text("chat_id"))
    media = account.files.wanted(parameters.file(kind.value), kind)
    return _send(account, parameters, caption, entities, media)


async def copy_message(account: BotAccount, parameters: Parameters) -> object:
    """copyMessage: any content of any size, without its forward origin."""
    source = _source(account, parameters, "copy")
    peer = account.chat(parameters.text("chat_id"))
    caption: str | None = None
    entities: tuple[Entity, ...] = ()
    if parameters.text("caption") is not None:
        caption, entities = checked_caption(*_text(account, parameters, "caption"))
    keyboard = keyboard_of(parameters)
    reply_to = reply_target(account, peer, parameters)
    _spend(account, peer)
    try:
        copy = account.world.copy(
            source,
            account.bot,
            peer,
            caption=caption,
            entities=entities,
            reply_to=reply_to,
            keyboard=keyboard,
            protected=parameters.flag("protect_content"),
        )
    except Refused as exc:
        raise refusal(exc.reason, peer) from exc
    return {"message_id": copy.id}


async def forward_message(account: BotAccount, parameters: Parameters) -> object:
    """forwardMessage."""
    source = _source(account, parameters, "forward")
    peer = account.chat(parameters.text("chat_id"))
    _spend(account, peer)
    try:
        return account.views.message(account.world.forward(source, account.bot, peer))
    except Refused as exc:
        if exc.reason is Reason.PROTECTED:
            raise bad_request("the message can't be forwarded") from exc
        raise refusal(exc.reason, peer) from exc


async def edit_message_text(account: BotAccount, parameters: Parameters) -> object:
    """editMessageText; without reply_markup the keyboard goes away."""
    text, entities = checked_text(*_text(account, parameters, "text"))
    message = _own(account, parameters)
    if message.post.media is not None:
        raise bad_request("there is no text in the message to edit")
    return _edit(account, parameters, message, text, entities)


async def edit_message_caption(account: BotAccount, parameters: Parameters) -> object:
    """editMessageCaption."""
    caption, entities = checked_caption(*_text(account, parameters, "caption"))
    message = _own(account, parameters)
    if message.post.media is None:
        raise bad_request("there is no caption in the message to edit")
    return _edit(account, parameters, message, caption, entities)


async def edit_message_reply_markup(account: BotAccount, parameters: Parameters) -> object:
    """editMessageReplyMarkup."""
    return _edit(account, parameters, _own(account, parameters), None, ())


async def delete_message(account: BotAccount, parameters: Parameters) -> object:
    """deleteMessage: own ones, those in a private chat, and all where the bot is an admin; within 48 hours."""
    peer = account.readable(parameters.text("chat_id"))
    message = account.message(peer, _message_id(parameters), "delete")
    if isinstance(peer, Chat) and message.post.author is not account.bot and account.bot.id not in peer.admins:
        raise bad_request("message can't be deleted")
    if message.post.date + DELETABLE_SECONDS < account.world.now():
        raise bad_request("message can't be deleted for everyone")
    account.world.delete(message)
    return True


async def send_chat_action(account: BotAccount, parameters: Parameters) -> object:
    """sendChatAction."""
    peer = account.chat(parameters.text("chat_id"))
    action = parameters.text("action") or ""
    if action not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    reason = may_write(account.bot, peer, started=account.world.started, blocked=account.world.blocked)
    if reason is not None:
        raise refusal(reason, peer)
    account.world.show_action(account.bot, peer, action)
    return True


async def answer_callback_query(account: BotAccount, parameters: Parameters) -> object:
    """answerCallbackQuery, once and soon."""
    query = account.world.queries.get(parameters.integer("callback_query_id"))
    open_until = query.date + QUERY_SECONDS if query is not None and query.bot is account.bot else 0
    if query is None or query.answer is not None or open_until < account.world.now():
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    text = parameters.text("text") or ""
    if len(text) > MAX_NOTICE:
        raise bad_request("MESSAGE_TOO_LONG")
    account.world.answer(query, text, alert=parameters.flag("show_alert"))
    return True


def _send(
    account: BotAccount, parameters: Parameters, text: str, entities: tuple[Entity, ...], media: Media | None
) -> object:
    peer = account.chat(parameters.text("chat_id"))
    keyboard = keyboard_of(parameters)
    reply_to = reply_target(account, peer, parameters)
    _spend(account, peer)
    try:
        message = account.world.send(
            account.bot,
            peer,
            text,
            entities=entities,
            media=media,
            reply_to=reply_to,
            keyboard=keyboard,
            protected=parameters.flag("protect_content"),
        )
    except Refused as exc:
        raise refusal(exc.reason, peer) from exc
    return account.views.message(message)


def _edit(
    account: BotAccount, parameters: Parameters, message: Message, text: str | None, entities: tuple[Entity, ...]
) -> object:
    keyboard = keyboard_of(parameters)
    peer = message.peer
    _spend(account, peer)
    if isinstance(peer, User) and (peer.id, account.bot.id) in account.world.blocked:
        raise refusal(Reason.BLOCKED, peer)
    try:
        account.world.edit(message, text=text, entities=entities, keyboard=keyboard)
    except Refused as exc:
        raise refusal(exc.reason, peer) from exc
    return account.views.message(message)


def _text(account: BotAccount, parameters: Parameters, name: str) -> tuple[str, tuple[Entity, ...]]:
    given = entities_of(account, parameters, "entities" if name == "text" else f"{name}_entities")
    return formatted(parameters.text(name) or "", parameters.text("parse_mode"), given)


def _own(account: BotAccount, parameters: Parameters) -> Message:
    peer = account.readable(parameters.text("chat_id"))
    message = account.message(peer, _message_id(parameters), "edit")
    if message.post.author is not account.bot or message.post.origin is not None:
        raise bad_request("message can't be edited")
    return message


def _source(account: BotAccount, parameters: Parameters, purpose: str) -> Message:
    peer = account.readable(parameters.text("from_chat_id"))
    return account.message(peer, _message_id(parameters), purpose)


def _message_id(parameters: Parameters) -> int:
    message_id = parameters.integer("message_id")
    if message_id <= 0:
        raise bad_request("message identifier is not specified")
    return message_id


def _spend(account: BotAccount, peer: Peer) -> None:
    wait = account.flood.spend(peer.bot_api_id, asyncio.get_running_loop().time())
    if wait > 0:
        raise too_many_requests(wait)
