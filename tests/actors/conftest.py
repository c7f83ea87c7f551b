"""Actors run on both backends; tests that ask for `virtual_time` on a clock that jumps, the others in real time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from teltubby import flavour
from teltubby.adapters import embedded_control, embedded_questions, embedded_subscription
from tests.guards import no_blocking
from tests.virtual_time import backend_in_virtual_time, use_virtual_time


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if "virtual_time" in request.fixturenames:
        return backend_in_virtual_time(request.param)
    return request.param, flavour.backend_options(request.param)


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The clock jumps and threads run inline.

    The embedded queue is seldom looked at for messages of other processes: in one process the doorbell rings, and a
    look in every second of the hours that jump by would be half of what these tests cost.
    """
    use_virtual_time(monkeypatch)
    if "two_processes" not in request.fixturenames:
        for module in (embedded_control, embedded_questions, embedded_subscription):
            monkeypatch.setattr(module, "POLL_SECONDS", 30.0)


@pytest.fixture
def two_processes() -> None:
    """Named by tests whose wings have a doorbell each, as two processes do."""


@pytest.fixture(autouse=True)
def _no_blocking(request: pytest.FixtureRequest) -> Iterator[None]:
    """What runs inline in place of a thread may block: that is what threads are for."""
    in_real_time = "anyio_backend" in request.fixturenames and "virtual_time" not in request.fixturenames
    with no_blocking() if in_real_time else nullcontext():
        yield
