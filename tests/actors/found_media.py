"""What a collector tells of a post with a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from teltubby.messages.collected import CollectedMedia, MediaFacts, Post
from teltubby.messages.collector import ChannelMediaFound
from tests.actors.stage import ANNA
from tests.virtual_time import BEGINNING

CHANNEL_ID = 1234567890
CHAT = -1001234567890
POSTED = datetime(2025, 1, 27, 10, 11, 12, tzinfo=UTC)

VIDEO = MediaFacts(
    kind=CollectedMedia.VIDEO,
    document_id=7001,
    mime_type="video/mp4",
    file_name="Launch.MP4",
    size_bytes=1000,
    duration=12.4,
    width=640,
    height=360,
)
PHOTO = MediaFacts(
    kind=CollectedMedia.PHOTO, document_id=7002, mime_type="image/jpeg", size_bytes=300, width=1280, height=960
)


def found(number: int = 17, media: MediaFacts | None = VIDEO, *, user_id: int = ANNA, **post: Any) -> ChannelMediaFound:
    """Post `number` of the channel Space News, with this file; Anna wanted it."""
    made = Post(channel_id=CHANNEL_ID, msg_id=number, date=POSTED, text="Lift-off at dawn", media=media)
    return ChannelMediaFound(
        worker="w",
        at=BEGINNING,
        post=replace(made, **post),
        title="Space News",
        username="space_news",
        user_id=user_id,
    )
