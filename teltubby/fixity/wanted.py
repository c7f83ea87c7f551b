"""What a check is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be checked: of all contents `percent`, or `limit` of them, or all; bytes per second at most."""

    percent: float | None = None
    limit: int | None = None
    rate: float | None = None

    def plan(self, store: str, ledger: Path) -> str:
        """Two checks with the same plan are one; how fast it goes does not matter."""
        return json.dumps([store, str(ledger), self.percent, self.limit])
