"""Finding documents where a person sees them, and a bot, against the simulated MTProto server, on both backends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from teltubby.adapters import telethon_places
from teltubby.adapters.telethon_person import PersonSession
from teltubby.adapters.telethon_session import TelethonSession
from teltubby.errors import ChatUnavailable, FileGone, FloodWait, SessionRevoked, TelegramUnavailable
from teltubby.messages.transfer import ChannelPlace, DialogPlace, FileLocation, MailboxPlace
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.people import Chat, ChatKind, User
from tests.adapters.house import House
from tests.adapters.persons import Person, person_of

pytestmark = pytest.mark.anyio

SIZE = 300_000
MINUTE = 60


@dataclass
class Neighbourhood:
    """Ada's channels and dialogs, as she and the bot see them."""

    house: House
    ada: Person
    session: PersonSession

    def chat(
        self, title: str = "Relay", *, members: tuple[User, ...] | None = None, username: str | None = None
    ) -> Chat:
        """A channel of which Ada (or `members`) and the bot are members."""
        world, bot = self.house.telegram.world, self.house.bot
        among = (self.ada.user,) if members is None else members
        return self.house.telegram.call(
            lambda: world.add_chat(ChatKind.CHANNEL, title, members=among, admins=(bot,), username=username)
        )

    def file(self, kind: FileKind = FileKind.DOCUMENT) -> File:
        width = 9 if kind is FileKind.PHOTO else 0
        return self.ada.curator.new_file(kind, SIZE, name="film.mp4", width=width, height=width)

    def posted(self, chat: Chat, file: File | None = None) -> ChannelPlace:
        """The bot posts it in the channel."""
        world, bot = self.house.telegram.world, self.house.bot
        message = self.house.telegram.call(lambda: world.send(bot, chat, "look", media=file))
        return ChannelPlace(channel_id=chat.bot_api_id, message_id=message.id, username=chat.username)

    def handed_in(self, file: File) -> DialogPlace:
        """Ada sends it to the bot."""
        self.ada.curator.send_media(file)
        return self.in_dialog(file)

    def in_dialog(self, file: File) -> DialogPlace:
        """In the dialog with the bot, sent now."""
        world = self.house.telegram.world
        now = datetime.fromtimestamp(self.house.telegram.call(world.now), UTC)
        return DialogPlace(peer_id=self.house.bot.id, document_id=file.id, around=now)

    def later(self, seconds: float) -> None:
        self.house.on_server(self.house.telegram.world.advance, seconds)


@pytest.fixture
async def around(house: House) -> Neighbourhood:
    """Ada is signed in."""
    ada = person_of(house)
    session = house.person()
    await ada.sign_in(session)
    await session.open()
    return Neighbourhood(house, ada, session)


async def reads(session: TelethonSession, location: FileLocation, file: File) -> bool:
    """Whether this account can fetch what it found."""
    parts = await session.dial(location.data_centre)
    try:
        return (location.document_id, location.size) == (file.id, SIZE) and bytes(
            await parts.fetch(location, 0, 1 << 20)
        ) == file.read(0, SIZE)
    finally:
        await parts.aclose()


# -- channels


@pytest.mark.parametrize("username", [None, "relay_channel"], ids=["private", "public"])
async def test_a_document_in_a_channel_is_found_and_read(around: Neighbourhood, username: str | None) -> None:
    file = around.file()
    place = around.posted(around.chat(username=username), file)
    assert await reads(around.session, await around.session.locate(place), file)


async def test_a_public_channel_can_be_read_without_being_a_member(around: Neighbourhood) -> None:
    file = around.file()
    place = around.posted(around.chat(members=(), username="everybodys"), file)
    for _ in range(3):
        assert (await around.session.locate(place)).document_id == file.id
    assert around.house.calls("contacts.resolveUsername") == 1, "that is limited, so the answer is kept"
    assert around.house.calls("messages.getDialogs") == 0


async def test_a_username_that_is_anothers_now_leads_nowhere_else(around: Neighbourhood) -> None:
    """Found by its number among the dialogs all the same."""
    file = around.file()
    chat = around.chat()
    place = around.posted(chat, file)
    other = around.chat("Squatter", members=(), username="relay_channel")
    around.posted(other, around.file())
    taken = ChannelPlace(channel_id=place.channel_id, message_id=place.message_id, username="relay_channel")
    assert (await around.session.locate(taken)).document_id == file.id


async def test_a_username_that_nobody_has_is_asked_for_once(around: Neighbourhood) -> None:
    place = ChannelPlace(channel_id=-1001234567890, message_id=1, username="nobody_has_it")
    for _ in range(3):
        with pytest.raises(ChatUnavailable):
            await around.session.locate(place)
    assert around.house.calls("contacts.resolveUsername") == 1


async def test_many_at_once_from_one_public_channel_share_the_answer(around: Neighbourhood) -> None:
    chat = around.chat(members=(), username="everybodys")
    files = [around.file() for _ in range(4)]
    places = [around.posted(chat, file) for file in files]
    around.house.fault("contacts.resolveUsername", delay=0.3)
    found: dict[int, int] = {}

    async def locate(place: ChannelPlace) -> None:
        found[place.message_id] = (await around.session.locate(place)).document_id

    async with anyio.create_task_group() as tasks:
        for place in places:
            tasks.start_soon(locate, place)
    assert found == {place.message_id: file.id for place, file in zip(places, files, strict=True)}
    assert around.house.calls("contacts.resolveUsername") == 1


async def test_dialogs_are_listed_no_further_than_to_the_channel(
    around: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay is among the newest: people with thousands of dialogs need not wait for the last of them."""
    monkeypatch.setattr(telethon_places, "PAGE", 2)
    for number in range(7):
        around.posted(around.chat(f"Earlier {number}"))
        around.later(MINUTE)
    file = around.file()
    place = around.posted(around.chat(), file)
    assert (await around.session.locate(place)).document_id == file.id
    assert around.house.calls("messages.getDialogs") == 1


async def test_a_username_that_could_not_be_looked_up_is_looked_up_again(around: Neighbourhood) -> None:
    """Trouble is no answer: taken for one, it would end every job from that channel for an hour."""
    file = around.file()
    place = around.posted(around.chat(members=(), username="everybodys"), file)
    around.house.fault("contacts.resolveUsername", error=500, message="INTERNAL", times=9)
    with pytest.raises(TelegramUnavailable):
        await around.session.locate(place)
    around.house.on_server(around.house.telegram.world.faults.clear)
    assert (await around.session.locate(place)).document_id == file.id


@pytest.mark.parametrize("page", [1, 3, 100])
async def test_a_private_channel_is_found_among_many_dialogs(
    around: Neighbourhood, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(telethon_places, "PAGE", page)
    file = around.file()
    place = around.posted(around.chat(), file)
    for number in range(7):
        around.later(MINUTE)
        around.posted(around.chat(f"Later {number}"))
    assert (await around.session.locate(place)).document_id == file.id
    listed = around.house.calls("messages.getDialogs")
    assert listed >= 8 / page
    await around.session.locate(place)
    assert around.house.calls("messages.getDialogs") == listed, "what was found is kept"


async def test_who_is_no_member_is_told_and_the_dialogs_are_not_listed_for_each(around: Neighbourhood) -> None:
    place = around.posted(around.chat(members=()), around.file())
    for _ in range(5):
        with pytest.raises(ChatUnavailable, match="no member"):
            await around.session.locate(place)
    assert around.house.calls("messages.getDialogs") == 1


async def test_who_became_a_member_meanwhile_finds_it(around: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telethon_places, "LIST_AGAIN_SECONDS", 0.0)
    file = around.file()
    chat = around.chat(members=())
    place = around.posted(chat, file)
    with pytest.raises(ChatUnavailable):
        await around.session.locate(place)
    world = around.house.telegram.world
    around.house.on_server(world.join, chat, around.ada.user)
    assert (await around.session.locate(place)).document_id == file.id
    around.house.on_server(world.kick, chat, around.ada.user)
    with pytest.raises(ChatUnavailable):
        await around.session.locate(place)
    around.house.on_server(world.join, chat, around.ada.user)
    assert (await around.session.locate(place)).document_id == file.id


async def test_a_channel_that_was_deleted_is_told(around: Neighbourhood) -> None:
    chat = around.chat()
    place = around.posted(chat, around.file())
    await around.session.locate(place)
    around.house.on_server(around.house.telegram.world.delete_chat, chat)
    with pytest.raises(ChatUnavailable):
        await around.session.locate(place)


async def test_a_photo_in_a_channel_is_found_and_read_in_its_largest_size(around: Neighbourhood) -> None:
    """Asked for as a photo, for nothing else is served: as a document it is no location."""
    photo = around.ada.curator.new_file(FileKind.PHOTO, SIZE, width=1280, height=960)
    location = await around.session.locate(around.posted(around.chat(), photo))
    assert (location.is_photo, location.thumb_size) == (True, "y")
    assert await reads(around.session, location, photo)
    small = photo.sizes[0]
    parts = await around.session.dial(location.data_centre)
    try:
        thumbnail = await parts.fetch(replace(location, thumb_size=small.letter), 0, 1 << 20)
        assert bytes(thumbnail) == small.content.read(0, SIZE)
        hashes = await parts.hashes(location, 0)
        assert hashes[0].sha256 == hashlib.sha256(photo.read(0, hashes[0].length)).digest()
        with pytest.raises(FileGone):
            await parts.fetch(replace(location, thumb_size=""), 0, 1 << 20)
    finally:
        await parts.aclose()


async def test_what_is_not_in_the_channel_is_told(around: Neighbourhood) -> None:
    chat = around.chat()
    text = around.posted(chat)
    missing = ChannelPlace(channel_id=chat.bot_api_id, message_id=99_999)
    for place in (text, missing):
        with pytest.raises(FileGone):
            await around.session.locate(place)


@pytest.mark.parametrize("chat_id", [-123, 123, -1_000_000_000_000])
async def test_what_is_no_channel_is_told(around: Neighbourhood, chat_id: int) -> None:
    with pytest.raises(ChatUnavailable):
        await around.session.locate(ChannelPlace(channel_id=chat_id, message_id=1))


async def test_the_bot_finds_what_is_in_channels_of_its_own(around: Neighbourhood) -> None:
    file = around.file()
    chat = around.chat()
    place = around.posted(chat, file)
    async with around.house.opened() as bots:
        assert await reads(bots, await bots.locate(place), file)
        world = around.house.telegram.world
        around.house.on_server(world.kick, chat, around.house.bot)
        with pytest.raises(ChatUnavailable):
            await bots.locate(place)


# -- the person's own dialog and mailbox


@pytest.mark.parametrize("kind", [FileKind.DOCUMENT, FileKind.VIDEO, FileKind.AUDIO])
async def test_a_document_in_the_own_dialog_is_found_and_read(around: Neighbourhood, kind: FileKind) -> None:
    file = around.file(kind)
    place = around.handed_in(file)
    around.later(MINUTE)
    around.ada.curator.send_text("thank you")
    assert await reads(around.session, await around.session.locate(place), file)


async def test_it_is_found_among_much_that_came_later_and_before(
    around: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telethon_places, "PAGE", 5)
    for number in range(12):
        around.ada.curator.send_text(f"before {number}")
    file = around.file()
    place = around.handed_in(file)
    for number in range(12):
        around.ada.curator.send_text(f"just after {number}")
    around.later(7 * 24 * 60 * MINUTE)
    for number in range(12):
        around.ada.curator.send_text(f"a week after {number}")
    assert (await around.session.locate(place)).document_id == file.id
    assert around.house.calls("messages.getHistory") == 3, "from that time on, newest first"


async def test_what_is_not_in_the_dialog_is_told_after_a_few_pages(
    around: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telethon_places, "PAGE", 2)
    monkeypatch.setattr(telethon_places, "HISTORY_PAGES", 10)
    for number in range(30):
        around.ada.curator.send_text(f"much in a minute {number}")
    place = around.in_dialog(around.file())
    with pytest.raises(FileGone):
        await around.session.locate(place)
    assert around.house.calls("messages.getHistory") == 10


@pytest.mark.parametrize("hours", [-23, 1], ids=["it waited at Telegram for a day", "our clock is behind by an hour"])
async def test_it_is_found_although_it_was_taken_in_at_quite_another_time(around: Neighbourhood, hours: int) -> None:
    file = around.file()
    place = around.handed_in(file)
    taken_in = DialogPlace(peer_id=place.peer_id, document_id=file.id, around=place.around - timedelta(hours=hours))
    assert (await around.session.locate(taken_in)).document_id == file.id


async def test_what_was_sent_at_quite_another_time_is_not_looked_for(around: Neighbourhood) -> None:
    file = around.file()
    place = around.handed_in(file)
    elsewhen = DialogPlace(peer_id=place.peer_id, document_id=file.id, around=place.around - timedelta(days=3))
    with pytest.raises(FileGone):
        await around.session.locate(elsewhen)
    assert around.house.calls("messages.getHistory") == 1


async def test_without_such_a_dialog_that_is_told(around: Neighbourhood) -> None:
    with pytest.raises(ChatUnavailable, match="no dialog"):
        await around.session.locate(around.in_dialog(around.file()))


async def test_in_its_mailbox_a_person_finds_its_own_messages(around: Neighbourhood) -> None:
    file = around.file()
    message_id = around.ada.curator.send_media(file)
    bots_id = around.house.telegram.call(lambda: around.house.bot.mailbox.last_id)
    assert bots_id != message_id, "ids are one account's own"
    place = MailboxPlace(chat_id=around.house.bot.id, message_id=message_id)
    assert await reads(around.session, await around.session.locate(place), file)
    with pytest.raises(FileGone):
        await around.session.locate(MailboxPlace(chat_id=around.ada.user.id, message_id=message_id))


# -- trouble


@pytest.mark.parametrize(
    ("message", "code", "kind"),
    [
        ("FLOOD_WAIT_7", 420, FloodWait),
        ("SESSION_REVOKED", 401, SessionRevoked),
        ("CHANNEL_PRIVATE", 400, ChatUnavailable),
    ],
)
@pytest.mark.parametrize("method", ["messages.getDialogs", "channels.getMessages"])
async def test_trouble_is_told_and_passes(
    around: Neighbourhood, method: str, message: str, code: int, kind: type[Exception]
) -> None:
    file = around.file()
    place = around.posted(around.chat(), file)
    around.house.fault(method, error=code, message=message, times=2)
    with pytest.raises(kind):
        await around.session.locate(place)
    around.house.on_server(around.house.telegram.world.faults.clear)
    if kind is not FloodWait:  # of which Telethon keeps count by itself
        assert (await around.session.locate(place)).document_id == file.id
