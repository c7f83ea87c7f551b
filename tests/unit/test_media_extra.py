"""The extra `media`: with it files are read, without it one line of the log says how to have it."""

from __future__ import annotations

import importlib.util
import logging
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from PIL import Image

from teltubby.messages.details import FileDetails
from teltubby.messages.media import MediaKind
from teltubby.trees import parts

pytestmark = pytest.mark.anyio


async def read(path: Path) -> FileDetails | None:
    return await parts.media_reading().details(path, MediaKind.DOCUMENT, "image/png")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


async def test_with_it_files_are_read(picture: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert await read(picture) == FileDetails(width=64, height=48, codec="PNG")
    assert "details of media" not in caplog.text


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
