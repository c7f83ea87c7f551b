"""What the curator hands in, scene by scene: THE SCRIPT of the demonstration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from teltubby.demo.checking import ExpectedFile, Submission
from teltubby.messages.media import Route
from teltubby.simulator.curator import ChatLine, Conversation, Curator
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import OriginChannel
from teltubby.simulator.people import ChatKind
from teltubby.simulator.server import SimulatedTelegram

MIB = 1024 * 1024
ARCHIVED, DUPLICATE = "✅", "♻"
FINAL = (ARCHIVED, DUPLICATE, "❌", "⚠")
"""How the bot's answers begin when nothing more will come of a submission."""

CURATOR = "ada"
CHANNEL = "Маяк"
CHANNEL_SLUG = "maiak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One submission: `files` (an album, when there are several) of one curator, and by which way they must come.

    `within` are the seconds until the bot has to have said its last word on it.
    """

    title: str
    files: tuple[File, ...]
    route: Route
    extensions: tuple[str, ...]
    caption: str = ""
    caption_slug: str = ""
    origin: OriginChannel | None = None
    chat_slug: str = CURATOR
    duplicate: bool = False
    within: float = 60.0

    def hand_in(self, curator: Curator) -> int:
        """Send it; the curator's id of the (first) message."""
        if len(self.files) > 1:
            first, *others = self.files
            return curator.send_album([(first, self.caption), *others], forward_origin=self.origin)[0]
        return curator.send_media(self.files[0], caption=self.caption, forward_origin=self.origin)

    def answer(self, conversation: Conversation, message_id: int) -> ChatLine | None:
        """The bot's last word on the submission that begins with `message_id`, once it is spoken."""
        answers = (line for line in conversation if line.from_bot and line.reply_to == message_id)
        return next((line for line in answers if line.text.startswith(FINAL)), None)

    def complaint(self, answer: ChatLine) -> str | None:
        """What is wrong with the bot's last word, as the curator reads it."""
        wanted = DUPLICATE if self.duplicate else ARCHIVED
        if not answer.text.startswith(wanted):
            return f"{self.title}: the bot should have said {wanted}, but said: {answer.text}"
        if self.route is not Route.BOT_API and self.files[0].sha256() not in answer.text:
            return f"{self.title}: the bot does not name the SHA-256 of what was handed in: {answer.text}"
        return None

    def submission(self, seconds: float) -> Submission:
        """What the archive must have of it; hashes the sources, so it takes a second per 300 MB."""
        return Submission(
            title=self.title,
            chat_slug=self.chat_slug,
            sender_slug=CURATOR,
            caption=self.caption or None,
            caption_slug=self.caption_slug,
            forwarded_from=None if self.origin is None else self.origin.chat.title,
            duplicate=self.duplicate,
            seconds=seconds,
            files=tuple(
                ExpectedFile(
                    kind=file.kind.value,
                    size=file.size,
                    sha256=file.sha256(),
                    file_unique_id=file.unique_id,
                    file_name=file.name,
                    extension=extension,
                    route=self.route.value,
                )
                for file, extension in zip(self.files, self.extensions, strict=True)
            ),
        )


def script(telegram: SimulatedTelegram, curator: Curator) -> Sequence[Scene]:
    """The six scenes, on files that the curator has on the phone or finds in a channel."""
    photo = curator.new_file(FileKind.PHOTO, 204_800)
    document = curator.new_file(FileKind.DOCUMENT, 1_200_000, name="Отчёт за ноябрь.pdf", mime_type="application/pdf")
    album = (
        curator.new_file(FileKind.PHOTO, 140_000),
        curator.new_file(FileKind.PHOTO, 180_000),
        curator.new_file(FileKind.VIDEO, 2_500_000, name="tide.mp4", width=1280, height=720, duration=9),
    )
    news = curator.new_file(FileKind.VIDEO, 30 * MIB, name="storm.mp4", width=1280, height=720, duration=95)
    film = curator.new_file(FileKind.VIDEO, 300 * MIB, name="Архив 1987.mov", width=1920, height=1080, duration=780)
    channel = telegram.call(lambda: telegram.world.add_chat(ChatKind.CHANNEL, CHANNEL))
    posted = OriginChannel(chat=channel, message_id=4711, date=telegram.call(telegram.world.now) - 3600)
    return (
        Scene(
            title="A photo",
            files=(photo,),
            route=Route.BOT_API,
            extensions=("jpg",),
            caption="Harbour at dawn",
            caption_slug="harbour-at-dawn",
        ),
        Scene(title="A document with a Cyrillic name", files=(document,), route=Route.BOT_API, extensions=("pdf",)),
        Scene(
            title="An album of three",
            files=album,
            route=Route.BOT_API,
            extensions=("jpg", "jpg", "mp4"),
            caption="Tide",
            caption_slug="tide",
        ),
        Scene(title="The same photo again", files=(photo,), route=Route.BOT_API, extensions=("jpg",), duplicate=True),
        Scene(
            title="A video of 30 MiB, more than the Bot API serves",
            files=(news,),
            route=Route.MTPROTO_BOT,
            extensions=("mp4",),
            origin=posted,
            chat_slug=CHANNEL_SLUG,
            within=90.0,
        ),
        Scene(
            title="A video of 300 MiB, more than the policy lets through the bot",
            files=(film,),
            route=Route.MTPROTO_BOT,
            extensions=("mov",),
            within=300.0,
        ),
    )
