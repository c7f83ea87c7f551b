"""Live photos: a still picture and the video of its moment, which are two files of one message. Pure."""

from __future__ import annotations

from dataclasses import replace

from teltubby.messages.media import IncomingMessage


def halves(message: IncomingMessage) -> tuple[IncomingMessage, ...]:
    """The message once for each of its files, the still picture first; one without a video is as it was.

    What is written under it belongs to the picture: said twice, it would be two captions.
    """
    if message.moving is None:
        return (message,)
    video = replace(message, media=message.moving, moving=None, caption=None, caption_entities=(), extras=None)
    return (replace(message, moving=None), video)
