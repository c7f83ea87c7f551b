"""HealthActor: what the process says of itself over HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Never

from teltubby import __version__
from teltubby.actors.troubles import Troubles
from teltubby.adapters.http_server import HttpServer, Page
from teltubby.adapters.metrics import Metrics
from teltubby.supervision import Actor, Context, Node, State, SupervisionError, render

_LOG = logging.getLogger(__name__)

_JSON = "application/json; charset=utf-8"
Measure = Callable[[], Awaitable[None]]
"""Brings those metrics up to date that nothing counts as it happens."""

_WELL = (State.READY, State.FINISHED)


class HealthActor(Actor[Never]):
    """Serves `/healthz` (503 unless every actor is ready and no operator is needed), `/status` and `/metrics`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        snapshot: Callable[[], Node],
        troubles: Troubles,
        metrics: Metrics,
        measure: Measure,
    ) -> None:
        self._snapshot = snapshot
        self._troubles = troubles
        self._measure = measure
        self._metrics = metrics
        self._server = HttpServer(
            host=host,
            port=port,
            pages={"/healthz": self._healthz, "/status": self._status, "/metrics": self._render_metrics},
        )

    async def setup(self) -> None:
        port = await self._server.open()
        _LOG.info("health, status and metrics on port %d", port)

    async def teardown(self) -> None:
        await self._server.aclose()

    async def handle(self, message: Never, /) -> None:
        raise AssertionError(f"nobody writes to the HealthActor: {message}")

    async def run(self, context: Context[Never]) -> None:
        context.started()
        await context.stopping.wait()

    async def _healthz(self) -> Page:
        unwell = list(unwell_actors(self._snapshot()))
        troubles = self._troubles.reasons
        healthy = not unwell and not troubles
        body = json.dumps({"healthy": healthy, "unwell": unwell, "troubles": troubles}).encode()
        return Page(body=body, content_type=_JSON, status=200 if healthy else 503)

    async def _status(self) -> Page:
        node = self._snapshot()
        status = {"version": __version__, "tree": render(node), "snapshot": node.as_dict()}
        return Page(body=json.dumps(status).encode(), content_type=_JSON)

    async def _render_metrics(self) -> Page:
        with suppress(SupervisionError, TimeoutError):  # what cannot be measured now keeps its last value
            await self._measure()
        return Page(body=self._metrics.render(), content_type="text/plain; version=0.0.4; charset=utf-8")


def unwell_actors(node: Node, path: str = "") -> list[str]:
    """The paths of everything below (and this node itself) that is not ready."""
    here = f"{path}/{node.name}" if path else node.name
    found = [] if node.state in _WELL else [here]
    return found + [name for child in node.children for name in unwell_actors(child, here)]
