"""Marks for tests that one backend is enough for: what they are about is not the event loop, and time is short."""

from __future__ import annotations

import pytest

ON_ASYNCIO = pytest.mark.parametrize("backend", ["asyncio"])
ON_TRIO = pytest.mark.parametrize("backend", ["trio"])
