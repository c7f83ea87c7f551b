"""Connections in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.supervision.virtual_time import VirtualTimeLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """asyncio-flavoured code; that it can be hosted on trio is shown with sockets, by tests/adapters."""
    return "asyncio", {"loop_factory": VirtualTimeLoop}
