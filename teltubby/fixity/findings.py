"""What a check of the archive can find, and what it means."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What is wrong with an object or an artifact; the value is its name in reports."""

    MISSING = "missing"
    SIZE = "wrong size"
    CONTENT = "changed"
    ORPHAN = "orphan"
    LYING = "lying artifact"
    DISPUTED = "disputed"
    UNREADABLE = "unreadable artifact"
    NO_ARTIFACT = "artifact missing"
    ANOTHER_TEXT = "artifact changed"

    @property
    def meaning(self) -> str:
        """For people."""
        return _MEANINGS[self]


_MEANINGS = {
    Kind.MISSING: "the ledger or an artifact says that it is stored, and it is not there",
    Kind.SIZE: "it has another size than the ledger or an artifact says",
    Kind.CONTENT: "its bytes have another SHA-256 than when it was stored",
    Kind.ORPHAN: "nothing says what it is: no artifact, no row of the ledger",
    Kind.LYING: "it names an object that is not there",
    Kind.DISPUTED: "ledger and artifacts do not agree about its SHA-256",
    Kind.UNREADABLE: "it has an artifact's name, and is none",
    Kind.NO_ARTIFACT: "the ledger says that the store has this artifact, and it is not there",
    Kind.ANOTHER_TEXT: "the artifact is another one than the ledger's",
}
