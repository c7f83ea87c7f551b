"""What supervision raises. Every name in these messages is a mailbox's or an actor's path."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar


def _as_it_is(text: str) -> str:
    return text


class SupervisionError(Exception):
    """Base of everything that supervision raises by itself.

    The text of an error ends before people and in files. Whoever knows the secrets of the process has them taken out of
    every such text, by setting `scrub`: what quotes a library, or the other side, may quote one.
    """

    scrub: ClassVar[Callable[[str], str]] = _as_it_is

    def __str__(self) -> str:
        return SupervisionError.scrub(super().__str__())

    def says(self, *words: str) -> bool:
        """Whether any of these stands in the text, in upper or lower case, as it was before it was scrubbed: nobody's
        password may be a word that something is decided by.
        """
        text = super().__str__().lower()
        return any(each.lower() in text for each in words)


class MailboxFull(SupervisionError):
    """The mailbox is at its capacity and the sender did not want to wait."""

    def __init__(self, mailbox: str, capacity: int) -> None:
        super().__init__(f"{mailbox}: mailbox is full ({capacity} messages)")
        self.mailbox = mailbox


class ActorStopped(SupervisionError):
    """The actor has stopped for good, so the message was not handled to its end."""

    def __init__(self, mailbox: str) -> None:
        super().__init__(f"{mailbox}: actor has stopped")
        self.mailbox = mailbox


class ActorCrashed(SupervisionError):
    """The incarnation that held the message ended before it answered, for a reason other than that message."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class NotReady(SupervisionError):
    """The incarnation did not report itself ready in time."""

    def __init__(self, path: str, within: float) -> None:
        super().__init__(f"{path}: not ready within {within:g} s")
        self.path = path


class IntensityExceeded(SupervisionError):
    """A supervisor gave up: its children were restarted more often than its intensity allows.

    `path` is the child whose exit was one too many; that child's own error is the `__cause__`.
    """

    def __init__(self, path: str, *, restarts: int, within: float, last_error: str | None) -> None:
        super().__init__(f"{path}: more than {restarts} restarts in {within:g} s; {last_error or 'ended'}")
        self.path = path


class Fatal(SupervisionError):
    """A crash that no restart can mend, a wrong configuration for example: every supervisor above gives up at once.

    Only an incarnation's own end is meant. A handler that raises it to its asker (if it is a Refused too) does not end.
    """


class Refused(SupervisionError):
    """A negative answer: raised in a handler it goes to the asker and is no crash."""
