"""Session files: who has one is signed in as the account, so they are encrypted, and belong to one process at a time.

The file is one line that names the key, and the content that it encrypted, in base64. The content is JSON: version,
api_id, account_id, session (Telethon's text), centres (data centre → key, base64).
"""

from __future__ import annotations

import fcntl
import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from teltubby.adapters.folder_files import sync_folder, write_new
from teltubby.adapters.session_import import SQLITE_MAGIC, old_siblings, read_centres, read_sqlite, read_text
from teltubby.adapters.session_key import SessionKey
from teltubby.adapters.session_text import KEY_BYTES, checked_text
from teltubby.errors import SessionFileDamaged, SessionFileUnusable

_LOG = logging.getLogger(__name__)

VERSION = 1
_HEAD = b"teltubby session, encrypted with key "
_MOST_BYTES = 1 << 20
"""A session with the keys of every data centre is some 3 KB; more than this is something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSession:
    """A login. `account_id` is None while nobody knows it yet: an old file does not say it.

    `session` is Telethon's StringSession text; `centres` holds the keys of foreign data centres, by their number.
    """

    api_id: int
    account_id: int | None
    session: str = field(repr=False)
    centres: Mapping[int, bytes] = field(default_factory=dict, repr=False)


class SessionVault:
    """One account's session file, for the api id that it was made with. Blocking; constructing opens nothing.

    `key` is asked each time: what is written has to be readable after a restart with the key that is there by then.

    Every method but `unlock` raises SessionFileUnusable when a file cannot be read, written or had, and those that
    read raise SessionFileDamaged when an operator must act: a key that does not fit, another api id, no session.
    """

    def __init__(self, path: Path, *, key: Callable[[], SessionKey], api_id: int) -> None:
        self.path = path
        self._key = key
        self._api_id = api_id
        self._lock: IO[bytes] | None = None

    def lock(self) -> None:
        """Have the file for this process, until `unlock` or its end; again is fine."""
        if self._lock is not None:
            return
        beside = self.path.with_name(self.path.name + ".lock")
        with _file_errors(f"the session's lock file {beside} cannot be written"):
            beside.parent.mkdir(parents=True, exist_ok=True)
            handle = beside.open("wb")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.close()
            raise SessionFileUnusable(
                f"another process uses the session file {self.path}: stop it, or sign in through the bot with /mtlogin"
            ) from error
        except OSError as error:
            handle.close()
            raise SessionFileUnusable(f"the session's lock file {beside} cannot be locked: {error.strerror}") from error
        self._lock = handle

    def unlock(self) -> None:
        """Let another process have it; again is fine."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def load(self) -> SavedSession | None:
        """The login, None when there is none. One that lies in the clear is replaced by its encrypted form."""
        self._held()
        saved, in_the_clear = self._read()
        if saved is not None:
            if in_the_clear:
                self.store(saved)
                _LOG.info("the session file %s lay in the clear; it is encrypted now", self.path)
            else:
                self._sweep()
        return saved

    def store(self, saved: SavedSession) -> None:
        """Replace the login in one step; it outlasts a loss of power, and nothing lies in the clear any more."""
        self._held()
        self.store_sealed(self.seal(saved))

    def store_sealed(self, content: bytes) -> None:
        """Like `store`, with what `seal` made of a login."""
        self._held()
        draft = self.path.with_name(self.path.name + ".new")
        with _file_errors(f"the session file {self.path} cannot be written"):
            draft.unlink(missing_ok=True)  # of a process that died; its mode may be another
            write_new(draft, content)
            draft.replace(self.path)
            sync_folder(self.path.parent)
        self._sweep()

    def remove(self) -> None:
        """Forget the login; that there is none is fine."""
        self._held()
        with _file_errors(f"the session file {self.path} cannot be removed"):
            if self.path.parent.is_dir():
                self.path.unlink(missing_ok=True)
                self.path.with_name(self.path.name + ".new").unlink(missing_ok=True)
                sync_folder(self.path.parent)
        self._sweep()

    def exists(self) -> bool:
        """Whether there is a session file, readable or not."""
        with _file_errors(f"the session file {self.path} cannot be read"):
            return self.path.exists()

    def sealed(self) -> bytes | None:
        """The login in the form in which it is stored, None when there is none; another process may have it in use."""
        saved, _ = self._read()
        return None if saved is None else self.seal(saved)

    def seal(self, saved: SavedSession) -> bytes:
        """The login, encrypted, as it is stored."""
        content = {
            "version": VERSION,
            "api_id": saved.api_id,
            "account_id": saved.account_id,
            "session": saved.session,
            "centres": {str(number): b64encode(key).decode("ascii") for number, key in saved.centres.items()},
        }
        key = self._key()
        return _HEAD + key.name.encode("ascii") + b"\n" + b64encode(key.seal(json.dumps(content).encode())) + b"\n"

    def unseal(self, content: bytes, *, source: Path | None = None) -> SavedSession:
        """What `seal` made; `source` names the file in errors, where it is a copy somewhere else."""
        what = f"the session file {source or self.path}"
        anew = "" if source else ", or remove the file to sign in anew"
        key = self._key()
        head, _, body = content.partition(b"\n")
        if not content.startswith(_HEAD):
            raise SessionFileDamaged(f"{what} is no session file")
        if head.removeprefix(_HEAD) != key.name.encode("ascii"):
            raise SessionFileDamaged(
                f"{what} was encrypted with another key than {key.origin} holds: bring that key back{anew}"
            )
        try:
            opened = key.unseal(b64decode(body, validate=False))
        except ValueError:
            opened = None
        saved = None if opened is None else _decoded(opened)
        if saved is None:
            raise SessionFileDamaged(f"{what} is damaged: restore a backup{anew}")
        if saved.api_id != self._api_id:
            raise SessionFileDamaged(
                f"{what} was made with api id {saved.api_id}, but MTPROTO_API_ID is {self._api_id}: set that one again"
                f"{anew}"
            )
        return saved

    def _read(self) -> tuple[SavedSession | None, bool]:
        """The login, and whether it lies in the clear."""
        self._key()  # first: what is wrong with the key is told before anybody signs in
        with _file_errors(f"the session file {self.path} cannot be read"):
            try:
                with self.path.open("rb") as handle:
                    content = handle.read(_MOST_BYTES)
            except FileNotFoundError:
                return None, False
            if content.startswith(_HEAD):
                return self.unseal(content), False
            try:
                text = read_sqlite(self.path) if content.startswith(SQLITE_MAGIC) else read_text(content)
            except ValueError as error:
                raise SessionFileDamaged(
                    f"the session file {self.path} is damaged ({error}): restore a backup, or remove the file to sign "
                    "in anew"
                ) from error
        if text is None:
            return None, True
        account_id, centres = read_centres(self.path)
        return SavedSession(api_id=self._api_id, account_id=account_id, session=text, centres=centres), True

    def _sweep(self) -> None:
        """Nothing of an old form stays: it is as good as the session."""
        for sibling in old_siblings(self.path):
            with _file_errors(f"the file {sibling} cannot be removed, and it holds secrets"):
                sibling.unlink(missing_ok=True)

    def _held(self) -> None:
        if self._lock is None:
            raise AssertionError("a session file is locked before it is used")


@contextmanager
def _file_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SessionFileUnusable(f"{what}: {error.strerror or error}") from error


def _decoded(content: bytes) -> SavedSession | None:
    """What the content says; None when it is not what this program writes."""
    try:
        found = json.loads(content)
        centres = {int(number): b64decode(key, validate=True) for number, key in found["centres"].items()}
        account_id = found["account_id"]
        if found["version"] != VERSION or any(len(key) != KEY_BYTES for key in centres.values()):
            return None
        return SavedSession(
            api_id=int(found["api_id"]),
            account_id=None if account_id is None else int(account_id),
            session=checked_text(found["session"]),
            centres=centres,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
