"""A channel's own post as a job: reached where it is, and nowhere else; photos are proved as documents are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.channel_posts import is_channel_post, message_of
from teltubby.archive.identity import unique_id_of_photo
from teltubby.archive.keys import KEY_MAX, plan_layout
from teltubby.archive.media_filter import FILES
from teltubby.archive.peers import CHANNEL_BASE
from teltubby.archive.routes import is_provable, place_of, prove, require_account, require_open, routes_of
from teltubby.errors import IdentityMismatch, NoRouteNow, RouteClosed, SessionNotReady
from teltubby.messages.collected import CollectedMedia, ForwardFacts, MediaFacts
from teltubby.messages.collector import ChannelMediaFound
from teltubby.messages.jobs import Job, Target, TelegramContext
from teltubby.messages.routes import AccountKind, FileRoute
from teltubby.messages.session import SessionStanding, SessionState
from teltubby.messages.transfer import ChannelPlace, FileLocation
from teltubby.messages.wire import decode_job, encode_job
from tests.actors.found_media import CHAT, found
from tests.actors.stage import large_job
from tests.unit.archive.samples import INT64
from tests.virtual_time import BEGINNING

ORIGIN: dict[str, Any] = {
    "type": "channel",
    "chat": {"id": CHAT, "title": "Space News", "username": "space_news"},
    "message_id": 17,
}
PHOTO = unique_id_of_photo(7002, "y")
UTCS = st.just(UTC)


def posted(origin: dict[str, Any] | None = ORIGIN, *, unique_id: str | None = None) -> Job:
    """The job of post 17."""
    context = TelegramContext(forward_origin=origin)
    return replace(large_job(5, unique_id=unique_id), chat_id=CHAT, message_id=17, telegram_context=context)


def located(number: int, letter: str = "", size: int = 9) -> FileLocation:
    return FileLocation(
        document_id=number, access_hash=1, file_reference=b"", data_centre=2, size=size, thumb_size=letter
    )


def test_only_what_is_its_own_origin_is_a_channels_post() -> None:
    assert is_channel_post(posted())
    for origin in (
        None,
        {**ORIGIN, "type": "user"},
        {**ORIGIN, "chat": {"id": CHAT - 1}},
        {**ORIGIN, "chat": None},
        {**ORIGIN, "message_id": 18},
    ):
        assert not is_channel_post(posted(origin))
    assert not is_channel_post(replace(posted(), chat_id=7)), "that was forwarded by a curator"


@pytest.mark.parametrize("configured", [(), (FileRoute.BOT,), tuple(FileRoute)])
def test_it_is_reached_in_its_channel_whatever_is_configured(configured: tuple[FileRoute, ...]) -> None:
    assert routes_of(posted(), configured) == (FileRoute.ORIGIN,)
    assert routes_of(large_job(5), configured) == configured
    expected = ChannelPlace(channel_id=CHAT, message_id=17, username="space_news")
    assert place_of(FileRoute.ORIGIN, posted(), bot_id=1) == expected


@pytest.mark.parametrize("route", [route for route in FileRoute if route is not FileRoute.ORIGIN])
def test_every_other_way_is_closed_to_it(route: FileRoute) -> None:
    with pytest.raises(RouteClosed, match="fetched there"):
        require_open(route, posted(), has_relay=True)
    require_open(FileRoute.ORIGIN, posted(), has_relay=False)


def test_a_worker_without_a_user_account_leaves_it_to_others() -> None:
    with pytest.raises(NoRouteNow):
        require_account(FileRoute.ORIGIN, posted(), None)
    away = SessionStanding(
        account=AccountKind.USER, state=SessionState.CODE_NEEDED, detail="so it is", since=BEGINNING, in_use=True
    )
    with pytest.raises(SessionNotReady):
        require_account(FileRoute.ORIGIN, posted(), away)


def test_a_photo_is_proved_by_its_id_and_size() -> None:
    job = posted(unique_id=PHOTO)
    assert is_provable(job)
    prove(job, located(7002, "y"), size=9, max_bytes=9)
    prove(job, located(7002, "w"), size=None, max_bytes=9)
    for location, size, reason in (
        (located(7003, "y"), 9, "photo 7003 was found where 7002"),
        (located(7002), 9, "document 7002 was found where photo 7002"),
        (located(7002, "y"), 8, "the photo has 9 bytes, 8 were announced"),
    ):
        with pytest.raises(IdentityMismatch, match=reason):
            prove(job, location, size=size, max_bytes=99)
    with pytest.raises(IdentityMismatch, match="photo 1005 was found where document 1005"):
        prove(posted(), located(1005, "y"), size=None, max_bytes=9)


def test_what_names_neither_cannot_be_proved() -> None:
    assert not is_provable(posted(unique_id="no-id"))
    with pytest.raises(IdentityMismatch):
        prove(posted(unique_id="no-id"), located(7002, "y"), size=None, max_bytes=9)


# -- laws


@st.composite
def files(draw: st.DrawFn) -> MediaFacts:
    counts = st.none() | st.integers(0, 1 << 40)
    return MediaFacts(
        kind=draw(st.sampled_from(FILES)),
        document_id=draw(INT64),
        mime_type=draw(st.none() | st.text(max_size=20)),
        file_name=draw(st.none() | st.text(max_size=80)),
        size_bytes=draw(counts),
        duration=draw(st.none() | st.floats(0, 1e9)),
        width=draw(counts),
        height=draw(counts),
    )


@st.composite
def posts(draw: st.DrawFn) -> ChannelMediaFound:
    made = found(draw(st.integers(1, 2**31 - 1)), draw(files()))
    text, moments = st.text(max_size=200), st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=UTCS)
    forward = st.builds(
        ForwardFacts, from_id=st.none() | INT64, from_name=st.none() | text, message_id=st.none(), date=moments
    )
    post = replace(
        made.post,
        channel_id=draw(st.integers(1, 997_852_516_352)),
        date=draw(moments),
        text=draw(text),
        grouped_id=draw(st.none() | INT64),
        author=draw(st.none() | text),
        forward=draw(st.none() | forward),
    )
    return replace(made, post=post, title=draw(text), username=draw(st.none() | st.text("abc_1", min_size=4)))


@given(posts())
def test_whatever_is_posted_has_a_place_of_its_own_and_is_found_again(told: ChannelMediaFound) -> None:
    message = message_of(told)
    assert message is not None and message.media is not None
    layout = plan_layout([message])
    (key,) = layout.keys
    assert len(key) <= KEY_MAX and f"/{told.post.msg_id}/" in key and f"_m{told.post.msg_id}" in key
    job = replace(
        posted(dict(message.forward_origin or {}), unique_id=message.media.file_unique_id),
        chat_id=message.chat_id,
        message_id=message.message_id,
        target=Target(key=key),
    )
    assert decode_job(encode_job(job)) == job
    assert is_channel_post(job) and is_provable(job)
    place = place_of(FileRoute.ORIGIN, job, bot_id=1)
    assert place == ChannelPlace(
        channel_id=CHANNEL_BASE - told.post.channel_id, message_id=told.post.msg_id, username=told.username
    )
    media = told.post.media
    assert media is not None and media.document_id is not None
    letter = "y" if media.kind is CollectedMedia.PHOTO else ""
    prove(job, located(media.document_id, letter), size=None, max_bytes=9)


@pytest.mark.parametrize("media", [None, MediaFacts(kind=CollectedMedia.GEO, document_id=1), MediaFacts(kind=FILES[0])])
def test_a_post_without_a_file_is_no_message_to_archive(media: MediaFacts | None) -> None:
    assert message_of(found(17, media)) is None
