"""What a worker asks the bot across the broker, and what it is told: within seconds, or not at all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCopyAsked:
    """Which object holds the bytes of this SHA-256 (hex) already?"""

    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCopyTold:
    """The bytes of `sha256` are under `key`; None when the ledger does not know them.

    It repeats what was asked: taken for the answer to another question, it would cost a file its only copy.
    """

    sha256: str
    key: str | None
