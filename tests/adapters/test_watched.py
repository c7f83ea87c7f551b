"""Adapters that tell how their other side stands: what each answer, failure and loss comes to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from teltubby.adapters.base import Destination, Outgoing
from teltubby.adapters.dependencies import AT_ONCE, LATE, Dependencies, Dependency
from teltubby.adapters.embedded_broker import EmbeddedBroker
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.folder_store import FolderStore
from teltubby.adapters.metrics import Metrics
from teltubby.adapters.watched_bot import BotApiWatch
from teltubby.adapters.watched_broker import WatchedBroker
from teltubby.adapters.watched_parts import WatchedParts
from teltubby.adapters.watched_store import WatchedStore
from teltubby.errors import (
    BrokerUnavailable,
    ChatUnavailable,
    ConnectionLost,
    FileGone,
    FloodWait,
    PartUnavailable,
    PollConflict,
    StoreRefused,
    TelegramUnavailable,
    Unauthorised,
)
from teltubby.messages.health import DependencyState
from teltubby.messages.transfer import FileLocation, RangeHash

OK, DEGRADED, DOWN = DependencyState.OK, DependencyState.DEGRADED, DependencyState.DOWN


class Clock:
    """Tells the time that it was set to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def dependency() -> Dependency:
    return Dependencies().named("it")


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"teltubby_{name}", labels) or 0.0


def test_a_state_lasts_since_it_was_entered_whatever_else_is_told() -> None:
    clock = Clock()
    watched = Dependencies(clock).named("store")
    assert watched.standing.state is DOWN, "what nobody has seen is not there"
    clock.now += timedelta(seconds=1)
    watched.works("first")
    since = clock.now
    clock.now += timedelta(seconds=10)
    watched.works("second")
    assert (watched.standing.state, watched.standing.since, watched.standing.detail) == (OK, since, "second")
    clock.now += timedelta(seconds=4)
    assert watched.silent_seconds == 4


def test_one_failure_is_a_hiccup_and_two_are_an_outage() -> None:
    clock = Clock()
    watched = Dependencies(clock).named("it")
    watched.works()
    watched.failed("once")
    assert watched.standing.state is DEGRADED
    watched.works()
    watched.failed("once more")
    assert watched.standing.state is DEGRADED
    clock.now += AT_ONCE / 2
    watched.failed("at the same time")
    assert watched.standing.state is DEGRADED, "requests beside each other fail of one hiccup"
    clock.now += AT_ONCE / 2
    watched.failed("and again")
    assert watched.standing.state is DOWN
    watched.works()
    assert watched.standing.state is OK


def test_a_question_without_an_answer_is_told_before_it_fails() -> None:
    clock = Clock()
    watched = Dependencies(clock).named("store")
    watched.asked()
    clock.now += 2 * LATE
    assert watched.standing.state is DOWN, "nobody has seen it yet"
    watched.works("well")
    clock.now += 2 * LATE
    assert watched.standing.state is OK, "nobody asks"
    watched.asked()
    asked = clock.now
    clock.now += LATE / 2
    watched.asked()
    assert watched.standing.state is OK
    clock.now += 2 * LATE
    for _ in range(2):
        assert (watched.standing.state, watched.standing.since) == (DEGRADED, asked + LATE)
        clock.now += LATE
    watched.failed("timed out")
    assert (watched.standing.state, watched.standing.detail) == (DEGRADED, "timed out")
    watched.works("well")
    clock.now += 2 * LATE
    assert watched.standing.state is OK, "that was answered"


def test_what_was_down_is_not_degraded_by_another_failure() -> None:
    watched = dependency()
    watched.down("refused")
    watched.failed("timed out")
    assert (watched.standing.state, watched.standing.detail) == (DOWN, "timed out")


@pytest.mark.anyio
async def test_a_store_stands_as_its_requests_end(tmp_path: Path) -> None:
    folder, metrics, watched = tmp_path / "archive", Metrics(), dependency()
    store = WatchedStore(FolderStore(folder, part_size=1 << 20), watched, metrics)
    with pytest.raises(StoreRefused):
        await store.open()
    assert watched.standing.state is DOWN and value(metrics, "store_requests_total", outcome="failed") == 1
    folder.mkdir()
    await store.open()
    assert (watched.standing.state, watched.standing.detail) == (OK, store.location(""))
    body = b"x" * 1000
    digest = hashlib.sha256(body).hexdigest()
    await store.put("teltubby/a", body, content_type="text/plain", sha256=digest)
    assert value(metrics, "uploaded_bytes_total") == 1000
    with pytest.raises(FileGone):  # an answer, if not the one that was hoped for
        await store.get("teltubby/b")
    assert watched.standing.state is OK and value(metrics, "store_requests_total", outcome="failed") == 1
    assert [info.key async for info in store.list("teltubby/")] == ["teltubby/a"]
    upload = await store.begin("teltubby/c", content_type="text/plain")
    part = await store.put_part("teltubby/c", upload, 1, body, sha256=digest)
    assert value(metrics, "uploaded_bytes_total") == 2000
    assert [each.key async for each in store.unfinished("teltubby/")] == ["teltubby/c"]
    await store.complete("teltubby/c", upload, [part])
    assert value(metrics, "store_request_seconds_count") >= 5
    await store.aclose()


@pytest.mark.anyio
async def test_a_broker_stands_as_its_connection_does(tmp_path: Path) -> None:
    metrics, watched = Metrics(), dependency()
    broker = WatchedBroker(EmbeddedBroker(tmp_path / "queue.db", doorbell=Doorbell()), watched, metrics)
    await broker.open()
    assert watched.standing.state is OK and value(metrics, "broker_connections_total") == 1
    await broker.publish(Destination.DEAD, Outgoing(body=b"{}", type="a", message_id="1"))
    assert value(metrics, "messages_published_total", queue="dead") == 1
    assert (await broker.depths())[Destination.DEAD] == 1
    await broker.aclose()
    assert watched.standing.state is DOWN
    since = watched.standing.since
    await broker.aclose()
    assert watched.standing.since == since


@pytest.mark.anyio
async def test_a_broker_that_cannot_be_reached_is_down_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "queue.db").mkdir()
    watched = dependency()
    broker = WatchedBroker(EmbeddedBroker(tmp_path / "queue.db", doorbell=Doorbell()), watched, Metrics())
    with pytest.raises(BrokerUnavailable) as caught:
        await broker.open()
    assert (watched.standing.state, watched.standing.detail) == (DOWN, str(caught.value))


class Hanging(EmbeddedBroker):
    """Is connected, and does nothing more."""

    hangs = False

    async def depths(self) -> Mapping[Destination, int]:
        if self.hangs:
            raise BrokerUnavailable("counting: no answer in time")
        return await super().depths()

    async def publish(self, destination: Destination, message: Outgoing, *, delay: float = 0.0) -> None:
        if self.hangs:
            raise BrokerUnavailable("publishing: no answer in time")
        await super().publish(destination, message, delay=delay)


@pytest.mark.anyio
async def test_a_broker_that_hangs_is_not_well_though_it_is_connected(tmp_path: Path) -> None:
    metrics, clock, hanging = Metrics(), Clock(), Hanging(tmp_path / "queue.db", doorbell=Doorbell())
    watched = Dependencies(clock).named("broker")
    broker = WatchedBroker(hanging, watched, metrics)
    await broker.open()
    hanging.hangs = True
    with pytest.raises(BrokerUnavailable):
        await broker.depths()
    assert (watched.standing.state, watched.standing.detail) == (DEGRADED, "counting: no answer in time")
    clock.now += timedelta(seconds=15)
    with pytest.raises(BrokerUnavailable):
        await broker.publish(Destination.DEAD, Outgoing(body=b"{}", type="a", message_id="1"))
    assert watched.standing.state is DOWN and value(metrics, "messages_published_total", queue="dead") == 0
    hanging.hangs = False
    await broker.depths()
    assert (watched.standing.state, watched.standing.detail) == (OK, "connected")
    hanging.hangs = True
    with pytest.raises(BrokerUnavailable):
        await broker.depths()
    await broker.aclose()
    assert (watched.standing.state, watched.standing.detail) == (DOWN, "counting: no answer in time"), "why it was lost"
    with pytest.raises(BrokerUnavailable):
        await broker.depths()
    hanging.hangs = False
    await broker.open()
    await broker.aclose()
    assert watched.standing.detail == "the connection is closed"


@pytest.mark.anyio
async def test_a_broker_that_counts_for_too_long_is_degraded_meanwhile(tmp_path: Path) -> None:
    clock, standings = Clock(), []
    watched = Dependencies(clock).named("broker")

    class Slow(EmbeddedBroker):
        async def depths(self) -> Mapping[Destination, int]:
            clock.now += LATE
            standings.append(watched.standing.state)
            return await super().depths()

    broker = WatchedBroker(Slow(tmp_path / "queue.db", doorbell=Doorbell()), watched, Metrics())
    await broker.open()
    await broker.depths()
    assert standings == [DEGRADED] and watched.standing.state is OK
    await broker.aclose()


class Parts:
    """Gives parts, or what it was told to raise."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def fetch(self, location: FileLocation, offset: int, length: int) -> bytes:
        if self.error is not None:
            raise self.error
        return b"x" * length

    async def hashes(self, location: FileLocation, offset: int) -> Sequence[RangeHash]:
        return ()

    async def aclose(self) -> None:
        """It is closed."""


@pytest.mark.anyio
async def test_parts_are_counted_as_they_come_and_as_they_do_not() -> None:
    metrics, source = Metrics(), "mtproto_user"
    where = FileLocation(data_centre=2, document_id=1, access_hash=1, file_reference=b"", size=4096)
    assert len(await WatchedParts(Parts(), metrics, source=source).fetch(where, 0, 4096)) == 4096
    for error in (FloodWait(3), PartUnavailable("busy"), ConnectionLost("cut")):
        with pytest.raises(type(error)):
            await WatchedParts(Parts(error), metrics, source=source).fetch(where, 0, 4096)
    assert value(metrics, "downloaded_bytes_total", source=source) == 4096
    assert value(metrics, "parts_failed_total", source=source) == 2
    assert value(metrics, "flood_waits_total", source=source) == 1
    assert value(metrics, "flood_wait_seconds_total", source=source) == 3


@pytest.mark.parametrize(
    "error, state, outcome",
    [
        (TelegramUnavailable("bad gateway"), DEGRADED, "failed"),
        (FloodWait(7), DEGRADED, "failed"),
        (PollConflict("another"), DEGRADED, "failed"),
        (Unauthorised("401"), DOWN, "failed"),
        (ChatUnavailable("blocked"), OK, "ok"),
    ],
)
def test_what_the_bot_api_says_tells_how_it_is(error: Exception, state: DependencyState, outcome: str) -> None:
    metrics, watched = Metrics(), dependency()
    watch = BotApiWatch(watched, metrics)
    watch.answered()
    before = value(metrics, "bot_api_requests_total", outcome=outcome)
    assert isinstance(error, TelegramUnavailable | FloodWait | PollConflict | Unauthorised | ChatUnavailable)
    watch.failed(error)
    assert watched.standing.state is state
    assert value(metrics, "bot_api_requests_total", outcome=outcome) == before + 1
    assert value(metrics, "flood_wait_seconds_total", source="bot_api") == (
        7 if state is DEGRADED and "7" in str(error) else 0
    )
