"""`teltubby sync-history` as people start it: everything comes, once, whatever happens meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teltubby.adapters.session_vault import SessionVault
from teltubby.collector.repositories import CollectorStore
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.nursery import Nursery
from tests.acceptance.polling import eventually
from tests.acceptance.study import Study

SLOW = {"delay": 0.4, "times": 1000}


@pytest.fixture
def study(telegram: SimulatedTelegram, tmp_path: Path, backend: str, nursery: Nursery) -> Iterator[Study]:
    """Nobody is signed in yet."""
    study = Study(telegram, tmp_path, backend, nursery)
    yield study
    study.close()


@pytest.fixture
def signed_in(study: Study) -> Study:
    """The reader is."""
    study.sign_in()
    return study


def test_all_of_a_channel_and_then_what_is_new(signed_in: Study) -> None:
    ended = signed_in.runs("sync-history", "--limit", "100000")
    assert ended.code == 0, ended.complained
    [told] = ended.summary["channels"]
    assert signed_in.stored_ids() == signed_in.world_ids()
    assert told["backfill_done"] and told["trouble"] is None and told["new"] == ended.summary["new"] == 350
    assert (told["peer"], told["title"], ended.summary["interrupted"]) == ("@news", "News", False)
    world = signed_in.telegram.world
    signed_in.in_world(lambda: world.send(signed_in.reader, signed_in.channel, "the newest"))
    again = signed_in.runs("https://t.me/news", module="teltubby.tasks.sync_history")
    assert again.code == 0 and again.summary["new"] == 1, again.complained
    assert signed_in.stored_ids() == signed_in.world_ids()


@ON_ASYNCIO
def test_the_limit_is_that_of_older_messages_in_one_run(signed_in: Study) -> None:
    assert signed_in.runs("sync-history", MTPROTO_HISTORY_LIMIT_PER_RUN="120").summary["new"] == 120
    by_id = str(signed_in.channel.bot_api_id)
    assert signed_in.runs("sync-history", by_id, "--limit", "100").summary["new"] == 100
    newest = signed_in.world_ids()[-220:]
    assert signed_in.stored_ids() == newest


@pytest.mark.parametrize(
    ("backend", "number", "pages"),
    [("asyncio", signal.SIGTERM, 2), ("trio", signal.SIGINT, 0)],
    ids=["SIGTERM", "SIGINT"],
)
def test_interrupted_it_keeps_what_is_stored_and_goes_on_from_there(
    signed_in: Study, number: signal.Signals, pages: int
) -> None:
    if number is signal.SIGTERM:
        signed_in.nursery = None
    signed_in.fault("messages.getHistory", **SLOW)
    running = signed_in.begin("sync-history", "--limit", "100000")
    eventually(lambda: signed_in.called("messages.getHistory") > pages, within=60, what="history to be read")
    ended = running.interrupt(number)
    assert ended.code == 130, ended.complained
    assert "Traceback" not in ended.complained
    assert ended.summary["interrupted"] and len(ended.summary["channels"]) == 1
    kept = signed_in.stored_ids()
    assert len(kept) < 350 and kept == signed_in.world_ids()[350 - len(kept) :]
    signed_in.in_world(signed_in.telegram.world.faults.clear)
    rest = signed_in.runs("sync-history", "--limit", "100000")
    assert rest.code == 0 and rest.summary["new"] == 350 - len(kept), rest.complained
    assert signed_in.stored_ids() == signed_in.world_ids()


def test_interrupted_while_it_connects(signed_in: Study) -> None:
    signed_in.fault("users.getUsers", silent=True, times=10)
    before = signed_in.called("users.getUsers")
    running = signed_in.begin("sync-history")
    eventually(lambda: signed_in.called("users.getUsers") > before, within=60, what="a connection")
    ended = running.interrupt(signal.SIGTERM)
    assert ended.code == 130 and "Traceback" not in ended.complained, ended.complained


@ON_TRIO
def test_a_flood_wait_is_waited_for_and_a_lost_connection_made_anew(signed_in: Study) -> None:
    signed_in.fault("messages.getHistory", message="FLOOD_WAIT_2", skip=1)
    signed_in.fault("messages.getHistory", cut=True, skip=2)
    ended = signed_in.runs("sync-history", "--limit", "100000")
    assert ended.code == 0, ended.complained
    assert "waiting for 2 s" in ended.complained
    assert signed_in.stored_ids() == signed_in.world_ids()


@ON_ASYNCIO
def test_one_channel_that_is_away_does_not_stop_the_others(signed_in: Study) -> None:
    other = signed_in.add_channel("weather", 30)
    ended = signed_in.runs("sync-history", "@nobody_there", "@weather", "@news", "--limit", "100000")
    assert ended.code == 1
    troubles = {channel["peer"]: channel["trouble"] for channel in ended.summary["channels"]}
    assert troubles["@nobody_there"] and not troubles["@weather"] and not troubles["@news"]
    assert signed_in.stored_ids(other) == signed_in.world_ids(other)
    assert signed_in.stored_ids() == signed_in.world_ids()


@ON_ASYNCIO
@pytest.mark.parametrize(
    ("off", "command"),
    [
        ("MTPROTO_ENABLED", "poll-updates"),
        ("MTPROTO_HISTORY_ENABLED", "sync-history"),
    ],
)
def test_with_a_flag_off_telegram_is_not_asked_anything(study: Study, off: str, command: str) -> None:
    ended = study.runs(command, **{off: "false"})
    assert ended.code == 1 and not ended.said
    assert f"teltubby {command} needs {off}=true." in ended.complained
    assert study.called() == 0 and not study.database.exists()


@ON_TRIO
def test_nobody_is_signed_in(study: Study) -> None:
    ended = study.runs("sync-history")
    assert ended.code == 1 and "Nobody is signed in: `teltubby login`" in ended.complained
    assert "Traceback" not in ended.complained


@pytest.mark.parametrize(("backend", "command"), [("asyncio", "sync-history"), ("trio", "poll-updates")])
def test_a_worker_that_runs_has_the_database(study: Study, command: str) -> None:
    with closing(CollectorStore.open(study.database)):
        ended = study.runs(command)
    assert ended.code == 1 and study.called() == 0
    assert "Another process collects into the database" in ended.complained
    assert "A worker that runs has the user session" in ended.complained


@ON_ASYNCIO
def test_a_worker_that_runs_has_the_session(signed_in: Study) -> None:
    vault: SessionVault = signed_in.vault()
    vault.lock()
    try:
        ended = signed_in.runs("sync-history")
    finally:
        vault.unlock()
    assert ended.code == 1 and "Another process uses the session file" in ended.complained
    assert "A worker that runs has the user session" in ended.complained


@ON_ASYNCIO
def test_no_channel_at_all_and_what_is_none(signed_in: Study) -> None:
    nothing = signed_in.runs("sync-history", MTPROTO_PEERS="")
    assert nothing.code == 1 and "No channel is named" in nothing.complained
    wrong = signed_in.runs("sync-history", "https://example.org/news")
    assert wrong.code == 1 and "'https://example.org/news' is no channel" in wrong.complained
    assert signed_in.runs("sync-history", "--limt", "5").code == 2


@ON_TRIO
def test_a_bar_on_a_terminal(signed_in: Study) -> None:
    signed_in.fault("messages.getHistory", **SLOW)
    typed = signed_in.types("sync-history", "--limit", "100000")
    try:
        typed.expect("/ 350")
        typed.expect("left")
        assert typed.ends() == 0, typed.shown
    finally:
        typed.close()
    assert "News" in typed.shown and '"new": 350' in typed.shown
