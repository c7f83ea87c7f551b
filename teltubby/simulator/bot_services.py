"""Service messages as the Bot API tells of them: one field each."""

from __future__ import annotations

from typing import assert_never

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

Json = dict[str, object]


def service_view(action: Action) -> Json:
    """The field of Message that tells what happened; members and the pinned message are left out."""
    match action:
        case ChannelCreated():
            return {"channel_chat_created": True}
        case TitleChanged():
            return {"new_chat_title": action.title}
        case TopicCreated():
            return {"forum_topic_created": {"name": action.title, "icon_color": action.color}}
        case MigratedTo():
            return {"migrate_to_chat_id": action.chat.bot_api_id}
        case MigratedFrom():
            return {"migrate_from_chat_id": action.chat.bot_api_id}
        case MessagePinned() | MembersAdded():
            return {}
    assert_never(action)
