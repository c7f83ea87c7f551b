"""HealthActor in a tree: alive when every actor is ready, ready when all that it depends on is, and never waiting."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import anyio
import pytest
from anyio import to_thread
from typer.testing import CliRunner, Result

from teltubby import __version__
from teltubby.actors.health import PATIENT, STALL_SECONDS, HealthActor, unwell_actors
from teltubby.actors.readiness import Outlook
from teltubby.adapters.dependencies import Dependencies
from teltubby.cli import app
from teltubby.errors import ConfigurationError, DatabaseUnavailable
from teltubby.logs import Redaction
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
from tests.virtual_time import BEGINNING

pytestmark = pytest.mark.anyio

WITHIN = 20.0
SECRET = "canary of a passwörd"
TOLD = "cannot reach amqp://u:canary%20of+a%20passw%c3%b6rd@host/"
"""As a library may say it."""


class Patient(Actor[str]):
    """Ready when told so; "die" ends it."""

    async def run(self, context: Context[str]) -> None:
        while (envelope := await context.receive()) is not None:
            if envelope.message == "be ready":
                context.started()
            elif envelope.message == "die":
                raise RuntimeError(f"a bug, {TOLD}")

    async def handle(self, message: str, /) -> None:
        raise NotImplementedError


class Watched:
    """A tree with a HealthActor and a patient."""

    def __init__(self) -> None:
        self.port = free_port()
        self.now = BEGINNING
        self.outlook = Outlook(dependencies=Dependencies(lambda: self.now))
        self.dependency = self.outlook.dependencies.named("store")
        self.trouble: Exception | None = None
        self.looked = 0
        self.outlook.looks.append((self._look, 0.01))
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
            outlook=self.outlook,
            redaction=Redaction([SECRET]),
        )

    async def _look(self) -> None:
        self.looked += 1
        if self.trouble is not None:
            raise self.trouble
        self.outlook.metrics.bucket_used_ratio.set(0.25)

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

    async def answers(self, status: int, path: str = "/healthz") -> dict[str, Any]:
        """Wait until the path does; what it says."""
        with anyio.fail_after(WITHIN):
            while True:
                found, _, body = await self.get(path)
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
        watched.outlook.troubles.enter("intake", "Telegram refuses the bot token")
        assert await watched.answers(200) == {  # no restart would mend it
            "healthy": True,
            "unwell": [],
            "troubles": {"intake": "Telegram refuses the bot token"},
        }
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


async def test_no_page_shows_a_secret() -> None:
    """An actor that crashed, a trouble, and a dependency say what a library said: with the password in it."""
    watched, context = Watched(), Context[Any]("box")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        await watched.answers(503)
        watched.mailbox.ref.tell("be ready")
        await watched.answers(200)
        watched.outlook.troubles.enter("store", SECRET)
        watched.dependency.down(TOLD)
        watched.mailbox.ref.tell("die")
        with anyio.fail_after(WITHIN):
            while "RuntimeError" not in (status := (await watched.get("/status"))[2]):
                await anyio.sleep(0.02)
        pages = [status, *[(await watched.get(path))[2] for path in ("/healthz", "/readyz", "/metrics")]]
        context.stop()
    for page in pages:
        assert "canary" not in page and "passw" not in page
    assert "a bug, cannot reach amqp://" in status and "****" in pages[1] and "****" in pages[2]


async def test_ready_is_when_everything_that_it_depends_on_is_there() -> None:
    watched, context = Watched(), Context[Any]("box")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        unready = await watched.answers(503, "/readyz")
        assert unready["dependencies"]["store"]["detail"] == "not looked at yet"
        watched.dependency.works("s3://bucket/")
        assert "box/wing/patient" in (await watched.answers(503, "/readyz"))["unwell"]
        watched.mailbox.ref.tell("be ready")
        ready = await watched.answers(200, "/readyz")
        assert ready["ready"] and ready["dependencies"]["store"]["state"] == "ok"
        watched.dependency.failed("it answered 503")
        degraded = await watched.answers(200, "/readyz")
        assert degraded["ready"] and degraded["dependencies"]["store"]["state"] == "degraded"
        watched.now += timedelta(seconds=5)
        watched.dependency.failed("it answered 503 again")
        down = (await watched.answers(503, "/readyz"))["dependencies"]["store"]
        assert (down["state"], down["detail"]) == ("down", "it answered 503 again")
        assert down["since"] == watched.now.isoformat()
        watched.now += timedelta(seconds=5)
        watched.dependency.failed("it answers nothing")
        lasting = json.loads((await watched.get("/readyz"))[2])["dependencies"]["store"]
        assert lasting == down | {"detail": "it answers nothing"}, "why may change, since when does not"
        assert (await watched.answers(200))["healthy"], "no restart would bring the store back"
        watched.dependency.works()
        watched.outlook.troubles.enter("intake", "Telegram refuses the bot token")
        assert (await watched.answers(503, "/readyz"))["troubles"] == {"intake": "Telegram refuses the bot token"}
        watched.outlook.troubles.leave("intake")
        assert (await watched.answers(200, "/readyz"))["ready"]
        context.stop()


async def test_who_asks_makes_nobody_look() -> None:
    """However often it is asked, and though a look hangs."""
    watched, context = Watched(), Context[Any]("box")
    watched.outlook.looks[:] = [(anyio.sleep_forever, 0.01)]
    watched.dependency.works()
    watched.mailbox.ref.tell("be ready")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        await watched.answers(200, "/readyz")
        for path in ("/healthz", "/readyz", "/status", "/metrics") * 5:
            assert (await watched.get(path))[0] == 200
        context.stop()
    assert watched.looked == 0


async def test_looks_go_on_whatever_they_come_to() -> None:
    watched, context = Watched(), Context[Any]("box")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        for watched.trouble in (DatabaseUnavailable("locked"), TimeoutError(), RuntimeError("a crash of the asked")):
            before = watched.looked
            with anyio.fail_after(WITHIN):
                while watched.looked < before + 3:
                    await anyio.sleep(0.01)
        assert (await watched.get("/metrics"))[0] == 200
        context.stop()


async def test_metrics_are_served_under_the_names_that_dashboards_know() -> None:
    watched, context = Watched(), Context[Any]("box")
    watched.outlook.metrics.dedup_hits.inc(3)
    watched.dependency.works()
    watched.mailbox.ref.tell("be ready")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        await watched.answers(200)
        status, kind, body = await watched.get("/metrics")
        context.stop()
    assert "\nteltubby_minio_bucket_used_ratio 0.25" in body
    assert '\nteltubby_mailbox_depth{actor="box/wing/patient"} 0.0' in body
    assert '\nteltubby_dependency_state{dependency="store",state="ok"} 1.0' in body
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


def test_an_actor_that_takes_none_of_its_mail_hangs() -> None:
    def ready(name: str, stalled: float) -> Node:
        return Node(name=name, kind="A", state=State.READY, stalled=stalled)

    waits, long = ready("waits", STALL_SECONDS), STALL_SECONDS + 1
    children = (waits, ready("hangs", long), *(ready(name, long) for name in PATIENT))
    node = Node(name="box", kind="Supervisor", state=State.READY, children=children)
    assert unwell_actors(node) == ["box/hangs"]


async def ask(watched: Watched, *options: str) -> Result:
    """`teltubby health`, beside the process."""
    arguments = ["health", "--port", str(watched.port), *options]
    return await to_thread.run_sync(CliRunner().invoke, app, arguments)


async def test_the_command_tells_scripts() -> None:
    watched, context = Watched(), Context[Any]("box")
    nobody = await ask(watched)
    assert nobody.exit_code == 1 and "No teltubby answers on" in nobody.stderr
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.tree.run, context)
        await watched.answers(503)
        unwell = await ask(watched)
        assert unwell.exit_code == 1 and "box/wing/patient is not ready, or hangs" in unwell.stdout
        watched.mailbox.ref.tell("be ready")
        await watched.answers(200)
        well = await ask(watched)
        assert (well.exit_code, well.stdout) == (0, "well\n")
        unready = await ask(watched, "--ready")
        assert unready.exit_code == 1
        assert "store is down since" in unready.stdout and "not looked at yet" in unready.stdout
        watched.dependency.works()
        ready = await ask(watched, "--ready", "--json")
        assert ready.exit_code == 0 and json.loads(ready.stdout)["ready"] is True
        context.stop()
