"""What service messages tell, as TL objects."""

from __future__ import annotations

from typing import Any, assert_never

from teltubby.simulator.actions import (
    Action,
    ChannelCreated,
    MembersAdded,
    MessagePinned,
    MigratedFrom,
    MigratedTo,
    TitleChanged,
    TopicCreated,
)
from teltubby.simulator.mtproto.tl import types


def action_view(action: Action) -> Any:
    """MessageAction."""
    match action:
        case ChannelCreated():
            return types.MessageActionChannelCreate(action.title)
        case TitleChanged():
            return types.MessageActionChatEditTitle(action.title)
        case MessagePinned():
            return types.MessageActionPinMessage()
        case MembersAdded():
            return types.MessageActionChatAddUser([user.id for user in action.users])
        case TopicCreated():
            return types.MessageActionTopicCreate(title=action.title, icon_color=action.color)
        case MigratedTo():
            return types.MessageActionChatMigrateTo(action.chat.id)
        case MigratedFrom():
            return types.MessageActionChannelMigrateFrom(title=action.title, chat_id=action.chat.id)
        case unknown:
            assert_never(unknown)
