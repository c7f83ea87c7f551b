"""`teltubby verify`: every kind of damage is found, nothing that is well is, and who was interrupted goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.base import ObjectInfo, ObjectStore
from teltubby.adapters.folder_store import FolderStore
from teltubby.adapters.sqlite_catalogue import Catalogue
from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.adapters.sqlite_ledger_view import LedgerView
from teltubby.adapters.sqlite_schema import SCHEMA_VERSION
from teltubby.archive.claims import NoArtifact, is_artifact_key, read_artifact
from teltubby.archive.keys import preview_key
from teltubby.errors import ConfigurationError, DatabaseUnavailable, StoreUnavailable
from teltubby.fixity import reading
from teltubby.fixity.amounts import read_percent, read_rate
from teltubby.fixity.check import CheckUnderWay, state_of, verified
from teltubby.fixity.findings import Kind
from teltubby.fixity.reading import Pace, Reader
from teltubby.fixity.wanted import Wanted
from teltubby.supervision import Backoff
from teltubby.trees import parts
from tests.unit.fixity.archives import Bench, Sent, content

ALL = Wanted()
WELL, FOUND = 0, 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Three files, one of them a duplicate too, and a job that waits."""
    bench = Bench(tmp_path)
    bench.hand_in_many(
        [
            ([Sent(content=1, unique=1), Sent(content=2, unique=2)], "two"),
            ([Sent(content=3, unique=3, fate="job")], None),
            ([Sent(content=1, unique=9)], "again"),
            ([Sent(content=4, unique=4, fate="queued"), Sent(content=5, unique=5, fate="failed")], None),
        ]
    )
    return bench


def verify(bench: Bench, wanted: Wanted = ALL, *, restart: bool = False) -> tuple[int, dict[str, Any]]:
    """Run it with --json: the exit code and what it printed."""
    said: list[str] = []
    state = state_of(bench.config, None)

    async def run() -> int:
        return await verified(
            bench.config,
            state,
            wanted,
            said.append,
            said.append,
            as_json=True,
            restart=restart,
            told=lambda *_: None,
        )

    code = anyio.run(run)
    assert not list(bench.home.glob("ledger.db.verify*"))
    return code, json.loads(said[-1])


def found(told: dict[str, Any]) -> set[tuple[str, str]]:
    return {(finding["kind"], finding["key"]) for finding in told["findings"]}


def rewritten(bench: Bench, key: str, change: Callable[[dict[str, Any]], None]) -> None:
    artifact = json.loads((bench.folder / key).read_bytes())
    change(artifact)
    bench.put(key, json.dumps(artifact).encode())


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_an_archive_that_is_well(bench: Bench) -> None:
    """Queued files, duplicates, previews, artifacts beside others and unfinished uploads are no faults."""
    queued = "teltubby/2025/01/curator/5/message.json"
    planned = json.loads((bench.folder / queued).read_bytes())["telegram"]["items"][0]["s3_key"]
    bench.put(planned, b"the job is about to report")
    bench.put(str(preview_key(planned)), b"and its preview")
    preview = "teltubby/2025/01/curator/1/previews/1.jpg"
    bench.put(preview, b"small")
    first = "teltubby/2025/01/curator/1/message.json"
    rewritten(bench, first, lambda artifact: artifact["telegram"]["items"][0].update(preview_key=preview))
    with bench.ledger() as ledger:
        ledger.submissions.save_artifact(42, 1, (bench.folder / first).read_text())
        ledger.submissions.artifact_stored(42, 1, None)

    async def begin() -> None:
        store = FolderStore(bench.folder, part_size=100)
        await store.open()
        await store.begin("teltubby/on/its/way.bin", content_type="video/mp4")
        await store.aclose()
        (bench.folder / ".uploads" / "put-0123").write_bytes(b"of a put")

    anyio.run(begin)
    before = snapshot(bench.folder)
    code, told = verify(bench)
    assert (code, told["well"], found(told)) == (WELL, True, set())
    assert (told["objects"], told["artifacts"], told["read_objects"]) == (10, 4, 3)
    assert told["read_bytes"] == sum(len(content(number)) for number in (1, 2, 3))
    assert told["unfinished_uploads"] == 1
    assert snapshot(bench.folder) == before, "nothing was made, removed or touched"


def test_every_kind_of_damage(bench: Bench) -> None:
    missing, changed, short = bench.keys
    first, third = "teltubby/2025/01/curator/1/message.json", "teltubby/2025/01/curator/3/message.json"
    again, last = "teltubby/2025/01/curator/4/message.json", "teltubby/2025/01/curator/5/message.json"
    (bench.folder / missing).unlink()
    (bench.folder / changed).write_bytes(content(2).swapcase())
    (bench.folder / short).write_bytes(b"cut")
    bench.put("teltubby/2025/01/curator/1/orphan.bin", b"of nobody")
    bench.put("teltubby/foreign/message.json", b"{}")
    rewritten(bench, third, lambda artifact: artifact.update(notes="by somebody else"))
    (bench.folder / last).unlink()
    code, told = verify(bench)
    assert code == FOUND and not told["well"]
    assert found(told) == {
        ("missing", missing),
        ("lying artifact", first),
        ("lying artifact", again),
        ("changed", changed),
        ("wrong size", short),
        ("orphan", "teltubby/2025/01/curator/1/orphan.bin"),
        ("unreadable artifact", "teltubby/foreign/message.json"),
        ("artifact changed", third),
        ("artifact missing", last),
    }
    assert sum(told["counts"].values()) == len(told["findings"])


def test_without_a_ledger_the_artifacts_say_it(bench: Bench) -> None:
    """And where they do not agree about an object, that is said."""
    for path in bench.home.glob("ledger.db*"):
        path.unlink()
    key = "teltubby/2025/01/curator/4/message.json"
    rewritten(bench, key, lambda artifact: artifact["telegram"]["items"][0].update(sha256="e" * 64))
    (bench.folder / bench.keys[2]).write_bytes(content(3)[::-1])
    code, told = verify(bench)
    assert code == FOUND and told["ledger"] is None
    assert found(told) == {("disputed", bench.keys[0]), ("changed", bench.keys[2])}
    assert not bench.ledger_path.exists()


def test_samples_and_limits(tmp_path: Path) -> None:
    """Everything is compared, and so much of it read."""
    bench = Bench(tmp_path)
    bench.hand_in_many([([Sent(content=number, unique=number)], None) for number in range(60)])
    assert verify(bench, Wanted(limit=7))[1]["read_objects"] == 7
    assert verify(bench, Wanted(limit=0))[1]["read_objects"] == 0
    assert verify(bench, Wanted(percent=100.0))[1]["read_objects"] == 60
    assert 1 <= verify(bench, Wanted(percent=50.0))[1]["read_objects"] <= 59
    (bench.folder / bench.keys[30]).unlink()
    code, told = verify(bench, Wanted(limit=3))
    assert code == FOUND and ("missing", bench.keys[30]) in found(told)


class Slow(FolderStore):
    """Counts what is read; at the `cut`th piece of a file it is away, or the check is cancelled there."""

    read_keys: list[str]
    cut: int
    scope: anyio.CancelScope | None

    async def read(self, key: str, offset: int, length: int) -> bytes:
        if not is_artifact_key(key):
            self.read_keys.append(key)
            if len(self.read_keys) == self.cut:
                if self.scope is None:
                    raise DatabaseUnavailable("the disk is full")
                self.scope.cancel()
                await anyio.sleep_forever()
        return await super().read(key, offset, length)


@pytest.mark.parametrize("cancelled", [True, False])
def test_who_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cancelled: bool) -> None:
    """What was found before is told at the end, what was read is not read again; another question is a new check."""
    bench = Bench(tmp_path)
    bench.hand_in_many([([Sent(content=number, unique=number)], None) for number in range(12)])
    for key in bench.keys:
        (bench.folder / key).write_bytes((bench.folder / key).read_bytes().swapcase())
    store = Slow(bench.folder, part_size=100)
    store.read_keys, store.cut, store.scope = [], 6, None
    monkeypatch.setattr(parts, "store", lambda _: lambda: store)
    said: list[str] = []
    state = state_of(bench.config, None)

    async def run(wanted: Wanted = ALL) -> int:
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        with anyio.CancelScope() as scope:
            store.scope = scope if cancelled else None
            return await verified(
                bench.config, state, wanted, said.append, said.append, as_json=True, restart=False, told=nothing
            )
        return 130

    if cancelled:
        assert anyio.run(run) == 130
    else:
        with pytest.raises(DatabaseUnavailable):
            anyio.run(run)
    [told] = said
    left = int(told.split(" objects")[0].split()[-1])
    assert 0 < left < 12 and "The same command goes on" in told and state.exists()
    first = set(store.read_keys)
    store.read_keys, store.cut = [], -1
    assert anyio.run(run) == FOUND
    assert len(store.read_keys) == left < 12 and set(store.read_keys) | first == set(bench.keys)
    report = json.loads(said[-1])
    assert report["resumed"] and report["read_objects"] == 12
    assert found(report) == {("changed", key) for key in bench.keys}
    assert not state.exists()
    assert anyio.run(run, Wanted(limit=2)) == FOUND
    assert not json.loads(said[-1])["resumed"]


class Moving(FolderStore):
    """A bot runs beside the check: what was listed as one thing is another by the time that it is looked at."""

    meanwhile: Callable[[], None]

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        async for info in super().list(prefix):
            yield info
        if prefix == "teltubby/":
            self.meanwhile()


def test_what_the_bot_does_meanwhile_is_no_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """New files, a duplicate's object that goes, an artifact that comes after its file, one that is rewritten."""
    bench.put("teltubby/2025/01/curator/77/spare.bin", b"a second copy that the ledger drops")
    early = bench.hand_in([Sent(content=6, unique=6)])
    late = (bench.folder / early).read_bytes()
    (bench.folder / early).unlink()
    store = Moving(bench.folder, part_size=100)

    def meanwhile() -> None:
        bench.put(early, late)
        (bench.folder / "teltubby/2025/01/curator/77/spare.bin").unlink(missing_ok=True)
        bench.hand_in([Sent(content=8, unique=8)], caption="new")
        key = "teltubby/2025/01/curator/3/message.json"
        text = (bench.folder / key).read_text().replace('"notes": null', '"notes": "edited"')
        with bench.ledger() as ledger:
            ledger.submissions.save_artifact(42, 3, text)
            ledger.submissions.artifact_stored(42, 3, None)
        bench.put(key, text.encode())

    store.meanwhile = meanwhile
    monkeypatch.setattr(parts, "store", lambda _: lambda: store)
    code, told = verify(bench)
    assert (code, found(told)) == (WELL, set())


def test_what_is_no_file_of_a_check_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    """A mistyped --state must not empty another database."""
    other = tmp_path / "queue.db"
    with closing(SqliteFile.open(other, newest=1)) as file:
        file.db.conn.execute("CREATE TABLE jobs (id)")
        file.db.conn.execute("PRAGMA user_version = 1")
    for path in (other, bench.ledger_path):
        before = path.read_bytes()
        with pytest.raises(ConfigurationError):
            Catalogue.open(path)
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("version", "error"), [(SCHEMA_VERSION + 1, ConfigurationError), (1, DatabaseUnavailable)], ids=["newer", "older"]
)
def test_a_ledger_of_another_program(bench: Bench, version: int, error: type[Exception]) -> None:
    with bench.ledger() as ledger:
        ledger.file.db.conn.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(error):
        LedgerView.open(bench.ledger_path)
    assert LedgerView.open(bench.home / "no.db") is None


def test_every_kind_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    table = page.partition("## Checking the archive")[2].partition("## Rebuilding")[0]
    assert {kind for kind in Kind if f"`{kind}`" not in table or not kind.meaning} == set()


def test_two_checks_do_not_share_a_file(bench: Bench) -> None:
    catalogue = Catalogue.open(state_of(bench.config, None))
    try:
        with pytest.raises(CheckUnderWay, match="another check is under way"):
            verify(bench)
    finally:
        catalogue.close()


@pytest.mark.anyio
async def test_a_store_that_is_away_for_a_moment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, anyio_backend_name: str
) -> None:
    """A listing goes on where it broke; who is away for too long is told."""
    del anyio_backend_name
    failures = 2

    class Flaky(FolderStore):
        async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
            nonlocal failures
            for count, info in enumerate([info async for info in super().list(prefix)]):
                if count == 3 and failures:
                    failures -= 1
                    raise StoreUnavailable("away")
                yield info

        async def head(self, key: str) -> ObjectInfo | None:
            raise StoreUnavailable("away for long")

    monkeypatch.setattr(reading, "BACKOFF", Backoff(first=1e-6, cap=1e-6))
    store: ObjectStore = Flaky(bench.folder, part_size=100)
    reader = Reader(store, Pace(None))
    plain = FolderStore(bench.folder, part_size=100)
    assert [info async for info in reader.list("teltubby/")] == [info async for info in plain.list("teltubby/")]
    with pytest.raises(StoreUnavailable, match="for long"):
        await reader.head("teltubby/x")


@given(st.floats(1, 1e12), st.lists(st.tuples(st.integers(1, 10**9), st.floats(0, 1e4)), max_size=30))
def test_the_pace_is_never_exceeded(rate: float, reads: list[tuple[int, float]]) -> None:
    """Whatever is read whenever: nothing begins before what came before it is paid for."""
    pace, now, taken = Pace(rate), 0.0, 0
    for size, later in reads:
        now += later
        begins = now + pace.wait(size, now)
        assert begins >= now and begins * rate >= taken * (1 - 1e-9)
        taken += size
    assert Pace(None).wait(10**12, 0.0) == 0.0


def test_amounts() -> None:
    assert [read_rate(text) for text in ("20MB", "1.5 KiB/s", "1000", "2gb")] == [2e7, 1536, 1000, 2e9]
    assert [read_percent(text) for text in ("5%", "0.1 %", "100%")] == [5, 0.1, 100]
    for read, texts in ((read_rate, ("", "0", "fast", "-1MB", "5%")), (read_percent, ("5", "0%", "101%", "-1%", "%"))):
        for text in texts:
            with pytest.raises(ValueError, match="is no"):
                read(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("status", "s3_key", "duplicate_of", "sha256", "size_bytes", "message_id", "job_id", "preview_key")
ITEMS = st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["stored", "queued"]), max_size=8))


@given(ITEMS, JSON, JSON, JSON)
def test_whatever_is_written_in_an_artifact(items: list[dict[str, Any]], chat: Any, at: Any, keys: Any) -> None:
    """It is read, or refused in words."""
    telegram = {"chat_id": chat, "message_id": "1", "items": items}
    artifact = {"schema_version": "1.0", "base_path": "a/", "archive_timestamp_utc": at, "keys": keys}
    try:
        read = read_artifact("a/message.json", json.dumps(artifact | {"telegram": telegram}).encode())
    except NoArtifact as error:
        assert str(error)
    else:
        assert read.members[0] == 1 and all(claim.key.encode() for claim in read.claims)
