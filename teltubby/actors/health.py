"""HealthActor: what the process says of itself over HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Never

from anyio import to_thread

from teltubby import __version__
from teltubby.actors.readiness import Outlook, versions
from teltubby.adapters.http_server import HttpServer, Page
from teltubby.adapters.tree_metrics import TreeMetrics
from teltubby.logs import Redaction
from teltubby.messages.health import DependencyState
from teltubby.supervision import Actor, Context, Node, State, render

_LOG = logging.getLogger(__name__)

_JSON = "application/json; charset=utf-8"
_WELL = (State.READY, State.FINISHED)

STALL_SECONDS = 900.0
"""An actor hangs that takes none of its mail for so long: longer than anything takes that is done one by one."""
PATIENT = ("bot",)
"""Actors that wait for Telegram with what they have taken: when it is away for long, their mail waits too."""


class HealthActor(Actor[Never]):
    """Serves what is in memory: `/healthz`, `/readyz`, `/status` and `/metrics`; no request makes it ask anybody.

    Beside that it takes the outlook's looks. The errors that it tells of may be those of libraries: `redaction` takes
    secrets out of them.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        snapshot: Callable[[], Node],
        outlook: Outlook,
        redaction: Redaction | None = None,
    ) -> None:
        self._redaction = redaction or Redaction()
        self._snapshot = snapshot
        self._outlook = outlook
        self._versions: Mapping[str, str] = {}
        self._tree = TreeMetrics(
            snapshot=snapshot, dependencies=outlook.dependencies, troubles=lambda: outlook.troubles.reasons
        )
        self._server = HttpServer(
            host=host,
            port=port,
            pages={
                "/healthz": self._healthz,
                "/readyz": self._readyz,
                "/status": self._status,
                "/metrics": self._render_metrics,
            },
        )

    async def setup(self) -> None:
        self._versions = await to_thread.run_sync(versions)
        port = await self._server.open()
        self._outlook.metrics.registry.register(self._tree)
        _LOG.info("health, status and metrics on port %d", port)

    async def teardown(self) -> None:
        self._outlook.metrics.registry.unregister(self._tree)
        await self._server.aclose()

    async def handle(self, message: Never, /) -> None:
        raise AssertionError(f"nobody writes to the HealthActor: {message}")

    async def run(self, context: Context[Never]) -> None:
        context.started()
        with context.interruptible():
            await self._outlook.keep_looking()
        await context.stopping.wait()

    async def _healthz(self) -> Page:
        """Liveness: restart the process where this says no. Troubles are told too, but no restart mends them."""
        unwell = list(unwell_actors(self._snapshot()))
        report = {"healthy": not unwell, "unwell": unwell, "troubles": self._outlook.troubles.reasons}
        return self._page(report, well=not unwell)

    async def _readyz(self) -> Page:
        """Readiness: the work goes on, all of it."""
        unwell, troubles = list(unwell_actors(self._snapshot())), self._outlook.troubles.reasons
        standings = self._outlook.dependencies.standings()
        ready = not unwell and not troubles and all(each.state is not DependencyState.DOWN for each in standings)
        report = {"ready": ready, "unwell": unwell, "troubles": troubles, "dependencies": self._dependencies()}
        return self._page(report, well=ready)

    async def _status(self) -> Page:
        node = self._snapshot()
        status = {
            "version": __version__,
            "versions": self._versions,
            "tree": render(node),
            "snapshot": node.as_dict(),
            "dependencies": self._dependencies(),
            "troubles": self._outlook.troubles.reasons,
            **self._outlook.facts,
        }
        return self._page(status, well=True)

    async def _render_metrics(self) -> Page:
        body = self._outlook.metrics.render()
        return Page(body=body, content_type="text/plain; version=0.0.4; charset=utf-8")

    def _page(self, report: Mapping[str, object], *, well: bool) -> Page:
        body = json.dumps(self._redaction.value(report)).encode()
        return Page(body=body, content_type=_JSON, status=200 if well else 503)

    def _dependencies(self) -> Mapping[str, Mapping[str, str]]:
        return {
            each.name: {"state": each.state, "since": each.since.isoformat(timespec="seconds"), "detail": each.detail}
            for each in self._outlook.dependencies.standings()
        }


def unwell_actors(node: Node, path: str = "") -> list[str]:
    """The paths of everything below (and this node itself) that is not ready, or that hangs."""
    here = f"{path}/{node.name}" if path else node.name
    hangs = node.stalled > STALL_SECONDS and node.name not in PATIENT
    found = [here] if hangs or node.state not in _WELL else []
    return found + [name for child in node.children for name in unwell_actors(child, here)]
