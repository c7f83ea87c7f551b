"""What follows a command for secrets is told apart from what may be written down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from teltubby.archive.masks import SecretCommand, has_secret, is_miswritten, masked, secret_command, without_secrets

SECRET = "hunter2 correct"
COMMANDS = st.sampled_from(["/mtpass", "/mtcode", "/MtPass", "/MTCODE", " \n/mtpass"])
SPACES = st.sampled_from(" \n\t\u00a0\u2003")


@pytest.mark.parametrize(
    ("text", "shown", "secret"),
    [
        ("/mtpass hunter2", "/mtpass …", "hunter2"),
        ("/mtpass  hunter2 ", "/mtpass …", " hunter2 "),
        ("/mtpass\nhunter2\nmore", "/mtpass …", "hunter2\nmore"),
        ("/MTPASS@archive_bot hunter2", "/MTPASS@archive_bot …", "hunter2"),
        ("  /mtcode 1 2 3", "/mtcode …", "1 2 3"),
        ("/mtpass …", "/mtpass …", "…"),
        ("/mtpass:hunter2", "/mtpass! …", None),
        ("/mtpassword hunter2", "/mtpass! …", None),
        ("/mtpass@bot:hunter2", "/mtpass! …", None),
        ("/mtcode12345", "/mtcode! …", None),
        ("/mtpass\u200bhunter2", "/mtpass! …", None),
        ("\u200b/mtpass hunter2", "/mtpass! …", None),
        ("/mtpa\u017fs hunter2", "/mtpass! …", None),  # to re.IGNORECASE a long s is an s
        ("/mt pass hunter2", "/mtpass! …", None),
        ("mtpass hunter2", "/mtpass! …", None),
        ("\uff0fMT_code 1 2 3", "/mtcode! …", None),
    ],
)
def test_a_secret_is_everything_behind_the_command_and_one_white_space(
    text: str, shown: str, secret: str | None
) -> None:
    found = masked(text)
    assert found is not None and (found.text, found.secret) == (shown, secret)
    assert "hunter" not in repr(found)
    assert has_secret(text) and has_secret(shown) and is_miswritten(shown) is (secret is None)


@pytest.mark.parametrize(
    "text",
    ["", "/mtpass", " /mtcode  ", "/mtpass@bot\n", "say /mtpass hunter2", "/start mtpass", "mtpass", "/mtpa\u017fs"],
)
def test_where_there_is_no_secret_nothing_is_changed(text: str) -> None:
    assert masked(text) is None and not has_secret(text)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/mtpass", SecretCommand.PASSWORD),
        ("/mtcode …", SecretCommand.CODE),
        ("/mtpass! …", SecretCommand.PASSWORD),
        ("/start", None),
        (None, None),
    ],
)
def test_commands_are_known_with_and_without_their_secrets(text: str | None, command: SecretCommand | None) -> None:
    assert secret_command(text) is command
    assert not has_secret(None) and not is_miswritten(None)


@given(command=COMMANDS, bot=st.sampled_from(["", "@archive_bot"]), space=SPACES, secret=st.text(min_size=1))
def test_the_secret_is_exact_and_masking_twice_is_masking_once(command: str, bot: str, space: str, secret: str) -> None:
    found = masked(f"{command}{bot}{space}{secret}")
    if not secret.strip():
        assert found is None
        return
    assert found is not None and found.secret == secret
    again = masked(found.text)
    assert again is not None and again.text == found.text


def nested(secret: dict[str, Any], depth: int) -> dict[str, Any]:
    for level in range(depth):
        secret = {"list": [secret]} if level % 2 else {"reply_to_message": secret}
    return secret


@given(field=st.sampled_from(["text", "caption", "anything"]), depth=st.integers(0, 12), command=COMMANDS)
def test_however_deep_it_lies_it_is_masked(field: str, depth: int, command: str) -> None:
    message = {field: f"{command} {SECRET}", "message_id": 5}
    clean = without_secrets({"update_id": 1, "message": nested(message, depth)})
    assert SECRET not in json.dumps(clean) and "…" in json.dumps(clean, ensure_ascii=False)


def test_what_is_said_of_a_secret_goes_with_it() -> None:
    secret: dict[str, JsonValue] = {
        "text": f"/mtpass {SECRET}",
        "entities": [{"offset": 8}],
        "caption_entities": [1],
        "message_id": 5,
    }
    answer: dict[str, JsonValue] = {
        "reply_to_message": secret,
        "quote": {"text": SECRET},
        "text": "what?",
        "entities": [2],
    }
    assert without_secrets(answer) == {
        "reply_to_message": {"text": "/mtpass …", "caption_entities": [1], "message_id": 5},
        "text": "what?",
        "entities": [2],
    }
    photo: dict[str, JsonValue] = {
        "caption": f"/mtpass {SECRET}",
        "caption_entities": [1],
        "entities": [2],
        "quote": {"text": "x"},
    }
    assert without_secrets(photo) == {"caption": "/mtpass …", "entities": [2], "quote": {"text": "x"}}


def test_an_address_that_was_a_secret_is_not_in_its_preview() -> None:
    address: dict[str, JsonValue] = {
        "text": "/mtpass http://hunter2",
        "link_preview_options": {"url": "http://hunter2"},
    }
    assert without_secrets(address) == {"text": "/mtpass …"}


def test_names_may_begin_as_commands_do() -> None:
    named: dict[str, JsonValue] = {"from": {"username": "mtpassenger"}, "document": {"file_name": "mtcode.zip"}}
    assert without_secrets({**named, "text": "mtpass hunter2"}) == {**named, "text": "/mtpass! …"}


@given(st.text(alphabet="/mtcodepas\u017f \u200b@!", max_size=12))
def test_whatever_is_nearly_a_command_is_dealt_with(text: str) -> None:
    found = masked(text)
    assert found is None or secret_command(found.text) is found.command


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_everything_else_stays_as_it_is(fields: dict[str, Any]) -> None:
    assert without_secrets(fields) == fields
