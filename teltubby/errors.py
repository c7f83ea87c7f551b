"""The errors of teltubby: what failed, and with that whether trying again can help."""

from __future__ import annotations

from teltubby.supervision.errors import Fatal, Refused


class TeltubbyError(Refused):
    """Base of every error that teltubby raises on purpose; its text can be shown to a person.

    Raised while an actor handles a request it is the asker's answer, not a crash: what was foreseen is no bug.
    """


class ConfigurationError(TeltubbyError, Fatal):
    """Settings that cannot work. `mistakes` names all of them, one sentence each."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Transient(TeltubbyError):
    """The other side could not do it now; the same request may succeed later."""


class Permanent(TeltubbyError):
    """The same request will fail for ever; `str(error)` is the reason that people read."""


class TelegramUnavailable(Transient):
    """Telegram did not answer, or answered that it is in trouble."""


class UnreadableAnswer(TelegramUnavailable):
    """Telegram answered in words of a newer layer than we know; to the same request the same answer comes."""


class FloodWait(Transient):
    """Telegram asks for a pause of `seconds` before the same request."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Telegram asks to wait {seconds:g} s")
        self.seconds = seconds


class ReferenceExpired(Transient):
    """The file reference is no longer good: the message has to be asked for again."""


class FileMoved(Transient):
    """The file is at `data_centre`, not where it was asked for."""

    def __init__(self, data_centre: int) -> None:
        super().__init__(f"the file is at data centre {data_centre}")
        self.data_centre = data_centre


class PartUnavailable(TelegramUnavailable):
    """Telegram could not serve this part now; others may go well."""


class ConnectionLost(TelegramUnavailable):
    """The connection is gone, and with it what was in flight on it."""


class PollConflict(Transient):
    """Another process polls with the same bot token, or a webhook is set."""


class WebhookActive(PollConflict):
    """A webhook is set: updates are brought there and cannot be fetched."""


class SessionNotReady(Transient):
    """The MTProto session is not signed in (yet, or any more); a state, not a failure of the job."""


class SessionAway(SessionNotReady):
    """The MTProto session is signed in but not connected now; it comes back by itself."""


class SessionRevoked(SessionNotReady):
    """Telegram ended the session, or its key is dead: somebody has to sign in again."""


class AccountSuspended(SessionNotReady):
    """Telegram closed, banned or froze the account: signing in again does not help."""


class NotSignedIn(SessionNotReady):
    """Nobody is signed in on this session (yet)."""


class PasswordNeeded(Transient):
    """The account has a second factor: its password is needed to go on. `hint` is the owner's own, or empty."""

    def __init__(self, hint: str = "") -> None:
        super().__init__("the account's password (second factor) is needed")
        self.hint = hint


class CodeRejected(Permanent):
    """The login code is wrong or empty; another may be tried."""


class CodeExpired(Permanent):
    """The login code is no longer good (Telegram voids one that is sent in a chat): a new one has to be sent."""


class PasswordRejected(Permanent):
    """The password of the second factor is wrong; another may be tried."""


class WrongAccount(Permanent):
    """Another account signed in than the configuration names."""


class SessionFileUnusable(Transient):
    """The session file is held by another process, or cannot be read or written."""


class SessionFileDamaged(TeltubbyError):
    """The session file is no session, was made with another key or for another api id; an operator must act."""


class BrokerUnavailable(Transient):
    """The message broker cannot be reached, or closed the connection."""


class StoreUnavailable(Transient):
    """The object store cannot be reached, or answered that it is in trouble."""


class StoreRefused(Transient):
    """The object store refuses us (credentials, permissions, missing bucket); an operator must act."""


class UploadVanished(Transient):
    """The store no longer knows the multipart upload; it has to be begun again."""


class DatabaseUnavailable(Transient):
    """The database is locked, read-only, or its disk is full."""


class SpoolFull(Transient):
    """The spool has no room for the file."""


class SpoolBusy(Transient):
    """Another attempt at the same job holds its spool."""


class NotAnswered(Transient):
    """Another actor, of this process or across the broker, did not answer in time, or ended while it should have."""


class JobStopped(Transient):
    """The attempt at a job was stopped on order before it was done."""


class SpoolClosed(Transient):
    """The spool was given up while it was still written or read."""


class TopologyConflict(TeltubbyError):
    """A queue or exchange exists with other arguments than ours; an operator must act."""


class Unauthorised(TeltubbyError):
    """Telegram does not accept the bot token or the api id; an operator must act."""


class ChatUnavailable(Permanent):
    """The chat does not exist, or the person blocked the bot."""


class RecordDamaged(Permanent):
    """What the ledger keeps of a submission cannot be read, or is no artifact; an operator must mend it."""


class BadRequest(Permanent):
    """Telegram refuses the request as it is; `str(error)` is Telegram's description."""


class FileTooBig(Permanent):
    """The Bot API server does not serve files of this size."""


class NoRouteNow(Transient):
    """No way to the file is open now, and one may be later: nothing that the job did."""


class FileGone(Permanent):
    """Telegram no longer has the message or its file, or the store not the object."""


class RouteClosed(Permanent):
    """This way does not lead to the file, whatever another one does; the text says why."""


class Unverifiable(Permanent):
    """Parts of the file cannot be verified as the configuration requires."""


class IdentityMismatch(Permanent):
    """What was found under the message id is another file than the one that was handed in."""


class ContentMismatch(Transient):
    """The bytes received are not the bytes announced (length or digest)."""


class MalformedMessage(Permanent):
    """A message from the broker cannot be read: not JSON, an unknown schema version, or missing fields."""


class CannotBeKept(Permanent):
    """A value that no database keeps: a number of more than 64 bits, or text with half of a surrogate pair."""


class ObjectExists(Permanent):
    """The key is taken; objects are never overwritten by other content."""


class ExtraNotInstalled(TeltubbyError):
    """An optional part of teltubby is needed but not installed."""
