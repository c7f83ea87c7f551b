"""The layout of keys, in examples and by its laws."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from teltubby.archive.extensions import extension
from teltubby.archive.keys import FILE_NAME_MAX, KEY_MAX, PREVIEWS, another_key, plan_layout, preview_key
from teltubby.messages.media import IncomingMessage, JsonObject, MediaKind
from tests.unit.archive.samples import albums, media, message


def key_of(one: IncomingMessage) -> str:
    (key,) = plan_layout([one]).keys
    return key


def test_a_photo_with_a_caption() -> None:
    layout = plan_layout([message(caption="Hello, world! this is a long caption")])
    assert layout.base_path == "teltubby/2025/01/curator/5/"
    assert layout.artifact_key == "teltubby/2025/01/curator/5/message.json"
    assert layout.keys == (
        "teltubby/2025/01/curator/5/20250127-101112_curator_curator_m5_001_hello-world-this-is-a-long.jpg",
    )


def test_an_album_in_message_id_order() -> None:
    origin = {"type": "channel", "chat": {"id": -100123, "username": "My_News"}, "message_id": 9}
    shared = {"media_group_id": "13000000000000001", "forward_origin": origin}
    layout = plan_layout(
        [
            message(12, **shared, media=media(MediaKind.VIDEO, file_name="b.MOV")),
            message(9, **shared, caption="Отчёт"),
            message(10, **shared),
        ]
    )
    directory = "teltubby/2025/01/my_news/9/"
    assert layout.base_path == directory
    assert layout.keys == (
        directory + "20250127-101112_my_news_curator_m9-g13000000000000001_001_otchet.jpg",
        directory + "20250127-101112_my_news_curator_m10-g13000000000000001_002.jpg",
        directory + "20250127-101112_my_news_curator_m12-g13000000000000001_003.mov",
    )


def test_the_date_is_that_of_the_first_message_in_utc() -> None:
    moscow = timezone(timedelta(hours=3))
    layout = plan_layout(
        [
            message(6, date=datetime(2025, 1, 1, 0, 0, 1, tzinfo=UTC)),
            message(5, date=datetime(2025, 1, 1, 2, 59, 59, tzinfo=moscow)),
        ]
    )
    assert layout.base_path == "teltubby/2024/12/curator/5/"
    assert layout.keys[0].startswith("teltubby/2024/12/curator/5/20241231-235959_")
    assert layout.keys[1].startswith("teltubby/2024/12/curator/5/20250101-000001_")


def test_messages_without_media_have_no_key() -> None:
    assert len(plan_layout([message(4, media=None), message(5)]).keys) == 1
    with pytest.raises(ValueError, match="no message carries media"):
        plan_layout([message(media=None)])


ORIGINS: list[tuple[JsonObject, str]] = [
    ({"type": "user", "sender_user": {"id": 7, "first_name": "Анна", "username": "Anna_K"}}, "anna_k"),
    ({"type": "user", "sender_user": {"id": 7, "first_name": "Анна", "last_name": "К."}}, "anna-k."),
    ({"type": "user", "sender_user": {"id": 7, "first_name": "Анна"}}, "anna"),
    ({"type": "user", "sender_user": {"id": 7, "first_name": "!!!"}}, "7"),
    ({"type": "hidden_user", "sender_user_name": "Пётр Иванов"}, "petr-ivanov"),
    ({"type": "hidden_user", "sender_user_name": ".."}, "unknown"),
    ({"type": "chat", "sender_chat": {"id": -100123, "username": "Group", "title": "A group"}}, "group"),
    ({"type": "chat", "sender_chat": {"id": -100123, "title": "A group"}}, "a-group"),
    ({"type": "chat", "sender_chat": {"id": -100123, "title": "😀"}}, "100123"),
    ({"type": "channel", "chat": {"id": -100123, "username": "My.Channel.v2"}, "message_id": 3}, "my.channel.v2"),
    ({"type": "channel", "chat": {"id": -100123, "title": "Новости"}, "message_id": 3}, "novosti"),
    ({"type": "channel", "chat": "nonsense"}, "unknown"),
    ({"type": "of the future"}, "curator"),
    ({}, "curator"),
]


@pytest.mark.parametrize(("origin", "expected"), ORIGINS)
def test_chat_slug_is_the_origin(origin: JsonObject, expected: str) -> None:
    layout = plan_layout([message(forward_origin=origin)])
    assert layout.base_path == f"teltubby/2025/01/{expected}/5/"
    assert f"_{expected}_curator_m5_001.jpg" in layout.keys[0]


@pytest.mark.parametrize(("origin", "_expected"), ORIGINS)
def test_chat_slug_can_stay_the_curator(origin: JsonObject, _expected: str) -> None:
    layout = plan_layout([message(forward_origin=origin)], chat_slug_from="curator")
    assert layout == plan_layout([message()])


def test_a_title_of_dots_and_slashes_is_no_name() -> None:
    origin = {"type": "channel", "chat": {"id": -100123, "title": "../.."}}
    assert plan_layout([message(forward_origin=origin)]).base_path == "teltubby/2025/01/100123/5/"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "curator"),
        ({"sender_username": None}, "42"),
        ({"sender_username": None, "chat_username": "Chat_Name"}, "chat_name"),
        ({"sender_username": "!!!", "sender_id": None, "chat_id": -7}, "7"),
    ],
)
def test_curator_by_username_or_id(fields: dict[str, Any], expected: str) -> None:
    assert key_of(message(**fields)).endswith(f"/20250127-101112_{expected}_{expected}_m5_001.jpg")


def test_the_caption_is_shortened_first() -> None:
    key = key_of(message(caption="слово" * 60, sender_username="c" * 32))
    name = key.rpartition("/")[2]
    assert name.startswith(f"20250127-101112_{'c' * 32}_{'c' * 32}_m5_001_slovo")
    assert len(name) == FILE_NAME_MAX


def test_then_the_longer_one_of_chat_and_sender() -> None:
    origin = {"type": "channel", "chat": {"title": "t" * 128}}
    key = key_of(message(caption="gone", forward_origin=origin, media_group_id="13000000000000001"))
    directory, _, name = key.rpartition("/")
    assert directory == f"teltubby/2025/01/{'t' * 128}/5"
    assert name == f"20250127-101112_{'t' * 66}_curator_m5-g13000000000000001_001.jpg"
    assert len(name) == FILE_NAME_MAX


def test_two_long_names_share_the_room() -> None:
    origin = {"type": "channel", "chat": {"title": "t" * 300}}
    key = key_of(message(forward_origin=origin, sender_username="s" * 300))
    assert key.endswith(f"/20250127-101112_{'t' * 46}_{'s' * 46}_m5_001.jpg")
    assert key.startswith(f"teltubby/2025/01/{'t' * 255}/5/")


@given(albums(), st.sampled_from(["origin", "curator"]))
def test_keys_are_names_that_every_store_takes(album: list[IncomingMessage], chat_slug_from: str) -> None:
    layout = plan_layout(album, chat_slug_from="curator" if chat_slug_from == "curator" else "origin")
    assert layout.base_path.endswith("/")
    assert layout.artifact_key == layout.base_path + "message.json"
    for key in (*layout.keys, layout.artifact_key):
        assert re.fullmatch(r"teltubby/\d{4}/\d{2}(/[a-z0-9._-]+){3}", key, re.ASCII)
        assert len(key) <= KEY_MAX
        assert all(1 <= len(segment) <= 255 and segment.strip(".") for segment in key.split("/"))
        assert len(key.rpartition("/")[2]) <= FILE_NAME_MAX


@given(albums())
def test_what_identifies_a_file_survives(album: list[IncomingMessage]) -> None:
    layout = plan_layout(album)
    ordered = sorted(album, key=lambda one: one.message_id)
    for ordinal, (one, key) in enumerate(zip(ordered, layout.keys, strict=True), start=1):
        name = key.removeprefix(layout.base_path)
        assert one.media is not None
        assert name.startswith(one.date.strftime("%Y%m%d-%H%M%S_"))
        assert name.endswith("." + extension(one.media))
        digits = (one.media_group_id or "").isascii() and (one.media_group_id or "").isdecimal()
        group = f"-g{one.media_group_id}" if digits else ""
        if digits or not one.media_group_id:
            assert f"_m{one.message_id}{group}_{ordinal:03d}" in name
        assert len(name) <= FILE_NAME_MAX


@given(albums(min_size=2))
def test_no_two_files_of_an_album_share_a_name(album: list[IncomingMessage]) -> None:
    layout = plan_layout(album)
    assert len({*layout.keys, layout.artifact_key}) == len(album) + 1


@given(albums(max_size=1), albums(max_size=1))
def test_no_two_messages_share_a_key(one: list[IncomingMessage], other: list[IncomingMessage]) -> None:
    assume(one[0].message_id != other[0].message_id)
    assert not set(plan_layout(one).keys) & set(plan_layout(other).keys)


def test_a_preview_lies_in_a_folder_beside_the_files() -> None:
    key = key_of(message(caption="Version 1.2", media=media(MediaKind.DOCUMENT, file_name="Scan.TIFF")))
    assert key == "teltubby/2025/01/curator/5/20250127-101112_curator_curator_m5_001_version-1.2.tiff"
    assert preview_key(key) == (
        "teltubby/2025/01/curator/5/previews/20250127-101112_curator_curator_m5_001_version-1.2.jpg"
    )


@given(albums(), st.sampled_from(["jpg", "p", "x" * 40]))
def test_a_preview_has_a_key_of_its_own(album: list[IncomingMessage], ending: str) -> None:
    layout = plan_layout(album)
    previews = [preview_key(key) for key in layout.keys]
    assert len({*previews, *layout.keys, layout.artifact_key}) == 2 * len(album) + 1
    for ordinal, (key, preview) in enumerate(zip(layout.keys, previews, strict=True), start=1):
        assert preview is not None and len(preview) <= KEY_MAX
        assert preview.startswith(layout.base_path + PREVIEWS) and preview.count("/") == key.count("/") + 1
        name = preview.rpartition("/")[2]
        assert key.removeprefix(layout.base_path).startswith(name.removesuffix("jpg")) and f"_{ordinal:03d}" in name
    folder = layout.base_path.removesuffix("/")
    longest = f"{folder}/{'n' * (KEY_MAX - len(folder) - len(ending) - 2)}.{ending}"
    fitting = preview_key(longest)
    assert len(longest) == KEY_MAX and (fitting is None) == (len(ending) < len(PREVIEWS) + 3)
    assert fitting is None or len(fitting) <= KEY_MAX


@given(albums(max_size=1), albums(max_size=1))
def test_no_two_messages_share_a_preview(one: list[IncomingMessage], other: list[IncomingMessage]) -> None:
    assume(one[0].message_id != other[0].message_id)
    assert preview_key(plan_layout(one).keys[0]) != preview_key(plan_layout(other).keys[0])


@given(albums())
def test_the_layout_depends_on_no_order_and_repeats(album: list[IncomingMessage]) -> None:
    assert plan_layout(album) == plan_layout(album[::-1]) == plan_layout([replace(one) for one in album])


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("teltubby/a/x.mp4", "teltubby/a/x--r3.mp4"),
        ("teltubby/a/x--r2.mp4", "teltubby/a/x--r3.mp4"),
        ("teltubby/a.b/x", "teltubby/a.b/x--r3"),
        ("teltubby/a/.hidden", "teltubby/a/.hidden--r3"),
    ],
)
def test_another_key_for_the_same_file_lies_beside_it(key: str, other: str) -> None:
    assert another_key(key, 3) == other


@given(albums(max_size=1), st.sampled_from(["R3", "--r3", "x _r3", "r3-", "—r3", "- -r3"]), st.integers(1, 9))
def test_no_caption_looks_like_another_key(album: list[IncomingMessage], caption: str, number: int) -> None:
    key = key_of(replace(album[0], caption=caption))
    others = [another_key(key, number), another_key(another_key(key, 3), number)]
    assert others[0] == others[1] != key
    assert another_key(key, number + 1) not in (key, *others)
