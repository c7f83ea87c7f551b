"""Why the demonstration could not be finished."""

from __future__ import annotations


class DemoFailed(Exception):
    """The demonstration ends here; the text is for people, `details` is what they need to find the cause."""

    def __init__(self, text: str, *, details: str = "") -> None:
        super().__init__(text)
        self.details = details
