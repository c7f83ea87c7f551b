"""What parameters of writing methods name: texts, keyboards, entities, messages, and what a message replies to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teltubby.simulator.bot_account import BotAccount
from teltubby.simulator.bot_errors import ApiError, bad_request
from teltubby.simulator.bot_parameters import Parameters
from teltubby.simulator.bot_text import formatted
from teltubby.simulator.messages import Button, Entity, Keyboard, Message
from teltubby.simulator.people import Peer, User

MAX_CALLBACK_DATA = 64
MAX_BUTTONS = 100
"""Reported; the documentation gives no number."""
MAX_MESSAGES = 100
OTHER_MARKUP = frozenset(("keyboard", "remove_keyboard", "force_reply"))


def keyboard_of(parameters: Parameters) -> Keyboard:
    """The inline keyboard in reply_markup; other kinds are accepted and not shown. Raises ApiError 400."""
    markup = parameters.structure("reply_markup", "reply keyboard markup")
    if markup is None:
        return ()
    if not isinstance(markup, Mapping):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" not in markup:
        if markup and not OTHER_MARKUP & markup.keys():
            raise bad_request("can't parse reply keyboard markup JSON object")
        return ()
    rows = markup["inline_keyboard"]
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup must be of type Array')
    keyboard = []
    for row in rows:
        if not isinstance(row, Sequence) or isinstance(row, str):
            raise bad_request("can't parse inline keyboard: inline keyboard rows must be arrays")
        keyboard.append(tuple(_button(button) for button in row))
    if sum(map(len, keyboard)) > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    return tuple(row for row in keyboard if row)


def _button(button: object) -> Button:
    if not isinstance(button, Mapping):
        raise bad_request("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    text = button.get("text")
    if not isinstance(text, str):
        raise _cannot_parse('Can\'t find field "text"')
    if not text.strip():
        raise _cannot_parse("Text buttons are unallowed in the inline keyboard")
    data, url = button.get("callback_data"), button.get("url")
    if isinstance(data, str) and not isinstance(url, str):
        if not 1 <= len(data.encode()) <= MAX_CALLBACK_DATA:
            raise bad_request("BUTTON_DATA_INVALID")
        return Button(text=text, data=data)
    if isinstance(url, str) and data is None:
        if "." not in url and ":" not in url:
            raise bad_request(f"inline keyboard button URL '{url}' is invalid: URL host is empty")
        return Button(text=text, url=url)
    raise _cannot_parse("Text buttons are unallowed in the inline keyboard")


def _cannot_parse(text: str) -> ApiError:
    return bad_request(f"can't parse inline keyboard button: {text}")


def text_of(account: BotAccount, parameters: Parameters, name: str) -> tuple[str, tuple[Entity, ...]]:
    """A text ("text", "caption") as it is formatted. Raises ApiError 400."""
    given = entities_of(account, parameters, "entities" if name == "text" else f"{name}_entities")
    return formatted(parameters.text(name) or "", parameters.text("parse_mode"), given)


def message_id_of(parameters: Parameters) -> int:
    """The parameter message_id. Raises ApiError 400 when there is none."""
    message_id = parameters.integer("message_id")
    if message_id <= 0:
        raise bad_request("message identifier is not specified")
    return message_id


def message_ids_of(parameters: Parameters) -> list[int]:
    """The parameter message_ids: 1 to 100 of them. Raises ApiError 400."""
    given = parameters.structure("message_ids", "message identifiers")
    if given is None or given == []:
        raise bad_request("message identifiers are not specified")
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise bad_request("expected an Array of message identifiers")
    if len(given) > MAX_MESSAGES:
        raise bad_request("too many message identifiers specified")
    if not all(isinstance(number, int) and number > 0 for number in given):
        raise bad_request("invalid message identifier specified")
    return list(given)


def entities_of(account: BotAccount, parameters: Parameters, name: str) -> tuple[Entity, ...] | None:
    """Entities given as JSON instead of a parse mode. Raises ApiError 400."""
    given = parameters.structure(name, "entities")
    if given is None:
        return None
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise bad_request("can't parse entities: expected an Array of MessageEntity")
    return tuple(_entity(account, entity) for entity in given)


def _entity(account: BotAccount, given: object) -> Entity:
    match given:
        case {"type": str(kind), "offset": int(offset), "length": int(length), **others}:
            user = others.get("user")
            return Entity(
                type=kind,
                offset=offset,
                length=length,
                url=_optional(others.get("url")),
                language=_optional(others.get("language")),
                custom_emoji_id=_optional(others.get("custom_emoji_id")),
                user=account.world.users.get(int(user["id"])) if isinstance(user, Mapping) else None,
            )
    raise bad_request("can't parse MessageEntity: Can't find field \"type\"")


def reply_target(account: BotAccount, peer: Peer, parameters: Parameters) -> Message | None:
    """The message to be replied to. Raises ApiError 400 when it is gone and sending without it is not allowed."""
    given = parameters.structure("reply_parameters", "reply parameters")
    if given is not None and not isinstance(given, Mapping):
        raise bad_request("can't parse reply parameters: object expected")
    if given is None:
        message_id = parameters.integer("reply_to_message_id")
        lenient = parameters.flag("allow_sending_without_reply")
    else:
        if "chat_id" in given and str(given["chat_id"]) not in (str(peer.bot_api_id), f"@{_username(peer)}"):
            raise bad_request("replies to other chats are not simulated")
        message_id = int(given.get("message_id", 0))
        lenient = given.get("allow_sending_without_reply") is True
    if message_id == 0:
        return None
    found = account.world.message(account.bot, peer, message_id)
    if found is None and not lenient:
        raise bad_request("message to be replied not found")
    return found


def _optional(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _username(peer: Peer) -> str:
    return "" if isinstance(peer, User) else peer.username or ""
