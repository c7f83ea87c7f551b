"""Extensions by kind and by original name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from teltubby.archive.extensions import EXTENSION_MAX, extension
from teltubby.messages.media import Media, MediaKind, StickerFormat
from tests.unit.archive.samples import MEDIA, media


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (MediaKind.PHOTO, "jpg"),
        (MediaKind.DOCUMENT, "bin"),
        (MediaKind.VIDEO, "mp4"),
        (MediaKind.AUDIO, "mp3"),
        (MediaKind.ANIMATION, "mp4"),
        (MediaKind.VOICE, "ogg"),
        (MediaKind.VIDEO_NOTE, "mp4"),
        (MediaKind.STICKER, "webp"),
    ],
)
def test_without_a_name(kind: MediaKind, expected: str) -> None:
    assert extension(media(kind)) == expected


@pytest.mark.parametrize("kind", [MediaKind.DOCUMENT, MediaKind.VIDEO, MediaKind.AUDIO, MediaKind.ANIMATION])
def test_these_kinds_take_it_from_the_name(kind: MediaKind) -> None:
    assert extension(media(kind, file_name="A.Name.GIF")) == "gif"


@pytest.mark.parametrize("kind", [MediaKind.PHOTO, MediaKind.VOICE, MediaKind.VIDEO_NOTE, MediaKind.STICKER])
def test_the_others_do_not(kind: MediaKind) -> None:
    assert extension(media(kind, file_name="a.exe")) == extension(media(kind))


@pytest.mark.parametrize(
    ("sticker_format", "expected"),
    [(StickerFormat.STATIC, "webp"), (StickerFormat.ANIMATED, "tgs"), (StickerFormat.VIDEO, "webm")],
)
def test_stickers(sticker_format: StickerFormat, expected: str) -> None:
    assert extension(media(MediaKind.STICKER, sticker_format=sticker_format)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("archive.tar.gz", "gz"),
        ("Отчёт.ПДФ", "pdf"),
        ("a.mp4 ", "mp4"),
        ("a.M P\0 4", "mp4"),
        ("noext", "bin"),
        ("dot.", "bin"),
        ("..", "bin"),
        (".bashrc", "bin"),
        ("dir.d/file", "bin"),
        ("..\\dir.d\\file.7z", "7z"),
        ("\u202egpj.exe", "exe"),
        ("a.😀", "bin"),
        ("a.ext" + "x" * 300, "bin"),
        ("", "bin"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert extension(media(MediaKind.DOCUMENT, file_name=name)) == expected


@given(MEDIA)
def test_every_file_has_one(file: Media) -> None:
    assert re.fullmatch(rf"[a-z0-9]{{1,{EXTENSION_MAX}}}", extension(file), re.ASCII)
