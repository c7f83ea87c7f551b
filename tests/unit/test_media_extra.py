"""The extra `media`: with it files are read, without it one line of the log says how to have it."""

from __future__ import annotations

import importlib.util
import logging
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from PIL import Image

from teltubby.config import Config, Role, load
from teltubby.messages.details import FileDetails
from teltubby.messages.media import MediaKind
from teltubby.messages.transfer import UploadMessage
from teltubby.supervision import Mailbox
from teltubby.trees import parts
from tests.actors.uploads import uploads

pytestmark = pytest.mark.anyio


def settings(**more: str) -> Config:
    return load(Role.BOX, {"TELEGRAM_BOT_TOKEN": "1:a", "TELEGRAM_WHITELIST_IDS": "1", **more}, None)


async def read(path: Path) -> FileDetails | None:
    upload = Mailbox[UploadMessage]("upload").ref
    return (
        await parts.media_reading(settings()).read(path, MediaKind.DOCUMENT, "image/png", key=None, upload=upload)
    ).details


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


async def test_with_it_files_are_read(picture: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert await read(picture) == FileDetails(width=64, height=48, codec="PNG")
    assert "details of media" not in caplog.text


@pytest.mark.parametrize(("more", "kept"), [({}, ["teltubby/a/previews/b.jpg"]), ({"MEDIA_PREVIEWS": "false"}, [])])
async def test_pictures_get_previews_unless_that_is_off(picture: Path, more: dict[str, str], kept: list[str]) -> None:
    reading = parts.media_reading(settings(**more))
    async with uploads() as up:
        await reading.read(picture, MediaKind.DOCUMENT, "image/png", key="teltubby/a/b.png", upload=up.ref)
        assert list(up.store.objects) == kept


@pytest.mark.parametrize("package", parts.MEDIA_PACKAGES)
async def test_without_it_nothing_is_read_and_it_is_said_once(
    picture: Path, package: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = importlib.util.find_spec

    def find_spec(name: str) -> ModuleSpec | None:
        return None if name == package else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    parts._say_once.cache_clear()
    with caplog.at_level(logging.INFO):
        assert await read(picture) is None
        assert await read(picture) is None
    assert caplog.messages == ["details of media are not read: pip install 'teltubby[media]'"]
