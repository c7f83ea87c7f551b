"""What a message carries, told from Telegram's media objects; what this version does not know is OTHER."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from telethon import types

from teltubby.adapters.telethon_photos import largest_size, size_bytes
from teltubby.adapters.telethon_values import count, integer, listed, seconds, words
from teltubby.messages.collected import CollectedMedia, MediaFacts

KINDS: dict[type[Any], CollectedMedia] = {
    types.MessageMediaContact: CollectedMedia.CONTACT,
    types.MessageMediaGeo: CollectedMedia.GEO,
    types.MessageMediaGeoLive: CollectedMedia.GEO,
    types.MessageMediaVenue: CollectedMedia.GEO,
    types.MessageMediaPoll: CollectedMedia.POLL,
    types.MessageMediaStory: CollectedMedia.STORY,
}
"""Those that are no files; dice, games, invoices, giveaways, checklists, streams are OTHER, and whatever comes."""


def read_media(media: Any) -> MediaFacts | None:
    """None where there is none. Of paid media the first is told; of what is not paid for, its preview."""
    match media:
        case None | types.MessageMediaEmpty():
            return None
        case types.MessageMediaPhoto():
            return _photo(media.photo)
        case types.MessageMediaDocument():
            return _document(media)
        case types.MessageMediaWebPage():
            found = not isinstance(media.webpage, types.WebPageEmpty)
            return MediaFacts(kind=CollectedMedia.WEBPAGE) if found else None
        case types.MessageMediaPaidMedia():
            return _paid(next(iter(listed(media.extended_media)), None))
        case _:
            return MediaFacts(kind=KINDS.get(type(media), CollectedMedia.OTHER))


def _photo(photo: Any) -> MediaFacts:
    """By its largest size; one that destroyed itself has neither."""
    if not isinstance(photo, types.Photo):
        return MediaFacts(kind=CollectedMedia.PHOTO, document_id=integer(getattr(photo, "id", None)))
    largest = largest_size(photo)
    return MediaFacts(
        kind=CollectedMedia.PHOTO,
        document_id=integer(photo.id),
        mime_type="image/jpeg",
        size_bytes=size_bytes(largest),
        width=count(getattr(largest, "w", None)),
        height=count(getattr(largest, "h", None)),
    )


def _document(media: Any) -> MediaFacts:
    document = media.document
    attributes = listed(getattr(document, "attributes", None))
    facts = MediaFacts(kind=_kind(attributes, media), document_id=integer(getattr(document, "id", None)))
    if not isinstance(document, types.Document):
        return facts
    described = replace(facts, mime_type=words(document.mime_type), size_bytes=count(document.size))
    for attribute in attributes:
        match attribute:
            case types.DocumentAttributeFilename():
                described = replace(described, file_name=words(attribute.file_name))
            case types.DocumentAttributeVideo():
                described = replace(described, duration=seconds(attribute.duration))
                described = replace(described, width=count(attribute.w), height=count(attribute.h))
            case types.DocumentAttributeAudio():
                described = replace(described, duration=seconds(attribute.duration))
            case types.DocumentAttributeImageSize():
                described = replace(described, width=count(attribute.w), height=count(attribute.h))
            case _:
                pass
    return described


def _kind(attributes: Iterable[Any], media: Any) -> CollectedMedia:
    """What the attributes make of a document, the telling ones first: a sticker is a video too, and so is a GIF.

    The media's own flags tell it where the document is gone (core.telegram.org/constructor/messageMediaDocument).
    """
    known = {type(attribute): attribute for attribute in attributes}
    video, audio = known.get(types.DocumentAttributeVideo), known.get(types.DocumentAttributeAudio)
    if types.DocumentAttributeSticker in known or types.DocumentAttributeCustomEmoji in known:
        return CollectedMedia.STICKER
    if media.round or (video is not None and video.round_message):
        return CollectedMedia.VIDEO_NOTE
    if types.DocumentAttributeAnimated in known:
        return CollectedMedia.ANIMATION
    if media.voice or (audio is not None and audio.voice):
        return CollectedMedia.VOICE
    if video is not None or media.video:
        return CollectedMedia.VIDEO
    return CollectedMedia.DOCUMENT if audio is None else CollectedMedia.AUDIO


def _paid(first: Any) -> MediaFacts:
    match first:
        case types.MessageExtendedMedia():
            return read_media(first.media) or MediaFacts(kind=CollectedMedia.OTHER)
        case types.MessageExtendedMediaPreview():
            kind = CollectedMedia.PHOTO if first.video_duration is None else CollectedMedia.VIDEO
            duration = seconds(first.video_duration)
            return MediaFacts(kind=kind, duration=duration, width=count(first.w), height=count(first.h))
        case _:
            return MediaFacts(kind=CollectedMedia.OTHER)
