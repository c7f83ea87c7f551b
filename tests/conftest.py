"""What all tests share: both backends in real time, and guards against the network and against blocking."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import settings
from structlog.stdlib import ProcessorFormatter

from teltubby import flavour
from teltubby.supervision import SupervisionError
from tests.byte_code import make_byte_code
from tests.guards import LoopbackGuard, no_blocking
from tests.one_authority import trust_one_authority
from tests.short_secrets import shorten_secrets

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=2500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "local"))

_guard = LoopbackGuard()


def pytest_configure(config: pytest.Config) -> None:
    """Guard the whole session, collection and fixtures of any scope included."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        make_byte_code(config)
    _guard.install()
    trust_one_authority()
    shorten_secrets()


def pytest_collection_finish() -> None:
    """All that is imported by now stays; walking it again and again is a sixth of the processor's time of the tests."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Leave sockets as they were."""
    _guard.remove()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Async tests run on both backends, in real time; a folder with another need overrides this fixture."""
    return request.param, flavour.backend_options(request.param)


@pytest.fixture
async def hosted_loop() -> AsyncIterator[None]:
    """The loop of asyncio-flavoured code; async tests in real time have it anyway."""
    async with flavour.hosted():
        yield


@pytest.fixture(autouse=True)
def _hosted(request: pytest.FixtureRequest) -> None:
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend")
        name, options = (backend, {}) if isinstance(backend, str) else backend
        if name == "trio" and "clock" not in options:  # a mock clock cannot jump while asyncio code waits for sockets
            request.getfixturevalue("hosted_loop")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that a test runs in this process configures logging for all of it, and for every test after."""
    root, ours = logging.getLogger(), logging.getLogger("teltubby")
    levels, handlers, hooks = (root.level, ours.level), [*root.handlers], (sys.excepthook, threading.excepthook)
    scrub = SupervisionError.scrub
    yield
    SupervisionError.scrub = scrub
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    if any(isinstance(handler.formatter, ProcessorFormatter) for handler in root.handlers):
        logging.captureWarnings(False)
        root.handlers[:] = handlers
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture(autouse=True)
def _no_blocking(request: pytest.FixtureRequest) -> Iterator[None]:
    with no_blocking() if "anyio_backend" in request.fixturenames else nullcontext():
        yield


@pytest.fixture(autouse=True)
def loopback_guard() -> Iterator[LoopbackGuard]:
    """Fails the test that tried to leave this machine, even if it caught the error."""
    _guard.attempts.clear()
    yield _guard
    if _guard.attempts:
        pytest.fail(f"the test tried to {', '.join(_guard.attempts)}")
