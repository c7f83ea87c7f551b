"""The manifest: what a backup holds, and by which sizes and digests it is known to be that. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from teltubby.adapters.backup_key import BackupKey
from teltubby.backup.errors import BackupDamaged
from teltubby.backup.names import BackupName

FORMAT = 1
MOST_BYTES = 1 << 20
"""A manifest is some 3 KB; more than this is something else."""


class Content(StrEnum):
    """What a backup may hold, by the name of its file there."""

    QUEUE = "queue.db"
    COLLECTOR = "collector.db"
    LEDGER = "ledger.db"
    USER_SESSION = "user.session"
    BOT_SESSION = "bot.session"
    SAID_SESSION = "bot-said.session"
    SESSION_KEY = "session.key"
    SETTINGS = "settings.env"

    @property
    def is_database(self) -> bool:
        """Whether it is an SQLite file; whatever else there is holds secrets, and is never written in the clear."""
        return self.endswith(".db")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """One file: sizes in bytes and SHA-256 in hex, of itself and of the object that it is packed in.

    `schema` is the database's version, None for other files.
    """

    content: Content
    size: int
    sha256: str
    stored_size: int
    stored_sha256: str
    schema: int | None

    def key(self, name: BackupName, *, is_sealed: bool) -> str:
        """Where it lies: gzip, and around that the seal."""
        return f"{name.folder}{self.content}.gz{'.sealed' if is_sealed else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One backup. `sealed_with` names the key, None: it is in the clear. `left_out` says why, for each content.

    `bot` is the id of the bot whose installation it is, None where its settings do not say.
    """

    name: BackupName
    version: str
    bot: int | None
    sealed_with: str | None
    files: tuple[BackedUp, ...]
    left_out: Mapping[Content, str]

    def key_of(self, file: BackedUp) -> str:
        """Where one of its files lies."""
        return file.key(self.name, is_sealed=self.sealed_with is not None)

    @property
    def stored_size(self) -> int:
        """Bytes that it takes, without the manifest."""
        return sum(file.stored_size for file in self.files)

    def write(self, key: BackupKey | None) -> bytes:
        """As JSON, with a digest over everything else in it, which is keyed if the backup is sealed."""
        body: dict[str, object] = {
            "format": FORMAT,
            "name": str(self.name),
            "teltubby": self.version,
            "bot": self.bot,
            "sealed_with": self.sealed_with,
            "files": [
                {
                    "name": file.content.value,
                    "size_bytes": file.size,
                    "sha256": file.sha256,
                    "stored_bytes": file.stored_size,
                    "stored_sha256": file.stored_sha256,
                    "schema_version": file.schema,
                }
                for file in self.files
            ],
            "left_out": {content.value: why for content, why in self.left_out.items()},
        }
        return json.dumps(body | {"digest": _digest(body, key)}, ensure_ascii=False, indent=2).encode() + b"\n"

    @classmethod
    def read(cls, body: bytes, name: BackupName, key: BackupKey | None) -> Manifest:
        """What `write` made for this backup.

        Without the key of a sealed one its digest cannot be checked: good enough for a list, and for nothing else.
        Raises BackupDamaged.
        """
        try:
            found = json.loads(body)
            digest = found.pop("digest")
            if found["format"] != FORMAT:
                raise BackupDamaged(f"the backup {name} has another format than this teltubby knows: upgrade it")
            sealed_with = found["sealed_with"]
            fitting = key if key is not None and sealed_with == key.name else None
            if (sealed_with is None or fitting is not None) and digest != _digest(found, fitting):
                raise BackupDamaged(f"the manifest of the backup {name} is not what was written")
            manifest = cls(
                name=name,
                version=str(found["teltubby"]),
                bot=_bot(found.get("bot")),
                sealed_with=None if sealed_with is None else str(sealed_with),
                files=tuple(_file(each) for each in found["files"]),
                left_out={Content(content): str(why) for content, why in found["left_out"].items()},
            )
            is_other = found["name"] != str(name)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BackupDamaged(f"the manifest of the backup {name} cannot be read") from error
        if is_other:
            raise BackupDamaged(f"the manifest of the backup {name} is that of another one")
        if sealed_with is None and any(not file.content.is_database for file in manifest.files):
            raise BackupDamaged(f"the backup {name} has secrets in the clear, so it is none of ours")
        return manifest


def _digest(body: Mapping[str, object], key: BackupKey | None) -> str:
    content = json.dumps(body, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest() if key is None else key.digest(content)


def _bot(found: object) -> int | None:
    if found is not None and not isinstance(found, int):
        raise TypeError
    return found


def _file(found: Mapping[str, object]) -> BackedUp:
    size, stored, schema = found["size_bytes"], found["stored_bytes"], found["schema_version"]
    if not isinstance(size, int) or not isinstance(stored, int) or not isinstance(schema, int | None):
        raise TypeError
    return BackedUp(
        content=Content(str(found["name"])),
        size=size,
        sha256=str(found["sha256"]),
        stored_size=stored,
        stored_sha256=str(found["stored_sha256"]),
        schema=schema,
    )
