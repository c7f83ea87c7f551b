"""`teltubby channels add|remove|list`: what people wish is in the database, whoever collects meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teltubby.cli import app
from teltubby.collector.pages import Cursor, Page, Sweep
from teltubby.collector.repositories import CollectorStore
from teltubby.messages.channels import ChannelRef
from teltubby.messages.collected import Channel, ChannelKind, CollectedMessage, Post

NOW = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
ON = {"MTPROTO_ENABLED": "true", "MTPROTO_HISTORY_ENABLED": "true"}


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings say it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTPROTO_DATABASE_PATH", str(tmp_path / "collector.db"))
    return tmp_path / "collector.db"


@pytest.fixture
def owner(database: Path) -> Iterator[CollectorStore]:
    """The store of a worker that collects."""
    with closing(CollectorStore.open(database)) as store:
        yield store


def channels(*arguments: str, **settings: str) -> Result:
    """Run `teltubby channels …`."""
    return CliRunner().invoke(app, ["channels", *arguments], env=ON | settings)


def test_a_channel_is_added_changed_and_removed_beside_the_worker(owner: CollectorStore) -> None:
    added = channels("add", "https://t.me/News")
    assert added.exit_code == 0, added.stderr
    assert "@news is collected from now on; no file of it is archived. A worker that runs notices" in added.stdout
    [tracked] = owner.tracking.all()
    assert (tracked.peer, tracked.user_id, tracked.media) == ("@news", None, None)
    changed = channels("add", "@news", "media=photo,video", "max=500MB")
    assert "@news was collected before; now archived of it: " in changed.stdout
    [tracked] = owner.tracking.all()
    assert tracked.media is not None and tracked.media.max_bytes == 500_000_000
    same = channels("add", "@news", "media=photo,video", "max=500MB")
    assert "was collected before; archived of it: " in same.stdout
    removed = channels("remove", "@news")
    assert removed.exit_code == 0 and "what was collected of it stays" in removed.stdout
    assert owner.tracking.all() == ()


def test_ids_are_no_options(owner: CollectorStore) -> None:
    assert channels("add", "-1001234567890", "media=photo").exit_code == 0
    assert [tracked.peer for tracked in owner.tracking.all()] == ["-1001234567890"]
    assert channels("remove", "-1001234567890").exit_code == 0
    assert channels("add", "--loudly", "@news").exit_code == 2
    assert owner.tracking.all() == ()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("add", "https://example.org/x"), "'https://example.org/x' is no channel"),
        (("add", "@news", "media=paintings"), "paintings"),
        (("remove", "@never"), "@never is not among the channels that were added"),
        (("remove", "@configured"), "stands in MTPROTO_PEERS"),
    ],
)
def test_what_cannot_be_done_changes_nothing(database: Path, arguments: tuple[str, ...], reason: str) -> None:
    result = channels(*arguments, MTPROTO_PEERS="@configured")
    assert result.exit_code == 1 and not result.stdout
    assert reason in result.stderr
    with closing(CollectorStore.open(database)) as store:
        assert store.tracking.all() == ()


def test_it_says_when_nothing_is_collected_at_all(database: Path) -> None:
    assert "Nothing is collected yet: MTPROTO_ENABLED" in channels("add", "@news", MTPROTO_ENABLED="false").stdout


def test_the_list_tells_how_far_each_is(owner: CollectorStore) -> None:
    title = "Ne\x1b[31mws \u202egnp"
    channel = Channel(channel_id=7, username="news", title=title, kind=ChannelKind.CHANNEL, seen_at=NOW)
    owner.channels.record(channel)
    owner.record(Page(channel_id=7, seen_at=NOW, cursor=Cursor(backfill_done=True, complete_at=NOW)))
    missed = Post(channel_id=7, msg_id=3, date=NOW, text="")
    owner.record(
        Page(
            channel_id=7,
            seen_at=NOW,
            messages=(CollectedMessage(post=missed, metrics=None),),
            sweep=Sweep(number=1, below=4),
        )
    )
    owner.tracking.add("@news", user_id=5, at=NOW)
    owner.tracking.found("@news", ChannelRef(7, 1), 99)
    owner.tracking.trouble("@gone", "nobody has that name", NOW)
    told = channels("list", MTPROTO_PEERS="@gone,@news")
    assert told.exit_code == 0, told.stderr
    first, second = told.stdout.splitlines()
    assert first.startswith("@gone  not seen yet") and first.endswith("TROUBLE: nobody has that name")
    assert (
        "1 posts · complete until 2026-11-21T22:00:00+00:00 · 1 to be read again" in second
        and "from MTPROTO_PEERS" in second
    )
    assert "\x1b" not in told.stdout and "\u202e" not in told.stdout
    rows = json.loads(channels("list", "--json").stdout)
    assert [(row["peer"], row["title"], row["backfill_done"], row["is_configured"]) for row in rows] == [
        ("@news", title, True, False)
    ]


def test_an_empty_list_says_what_fills_it(database: Path) -> None:
    told = channels("list")
    assert told.exit_code == 0 and "No channel is collected: `teltubby channels add`" in told.stdout
    assert channels("list", "--json").stdout.strip() == "[]"


def test_a_database_that_cannot_be_had(tmp_path: Path) -> None:
    result = channels("list", MTPROTO_DATABASE_PATH=str(tmp_path / "absent" / "collector.db"))
    assert result.exit_code == 1 and "cannot be opened" in result.stderr
