"""What the house asks of Telegram: over the Bot API, and over MTProto with a bot's or a person's session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from teltubby.messages.channels import ChannelDifference, ChannelRef, FoundChannel, PostPage, Pushes
from teltubby.messages.chat import Incoming, Keyboard
from teltubby.messages.collected import ReadMessage
from teltubby.messages.media import RawUpdate
from teltubby.messages.session import ShownQr
from teltubby.messages.transfer import FileLocation, PartConnection, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who we are at Telegram."""

    id: int
    username: str | None
    is_bot: bool
    phone: str | None = field(default=None, repr=False)


class BotGateway(Protocol):
    """The Bot API. Raises TelegramUnavailable, FloodWait, PollConflict, Unauthorised, ChatUnavailable, BadRequest."""

    async def open(self) -> None:
        """Make the client; no network."""

    async def aclose(self) -> None:
        """Close its connections; safe to call twice."""

    async def identify(self) -> Account:
        """getMe."""
        ...

    async def updates(self, *, offset: int, wait: float) -> Sequence[RawUpdate]:
        """getUpdates: waits up to `wait` seconds; `offset` confirms (and discards) everything before it."""
        ...

    async def set_webhook(self, url: str, *, secret: str) -> None:
        """setWebhook: have updates brought to `url`, with `secret` in the header that Telegram documents."""

    async def delete_webhook(self) -> None:
        """deleteWebhook: updates are fetched again; those that wait are kept."""

    async def send(self, chat_id: int, html: str, *, reply_to: int | None = None, keyboard: Keyboard = ()) -> int:
        """sendMessage; returns the new message id. A `reply_to` that is gone is ignored."""
        ...

    async def edit(self, chat_id: int, message_id: int, html: str, *, keyboard: Keyboard = ()) -> None:
        """editMessageText; the same text again is fine."""

    async def send_photo(self, chat_id: int, png: bytes, *, html: str, reply_to: int | None = None) -> int:
        """sendPhoto with a caption (at most 1024 characters); returns the new message id."""
        ...

    async def send_document(
        self, chat_id: int, name: str, body: bytes, *, html: str = "", reply_to: int | None = None
    ) -> int:
        """sendDocument of a file with this name (bots may send 50 MB), with a caption; returns the new message id."""
        ...

    async def delete(self, chat_id: int, message_id: int) -> None:
        """deleteMessage; one that is gone is fine. Raises BadRequest where Telegram does not let us."""

    async def answer_press(self, press_id: str, text: str, *, alert: bool = False) -> None:
        """answerCallbackQuery, at most 200 characters; Telegram shows the pressed button busy until then.

        Raises BadRequest when it is too late (within some 15 s).
        """

    async def copy(self, chat_id: int, from_chat_id: int, message_id: int) -> int:
        """copyMessage, silently and without its caption; returns the copy's id in `chat_id`.

        Raises BadRequest where its content is protected, ChatUnavailable where the bot may not write there, FileGone
        when there is no such message.
        """
        ...

    async def delete_all(self, chat_id: int, message_ids: Sequence[int]) -> None:
        """deleteMessages, at most 100; those that are gone, or not ours, are skipped."""

    async def replace_photo(self, chat_id: int, message_id: int, png: bytes, *, html: str) -> None:
        """editMessageMedia: another picture with another caption in the place of an older one."""

    async def show_typing(self, chat_id: int) -> None:
        """sendChatAction; Telegram shows it for 5 s, or until the next message."""

    async def download(self, file_id: str, into: Path) -> int:
        """getFile and its bytes into the new file `into`; returns their number. Raises FileTooBig, FileGone."""
        ...

    async def set_commands(self, commands: Mapping[str, str]) -> None:
        """setMyCommands: name → description."""


class MtprotoGateway(Protocol):
    """One MTProto session, whose file belongs to one process at a time.

    Raises TelegramUnavailable, FloodWait, SessionRevoked, AccountSuspended, NotSignedIn, Unauthorised (token, api id).
    """

    async def open(self) -> Account:
        """Connect, as who is signed in; a bot signs itself in with its token. Raises NotSignedIn without connecting
        where a person never signed in, SessionFileUnusable (held by another process, not readable), SessionFileDamaged.
        """
        ...

    async def aclose(self) -> None:
        """Disconnect; safe to call twice."""

    async def wait_lost(self) -> None:
        """Return when the connection is lost."""

    async def check(self) -> None:
        """Ask Telegram for who is signed in: of a session that was ended it tells nobody who does not ask."""

    async def locate(self, place: Place) -> FileLocation:
        """The document of the message that is there, for this account.

        Raises FileGone (no such message, no document in it) and ChatUnavailable (a channel or a dialog that this
        account does not see: it is no member, was removed, or the channel was deleted).
        """
        ...

    async def dial(self, data_centre: int) -> PartConnection:
        """Open a connection for parts of files, signed in as this account. Several may be open to a data centre."""
        ...

    @property
    def data_centre(self) -> int | None:
        """Where the account is at home; None while not connected."""
        ...

    @property
    def connections(self) -> int:
        """How many connections to Telegram are open."""
        ...


class PersonalGateway(MtprotoGateway, Protocol):
    """The session of a person, who signs in by dialogue: begin (`begin`), then a code or a QR code, then perhaps the
    password of the second factor. Whatever returns an Account has stored the session.

    Beside what MtprotoGateway raises: WrongAccount when another account signed in than MTPROTO_PHONE_NUMBER names (it
    is signed out again at once).
    """

    async def begin(self) -> None:
        """Connect without a login, in place of a session that is there; it is replaced when the sign-in succeeds."""

    async def send_code(self) -> str:
        """auth.sendCode to MTPROTO_PHONE_NUMBER; says how it was sent, in words. Raises BadRequest (no such number)."""
        ...

    async def submit_code(self, code: str) -> Account:
        """auth.signIn. Raises CodeRejected, CodeExpired, PasswordNeeded."""
        ...

    async def show_qr(self) -> ShownQr:
        """auth.exportLoginToken: a code to scan; asked again, a fresh one."""
        ...

    async def wait_scanned(self) -> Account:
        """Return when the code that was shown last is scanned and accepted. Raises PasswordNeeded."""
        ...

    async def submit_password(self, password: str) -> Account:
        """auth.checkPassword (SRP). Raises PasswordRejected."""
        ...

    async def sign_out(self) -> None:
        """auth.logOut, and the session file is removed."""


class ChannelGateway(Protocol):
    """What a person's session tells of channels, for the collector; messages.channels says what each request means.

    Beside what MtprotoGateway raises: ChatUnavailable. It needs the session to be open.
    """

    async def find_channel(self, peer: str) -> FoundChannel:
        """See FindChannel."""
        ...

    async def describe_channel(self, ref: ChannelRef) -> FoundChannel:
        """See DescribeChannel."""
        ...

    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        """See PostsBefore."""
        ...

    async def posts_after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        """See PostsAfter."""
        ...

    async def posts_by_id(self, ref: ChannelRef, msg_ids: Sequence[int]) -> tuple[ReadMessage, ...]:
        """See PostsById."""
        ...

    async def difference(self, ref: ChannelRef, pts: int) -> ChannelDifference:
        """See ReadDifference."""
        ...

    async def follow(self) -> Pushes:
        """See FollowUpdates; only of a session that was made to receive updates."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLine:
    """A message that this account sent: to whom, in reply to which message there (None: to none), and its text."""

    chat_id: int
    message_id: int
    reply_to: int | None
    text: str


class SentLines(Protocol):
    """What this account said, by its own mailbox. Raises TelegramUnavailable, FloodWait, SessionNotReady, Unauthorised.

    The Bot API cannot tell: it is asked over MTProto, where bots may read messages of theirs by id.
    """

    async def open(self) -> Account:
        """Connect, and sign in where the session is not yet (bot token)."""
        ...

    async def aclose(self) -> None:
        """Disconnect; safe to call twice."""

    async def sent(self, first: int, last: int) -> tuple[Sequence[SentLine], int | None]:
        """What was said in private chats under these ids (at most 100), and the highest of them that a message has."""
        ...


class UpdateParser(Protocol):
    """Reads a stored update."""

    def __call__(self, payload: str) -> Incoming | None:
        """What the update brings, or None when it is of a kind that we did not ask for.

        What cannot be read is Unreadable; raises MalformedMessage where not even its sender can be told.
        """
        ...
