"""What a message carries, of every kind that Telegram's schema has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from telethon import types

from teltubby.adapters.telethon_media import read_media
from teltubby.messages.collected import CollectedMedia, MediaFacts

WHEN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
STICKERS = types.InputStickerSetEmpty()
VIDEO = types.DocumentAttributeVideo(duration=3.5, w=640, h=360)
GEO = types.GeoPoint(long=1.0, lat=2.0, access_hash=3)


def document(*attributes: Any, **flags: Any) -> types.MessageMediaDocument:
    return types.MessageMediaDocument(
        document=types.Document(
            id=46033261910035204,
            access_hash=1,
            file_reference=b"",
            date=WHEN,
            mime_type="video/mp4",
            size=4_000_000_000,
            dc_id=2,
            attributes=list(attributes),
        ),
        **flags,
    )


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ([], CollectedMedia.DOCUMENT),
        ([types.DocumentAttributeFilename("a.mp4")], CollectedMedia.DOCUMENT),
        ([types.DocumentAttributeImageSize(5, 5)], CollectedMedia.DOCUMENT),
        ([VIDEO], CollectedMedia.VIDEO),
        ([types.DocumentAttributeVideo(3, 5, 5, nosound=True)], CollectedMedia.VIDEO),
        ([types.DocumentAttributeVideo(3, 5, 5, round_message=True)], CollectedMedia.VIDEO_NOTE),
        ([VIDEO, types.DocumentAttributeAnimated()], CollectedMedia.ANIMATION),
        ([types.DocumentAttributeAnimated()], CollectedMedia.ANIMATION),
        ([types.DocumentAttributeAudio(60, title="Song")], CollectedMedia.AUDIO),
        ([types.DocumentAttributeAudio(60, voice=True)], CollectedMedia.VOICE),
        (
            [types.DocumentAttributeImageSize(5, 5), types.DocumentAttributeSticker("", STICKERS)],
            CollectedMedia.STICKER,
        ),
        ([VIDEO, types.DocumentAttributeSticker("", STICKERS)], CollectedMedia.STICKER),
        ([types.DocumentAttributeCustomEmoji("", STICKERS)], CollectedMedia.STICKER),
        ([object()], CollectedMedia.DOCUMENT),
    ],
)
def test_kinds_of_documents(attributes: list[Any], kind: CollectedMedia) -> None:
    found = read_media(document(*attributes))
    assert found is not None
    assert found.kind is kind


def test_facts_of_a_document() -> None:
    assert read_media(document(VIDEO, types.DocumentAttributeFilename("film 😀.mp4"))) == MediaFacts(
        kind=CollectedMedia.VIDEO,
        document_id=46033261910035204,
        mime_type="video/mp4",
        file_name="film 😀.mp4",
        size_bytes=4_000_000_000,
        duration=3.5,
        width=640,
        height=360,
    )


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ({"video": True}, CollectedMedia.VIDEO),
        ({"round": True, "video": True}, CollectedMedia.VIDEO_NOTE),
        ({"voice": True}, CollectedMedia.VOICE),
        ({}, CollectedMedia.DOCUMENT),
    ],
)
def test_a_document_that_destroyed_itself_keeps_its_kind(flags: dict[str, bool], kind: CollectedMedia) -> None:
    gone = types.MessageMediaDocument(ttl_seconds=5, **flags)
    assert read_media(gone) == MediaFacts(kind=kind)
    assert read_media(types.MessageMediaDocument(document=types.DocumentEmpty(5), **flags)) == MediaFacts(
        kind=kind, document_id=5
    )


def test_absurd_values_are_not_told() -> None:
    odd = document(
        types.DocumentAttributeVideo(duration=float("nan"), w=-1, h=2**80), types.DocumentAttributeFilename("")
    )
    odd.document.size, odd.document.mime_type = -1, "\ud800"
    assert read_media(odd) == MediaFacts(kind=CollectedMedia.VIDEO, document_id=46033261910035204, mime_type="\ufffd")


def photo(*sizes: Any) -> types.Photo:
    return types.Photo(id=77, access_hash=1, file_reference=b"", date=WHEN, sizes=list(sizes), dc_id=2)


def test_a_photo_is_told_by_its_largest_size() -> None:
    small, large = types.PhotoSize("m", 320, 200, 9_000), types.PhotoSizeProgressive("y", 1280, 800, [5, 90_000, 50])
    stripped, empty = types.PhotoStrippedSize("i", b"x"), types.PhotoSizeEmpty("s")
    expected = MediaFacts(
        kind=CollectedMedia.PHOTO, document_id=77, mime_type="image/jpeg", size_bytes=90_000, width=1280, height=800
    )
    assert read_media(types.MessageMediaPhoto(photo=photo(stripped, small, large, empty))) == expected


def test_a_photo_without_sizes_or_without_itself() -> None:
    bare = MediaFacts(kind=CollectedMedia.PHOTO, document_id=77, mime_type="image/jpeg")
    assert read_media(types.MessageMediaPhoto(photo=photo())) == bare
    assert read_media(types.MessageMediaPhoto(ttl_seconds=5)) == MediaFacts(kind=CollectedMedia.PHOTO)


class MediaOfTomorrow:
    """Of a layer that this version does not know."""


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        (types.MessageMediaContact("1", "a", "b", "", 5), CollectedMedia.CONTACT),
        (types.MessageMediaGeo(GEO), CollectedMedia.GEO),
        (types.MessageMediaGeoLive(GEO, 60), CollectedMedia.GEO),
        (types.MessageMediaVenue(GEO, "t", "a", "p", "i", "v"), CollectedMedia.GEO),
        (types.MessageMediaPoll(object(), object()), CollectedMedia.POLL),
        (types.MessageMediaStory(types.PeerChannel(5), 6), CollectedMedia.STORY),
        (types.MessageMediaWebPage(types.WebPagePending(5, WHEN)), CollectedMedia.WEBPAGE),
        (
            types.MessageMediaWebPage(types.WebPage(5, "https://x.org", "x.org", 0, photo=photo())),
            CollectedMedia.WEBPAGE,
        ),
        (types.MessageMediaDice(3, "🎲"), CollectedMedia.OTHER),
        (types.MessageMediaGame(object()), CollectedMedia.OTHER),
        (types.MessageMediaInvoice("t", "d", "XTR", 5, "s"), CollectedMedia.OTHER),
        (types.MessageMediaGiveaway([5], 1, WHEN), CollectedMedia.OTHER),
        (types.MessageMediaGiveawayResults(5, 6, 1, 0, [7], WHEN), CollectedMedia.OTHER),
        (types.MessageMediaToDo(object()), CollectedMedia.OTHER),
        (types.MessageMediaUnsupported(), CollectedMedia.OTHER),
        (types.MessageMediaVideoStream(object()), CollectedMedia.OTHER),
        (MediaOfTomorrow(), CollectedMedia.OTHER),
    ],
)
def test_what_is_no_file(media: Any, kind: CollectedMedia) -> None:
    assert read_media(media) == MediaFacts(kind=kind)


@pytest.mark.parametrize("media", [None, types.MessageMediaEmpty(), types.MessageMediaWebPage(types.WebPageEmpty(5))])
def test_nothing(media: Any) -> None:
    assert read_media(media) is None


def paid(*media: Any) -> MediaFacts | None:
    return read_media(types.MessageMediaPaidMedia(stars_amount=5, extended_media=list(media)))


def test_paid_media() -> None:
    bought = types.MessageExtendedMedia(document(VIDEO))
    assert paid(bought) == read_media(document(VIDEO))
    film = types.MessageExtendedMediaPreview(w=640, h=360, video_duration=30)
    assert paid(film, bought) == MediaFacts(kind=CollectedMedia.VIDEO, width=640, height=360, duration=30.0)
    assert paid(types.MessageExtendedMediaPreview(w=5, h=6)) == MediaFacts(kind=CollectedMedia.PHOTO, width=5, height=6)
    other = MediaFacts(kind=CollectedMedia.OTHER)
    assert paid() == paid(object()) == paid(types.MessageExtendedMedia(types.MessageMediaEmpty())) == other
