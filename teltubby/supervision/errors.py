"""What supervision raises. Every name in these messages is a mailbox's or an actor's path."""


class SupervisionError(Exception):
    """Base of everything that supervision raises by itself."""


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
