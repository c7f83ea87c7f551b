"""When a worker collects channels: by the flags alone, with the session that it takes, and else it says why not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from teltubby.actors.readiness import Outlook
from teltubby.actors.troubles import Troubles
from teltubby.actors.upload import UploadActor
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.config import Role, load
from teltubby.errors import ConfigurationError
from teltubby.messages.collector import CollectorMessage
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SessionChanged, SessionStanding, SessionState
from teltubby.supervision import ChildSpec, Mailbox, Node
from teltubby.trees import parts
from teltubby.trees.box import box_tree
from teltubby.trees.collecting import NOTHING_TO_COLLECT, announced, say_what_is_off
from teltubby.trees.worker import WorkerMail, worker_tree, worker_wing

HISTORY = {"MTPROTO_ENABLED": "true", "MTPROTO_HISTORY_ENABLED": "true"}
UPDATES = {"MTPROTO_ENABLED": "true", "MTPROTO_UPDATES_ENABLED": "true"}


def settings(folder: Path, **more: str) -> dict[str, str]:
    return {
        "TELEGRAM_BOT_TOKEN": "1:token",
        "TELEGRAM_WHITELIST_IDS": "1",
        "MTPROTO_API_ID": "1",
        "MTPROTO_API_HASH": "0123456789abcdef",
        "STORAGE_FOLDER": str(folder),
        **more,
    }


def children_of_telegram(folder: Path, **more: str) -> list[str]:
    tree = worker_tree(load(Role.WORKER, settings(folder, **more), None)).snapshot()
    return [child.name for child in named(tree, "telegram").children]


def test_there_is_room_for_a_look_at_the_store_beside_every_job(tmp_path: Path) -> None:
    """Or the look would wait for hours, and the UploadActor be taken for one that hangs."""
    config = load(Role.WORKER, settings(tmp_path, WORKER_CONCURRENCY="3", QUEUE_BACKEND="embedded"), None, checks=())
    broker = parts.broker(config, Doorbell(), client="test")
    wing = worker_wing(config, broker, WorkerMail(), Outlook(), first_copy=parts.first_copy(config, nothing_known))
    (upload,) = [child.start() for child in wing if isinstance(child, ChildSpec) and child.name == "upload"]
    assert isinstance(upload, UploadActor) and upload.width == 3 + 1


async def nothing_known(sha256: str) -> None:
    """It is the first copy."""


def named(node: Node, name: str) -> Node:
    return next(child for child in node.children if child.name == name)


@pytest.mark.parametrize("flags", [HISTORY, UPDATES])
def test_it_collects_last_over_the_persons_session_whatever_the_routes(tmp_path: Path, flags: dict[str, str]) -> None:
    assert children_of_telegram(tmp_path, **flags, MTPROTO_ROUTES="bot") == [
        "bot_session",
        "user_session",
        "download",
        "collector",
    ]


@pytest.mark.parametrize(
    "flags", [{}, {"MTPROTO_ENABLED": "true"}, {"MTPROTO_HISTORY_ENABLED": "true", "MTPROTO_UPDATES_ENABLED": "true"}]
)
def test_without_the_flags_there_is_neither(tmp_path: Path, flags: dict[str, str]) -> None:
    assert children_of_telegram(tmp_path, **flags, MTPROTO_ROUTES="bot") == ["bot_session", "download"]


def test_what_names_no_channel_is_a_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        children_of_telegram(tmp_path, **HISTORY, MTPROTO_PEERS="@news,https://example.org,+4912345")
    assert caught.value.mistakes == (
        "MTPROTO_PEERS has 'https://example.org', but that link does not lead to Telegram (t.me).",
        "MTPROTO_PEERS has '+4912345', but that is a phone number, not a channel.",
    )


def test_its_database_is_a_file_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"MTPROTO_DATABASE_PATH is .* must differ from SQLITE_PATH"):
        load(Role.BOX, settings(tmp_path, SQLITE_PATH="/data/x.db", MTPROTO_DATABASE_PATH="/data/x.db"), None)


def test_without_telethon_the_box_runs_and_says_what_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    missing = "telethon not installed (pip install 'teltubby[mtproto]')"
    monkeypatch.setattr(parts, "mtproto_missing", lambda config: missing)
    tree = box_tree(load(Role.BOX, settings(tmp_path, **UPDATES), None)).snapshot()
    assert [child.name for child in tree.children] == ["health", "bot"]
    assert [record.getMessage() for record in caplog.records] == [f"channels are not collected: {missing}"]


@pytest.mark.parametrize(
    ("flags", "missing", "said", "trouble"),
    [
        (HISTORY, "no api id", "channels are not collected: no api id", {"collector"}),
        (HISTORY, None, None, set()),
        ({"MTPROTO_ENABLED": "true"}, None, NOTHING_TO_COLLECT, set()),
        ({}, "no api id", None, set()),
    ],
)
def test_what_is_said_of_flags(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    flags: dict[str, str],
    missing: str | None,
    said: str | None,
    trouble: set[str],
) -> None:
    troubles = Troubles()
    with caplog.at_level(logging.WARNING):
        say_what_is_off(load(Role.BOX, settings(tmp_path, **flags), None), troubles, missing=missing)
    assert [record.getMessage() for record in caplog.records] == ([] if said is None else [said])
    assert set(troubles.reasons) == trouble


def test_news_of_the_session_reach_queue_and_collector_and_a_full_mailbox_stops_neither() -> None:
    queue, collector = Mailbox[SessionChanged]("queue"), Mailbox[CollectorMessage]("collector", capacity=1)
    announce = announced(queue.ref, collector)
    at = datetime(2026, 11, 21, tzinfo=UTC)
    news = SessionChanged(
        standing=SessionStanding(account=AccountKind.USER, state=SessionState.READY, detail="", since=at)
    )
    for _ in range(3):
        announce(news)
    assert (queue.depth, collector.depth) == (3, 1)
    announced(queue.ref, None)(news)
    assert (queue.depth, collector.depth) == (4, 1)
