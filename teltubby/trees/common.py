"""What every process has: a root whose first child tells how the tree does."""

from __future__ import annotations

from collections.abc import Sequence

from teltubby.actors.health import HealthActor
from teltubby.actors.readiness import LOOK_SECONDS, Outlook
from teltubby.actors.unwell import look_at_crashes
from teltubby.adapters.clock import utc_now
from teltubby.config import Config
from teltubby.logs import Redaction
from teltubby.supervision import ChildSpec, Node, Supervisor


def root(name: str, config: Config, outlook: Outlook, wing: Sequence[ChildSpec | Supervisor]) -> Supervisor:
    """The tree of a process: `health`, then `wing`."""
    host = "127.0.0.1" if config.health.localhost_only else "0.0.0.0"
    port = config.health.port

    def snapshot() -> Node:
        return tree.snapshot()

    def health() -> HealthActor:
        redaction = Redaction(config.secrets())
        return HealthActor(host=host, port=port, snapshot=snapshot, outlook=outlook, redaction=redaction)

    outlook.looks.append((look_at_crashes(snapshot, outlook, clock=utc_now), LOOK_SECONDS))
    tree = Supervisor(name, [ChildSpec("health", health), *wing])
    return tree
