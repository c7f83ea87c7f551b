"""What tests of backups share: one backend, because what is tested is the same on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teltubby import flavour
from tests.unit.backup.installation import Installation


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", flavour.backend_options("asyncio")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Installation]:
    """A box with databases that are open, and sessions."""
    installation = Installation(tmp_path)
    yield installation
    installation.close()
