"""What a message carries, as TL objects: photos, documents with their attributes, places, contacts, polls."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import Contact, Location, Media, Poll, Unsupported, Venue, WebPage
from teltubby.simulator.mtproto.tl import types
from teltubby.simulator.people import User
from teltubby.simulator.world import World


def media_view(world: World, viewer: User, media: Media) -> Any:
    """MessageMedia for `viewer`."""
    match media:
        case File(kind=FileKind.PHOTO):
            return types.MessageMediaPhoto(photo=photo_view(world, viewer, media))
        case File():
            return types.MessageMediaDocument(
                document=document_view(world, viewer, media),
                video=media.kind in (FileKind.VIDEO, FileKind.VIDEO_NOTE, FileKind.ANIMATION),
                round=media.kind is FileKind.VIDEO_NOTE,
                voice=media.kind is FileKind.VOICE,
            )
        case Location():
            return types.MessageMediaGeo(_point(media))
        case Contact():
            return types.MessageMediaContact(
                phone_number=media.phone_number,
                first_name=media.first_name,
                last_name=media.last_name or "",
                vcard="",
                user_id=media.user_id or 0,
            )
        case Venue():
            return types.MessageMediaVenue(
                _point(media.location),
                title=media.title,
                address=media.address,
                provider="",
                venue_id="",
                venue_type="",
            )
        case Poll():
            answers = [types.PollAnswer(_plain(text), bytes((number,))) for number, text in enumerate(media.options)]
            poll = types.Poll(id=media.id, question=_plain(media.question), answers=answers, hash=0)
            return types.MessageMediaPoll(poll=poll, results=types.PollResults(total_voters=0))
        case WebPage():
            page = types.WebPage(id=media.id, url=media.url, display_url=media.url, hash=0, title=media.title)
            return types.MessageMediaWebPage(webpage=page)
        case Unsupported():
            return types.MessageMediaUnsupported()


def photo_view(world: World, viewer: User, file: File) -> Any:
    """Photo with all its sizes."""
    return types.Photo(
        id=file.id,
        access_hash=world.access_hash(viewer.id, file),
        file_reference=world.file_reference(file),
        date=file.date,
        sizes=[types.PhotoSize(size.letter, size.width, size.height, size.content.size) for size in file.sizes],
        dc_id=file.dc,
    )


def document_view(world: World, viewer: User, file: File) -> Any:
    """Document with the attributes that make it a video, a voice message and so on."""
    return types.Document(
        id=file.id,
        access_hash=world.access_hash(viewer.id, file),
        file_reference=world.file_reference(file),
        date=file.date,
        mime_type=file.mime_type or "application/octet-stream",
        size=file.stated_size,
        dc_id=file.dc,
        attributes=list(_attributes(file)),
    )


def _attributes(file: File) -> list[Any]:
    attributes: list[Any] = []
    match file.kind:
        case FileKind.VIDEO | FileKind.VIDEO_NOTE | FileKind.ANIMATION:
            attributes.append(
                types.DocumentAttributeVideo(
                    duration=float(file.duration),
                    w=file.width,
                    h=file.height,
                    round_message=file.kind is FileKind.VIDEO_NOTE,
                    supports_streaming=file.kind is FileKind.VIDEO,
                    nosound=file.kind is FileKind.ANIMATION,
                )
            )
            if file.kind is FileKind.ANIMATION:
                attributes.append(types.DocumentAttributeAnimated())
        case FileKind.AUDIO | FileKind.VOICE:
            attributes.append(
                types.DocumentAttributeAudio(
                    duration=file.duration,
                    voice=file.kind is FileKind.VOICE,
                    title=file.title,
                    performer=file.performer,
                )
            )
        case FileKind.STICKER:
            attributes.append(types.DocumentAttributeImageSize(w=file.width, h=file.height))
            attributes.append(types.DocumentAttributeSticker(file.emoji or "", types.InputStickerSetEmpty()))
        case FileKind.DOCUMENT | FileKind.PHOTO:
            pass
    if file.name is not None:
        attributes.append(types.DocumentAttributeFilename(file.name))
    return attributes


def _point(location: Location) -> Any:
    return types.GeoPoint(long=location.longitude, lat=location.latitude, access_hash=0)


def _plain(text: str) -> Any:
    return types.TextWithEntities(text, [])
