"""Bot API methods that send: messages, files, copies, forwards, answers. All but the last are under flood control."""

from __future__ import annotations

from teltubby.simulator.bot_account import BotAccount
from teltubby.simulator.bot_errors import bad_request, refusal
from teltubby.simulator.bot_markup import keyboard_of, message_id_of, message_ids_of, reply_target, text_of
from teltubby.simulator.bot_parameters import Parameters
from teltubby.simulator.bot_text import checked_caption, checked_text
from teltubby.simulator.files import FileKind
from teltubby.simulator.messages import Entity, Media, Message
from teltubby.simulator.rules import Reason, Refused, may_write

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
    text, entities = checked_text(*text_of(account, parameters, "text"))
    return _send(account, parameters, text, entities, None)


async def send_file(account: BotAccount, parameters: Parameters, kind: FileKind) -> object:
    """sendPhoto, sendDocument and the like."""
    caption, entities = checked_caption(*text_of(account, parameters, "caption"))
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
        caption, entities = checked_caption(*text_of(account, parameters, "caption"))
    keyboard = keyboard_of(parameters)
    reply_to = reply_target(account, peer, parameters)
    account.spend(peer)
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


async def copy_messages(account: BotAccount, parameters: Parameters) -> object:
    """copyMessages: those that are gone or may not be copied are skipped; an album stays one."""
    source = account.readable(parameters.text("from_chat_id"))
    message_ids = message_ids_of(parameters)
    if message_ids != sorted(set(message_ids)):
        raise bad_request("message identifiers must be in a strictly increasing order")
    peer = account.chat(parameters.text("chat_id"))
    found = [account.world.message(account.bot, source, message_id) for message_id in message_ids]
    messages = [message for message in found if message is not None and not message.protected]
    account.spend(peer)
    albums = {message.post.grouped_id: account.world.new_id() for message in messages}
    caption = "" if parameters.flag("remove_caption") else None
    try:
        copies = [
            account.world.copy(
                message,
                account.bot,
                peer,
                caption=caption,
                grouped_id=None if message.post.grouped_id is None else albums[message.post.grouped_id],
                protected=parameters.flag("protect_content"),
            )
            for message in messages
        ]
    except Refused as exc:
        raise refusal(exc.reason, peer) from exc
    return [{"message_id": copy.id} for copy in copies]


async def forward_message(account: BotAccount, parameters: Parameters) -> object:
    """forwardMessage."""
    source = _source(account, parameters, "forward")
    peer = account.chat(parameters.text("chat_id"))
    account.spend(peer)
    try:
        return account.views.message(account.world.forward(source, account.bot, peer))
    except Refused as exc:
        if exc.reason is Reason.PROTECTED:
            raise bad_request("the message can't be forwarded") from exc
        raise refusal(exc.reason, peer) from exc


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
    account.spend(peer)
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


def _source(account: BotAccount, parameters: Parameters, purpose: str) -> Message:
    peer = account.readable(parameters.text("from_chat_id"))
    return account.message(peer, message_id_of(parameters), purpose)
