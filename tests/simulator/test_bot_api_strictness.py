"""Where the simulated Bot API must say no, in the words of the real one; called without a client library."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from teltubby.simulator.bot_errors import ApiError
from teltubby.simulator.bot_multipart import parts_of
from teltubby.simulator.curator import Curator
from teltubby.simulator.files import FileKind
from teltubby.simulator.people import ChatKind, User
from teltubby.simulator.server import SimulatedTelegram
from tests.simulator.answers import description, get, result

Api = Callable[..., tuple[int, Any]]


@pytest.fixture
def chat_id(curator: Curator) -> int:
    """A chat that was started."""
    curator.send_text("/start")
    return curator.user.id


# -- the door


def test_wrong_tokens_and_unknown_methods(telegram: SimulatedTelegram, bot: User, api: Api) -> None:
    assert api("noSuchMethod") == (404, {"ok": False, "error_code": 404, "description": "Not Found: method not found"})
    assert get(f"{telegram.bot_api_url}/bot{bot.id}:wrong/getMe") == 401
    assert get(f"{telegram.bot_api_url}/botnonsense/getMe") == 401
    assert get(f"{telegram.bot_api_url}/elsewhere") == 404
    assert get(f"{telegram.bot_api_url}/bot{bot.token}/GETME") == 200


def test_parameters_come_by_query_form_or_json(telegram: SimulatedTelegram, bot: User, api: Api, chat_id: int) -> None:
    url = f"{telegram.bot_api_url}/bot{bot.token}/sendMessage"
    fields = {"chat_id": chat_id, "text": "hello"}
    assert get(f"{url}?{urllib.parse.urlencode(fields)}") == 200
    with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode(), timeout=10) as response:
        assert response.status == 200
    assert api("sendMessage", **fields)[0] == 200


# -- texts


@pytest.mark.parametrize(
    ("html", "complaint"),
    [
        ("<x>a</x>", 'Unsupported start tag "x" at byte offset 0'),
        ("é<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
        ("é</b>", "Unexpected end tag at byte offset 2"),
        ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("a <b", "Unclosed start tag at byte offset 2"),
        ("<b>a</b", "Unclosed end tag at byte offset 4"),
        ('<a href="x', 'Unclosed start tag "a" at byte offset 0'),
        ("<a href=a/b>x</a>", "Unexpected end of name token at byte offset 8"),
        ("<span>a</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_html_that_telegram_refuses(api: Api, chat_id: int, html: str, complaint: str) -> None:
    answer = api("sendMessage", chat_id=chat_id, text=html, parse_mode="HTML")
    assert description(answer) == f"Bad Request: can't parse entities: {complaint}"


@pytest.mark.parametrize(
    ("html", "text", "entities"),
    [
        ("&lt;&amp;&quot;&#128512;&nbsp;", '<&"😀&nbsp;', []),
        ("😀<b>x<i>y</i></b>", "😀xy", [("bold", 2, 2), ("italic", 3, 1)]),
        ('<a href="https://e.org/?a=1&amp;b=2">l</a>', "l", [("text_link", 0, 1)]),
        ("<pre><code class='language-py'>x</code></pre>", "x", [("pre", 0, 1)]),
        ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1)]),
        ("<tg-spoiler>s</tg-spoiler> <S>t</S>", "s t", [("spoiler", 0, 1), ("strikethrough", 2, 1)]),
        ("  <b> padded </b>  ", " padded", [("bold", 0, 7)]),
    ],
)
def test_html_that_telegram_accepts(
    api: Api, chat_id: int, html: str, text: str, entities: list[tuple[str, int, int]]
) -> None:
    message = result(api("sendMessage", chat_id=chat_id, text=html, parse_mode="HTML"))
    assert isinstance(message, dict)
    assert message["text"] == text
    found = [(e["type"], e["offset"], e["length"]) for e in message.get("entities", [])]
    assert found == entities


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "message text is empty"),
        (" \n ", "message text is empty"),
        ("x" * 4097, "message is too long"),
        ("😀" * 2049, "message is too long"),
    ],
)
def test_lengths_of_texts(api: Api, chat_id: int, text: str, complaint: str) -> None:
    assert description(api("sendMessage", chat_id=chat_id, text=text)) == f"Bad Request: {complaint}"
    assert api("sendMessage", chat_id=chat_id, text="x" * 4096)[0] == 200


# -- whom and what


def test_chats_the_bot_cannot_write_to(telegram: SimulatedTelegram, bot: User, api: Api, curator: Curator) -> None:
    def send(chat_id: object) -> object:
        return description(api("sendMessage", chat_id=chat_id, text="x"))

    world = telegram.world
    assert send("") == "Bad Request: chat_id is empty"
    assert send(4242) == send(curator.user.id) == send("@nobody") == "Bad Request: chat not found"
    group = telegram.call(lambda: world.add_chat(ChatKind.SUPERGROUP, "G", members=(bot, curator.user)))
    assert send(curator.user.id) == "Forbidden: bot can't initiate conversation with a user"
    channel = telegram.call(lambda: world.add_chat(ChatKind.CHANNEL, "C", username="public_one"))
    assert send("@public_one") == "Forbidden: bot is not a member of the channel chat"
    channel.members.add(bot.id)
    assert send(channel.bot_api_id) == "Bad Request: need administrator rights in the channel chat"
    group.members.discard(bot.id)
    group.kicked.add(bot.id)
    assert send(group.bot_api_id) == "Forbidden: bot was kicked from the supergroup chat"
    curator.send_text("/start")
    curator.block_bot()
    assert send(curator.user.id) == "Forbidden: bot was blocked by the user"


def test_replies_edits_and_deletions_of_what_is_not_there(api: Api, curator: Curator, chat_id: int) -> None:
    missing = {"chat_id": chat_id, "text": "x", "reply_parameters": {"message_id": 999}}
    assert description(api("sendMessage", **missing)) == "Bad Request: message to be replied not found"
    missing["reply_parameters"] = {"message_id": 999, "allow_sending_without_reply": True}
    assert api("sendMessage", **missing)[0] == 200
    for method, purpose in (("editMessageText", "edit"), ("deleteMessage", "delete")):
        answer = api(method, chat_id=chat_id, message_id=999, text="x")
        assert description(answer) == f"Bad Request: message to {purpose} not found"
    theirs = api("editMessageText", chat_id=chat_id, message_id=1, text="x")
    assert description(theirs) == "Bad Request: message can't be edited"
    curators_own_id = curator.conversation()[0].message_id
    answer = api("deleteMessage", chat_id=chat_id, message_id=curators_own_id)
    assert description(answer) == "Bad Request: message to delete not found"


def test_copies_of_what_is_not_there(api: Api, chat_id: int) -> None:
    answer = api("copyMessage", chat_id=chat_id, from_chat_id=chat_id, message_id=999)
    assert description(answer) == "Bad Request: message to copy not found"


def test_old_messages_are_not_deleted(telegram: SimulatedTelegram, api: Api, chat_id: int) -> None:
    telegram.call(telegram.world.advance, 48 * 3600 + 1)
    answer = api("deleteMessage", chat_id=chat_id, message_id=1)
    assert description(answer) == "Bad Request: message can't be deleted for everyone"


def test_buttons_are_checked(api: Api, chat_id: int) -> None:
    def send(button: dict[str, str]) -> object:
        return description(api("sendMessage", chat_id=chat_id, text="x", reply_markup={"inline_keyboard": [[button]]}))

    assert send({"text": "x", "callback_data": "d" * 65}) == "Bad Request: BUTTON_DATA_INVALID"
    assert str(send({"callback_data": "d"})).startswith("Bad Request: can't parse inline keyboard button")
    assert str(send({"text": "x"})).startswith("Bad Request: can't parse inline keyboard button")


def test_callback_queries_are_answered_once(telegram: SimulatedTelegram, api: Api, curator: Curator) -> None:
    curator.send_text("/start")
    keyboard = {"inline_keyboard": [[{"text": "x", "callback_data": "d"}]]}
    api("sendMessage", chat_id=curator.user.id, text="x", reply_markup=keyboard)
    for _ in range(2):
        curator.press(curator.conversation()[-1].message_id, "d")
    first, second = telegram.world.queries
    assert result(api("answerCallbackQuery", callback_query_id=str(first))) is True
    too_late = "Bad Request: query is too old and response timeout expired or query ID is invalid"
    assert description(api("answerCallbackQuery", callback_query_id=str(first))) == too_late
    telegram.call(telegram.world.advance, 61)
    assert description(api("answerCallbackQuery", callback_query_id=str(second))) == too_late
    with pytest.raises(LookupError):
        curator.press(curator.conversation()[-1].message_id, "other")


# -- files


def test_file_ids_are_private_to_a_bot(telegram: SimulatedTelegram, bot: User, api: Api, curator: Curator) -> None:
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 10))
    ((update,),) = (result(api("getUpdates")),)
    file_id = update["message"]["document"]["file_id"]
    assert api("getFile", file_id=file_id)[0] == 200
    other = telegram.add_bot("Other", username="other_bot")
    url = f"{telegram.bot_api_url}/bot{other.token}/getFile?file_id="
    assert get(url + file_id) == 400
    assert get(url + file_id[:-1] + ("A" if file_id[-1] != "A" else "B")) == 400
    assert description(api("getFile", file_id="%%%")).startswith("Bad Request: wrong remote file identifier")
    answer = api("sendPhoto", chat_id=curator.user.id, photo=file_id)
    assert description(answer) == "Bad Request: can't use file of type Document as Photo"


def test_links_are_good_for_an_hour(telegram: SimulatedTelegram, bot: User, api: Api, curator: Curator) -> None:
    curator.send_document(curator.new_file(FileKind.DOCUMENT, 10, name="a.pdf"))
    ((update,),) = (result(api("getUpdates")),)
    link = result(api("getFile", file_id=update["message"]["document"]["file_id"]))
    assert link["file_path"] == "documents/file_0.pdf"
    url = f"{telegram.bot_api_url}/file/bot{bot.token}/{link['file_path']}"
    assert get(url) == 200
    telegram.call(telegram.world.advance, 3600)
    assert get(url) == 404


def test_faults_of_a_download(telegram: SimulatedTelegram, bot: User, api: Api, curator: Curator) -> None:
    file = curator.new_file(FileKind.DOCUMENT, 1000)
    curator.send_document(file)
    ((update,),) = (result(api("getUpdates")),)
    link = result(api("getFile", file_id=update["message"]["document"]["file_id"]))
    url = f"{telegram.bot_api_url}/file/bot{bot.token}/{link['file_path']}"
    telegram.call(lambda: telegram.world.faults.add("file", corrupt=True))
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.read() != file.read(0, 1000)
    telegram.call(lambda: telegram.world.faults.add("file", truncate=100))
    with pytest.raises(http.client.IncompleteRead), urllib.request.urlopen(url, timeout=10) as response:
        response.read()
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.read() == file.read(0, 1000)


BINARY = bytes(range(256)) * 3 + b"\r\n--bound\r--\r\n\r\n"


@pytest.mark.parametrize("data", [b"", b"x", b"\r\n", b"--boundary", BINARY])
def test_multipart_bodies_arrive_byte_for_byte(data: bytes) -> None:
    body = (
        b'--boundary\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n42\r\n'
        b"--boundary\r\nContent-Disposition: form-data; name=\"document\"; filename*=utf-8''%D1%8F.bin\r\n"
        b"Content-Type: application/x-y\r\n\r\n" + data + b"\r\n--boundary--\r\n"
    )
    field, file = parts_of(body, 'multipart/form-data; boundary="boundary"')
    assert (field.name, field.filename, field.data) == ("chat_id", None, b"42")
    assert (file.name, file.filename, file.content_type, file.data) == ("document", "я.bin", "application/x-y", data)


@pytest.mark.parametrize("body", [b"", b"nothing", b"--boundary\r\nno end", b"x--boundary--"])
def test_broken_multipart_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ApiError, match="multipart"):
        list(parts_of(body, "multipart/form-data; boundary=boundary"))


# -- limits


def test_edits_count_as_messages(api: Api, chat_id: int) -> None:
    message = result(api("sendMessage", chat_id=chat_id, text="0"))
    answers = [
        api("editMessageText", chat_id=chat_id, message_id=message["message_id"], text=str(number))
        for number in range(1, 22)
    ]
    status, body = answers[-1]
    assert status == 429 and body["parameters"] == {"retry_after": 1}
    assert body["description"] == "Too Many Requests: retry after 1"
