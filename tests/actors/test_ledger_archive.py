"""The ledger's answers about the archive as a whole, through its mailbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from teltubby.actors.ledger import LedgerActor
from teltubby.messages.history import QuotaAlert, QuotaAlertKind, Usage
from teltubby.messages.ledger import FindAlbum, LedgerMessage, SettleFile, UnknownSubmission
from teltubby.messages.ledger_archive import (
    CountUsage,
    ForgetArchive,
    MaintainDatabase,
    ReadOverview,
    ReadQuotaAlert,
    ReadStatistics,
    ReadUsage,
    SearchArchive,
    SetQuotaAlert,
    SetUsage,
)
from teltubby.supervision import ChildSpec, Context, Mailbox, Ref, Supervisor
from tests.unit.submissions import CHAT, content, extended, handed_in, key

pytestmark = pytest.mark.anyio

WITHIN = 20.0
FILE: SettleFile = content("a")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ref[LedgerMessage]]:
    mailbox = Mailbox[LedgerMessage]("ledger")
    tree = Supervisor("bot", [ChildSpec("ledger", lambda: LedgerActor(tmp_path / "l.db"), mailbox=mailbox)])
    context = Context[object]("bot")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        with anyio.fail_after(WITHIN):
            await context.ready.wait()
        yield mailbox.ref
        context.stop()


async def test_what_was_handed_in_is_found_until_it_is_purged(ledger: Ref[LedgerMessage]) -> None:
    await ledger.ask(handed_in(1, "a.jpg", caption="a word"), within=WITHIN)
    await ledger.ask(FILE, within=WITHIN)
    (hit,) = await ledger.ask(SearchArchive(words="word", limit=5), within=WITHIN)
    assert (hit.title, hit.keys) == ("a word", (key(1),))
    assert await ledger.ask(SearchArchive(words="word", limit=5, offset=1), within=WITHIN) == ()
    told = await ledger.ask(ReadStatistics(days=2), within=WITHIN)
    assert (len(told.days), told.files, told.stored_bytes) == (2, 1, FILE.size_bytes)
    assert await ledger.ask(ForgetArchive(user_id=CHAT), within=WITHIN) == 1
    assert (await ledger.ask(ReadOverview(), within=WITHIN)).files == 0
    (hit,) = await ledger.ask(SearchArchive(words="word", limit=5), within=WITHIN)
    assert hit.keys == ()


async def test_an_album_grows(ledger: Ref[LedgerMessage]) -> None:
    album = handed_in(1, "a.jpg", "b.jpg")
    with pytest.raises(UnknownSubmission):
        await ledger.ask(extended(album, 3), within=WITHIN)
    await ledger.ask(album, within=WITHIN)
    more = await ledger.ask(extended(album, 3), within=WITHIN)
    assert await ledger.ask(FindAlbum(chat_id=CHAT, media_group_id="album"), within=WITHIN) == more
    assert more.artifact_json == "{}"


async def test_room_is_counted_listed_and_watched(ledger: Ref[LedgerMessage]) -> None:
    await ledger.ask(CountUsage(used_bytes=10, objects=1), within=WITHIN)
    long_ago = datetime.now(UTC) - timedelta(days=1)
    await ledger.ask(SetUsage(used_bytes=500, objects=5, listed_at=long_ago), within=WITHIN)
    usage = await ledger.ask(ReadUsage(), within=WITHIN)
    assert usage == Usage(used_bytes=510, objects=6, listed_at=long_ago)
    assert await ledger.ask(ReadQuotaAlert(), within=WITHIN) == QuotaAlert()
    alert = QuotaAlert(kind=QuotaAlertKind.FULL, at=long_ago)
    await ledger.ask(SetQuotaAlert(alert=alert), within=WITHIN)
    assert await ledger.ask(ReadQuotaAlert(), within=WITHIN) == alert
    assert await ledger.ask(ReadUsage(), within=WITHIN) == usage


async def test_maintenance_reports(ledger: Ref[LedgerMessage]) -> None:
    await ledger.ask(FILE, within=WITHIN)
    report = await ledger.ask(MaintainDatabase(), within=WITHIN)
    assert (report.faults, dict(report.rows)["files"]) == ((), 1)
