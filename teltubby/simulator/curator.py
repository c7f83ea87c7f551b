"""A person who talks to the bot: what they send, and the conversation as they see it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from teltubby.simulator.bot_text import found_entities
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import Event, Media, Message, MessageAdded, MessageEdited, MessagesDeleted, Origin
from teltubby.simulator.people import User
from teltubby.simulator.presses import Loop, Presses
from teltubby.simulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLine:
    """One message of the conversation: `message_id` is the curator's, `text` plain, `buttons` (text, data or url)."""

    message_id: int
    from_bot: bool
    text: str
    date: int
    media: FileKind | str | None = None
    file: File | None = None
    grouped_id: int | None = None
    reply_to: int | None = None
    edits: int = 0
    buttons: tuple[tuple[tuple[str, str], ...], ...] = ()


Conversation = tuple[ChatLine, ...]


class Curator(Presses):
    """A Telegram user facing one bot, for any thread but the simulator's own.

    Every call waits for the simulated Telegram to have done it. `wait_for` blocks: on an event loop use a worker
    thread. All `send_…` return the curator's message id; `forward_origin` makes a message look forwarded from there.
    """

    def __init__(self, loop: Loop, world: World, user: User, bot: User) -> None:
        super().__init__(loop, world, user, bot)
        self._changed = threading.Condition()
        self._conversation: Conversation = ()
        self._callbacks: list[Callable[[Conversation], None]] = []
        loop.call(world.subscribe, self._see)

    # -- sending

    def new_file(
        self,
        kind: FileKind,
        size: int | None = None,
        *,
        seed: int | None = None,
        data: bytes | None = None,
        name: str | None = None,
        mime_type: str | None = None,
        width: int = 0,
        height: int = 0,
        duration: int = 0,
        is_animated: bool = False,
        is_video: bool = False,
        size_known: bool = True,
        dc: int | None = None,
        claimed_size: int | None = None,
    ) -> File:
        """Upload a file that no message has yet; see World.add_file. The same seed and size is the same content.

        It is stored at `dc`, by default the person's home.
        """

        def add() -> File:
            return self._world.add_file(
                kind,
                size,
                seed=seed,
                data=data,
                name=name,
                mime_type=mime_type,
                width=width,
                height=height,
                duration=duration,
                is_animated=is_animated,
                is_video=is_video,
                size_known=size_known,
                dc=self.user.home_dc if dc is None else dc,
                claimed_size=claimed_size,
            )

        return self._loop.call(add)

    def send_text(
        self, text: str, *, reply_to: int | None = None, forward_origin: Origin | None = None, protected: bool = False
    ) -> int:
        """Send a text message; commands and links in it are found as Telegram does."""
        return self._send([(None, text)], reply_to, forward_origin, protected)[0]

    def send_media(
        self,
        media: Media,
        *,
        caption: str = "",
        reply_to: int | None = None,
        forward_origin: Origin | None = None,
        grouped_id: int | None = None,
        protected: bool = False,
    ) -> int:
        """Send a file of any kind, a location, contact, venue or poll; with `grouped_id` as a straggler of an album."""
        return self._send([(media, caption)], reply_to, forward_origin, protected, grouped_id)[0]

    def send_photo(self, file: File, *, caption: str = "", forward_origin: Origin | None = None) -> int:
        """Send a photo."""
        return self._send_kind(FileKind.PHOTO, file, caption, forward_origin)

    def send_document(self, file: File, *, caption: str = "", forward_origin: Origin | None = None) -> int:
        """Send a document."""
        return self._send_kind(FileKind.DOCUMENT, file, caption, forward_origin)

    def send_video(self, file: File, *, caption: str = "", forward_origin: Origin | None = None) -> int:
        """Send a video."""
        return self._send_kind(FileKind.VIDEO, file, caption, forward_origin)

    def send_audio(self, file: File, *, caption: str = "", forward_origin: Origin | None = None) -> int:
        """Send a piece of music."""
        return self._send_kind(FileKind.AUDIO, file, caption, forward_origin)

    def send_voice(self, file: File, *, caption: str = "", forward_origin: Origin | None = None) -> int:
        """Send a voice message."""
        return self._send_kind(FileKind.VOICE, file, caption, forward_origin)

    def send_animation(self, file: File, *, caption: str = "", forward_origin: Origin | None = None) -> int:
        """Send a GIF."""
        return self._send_kind(FileKind.ANIMATION, file, caption, forward_origin)

    def send_video_note(self, file: File, *, forward_origin: Origin | None = None) -> int:
        """Send a round video message."""
        return self._send_kind(FileKind.VIDEO_NOTE, file, "", forward_origin)

    def send_sticker(self, file: File, *, forward_origin: Origin | None = None) -> int:
        """Send a sticker."""
        return self._send_kind(FileKind.STICKER, file, "", forward_origin)

    def send_album(
        self,
        items: Sequence[File | tuple[File, str]],
        *,
        forward_origin: Origin | None = None,
        protected: bool = False,
    ) -> tuple[int, ...]:
        """Send files, or (file, caption) pairs, as one media group: consecutive messages with one media_group_id."""
        pairs = [item if isinstance(item, tuple) else (item, "") for item in items]
        return self._send(pairs, None, forward_origin, protected, self._loop.call(self._world.new_id))

    def new_album(self) -> int:
        """A media group that `send_media(grouped_id=…)` can fill one by one, as slowly as one likes."""
        return self._loop.call(self._world.new_id)

    def edit(self, message_id: int, text: str) -> None:
        """Change the text or caption of an own message."""
        self._loop.call(lambda: self._world.edit(self._message(message_id), text=text, entities=found_entities(text)))

    def edit_text(self, message_id: int, text: str) -> None:
        """Change the text of an own message. Raises LookupError when it is a file, which has a caption."""
        self._edit(message_id, text, of_file=False)

    def edit_caption(self, message_id: int, caption: str) -> None:
        """Change the caption of an own file. Raises LookupError when it is none."""
        self._edit(message_id, caption, of_file=True)

    def delete(self, message_id: int) -> None:
        """Delete a message for both sides."""
        self._loop.call(lambda: self._world.delete(self._message(message_id)))

    def block_bot(self) -> None:
        """Stop the bot: it can no longer write."""
        self._loop.call(self._world.block, self.user, self.bot)

    def unblock_bot(self) -> None:
        """Let the bot write again."""
        self._loop.call(self._world.unblock, self.user, self.bot)

    # -- seeing

    def conversation(self) -> Conversation:
        """All messages with the bot that are there now, oldest first, each as it reads now."""
        with self._changed:
            return self._conversation

    def wait_for(self, predicate: Callable[[Conversation], object], within: float) -> Conversation:
        """Block until the conversation satisfies `predicate`; return it. Raises TimeoutError after `within` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self._conversation), within):
                raise TimeoutError(f"not within {within} s; the conversation is:\n{as_text(self._conversation)}")
            return self._conversation

    def on_change(self, callback: Callable[[Conversation], None]) -> None:
        """Have every new state of the conversation told, on the simulator's thread: be quick and do not call back."""
        self._callbacks.append(callback)

    # -- inner workings

    def _send_kind(self, kind: FileKind, file: File, caption: str, origin: Origin | None) -> int:
        if file.kind is not kind:
            raise ValueError(f"that file is a {file.kind}, not a {kind}")
        return self.send_media(file, caption=caption, forward_origin=origin)

    def _send(
        self,
        items: Iterable[tuple[Media | None, str]],
        reply_to: int | None,
        origin: Origin | None,
        protected: bool,
        grouped_id: int | None = None,
    ) -> tuple[int, ...]:
        def send() -> tuple[int, ...]:
            target = None if reply_to is None else self._message(reply_to)
            return tuple(
                self._world.send(
                    self.user,
                    self.bot,
                    text,
                    entities=found_entities(text),
                    media=media,
                    origin=origin,
                    reply_to=target,
                    grouped_id=grouped_id,
                    protected=protected,
                ).id
                for media, text in items
            )

        return self._loop.call(send)

    def _edit(self, message_id: int, text: str, *, of_file: bool) -> None:
        def edit() -> None:
            message = self._message(message_id)
            if not message.out or (message.post.media is not None) is not of_file:
                raise LookupError(f"message {message_id} is no own {'file' if of_file else 'text'}")
            self._world.edit(message, text=text, entities=found_entities(text))

        self._loop.call(edit)

    def _see(self, event: Event) -> None:
        if not isinstance(event, MessageAdded | MessageEdited | MessagesDeleted):
            return
        if event.mailbox is not self.user.mailbox:
            return
        conversation = tuple(map(_line, self._world.history(self.user, self.bot)))
        with self._changed:
            self._conversation = conversation
            self._changed.notify_all()
        for callback in tuple(self._callbacks):
            callback(conversation)


def as_text(conversation: Conversation) -> str:
    """The conversation for people, a line per message and button row."""
    lines = []
    for line in conversation:
        media = f" [{line.media}{f': {line.file.name}' if line.file and line.file.name else ''}]" if line.media else ""
        edited = f" (edited {line.edits}x)" if line.edits else ""
        lines.append(f"{'bot' if line.from_bot else 'you'}#{line.message_id}{media} {line.text}{edited}")
        lines.extend("    " + " ".join(f"[{text}]" for text, _ in row) for row in line.buttons)
    return "\n".join(lines)


def _line(message: Message) -> ChatLine:
    post = message.post
    file = post.media if isinstance(post.media, File) else None
    other = None if post.media is None else type(post.media).__name__.lower()
    return ChatLine(
        message_id=message.id,
        from_bot=not message.out,
        text=post.text,
        date=post.date,
        media=file.kind if file else other,
        file=file,
        grouped_id=post.grouped_id,
        reply_to=message.reply_to.id if message.reply_to else None,
        edits=post.edits,
        buttons=tuple(tuple((button.text, button.data or button.url or "") for button in row) for row in post.keyboard),
    )
