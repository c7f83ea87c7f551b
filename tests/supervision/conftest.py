"""Supervision runs on both backends in virtual time: nobody sleeps, and a time is exact."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from teltubby import flavour
from tests.supervision.virtual_time import VirtualTimeLoop


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.param == "asyncio":
        return "asyncio", {**flavour.backend_options("asyncio"), "loop_factory": VirtualTimeLoop}
    return "trio", {**flavour.backend_options("trio"), "clock": trio.testing.MockClock(autojump_threshold=0)}
