"""The Bot API's methods by name: those about the bot itself here, those that write in bot_sending."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from teltubby.simulator import bot_deleting, bot_editing, bot_sending
from teltubby.simulator.bot_account import BotAccount
from teltubby.simulator.bot_errors import bad_request
from teltubby.simulator.bot_parameters import Parameters
from teltubby.simulator.bot_updates import KINDS
from teltubby.simulator.bot_views import Json, chat_view, present, user_view
from teltubby.simulator.bot_webhook import checked_webhook
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import Chat, ChatKind, User

Method = Callable[[BotAccount, Parameters], Awaitable[object]]

COMMAND = re.compile(r"/?[a-z0-9_]{1,32}")
MAX_COMMANDS = 100
ADMIN_RIGHTS = (
    "can_be_edited",
    "can_manage_chat",
    "can_change_info",
    "can_delete_messages",
    "can_invite_users",
    "can_restrict_members",
    "can_promote_members",
    "can_manage_video_chats",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_send_welcome_messages",
    "is_anonymous",
)


async def get_me(account: BotAccount, parameters: Parameters) -> object:
    """getMe."""
    return user_view(account.bot) | {
        "can_join_groups": True,
        "can_read_all_group_messages": True,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


async def get_updates(account: BotAccount, parameters: Parameters) -> object:
    """getUpdates."""
    account.updates.allow(_allowed_updates(parameters))
    return await account.updates.get(
        parameters.integer("offset"), parameters.integer("limit", 100), parameters.integer("timeout")
    )


async def set_webhook(account: BotAccount, parameters: Parameters) -> object:
    """setWebhook; an empty url removes it."""
    url = parameters.text("url") or ""
    webhook = None
    if url:
        secret = parameters.text("secret_token") or None
        webhook = checked_webhook(url, secret, parameters.integer("max_connections", 40))
    account.updates.allow(_allowed_updates(parameters))
    if parameters.flag("drop_pending_updates"):
        account.updates.drop()
    account.set_webhook(webhook)
    return True


async def delete_webhook(account: BotAccount, parameters: Parameters) -> object:
    """deleteWebhook."""
    if parameters.flag("drop_pending_updates"):
        account.updates.drop()
    account.set_webhook(None)
    return True


async def get_webhook_info(account: BotAccount, parameters: Parameters) -> object:
    """getWebhookInfo."""
    updates = account.updates
    webhook = updates.webhook
    info: Json = {
        "url": webhook.url if webhook else "",
        "has_custom_certificate": False,
        "pending_update_count": len(updates.pending()),
    }
    if webhook is not None:
        info |= present(
            ip_address=_address(webhook.url),
            last_error_date=webhook.last_error_at,
            last_error_message=webhook.last_error,
            max_connections=webhook.max_connections,
        )
    if updates.allowed != KINDS:
        info["allowed_updates"] = sorted(updates.allowed)
    return info


async def get_file(account: BotAccount, parameters: Parameters) -> object:
    """getFile."""
    file_id = parameters.text("file_id")
    if not file_id:
        raise bad_request("invalid file_id")
    return account.files.get_file(file_id)


async def get_chat(account: BotAccount, parameters: Parameters) -> object:
    """getChat, with what ChatFullInfo must have; a public chat can be looked at from outside."""
    peer = account.chat(parameters.text("chat_id"))
    if isinstance(peer, Chat) and (peer.username is None or account.bot.id in peer.kicked):
        peer = account.readable(parameters.text("chat_id"))
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
    info = chat_view(peer) | {
        "accent_color_id": peer.id % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(gifts, False),
    }
    return info | present(has_protected_content=isinstance(peer, Chat) and peer.protected)


async def get_chat_member(account: BotAccount, parameters: Parameters) -> object:
    """getChatMember; in a channel, of others than the bot itself, only where it is an admin."""
    peer = account.readable(parameters.text("chat_id"))
    user = account.world.users.get(parameters.integer("user_id"))
    if user is None:
        raise bad_request("user not found")
    view: Json = {"user": user_view(user)}
    if isinstance(peer, User):
        if user not in (peer, account.bot):
            raise bad_request("user not found")
        return view | {"status": "member"}
    if peer.kind is ChatKind.CHANNEL and user is not account.bot and account.bot.id not in peer.admins:
        raise bad_request("member list is inaccessible")
    if user.id in peer.kicked:
        return view | {"status": "kicked", "until_date": 0}
    granted = peer.rights_of(user.id)
    if granted is not None:
        rights: Json = {right: right not in ("can_be_edited", "is_anonymous") for right in ADMIN_RIGHTS}
        rights["can_delete_messages"] = granted.can_delete
        if peer.kind is ChatKind.CHANNEL:
            rights |= {"can_post_messages": granted.can_post, "can_edit_messages": granted.can_post}
        return view | {"status": "administrator"} | rights
    return view | {"status": "member" if user.id in peer.members else "left"}


async def set_my_commands(account: BotAccount, parameters: Parameters) -> object:
    """setMyCommands, kept per scope and language."""
    given = parameters.structure("commands", "commands")
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise bad_request("can't parse commands: expected an Array of BotCommand")
    if len(given) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    account.commands[_scope(parameters)] = [_command(command) for command in given]
    return True


async def get_my_commands(account: BotAccount, parameters: Parameters) -> object:
    """getMyCommands."""
    return account.commands.get(_scope(parameters), [])


async def delete_my_commands(account: BotAccount, parameters: Parameters) -> object:
    """deleteMyCommands."""
    account.commands.pop(_scope(parameters), None)
    return True


def _address(url: str) -> str | None:
    """Where the webhook is, if its url says so; names are looked up by who delivers."""
    host = urlsplit(url).hostname
    try:
        return str(ip_address(host or ""))
    except ValueError:
        return None


def _allowed_updates(parameters: Parameters) -> list[str] | None:
    given = parameters.structure("allowed_updates", "allowed_updates")
    if given is None:
        return None
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise bad_request("can't parse allowed_updates: expected an Array of String")
    return [str(kind) for kind in given]


def _command(given: object) -> Json:
    if not isinstance(given, Mapping):
        raise bad_request("can't parse BotCommand: expected an Object")
    command, description = str(given.get("command", "")), str(given.get("description", ""))
    if not COMMAND.fullmatch(command):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": command.lstrip("/"), "description": description}


def _scope(parameters: Parameters) -> str:
    scope = parameters.structure("scope", "BotCommandScope") or {"type": "default"}
    return json.dumps([scope, parameters.text("language_code") or ""], sort_keys=True)


METHODS: Mapping[str, Method] = {
    "getMe": get_me,
    "getUpdates": get_updates,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
    "getFile": get_file,
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "sendMessage": bot_sending.send_message,
    "sendPhoto": partial(bot_sending.send_file, kind=FileKind.PHOTO),
    "sendDocument": partial(bot_sending.send_file, kind=FileKind.DOCUMENT),
    "sendVideo": partial(bot_sending.send_file, kind=FileKind.VIDEO),
    "sendAudio": partial(bot_sending.send_file, kind=FileKind.AUDIO),
    "sendVoice": partial(bot_sending.send_file, kind=FileKind.VOICE),
    "sendVideoNote": partial(bot_sending.send_file, kind=FileKind.VIDEO_NOTE),
    "sendAnimation": partial(bot_sending.send_file, kind=FileKind.ANIMATION),
    "sendSticker": partial(bot_sending.send_file, kind=FileKind.STICKER),
    "sendChatAction": bot_sending.send_chat_action,
    "copyMessage": bot_sending.copy_message,
    "forwardMessage": bot_sending.forward_message,
    "copyMessages": bot_sending.copy_messages,
    "editMessageText": bot_editing.edit_message_text,
    "editMessageCaption": bot_editing.edit_message_caption,
    "editMessageMedia": bot_editing.edit_message_media,
    "editMessageReplyMarkup": bot_editing.edit_message_reply_markup,
    "deleteMessage": bot_deleting.delete_message,
    "deleteMessages": bot_deleting.delete_messages,
    "answerCallbackQuery": bot_sending.answer_callback_query,
}
CANONICAL = {name.lower(): name for name in METHODS}
