"""Bot API methods that change what the bot wrote. All are under flood control."""

from __future__ import annotations

from teltubby.simulator.bot_account import BotAccount
from teltubby.simulator.bot_errors import bad_request, refusal
from teltubby.simulator.bot_markup import keyboard_of, message_id_of, text_of
from teltubby.simulator.bot_parameters import Parameters
from teltubby.simulator.bot_text import checked_caption, checked_text
from teltubby.simulator.files import FileKind
from teltubby.simulator.messages import Entity, Media, Message
from teltubby.simulator.people import User
from teltubby.simulator.rules import Reason, Refused

REPLACEMENTS = frozenset((FileKind.PHOTO, FileKind.DOCUMENT, FileKind.VIDEO, FileKind.AUDIO, FileKind.ANIMATION))


async def edit_message_text(account: BotAccount, parameters: Parameters) -> object:
    """editMessageText; without reply_markup the keyboard goes away."""
    text, entities = checked_text(*text_of(account, parameters, "text"))
    message = _own(account, parameters)
    if message.post.media is not None:
        raise bad_request("there is no text in the message to edit")
    return _edit(account, parameters, message, text, entities)


async def edit_message_caption(account: BotAccount, parameters: Parameters) -> object:
    """editMessageCaption."""
    caption, entities = checked_caption(*text_of(account, parameters, "caption"))
    message = _own(account, parameters)
    if message.post.media is None:
        raise bad_request("there is no caption in the message to edit")
    return _edit(account, parameters, message, caption, entities)


async def edit_message_reply_markup(account: BotAccount, parameters: Parameters) -> object:
    """editMessageReplyMarkup."""
    return _edit(account, parameters, _own(account, parameters), None, ())


async def edit_message_media(account: BotAccount, parameters: Parameters) -> object:
    """editMessageMedia: another file with another caption; a text becomes one too."""
    match parameters.structure("media", "input media"):
        case {"type": str(kind), "media": str(given), **others}:
            pass
        case _:
            raise bad_request("can't parse input media JSON object")
    if kind not in REPLACEMENTS:
        raise bad_request(f'type "{kind}" of the media is not supported')
    words = Parameters({str(name): value for name, value in others.items() if isinstance(value, str)})
    caption, entities = checked_caption(*text_of(account, words, "caption"))
    message = _own(account, parameters)
    media = account.files.wanted(parameters.attached(given), FileKind(kind))
    return _edit(account, parameters, message, caption, entities, media)


def _edit(
    account: BotAccount,
    parameters: Parameters,
    message: Message,
    text: str | None,
    entities: tuple[Entity, ...],
    media: Media | None = None,
) -> object:
    keyboard = keyboard_of(parameters)
    peer = message.peer
    account.spend(peer)
    if isinstance(peer, User) and (peer.id, account.bot.id) in account.world.blocked:
        raise refusal(Reason.BLOCKED, peer)
    try:
        account.world.edit(message, text=text, entities=entities, media=media, keyboard=keyboard)
    except Refused as exc:
        raise refusal(exc.reason, peer) from exc
    return account.views.message(message)


def _own(account: BotAccount, parameters: Parameters) -> Message:
    peer = account.readable(parameters.text("chat_id"))
    message = account.message(peer, message_id_of(parameters), "edit")
    if message.post.author is not account.bot or message.post.origin is not None:
        raise bad_request("message can't be edited")
    return message
