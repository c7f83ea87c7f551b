"""BotSession against the simulated MTProto server, on both backends."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from telethon import TelegramClient

from teltubby.adapters.base import Account
from teltubby.adapters.telethon_bot import BotSession
from teltubby.errors import (
    ConnectionLost,
    FileGone,
    FileMoved,
    FloodWait,
    PartUnavailable,
    ReferenceExpired,
    SessionNotReady,
    SessionRevoked,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
)
from teltubby.messages.transfer import FileLocation, MailboxPlace, PartConnection
from teltubby.simulator.curator import Curator
from teltubby.simulator.files import File, FileKind
from tests.adapters.house import House

pytestmark = pytest.mark.anyio

WITHIN = 30.0
MIB = 1 << 20
SIZE = 3 * MIB + 12_345


def sent_to_bot(house: House, curator: Curator, file: File) -> int:
    """The curator sends it; the message id in the bot's own mailbox."""
    curator.send_media(file)
    return house.telegram.call(lambda: house.bot.mailbox.last_id)


@pytest.fixture
def film(curator: Curator) -> File:
    return curator.new_file(FileKind.VIDEO, SIZE, name="film.mp4")


@dataclass
class Remote:
    """A document that was found, and a connection to read it over."""

    location: FileLocation
    parts: PartConnection

    async def read(self, offset: int, length: int) -> bytes:
        return bytes(await self.parts.fetch(self.location, offset, length))


async def reached(session: BotSession, chat_id: int, message_id: int) -> Remote:
    location = await session.locate(MailboxPlace(chat_id=chat_id, message_id=message_id))
    return Remote(location, await session.dial(location.data_centre))


def in_chat(curator: Curator, message_id: int) -> MailboxPlace:
    return MailboxPlace(chat_id=curator.user.id, message_id=message_id)


def same(got: bytes, wanted: bytes) -> bool:
    """Whether they are; in place of `==` in an assert, which would explain megabytes of difference."""
    return got == wanted


# -- signing in


async def test_it_signs_in_once_and_keeps_the_session(house: House) -> None:
    async with house.opened() as session:
        assert isinstance(session, BotSession)
    assert stat.S_IMODE(house.path.stat().st_mode) == 0o600
    saved = await house.saved()
    assert saved is not None and (saved.account_id, saved.api_id) == (house.bot.id, 1)
    kept = await to_thread.run_sync(house.path.read_bytes)
    assert saved.session.encode() not in kept
    session = house.session()
    assert await session.open() == Account(id=house.bot.id, username=house.bot.username, is_bot=True)
    await session.aclose()
    await session.aclose()
    assert house.calls("auth.importBotAuthorization") == 1
    assert sorted(path.name for path in house.path.parent.iterdir()) == ["bot.session", "bot.session.lock"]


async def test_a_session_file_that_others_could_read_is_made_private(house: House) -> None:
    async with house.opened():
        pass
    await to_thread.run_sync(house.path.chmod, 0o644)
    async with house.opened():
        assert stat.S_IMODE(house.path.stat().st_mode) == 0o600


async def test_a_wrong_token_is_told_and_nothing_is_kept(house: House) -> None:
    with pytest.raises(Unauthorised):
        async with house.opened(token=f"{house.bot.id}:AAwrong"):
            pass
    assert not house.path.exists()


async def test_a_flood_wait_at_the_sign_in_is_told(house: House) -> None:
    house.fault("auth.importBotAuthorization", error=420, message="FLOOD_WAIT_1800")
    with pytest.raises(FloodWait) as flood:
        async with house.opened():
            pass
    assert flood.value.seconds == 1800
    async with house.opened():
        assert house.calls("auth.importBotAuthorization") == 2


async def test_a_server_in_trouble_is_told(house: House) -> None:
    house.fault("auth.importBotAuthorization", error=500, message="INTERNAL", times=5)
    with pytest.raises(TelegramUnavailable):
        async with house.opened():
            pass


async def test_a_revoked_session_signs_in_anew(house: House) -> None:
    async with house.opened():
        pass
    house.on_server(house.telegram.mtproto_server.sign_out, house.bot)
    async with house.opened():
        assert house.calls("auth.importBotAuthorization") == 2


async def test_a_key_that_the_server_forgot_is_no_dead_end(house: House) -> None:
    async with house.opened():
        pass
    house.on_server(house.telegram.mtproto_server.forget_keys)
    session = house.session()
    with pytest.raises(TelegramUnavailable):
        await session.open()
    await session.aclose()
    assert (await session.open()).id == house.bot.id, "whoever owns the session tries again, and that works"
    await session.aclose()
    async with house.opened():
        assert house.calls("auth.importBotAuthorization") == 2


@pytest.mark.parametrize(
    "garbage",
    [b"garbage", b"\xff\xfe\x00", b"1" + b"A" * 352, b"1AAAA", b"\n"],
    ids=["text", "binary", "long", "cut", "empty"],
)
async def test_a_session_file_that_cannot_be_read_is_told_or_replaced(house: House, garbage: bytes) -> None:
    await to_thread.run_sync(lambda: house.path.parent.mkdir(parents=True, exist_ok=True))
    await to_thread.run_sync(house.path.write_bytes, garbage)
    try:
        async with house.opened(timeout=1.0):
            assert house.calls("auth.importBotAuthorization") == 1
    except TeltubbyError as error:
        assert "session" in str(error)


async def test_a_folder_that_cannot_be_made_is_told(house: House, tmp_path: Path) -> None:
    await to_thread.run_sync((tmp_path / "file").write_bytes, b"")
    with pytest.raises(TeltubbyError):
        async with house.opened(path=tmp_path / "file" / "bot.session"):
            pass


async def test_a_session_that_cannot_be_kept_is_used_and_told(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk: the sign-in worked, and giving up would only mean to sign in again, which is flood-limited."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    async with house.opened():
        assert not house.path.exists()
    assert any("session" in record.message and record.levelname == "ERROR" for record in caplog.records)
    monkeypatch.undo()
    TelegramClient._config = None
    async with house.opened():
        assert house.path.exists()


# -- one process at a time

HOLD = """
import fcntl, sys
handle = open(sys.argv[1], "w")
fcntl.flock(handle, fcntl.LOCK_EX)
sys.stdout.write("held\\n")
sys.stdout.flush()
sys.stdin.read()
"""


async def test_a_session_belongs_to_one_process(house: House) -> None:
    async with house.opened():
        with pytest.raises(TeltubbyError, match="another process"):
            await house.session().open()
    async with house.opened():
        pass


async def test_a_session_that_another_process_holds_is_told(house: House) -> None:
    await to_thread.run_sync(lambda: house.path.parent.mkdir(parents=True, exist_ok=True))
    lock = house.path.with_name("bot.session.lock")
    process = await to_thread.run_sync(
        lambda: subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    )
    with process:
        await to_thread.run_sync(process.stdout.readline)
        with pytest.raises(TeltubbyError, match=r"another process uses the session file .*bot\.session"):
            await house.session().open()
        assert house.calls("auth.importBotAuthorization") == 0, "the account was not touched"
        process.stdin.close()
    async with house.opened():
        pass


# -- finding


async def test_a_document_is_found_and_read(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)
        assert (remote.location.document_id, remote.location.size) == (film.id, SIZE)
        for offset, length in (
            (0, 4096),
            (0, MIB),
            (MIB, MIB),
            (3 * MIB, MIB),
            (2 * MIB + 512 * 1024, 512 * 1024),
            (3 * MIB + 8192, 4096),
        ):
            assert same(await remote.read(offset, length), film.read(offset, min(length, SIZE - offset))), (
                offset,
                length,
            )


@pytest.mark.parametrize(("offset", "length"), [(0, 4096), (4096, 4096), (256 * 1024, 256 * 1024), (MIB, MIB)])
async def test_any_part_that_the_protocol_allows_comes_whole_and_alone(
    house: House, curator: Curator, film: File, offset: int, length: int
) -> None:
    """`PartConnection.fetch`: a power of two from 4 KiB on, aligned to itself."""
    message_id = sent_to_bot(house, curator, film)
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)
        assert same(await remote.read(offset, length), film.read(offset, length))


@pytest.mark.parametrize("kind", [FileKind.DOCUMENT, FileKind.AUDIO, FileKind.ANIMATION, FileKind.STICKER])
async def test_every_kind_of_document_is_found(house: House, curator: Curator, kind: FileKind) -> None:
    file = curator.new_file(kind, 70_000, name="a.bin")
    message_id = sent_to_bot(house, curator, file)
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)
        assert same(await remote.read(0, MIB), file.read(0, 70_000))


async def test_what_is_not_there_is_told(house: House, curator: Curator, film: File) -> None:
    other = house.telegram.add_curator(house.bot, "Bob")
    theirs = sent_to_bot(house, other, film)
    curator.send_text("no file")
    text = house.telegram.call(lambda: house.bot.mailbox.last_id)
    photo = sent_to_bot(house, curator, curator.new_file(FileKind.PHOTO, 50_000, width=9, height=9))
    async with house.opened() as session:
        for message_id in (99_999, text, photo, theirs):
            with pytest.raises(FileGone):
                await session.locate(in_chat(curator, message_id))
        assert (await session.locate(in_chat(other, theirs))).document_id == film.id


async def test_a_deleted_message_is_gone(house: House, curator: Curator, film: File) -> None:
    own = curator.send_media(film)
    message_id = house.telegram.call(lambda: house.bot.mailbox.last_id)
    curator.delete(own)
    async with house.opened() as session:
        with pytest.raises(FileGone):
            await session.locate(in_chat(curator, message_id))


# -- failures while it is used


async def failing_read(house: House, remote: Remote, kind: type[Exception], **fault: Any) -> Exception:
    house.on_server(house.telegram.world.faults.clear)
    house.fault("upload.getFile", **fault)
    with anyio.fail_after(WITHIN), pytest.raises(kind) as caught:
        await remote.read(0, MIB)
    assert type(caught.value) is kind
    return caught.value


async def test_failures_of_a_part_are_translated(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)
        await failing_read(house, remote, PartUnavailable, error=400, message="LOCATION_NOT_AVAILABLE")
        await failing_read(house, remote, ReferenceExpired, error=400, message="FILE_REFERENCE_EXPIRED")
        await failing_read(house, remote, PartUnavailable, error=500, message="RPC_CALL_FAIL", times=9)
        moved = await failing_read(house, remote, FileMoved, error=303, message="FILE_MIGRATE_4")
        assert isinstance(moved, FileMoved) and moved.data_centre == 4
        premium = await failing_read(house, remote, FloodWait, error=420, message="FLOOD_PREMIUM_WAIT_5")
        assert isinstance(premium, FloodWait) and premium.seconds == 5
        await failing_read(house, remote, SessionRevoked, error=401, message="AUTH_KEY_UNREGISTERED")
        flood = await failing_read(house, remote, FloodWait, error=420, message="FLOOD_WAIT_7")
        assert isinstance(flood, FloodWait) and flood.seconds == 7


async def test_an_expired_reference_is_passing_trouble(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)
        house.on_server(house.telegram.world.expire_references)
        with pytest.raises(ReferenceExpired):
            await remote.read(0, MIB)
        again = await reached(session, curator.user.id, message_id)
        assert same(await again.read(0, MIB), film.read(0, MIB))


async def test_a_revoked_session_is_told_at_once(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)
        house.on_server(house.telegram.mtproto_server.sign_out, house.bot)
        with pytest.raises(SessionNotReady):
            await session.locate(in_chat(curator, message_id))
        with pytest.raises(SessionNotReady):
            await remote.read(0, MIB)


async def test_a_cut_wire_is_told_and_a_new_session_goes_on(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)
        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.wait_lost)
                await to_thread.run_sync(house.wire.cut)
        for ask in (lambda: session.locate(in_chat(curator, message_id)), lambda: remote.read(0, MIB)):
            with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
                await ask()
        await session.aclose()
        await session.open()
        again = await reached(session, curator.user.id, message_id)
        assert same(await again.read(0, MIB), film.read(0, MIB))
        assert house.calls("auth.importBotAuthorization") == 1


async def test_a_wire_cut_under_a_request_is_told(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)
        await failing_read(house, remote, ConnectionLost, cut=True, times=9)


async def test_a_server_that_hangs_is_given_up(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened(timeout=0.5) as session:
        remote = await reached(session, curator.user.id, message_id)
        house.wire.stall()
        for ask in (lambda: session.locate(in_chat(curator, message_id)), lambda: remote.read(0, MIB)):
            with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
                await ask()


async def test_a_connection_that_is_open_and_dead_is_ended(house: House, curator: Curator, film: File) -> None:
    """Telethon's own ping would take minutes to find out, in which every job spends its attempts."""
    message_id = sent_to_bot(house, curator, film)
    async with house.opened(timeout=0.5) as session:
        house.wire.stall()
        with pytest.raises(TelegramUnavailable):
            await session.locate(in_chat(curator, message_id))
        with anyio.fail_after(WITHIN):
            await session.wait_lost()


async def test_one_request_without_an_answer_costs_no_connection(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened(timeout=0.5) as session:
        house.telegram.call(lambda: house.telegram.world.faults.add("messages.getMessages", silent=True))
        with pytest.raises(TelegramUnavailable):
            await session.locate(in_chat(curator, message_id))
        assert session.connections > 0
        assert (await session.locate(in_chat(curator, message_id))).document_id == film.id


async def test_a_refused_connection_is_told_and_survived(house: House) -> None:
    house.wire.refuse()
    session = house.session(timeout=1.0)
    with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
        await session.open()
    await session.aclose()
    house.wire.accept()
    await session.open()
    await session.aclose()


async def test_a_server_that_hangs_at_the_start_is_given_up(house: House) -> None:
    house.wire.stall()
    session = house.session(timeout=0.2)
    with anyio.fail_after(WITHIN), pytest.raises(TelegramUnavailable):
        await session.open()
    await session.aclose()


async def test_closing_ends_the_wait_for_the_loss(house: House) -> None:
    async with house.opened() as session:
        with anyio.fail_after(WITHIN):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.wait_lost)
                await anyio.wait_all_tasks_blocked()
                await session.aclose()
            await session.wait_lost()


async def test_a_wait_that_is_cancelled_leaves_the_connection(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    async with house.opened() as session:
        with anyio.move_on_after(0.1) as scope:
            await session.wait_lost()
        assert scope.cancelled_caught
        assert (await session.locate(in_chat(curator, message_id))).document_id == film.id


async def test_an_open_that_is_cancelled_can_be_repeated(house: House) -> None:
    house.wire.stall()
    session = house.session()
    with anyio.move_on_after(0.2) as scope:
        await session.open()
    assert scope.cancelled_caught
    await session.aclose()
    house.wire.resume()
    await session.open()
    await session.aclose()


async def test_before_it_is_open_and_after_it_is_closed_it_says_so(house: House, curator: Curator) -> None:
    session = house.session()
    with pytest.raises(TelegramUnavailable):
        await session.locate(in_chat(curator, 1))
    await session.wait_lost()
    await session.open()
    await session.aclose()
    with pytest.raises(TelegramUnavailable):
        await session.locate(in_chat(curator, 1))


async def test_many_parts_at_once(house: House, curator: Curator, film: File) -> None:
    message_id = sent_to_bot(house, curator, film)
    parts: dict[int, bytes] = {}
    async with house.opened() as session:
        remote = await reached(session, curator.user.id, message_id)

        async def fetch(offset: int) -> None:
            parts[offset] = await remote.read(offset, MIB)

        async with anyio.create_task_group() as tasks:
            for offset in range(0, SIZE, MIB):
                tasks.start_soon(fetch, offset)
    assert b"".join(parts[offset] for offset in sorted(parts)) == film.read(0, SIZE)


async def test_it_asks_for_no_updates(house: House, curator: Curator) -> None:
    """A session that receives updates would be a second mailbox to keep in step (telegram.md)."""
    async with house.opened():
        pass
    async with house.opened() as session:
        for number in range(5):
            await to_thread.run_sync(curator.send_text, f"message {number}")
        with pytest.raises(FileGone):  # by the time of this answer they would have come on the same connection
            await session.locate(in_chat(curator, 99_999))
    assert house.calls("updates.getState") == 0 and house.calls("updates.getDifference") == 0
