"""Full-text search: it finds exactly what holds the words, whatever people type, and follows every change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.archive.findable import findable
from teltubby.messages.media import ItemStatus
from tests.unit.archive.samples import ANY_TEXT
from tests.unit.ledger_samples import NOON, ledger_with
from tests.unit.submissions import CHAT, artifact, base_path, handed_in, key, outcomes

WORD = st.text("ab", min_size=1, max_size=3)
WORDS = st.lists(WORD, max_size=4)
QUERY_SYNTAX = [
    '"',
    "NEAR(a b)",
    "a*",
    "-a",
    "a AND",
    "OR",
    "NOT a",
    "caption:a",
    "{caption}: a",
    "^a",
    "(",
    "+",
    "'",
    "\0",
]


def found(ledger: SqliteLedger, words: str) -> set[int]:
    return {hit.message_id for hit in ledger.search.find(words, 100, 0)}


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 5), WORDS, WORD), max_size=12),
    st.lists(st.lists(WORD, min_size=1, max_size=3), min_size=1, max_size=5),
)
def test_exactly_what_holds_all_words_is_found(told: list[tuple[int, list[str], str]], asked: list[list[str]]) -> None:
    texts: dict[int, set[str]] = {}
    with ledger_with() as ledger:
        for message_id, caption, name in told:
            submit = handed_in(message_id, name, caption=" ".join(caption))
            if message_id in texts:
                ledger.submissions.save_artifact(CHAT, message_id, submit.artifact_json)
            else:
                ledger.submissions.submit(submit)
            texts[message_id] = {*caption, name}
        for words in asked:
            *whole, beginning = words
            expected = {
                message_id
                for message_id, held in texts.items()
                if held.issuperset(whole) and any(word.startswith(beginning) for word in held)
            }
            assert found(ledger, " ".join(words)) == expected
        assert ledger.maintenance.maintain().faults == ()


def test_no_text_is_an_error_or_has_a_meaning_beyond_its_words() -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(handed_in(1))
        ledger.submissions.submit(handed_in(50, "Zebra"))

        @given(ANY_TEXT | st.lists(st.sampled_from([*QUERY_SYNTAX, "a", " "])).map("".join))
        @example("a" * 5000)
        @example("a " * 5000)
        @example(" ".join(f"a{number}" for number in range(1000)))
        @example('"' * 4096)
        def holds(text: str) -> None:
            told = outcomes(1, text, caption=text, sender_username=text)
            ledger.submissions.save_artifact(CHAT, 1, artifact(told))
            ledger.search.find(text, 10, 0)
            assert found(ledger, f"zebra {text}") <= {50}, "nothing widens a search"

        holds()


def test_what_was_handed_in_is_found_by_its_own_text() -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(handed_in(1))

        @given(st.text("aB1éЙи_-.\"*' \n日本हिﬁ０", min_size=1, max_size=30), st.booleans())
        def holds(text: str, as_name: bool) -> None:
            told = outcomes(1, text) if as_name else outcomes(1, "x", caption=text)
            ledger.submissions.save_artifact(CHAT, 1, artifact(told))
            has_letters = any(letter.isalnum() for letter in text)
            assert found(ledger, text) == ({1} if has_letters else set())

        holds()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"caption": "Crème brûlée"}, "creme BRULEE"),
        ({"caption": "Привет, мир!"}, "мир привет"),
        ({"caption": "Чёрный йод"}, "и\u0306од"),
        ({"caption": "これは"}, "これ"),
        ({"caption": "ＦＵＬＬ ﬁle"}, "full file"),
        ({"sender_username": "anna_k"}, "anna"),
        ({"chat_title": "The Chat", "chat_username": "thechat"}, "chat thechat"),
        ({"forward_origin": {"type": "hidden_user", "sender_user_name": "Jane Hidden"}}, "jane hidden"),
        ({"forward_origin": {"type": "user", "sender_user": {"first_name": "Jo", "username": "jo77"}}}, "jo jo77"),
        ({"forward_origin": {"type": "channel", "chat": {"title": "Космос", "username": "space"}}}, "космос space"),
        ({"forward_origin": {"type": "chat", "sender_chat": {"title": "Group"}, "author_signature": "Bo"}}, "group bo"),
    ],
)
def test_captions_and_whom_it_came_from_are_found_in_any_script(fields: dict[str, Any], words: str) -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(handed_in(1, **fields))
        ledger.submissions.submit(handed_in(2))
        assert found(ledger, words) == {1}


def test_every_caption_and_file_name_of_an_album_is_found() -> None:
    told = outcomes(1, "И\u0306од_2024.PDF", "second-part.mp4", caption="first words")
    told += outcomes(3, "third", caption="other words", media_group_id="album")
    text = artifact(told).replace('"items"', '"edits": [{"caption_plain": "corrected"}], "items"')
    with ledger_with() as ledger:
        ledger.submissions.submit(handed_in(1))
        ledger.submissions.save_artifact(CHAT, 1, text)
        for words in ("йод", "2024 pdf", "second part", "first other", "corrected words"):
            assert found(ledger, words) == {1}, words
        assert found(ledger, "x.jpg") == set(), "its old text is forgotten"


def test_a_hit_says_what_it_is_and_where() -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(handed_in(1, "a.jpg", "b.jpg", caption="The <b>caption</b>"))
        (hit,) = ledger.search.find("caption", 10, 0)
        assert (hit.chat_id, hit.message_id, hit.title) == (CHAT, 1, "The <b>caption</b>")
        assert (hit.keys, hit.base_path) == ((key(1, 1), key(1, 2)), base_path(1))
        assert timedelta() < hit.handed_in_at - NOON < timedelta(minutes=1)


def test_only_keys_in_the_store_are_told() -> None:
    with ledger_with() as ledger:
        for number, status in enumerate(ItemStatus):
            ledger.submissions.submit(handed_in(number, "same name", status=status))
        keys = {hit.message_id: hit.keys for hit in ledger.search.find("same name", 10, 0)}
        archived = (ItemStatus.STORED, ItemStatus.DUPLICATE)
        assert {number for number, told in keys.items() if told} == {list(ItemStatus).index(one) for one in archived}
        ledger.files.forget(CHAT)
        ledger.submissions.submit(handed_in(20, "same name"))
        keys = {hit.message_id: hit.keys for hit in ledger.search.find("same name", 10, 0)}
        assert {number for number, told in keys.items() if told} == {20}, "the others were purged"
        assert len(keys) == len(ItemStatus) + 1, "and are history"


def test_a_submission_without_caption_is_called_by_its_file_and_else_by_its_chat() -> None:
    origin = {"type": "channel", "chat": {"title": "Космос"}}
    assert findable(handed_in(1, "a.jpg", caption=" ").artifact_json).title == "a.jpg"
    assert findable(artifact(outcomes(1, "", forward_origin=origin, chat_title="Private"))).title == "Космос"
    assert findable(artifact(outcomes(1, "", sender_username=None))).title == ""


@pytest.mark.parametrize(
    "text", ["", "v1", "[]", "null", '{"telegram": 5}', '{"telegram": {"items": [1], "captions": {}}}']
)
def test_what_is_no_artifact_is_recorded_all_the_same(text: str) -> None:
    with ledger_with() as ledger:
        ledger.submissions.submit(handed_in(1))
        ledger.submissions.save_artifact(CHAT, 1, text)
        assert found(ledger, "x") == set()
        assert [row["message_id"] for row in ledger.file.read("SELECT * FROM archive")] == []


def test_hits_come_in_pages_the_best_first_and_then_the_newest() -> None:
    with ledger_with() as ledger:
        for number in range(1, 8):
            ledger.submissions.submit(
                handed_in(number, caption="word" if number == 3 else "word among many other ones")
            )
        pages = [ledger.search.find("word", 3, offset) for offset in (0, 3, 6, 9)]
        assert [[hit.message_id for hit in page] for page in pages] == [[3, 7, 6], [5, 4, 2], [1], []]
