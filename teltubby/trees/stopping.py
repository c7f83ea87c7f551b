"""How long an ordered end can take."""

from __future__ import annotations

import math

from teltubby.supervision import Supervisor

LEAVING_SECONDS = 15
"""From the tree's end to the process's, on a busy machine."""


def stop_seconds(tree: Supervisor) -> int:
    """What who ends the process waits before it uses force: stopwaitsecs of supervisord, StopTimeout of Podman."""
    return math.ceil(tree.stop_within) + LEAVING_SECONDS
