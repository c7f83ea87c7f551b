"""What the single box tells its worker of older copies."""

from __future__ import annotations

import pytest

from teltubby.trees.box import reportable

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (None, None),
        ("teltubby/2026/11/ada/1/a.mp4", "teltubby/2026/11/ada/1/a.mp4"),
        ("mtproto/2025/01/27/a.mp4", None),
        ("teltubby-old/a.mp4", None),
    ],
)
async def test_a_copy_that_no_report_may_name_is_not_known(known: str | None, told: str | None) -> None:
    async def ledger(sha256: str) -> str | None:
        assert sha256 == "ab" * 32
        return known

    assert await reportable(ledger)("ab" * 32) == told
