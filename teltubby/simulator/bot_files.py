"""Files as the Bot API hands them out: file ids private to a bot, and links that are good for an hour."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import struct
from dataclasses import dataclass

from teltubby.simulator.bot_errors import ApiError, bad_request
from teltubby.simulator.bot_parameters import Upload
from teltubby.simulator.content import Content
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.people import User
from teltubby.simulator.world import World

MAX_DOWNLOAD = 20 * 1024 * 1024
MAX_PHOTO_UPLOAD = 10 * 1024 * 1024
LINK_SECONDS = 3600
LAYOUT = struct.Struct("<qcq")
MAC = 18
EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,10})$")
EXTENSIONS = {
    FileKind.PHOTO: "jpg",
    FileKind.VIDEO: "mp4",
    FileKind.ANIMATION: "mp4",
    FileKind.VIDEO_NOTE: "mp4",
    FileKind.VOICE: "oga",
    FileKind.AUDIO: "mp3",
    FileKind.STICKER: "webp",
}
FOLDERS = {
    FileKind.VIDEO_NOTE: "video_notes",
    FileKind.VOICE: "voice",
    FileKind.AUDIO: "music",
}
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"RIFF")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a file_id names: a file, or one smaller size of a photo."""

    file: File
    letter: str
    content: Content
    unique_id: str


@dataclass(slots=True, kw_only=True)
class Link:
    """A file_path and until when it works (world time)."""

    held: Held
    expires: int


class BotFiles:
    """file_id and file_path of one bot; those of other bots mean nothing here."""

    def __init__(self, world: World, bot: User) -> None:
        self._world = world
        self._bot = bot
        self._links: dict[str, Link] = {}
        self._paths: dict[str, str] = {}

    def file_id(self, file: File, letter: str = "") -> str:
        """The opaque id by which this bot may use the file."""
        body = LAYOUT.pack(file.id, (letter or "-").encode(), self._bot.id)
        return base64.urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def held(self, file_id: str) -> Held:
        """What a file_id names. Raises ApiError 400 for one that is malformed, or another bot's."""
        try:
            raw = base64.b64decode(file_id + "=" * (-len(file_id) % 4), altchars=b"-_", validate=True)
            number, letter, bot_id = LAYOUT.unpack(raw[: LAYOUT.size])
        except (binascii.Error, struct.error, ValueError) as exc:
            raise bad_request("wrong remote file identifier specified: Wrong character in the string") from exc
        file = self._world.file(number)
        genuine = hmac.compare_digest(self._mac(raw[: LAYOUT.size]), raw[LAYOUT.size :])
        if file is None or bot_id != self._bot.id or not genuine:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        name = letter.decode().strip("-")
        size = next((size for size in file.sizes if size.letter == name), None)
        if size is None:
            return Held(file=file, letter="", content=file.content, unique_id=file.unique_id)
        return Held(file=file, letter=name, content=size.content, unique_id=file.size_unique_id(size))

    def get_file(self, file_id: str) -> dict[str, object]:
        """The answer to getFile: a path for an hour, for files of up to 20 MiB."""
        held = self.held(file_id)
        if held.content.size > MAX_DOWNLOAD:
            raise bad_request("file is too big")
        path = self._paths.get(held.unique_id)
        if path is None:
            path = self._paths[held.unique_id] = self._new_path(held)
        self._links[path] = Link(held=held, expires=self._world.now() + LINK_SECONDS)
        answer: dict[str, object] = {"file_id": file_id, "file_unique_id": held.unique_id}
        if held.file.size_known:
            answer["file_size"] = held.content.size if held.letter else held.file.stated_size
        return answer | {"file_path": path}

    def content_at(self, path: str) -> Content:
        """What is downloaded from a file_path. Raises ApiError 404 when there is no such path, or no longer."""
        link = self._links.get(path)
        if link is None or link.expires <= self._world.now():
            raise ApiError(404, "Not Found")
        return link.held.content

    def wanted(self, given: Upload | str | None, kind: FileKind) -> File:
        """The file that a sending method is to send: one the bot holds, or an upload that becomes a new file."""
        match given:
            case None:
                raise bad_request(f"there is no {kind.replace('_', ' ')} in the request")
            case Upload():
                return self._received(given, kind)
            case str() if given.startswith(("http://", "https://")):
                raise bad_request("failed to get HTTP URL content")
        held = self.held(given)
        if held.file.kind is not kind:
            raise bad_request(f"can't use file of type {_title(held.file.kind)} as {_title(kind)}")
        return held.file

    def _received(self, upload: Upload, kind: FileKind) -> File:
        if not upload.data:
            raise bad_request("file must be non-empty")
        if kind is FileKind.PHOTO:
            if len(upload.data) > MAX_PHOTO_UPLOAD:
                size = f"file of size {len(upload.data)} bytes"
                raise bad_request(f"{size} is too big for a photo; the maximum size is {MAX_PHOTO_UPLOAD} bytes")
            if not upload.data.startswith(PICTURES):
                raise bad_request("IMAGE_PROCESS_FAILED")
            return self._world.add_file(kind, data=upload.data, dc=self._bot.home_dc)
        return self._world.add_file(
            kind, data=upload.data, name=upload.name, mime_type=upload.mime_type, dc=self._bot.home_dc
        )

    def _new_path(self, held: Held) -> str:
        kind = held.file.kind
        found = EXTENSION.search(held.file.name or "")
        extension = found.group(1) if found else EXTENSIONS.get(kind)
        folder = FOLDERS.get(kind, f"{kind}s")
        number = len(self._paths)
        return f"{folder}/file_{number}.{extension}" if extension else f"{folder}/file_{number}"

    def _mac(self, body: bytes) -> bytes:
        return self._world.keyed("file_id", body)[:MAC]


def _title(kind: FileKind) -> str:
    return "".join(word.capitalize() for word in kind.split("_"))
