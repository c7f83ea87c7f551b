"""HealthActor in a tree: healthy only when every actor is ready, and the tree as it is now."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import Any

import anyio
import pytest
from anyio import to_thread

from teltubby import __version__
from teltubby.actors.health import HealthActor, unwell_actors
from teltubby.actors.troubles import Troubles
from teltubby.adapters.metrics import Metrics
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from teltubby.supervision import (
    Actor,
    ChildSpec,
    Context,
    IntensityExceeded,
    Mailbox,
    Node,
    Restart,
    State,
    Supervisor,
    render,
)
from tests.servers.ports import free_port

pytestmark = pytest.mark.anyio

WITHIN = 20.0


class Patient(Actor[str]):
    """Ready when told so; "die" ends it."""

    async def run(self, context: Context[str]) -> None:
        while (envelope := await context.receive()) is not None:
            if envelope.message == "be ready":
                context.started()
            elif envelope.message == "die":
                raise RuntimeError("a bug")

    async def handle(self, message: str, /) -> None:
        raise NotImplementedError


class Watched:
    """A tree with a HealthActor and a patient."""

    def __init__(self) -> None:
        self.port = free_port()
        self.metrics = Metrics()
        self.troubles = Troubles()
        self.trouble: Exception | None = None
        self.measured = 0
        self.mailbox = Mailbox[str]("patient")
        self.tree = Supervisor(
            "box",
            [
                ChildSpec("health", self._health),
                Supervisor("wing", [ChildSpec("patient", Patient, mailbox=self.mailbox)]),
                ChildSpec("visitor", Visitor, restart=Restart.TEMPORARY),
            ],
        )

    def _health(self) -> HealthActor:
        return HealthActor(
            host="127.0.0.1",
            port=self.port,
            snapshot=self.tree.snapshot,
            troubles=self.troubles,
            metrics=self.metrics,
            measure=self._measure,
        )

    async def _measure(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.measured += 1
        self.metrics.bucket_used_ratio.set(self.measured / 4)

    async def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type, body; 0 while nobody listens."""

        def ask() -> tuple[int, str, str]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
                    return response.status, response.headers["Content-Type"], response.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.headers["Content-Type"], error.read().decode()
            except urllib.error.URLError:
                return 0, "", ""

        return await to_thread.run_sync(ask)

    async def answers(self, status: int) -> dict[str, Any]:
        """Wait until `/healthz` does; what it says."""
        with anyio.fail_after(WITHIN):
            while True:
                found, _, body = await self.get("/healthz")
                if found == status:
                    return dict(json.loads(body))
                await anyio.sleep(0.02)


class Visitor(Actor[str]):
    """Ends by itself, and well."""

    async def run(self, context: Context[str]) -> None:
        context.started()

    async def handle(self, message: str, /) -> None:
        raise NotImplementedError


async def test_healthy_is_when_every_actor_is_ready() -> None:
    watched, context = Watched(), Context[Any]("box")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        assert await watched.answers(503) == {
            "healthy": False,
            "unwell": ["box", "box/wing", "box/wing/patient", "box/visitor"],
            "troubles": {},
        }
        watched.mailbox.ref.tell("be ready")
        assert await watched.answers(200) == {"healthy": True, "unwell": [], "troubles": {}}
        watched.mailbox.ref.tell("die")
        watched.mailbox.ref.tell("stay unready")
        assert "box/wing/patient" in (await watched.answers(503))["unwell"]
        watched.mailbox.ref.tell("be ready")
        assert (await watched.answers(200))["healthy"]
        watched.troubles.enter("intake", "Telegram refuses the bot token")
        assert (await watched.answers(503))["troubles"] == {"intake": "Telegram refuses the bot token"}
        watched.troubles.leave("intake")
        assert (await watched.answers(200))["healthy"]
        context.stop()


async def test_the_status_is_the_tree_as_it_is() -> None:
    watched, context = Watched(), Context[Any]("box")
    watched.mailbox.ref.tell("be ready")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        await watched.answers(200)
        status, kind, body = await watched.get("/status")
        told = json.loads(body)
        assert (status, kind) == (200, "application/json; charset=utf-8")
        assert told["version"] == __version__
        assert Node.from_dict(told["snapshot"]) == watched.tree.snapshot()
        assert told["tree"] == render(watched.tree.snapshot())
        context.stop()


async def test_metrics_are_served_under_the_names_that_dashboards_know() -> None:
    watched, context = Watched(), Context[Any]("box")
    watched.metrics.dedup_hits.inc(3)
    watched.mailbox.ref.tell("be ready")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        await watched.answers(200)
        status, kind, body = await watched.get("/metrics")
        for watched.trouble in (DatabaseUnavailable("locked"), TimeoutError()):
            assert "\nteltubby_minio_bucket_used_ratio 0.25" in (await watched.get("/metrics"))[2]
        watched.trouble = None
        assert "\nteltubby_minio_bucket_used_ratio 0.5" in (await watched.get("/metrics"))[2]
        context.stop()
    assert status == 200 and kind.startswith("text/plain; version=0.0.4")
    names = [
        "teltubby_ingested_messages_total",
        "teltubby_ingested_bytes_total",
        "teltubby_skipped_items_total",
        "teltubby_minio_bucket_used_ratio",
        "teltubby_processing_seconds_bucket",
        "teltubby_jobs_created_total",
        "teltubby_jobs_completed_total",
        "teltubby_jobs_failed_total",
        "teltubby_jobs_retried_total",
    ]
    for name in names:
        assert f"\n{name}" in body, name
    assert "\nteltubby_dedup_hits_total 3.0" in body


async def test_a_port_that_is_taken_ends_the_process_with_the_mistake() -> None:
    watched = Watched()
    with (
        socket.create_server(("127.0.0.1", watched.port)),
        anyio.fail_after(WITHIN),
        pytest.raises((ConfigurationError, IntensityExceeded)) as caught,
    ):
        await watched.tree.run(Context[Any]("box"))
    causes = [caught.value, caught.value.__cause__]
    assert any(isinstance(cause, ConfigurationError) and "HEALTH_PORT" in str(cause) for cause in causes)


def test_whatever_is_not_ready_or_finished_is_unwell() -> None:
    children = tuple(Node(name=state.value, kind="A", state=state) for state in State)
    node = Node(name="box", kind="Supervisor", state=State.READY, children=children)
    well = {State.READY, State.FINISHED}
    assert unwell_actors(node) == [f"box/{state.value}" for state in State if state not in well]
