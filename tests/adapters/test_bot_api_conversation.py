"""AiogramGateway against the simulated Bot API: buttons and presses, pictures, edits by curators, and webhooks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio import to_thread

from teltubby.adapters.base import BotGateway
from teltubby.adapters.bot_api import AiogramGateway
from teltubby.adapters.bot_updates import parse_update
from teltubby.adapters.webhook_server import WebhookServer
from teltubby.errors import BadRequest, ChatUnavailable, WebhookActive
from teltubby.messages.chat import Button, ButtonPress, EditedMessage
from teltubby.messages.media import RawUpdate
from teltubby.simulator.curator import ChatLine, Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram
from tests.adapters.conftest import opened

pytestmark = pytest.mark.anyio

MTPROTO = False
WITHIN = 20.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
KEYBOARD = (
    (Button(text="Статус", data="job:status:a1"), Button(text="Cancel", data="job:cancel:a1")),
    (Button(text="x", data="d" * 64),),
)
SHOWN = ((("Статус", "job:status:a1"), ("Cancel", "job:cancel:a1")), (("x", "d" * 64),))


@pytest.fixture
async def gateway(telegram: SimulatedTelegram, bot: User, curator: Curator) -> AsyncIterator[BotGateway]:
    async with opened(
        AiogramGateway(token=bot.token or "", api_url=telegram.bot_api_url, local=False, timeout=5.0)
    ) as gateway:
        yield gateway


def said(curator: Curator) -> list[ChatLine]:
    return [line for line in curator.conversation() if line.from_bot]


async def newest(gateway: BotGateway) -> RawUpdate:
    return (await gateway.updates(offset=0, wait=5))[-1]


# -- buttons


async def test_buttons_are_shown_and_taken_away(gateway: BotGateway, curator: Curator) -> None:
    sent = await gateway.send(curator.user.id, "one", keyboard=KEYBOARD)
    (line,) = said(curator)
    assert (line.text, line.buttons) == ("one", SHOWN)
    await gateway.edit(curator.user.id, sent, "two", keyboard=KEYBOARD[:1])
    (line,) = said(curator)
    assert (line.text, line.buttons) == ("two", SHOWN[:1])
    await gateway.edit(curator.user.id, sent, "two", keyboard=KEYBOARD)
    assert said(curator)[0].buttons == SHOWN, "the same text under other buttons is a change"
    await gateway.edit(curator.user.id, sent, "two", keyboard=KEYBOARD)
    assert said(curator)[0].edits == 2, "and with the same buttons none, which is fine"
    await gateway.edit(curator.user.id, sent, "two")
    assert said(curator)[0].buttons == ()


@pytest.mark.parametrize("data", ["", "d" * 65, "й" * 33])
async def test_too_much_data_in_a_button_is_refused(gateway: BotGateway, curator: Curator, data: str) -> None:
    with pytest.raises(BadRequest):
        await gateway.send(curator.user.id, "x", keyboard=[[Button(text="x", data=data)]])


async def test_a_press_comes_as_an_update_and_is_answered(gateway: BotGateway, curator: Curator) -> None:
    sent = await gateway.send(curator.user.id, "job", keyboard=KEYBOARD)
    pressed = curator.press(said(curator)[0].message_id, text="Статус")
    update = await newest(gateway)
    press = parse_update(update.payload)
    assert isinstance(press, ButtonPress)
    assert (press.user_id, press.chat_id, press.chat_type) == (curator.user.id, curator.user.id, "private")
    assert (press.message_id, press.data) == (sent, "job:status:a1")
    assert (update.chat_id, update.message_id, update.media_group_id) == (curator.user.id, sent, None)
    await gateway.answer_press(press.press_id, "in the queue", alert=True)
    notice = await to_thread.run_sync(curator.wait_for_notice, pressed, WITHIN)
    assert (notice.text, notice.alert) == ("in the queue", True)
    with pytest.raises(BadRequest):
        await gateway.answer_press(press.press_id, "again")


async def test_a_forged_press_comes_too(gateway: BotGateway, curator: Curator) -> None:
    await gateway.send(curator.user.id, "no buttons here")
    curator.forge_press(said(curator)[0].message_id, "purge:1")
    press = parse_update((await newest(gateway)).payload)
    assert isinstance(press, ButtonPress) and (press.user_id, press.data) == (curator.user.id, "purge:1")


async def test_an_answer_may_come_too_late_or_be_too_long(
    gateway: BotGateway, telegram: SimulatedTelegram, curator: Curator
) -> None:
    await gateway.send(curator.user.id, "job", keyboard=KEYBOARD)
    for _ in range(2):
        curator.press(said(curator)[0].message_id, "job:cancel:a1")
    presses = [parse_update(update.payload) for update in (await gateway.updates(offset=0, wait=5))[-2:]]
    late, long = [press.press_id for press in presses if isinstance(press, ButtonPress)]
    with pytest.raises(BadRequest):
        await gateway.answer_press(long, "x" * 201)
    await gateway.answer_press(long, "x" * 200)
    telegram.call(telegram.world.advance, 16)
    with pytest.raises(BadRequest, match="query is too old"):
        await gateway.answer_press(late, "x")
    with pytest.raises(BadRequest, match="query ID is invalid"):
        await gateway.answer_press("12345", "x")
    assert [notice.text for notice in curator.notices()] == ["x" * 200]


# -- pictures, deletions, signs of work


async def test_a_picture_with_a_caption(gateway: BotGateway, curator: Curator) -> None:
    (start,) = await gateway.updates(offset=0, wait=0)
    sent = await gateway.send_photo(curator.user.id, PNG, html="<b>jobs</b> &amp; more", reply_to=start.message_id)
    (line,) = said(curator)
    assert (line.text, line.media) == ("jobs & more", FileKind.PHOTO) and line.reply_to is not None
    assert line.file is not None and line.file.read(0, line.file.size) == PNG
    assert await gateway.send_photo(curator.user.id, PNG, html="", reply_to=99_999) == sent + 1
    with pytest.raises(BadRequest, match="caption is too long"):
        await gateway.send_photo(curator.user.id, PNG, html="x" * 1025)
    with pytest.raises(BadRequest):
        await gateway.send_photo(curator.user.id, b"no picture", html="x")


async def test_a_file_with_its_name(gateway: BotGateway, curator: Curator) -> None:
    (start,) = await gateway.updates(offset=0, wait=0)
    page = b"<!doctype html><title>News</title>" + bytes(2 << 20)
    sent = await gateway.send_document(curator.user.id, "news report.html", page, reply_to=start.message_id)
    (line,) = said(curator)
    assert (line.text, line.media) == ("", FileKind.DOCUMENT) and line.reply_to is not None
    assert line.file is not None and line.file.name == "news report.html"
    assert line.file.read(0, line.file.size) == page
    again = await gateway.send_document(curator.user.id, "a.html", b"x", html="<b>a</b> &amp; b", reply_to=99_999)
    assert again == sent + 1 and said(curator)[-1].text == "a & b"
    with pytest.raises(BadRequest, match="caption is too long"):
        await gateway.send_document(curator.user.id, "a.html", b"x", html="x" * 1025)
    with pytest.raises(BadRequest):
        await gateway.send_document(curator.user.id, "a.html", b"")


async def test_messages_of_both_sides_are_deleted_once(
    gateway: BotGateway, telegram: SimulatedTelegram, curator: Curator
) -> None:
    (start,) = await gateway.updates(offset=0, wait=0)
    sent = await gateway.send(curator.user.id, "soon gone")
    assert start.message_id is not None
    await gateway.delete(curator.user.id, sent)
    await gateway.delete(curator.user.id, start.message_id)
    assert curator.conversation() == ()
    await gateway.delete(curator.user.id, sent)  # one that is gone is fine
    with pytest.raises(BadRequest):
        await gateway.edit(curator.user.id, sent, "too late")
    old = await gateway.send(curator.user.id, "two days old soon")
    telegram.call(telegram.world.advance, 48 * 3600 + 1)
    with pytest.raises(BadRequest):
        await gateway.delete(curator.user.id, old)


async def test_it_is_seen_typing(gateway: BotGateway, curator: Curator) -> None:
    await gateway.show_typing(curator.user.id)
    assert curator.typing_seen == 1


async def test_who_blocked_the_bot_gets_nothing(gateway: BotGateway, curator: Curator) -> None:
    sent = await gateway.send(curator.user.id, "hello", keyboard=KEYBOARD)
    curator.block_bot()
    for attempt in (
        gateway.send(curator.user.id, "hello?", keyboard=KEYBOARD),
        gateway.edit(curator.user.id, sent, "hello?"),
        gateway.send_photo(curator.user.id, PNG, html="x"),
        gateway.send_document(curator.user.id, "a.html", b"x"),
        gateway.show_typing(curator.user.id),
    ):
        with pytest.raises(ChatUnavailable):
            await attempt


# -- what curators change


async def test_edits_by_a_curator_come_as_such(gateway: BotGateway, curator: Curator) -> None:
    album = curator.new_album()
    text = curator.send_text("one")
    photo = curator.send_media(curator.new_file(FileKind.PHOTO, 50_000), caption="old", grouped_id=album)
    curator.edit_text(text, "two")
    curator.edit_caption(photo, "new")
    *_, new, changed_text, changed_photo = await gateway.updates(offset=0, wait=5)
    assert new.media_group_id == str(album) and changed_photo.media_group_id is None
    assert changed_photo.message_id == new.message_id and changed_photo.chat_id == curator.user.id
    two, caption = parse_update(changed_text.payload), parse_update(changed_photo.payload)
    assert isinstance(two, EditedMessage) and (two.message.text, two.message.caption) == ("two", None)
    assert isinstance(caption, EditedMessage)
    assert (caption.message.caption, caption.message.media_group_id) == ("new", str(album))
    assert caption.edited_at >= caption.message.date


# -- webhooks


async def test_a_webhook_and_polling_exclude_each_other(gateway: BotGateway, curator: Curator) -> None:
    await gateway.set_webhook("http://127.0.0.1:9/hook", secret="s3cret")
    curator.send_text("kept")
    with pytest.raises(WebhookActive):
        await gateway.updates(offset=0, wait=0)
    await gateway.delete_webhook()
    await gateway.delete_webhook()
    assert "kept" in (await newest(gateway)).payload, "what waits is not dropped"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://example.org/hook", "HTTPS URL must be provided"),
        ("https://example.org:444/hook", "ports 80, 88, 443 or 8443"),
        ("https://example.org/hook", "resolve host"),
    ],
)
async def test_a_webhook_that_telegram_does_not_take_is_told(gateway: BotGateway, url: str, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        await gateway.set_webhook(url, secret="s3cret")
    with pytest.raises(BadRequest, match="unallowed characters"):
        await gateway.set_webhook("http://127.0.0.1:9/hook", secret="s 3")


async def test_everything_asked_for_is_brought_with_the_secret(
    gateway: BotGateway, telegram: SimulatedTelegram, curator: Curator
) -> None:
    """And once more where the answer was lost."""
    taken: list[RawUpdate] = []

    async def accept(update: RawUpdate) -> bool:
        taken.append(update)
        return True

    await gateway.send(curator.user.id, "job", keyboard=KEYBOARD)
    telegram.call(lambda: telegram.world.faults.add("webhook", cut=True))
    server = WebhookServer(host="127.0.0.1", port=0, path="/hook", secret="s3cret", accept=accept)
    port = await server.open()
    try:
        await gateway.set_webhook(f"http://127.0.0.1:{port}/hook", secret="s3cret")
        curator.edit_text(curator.send_text("one"), "two")
        curator.press(said(curator)[0].message_id, "job:cancel:a1")
        with anyio.fail_after(WITHIN):
            while len(taken) < 5:
                await anyio.sleep(0.02)
    finally:
        await server.aclose()
    brought = {update.update_id: json.loads(update.payload) for update in taken}
    kinds = [next(name for name in update if name != "update_id") for _, update in sorted(brought.items())]
    assert kinds == ["message", "message", "edited_message", "callback_query"]
