"""One backend is enough here: what is tried is what is read, and the actors' own tests run on both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.actors.conftest import _no_blocking, virtual_time
from tests.virtual_time import backend_in_virtual_time

__all__ = ["_no_blocking", "virtual_time"]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return backend_in_virtual_time("asyncio")
