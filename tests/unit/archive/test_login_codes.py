"""Login codes that are written so that Telegram does not recognise them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from teltubby.archive.login_codes import FEWEST_DIGITS, MOST_DIGITS, TOGETHER, CodeRefusal, read_code, ways_to_write

CODES = st.text("0123456789", min_size=FEWEST_DIGITS, max_size=MOST_DIGITS)
BETWEEN = st.text(st.characters(exclude_categories=["Nd", "Cs"]), min_size=1, max_size=5)


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3 4 5",
        "1-2-3-4-5",
        "1.2.3.4.5",
        "1,2,3,4,5",
        "1_2_3_4_5",
        "1/2/3/4/5",
        "1a2b3c4d5",
        "one is 1, then 2 and 3, and 4 5",
        "12 345",
        "12-34-5",
        "1\n2\n3\n4\n5",
        "  1 2 3 4 5  ",
        "١ ٢ ٣ ٤ ٥",
        "< 54321",
        "<54321",
        "r 54321",
        "R54321",
        "rev: 54321",
        "Reversed 5-4-3-2-1",
        "reversed54321",
    ],
)
def test_ways_to_write_a_code(text: str) -> None:
    assert read_code(text) == "12345"


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("12345", CodeRefusal.BARE),
        ("code 12345", CodeRefusal.BARE),
        ("my2codeis12345ok", CodeRefusal.BARE),
        ("１２３４５", CodeRefusal.BARE),
        ("123456 7", CodeRefusal.BARE),
        ("1234", CodeRefusal.BARE),
        ("< 12321", CodeRefusal.BARE),
        ("rest 54321", CodeRefusal.BARE),
        ("7", CodeRefusal.BARE),
        ("", CodeRefusal.NO_DIGITS),
        ("one two three", CodeRefusal.NO_DIGITS),
        ("<", CodeRefusal.NO_DIGITS),
        ("1 2 3", CodeRefusal.WRONG_LENGTH),
        ("1 2 3 4 5 6 7 8 9", CodeRefusal.WRONG_LENGTH),
        ("< 321", CodeRefusal.WRONG_LENGTH),
    ],
)
def test_what_is_no_code_or_a_dead_one(text: str, refusal: CodeRefusal) -> None:
    assert read_code(text) is refusal


@given(CODES)
def test_what_is_shown_as_a_way_is_read_and_never_has_the_code_in_it(code: str) -> None:
    ways = ways_to_write(code)
    assert len(ways) >= 3
    for way in ways:
        assert code not in way
        assert read_code(way) == code


@given(st.data())
def test_digits_that_are_apart_are_read_whatever_stands_between(data: st.DataObject) -> None:
    code = data.draw(CODES)
    written = code[0] + "".join(data.draw(BETWEEN) + digit for digit in code[1:])
    assert code not in written
    assert read_code(written) == code


@given(text=st.text(st.sampled_from("0123456789 -<rev")), code=CODES)
def test_what_is_accepted_does_not_have_the_code_in_it(text: str, code: str) -> None:
    """Whatever somebody typed: had it been the code as it is, Telegram would have voided it."""
    read = read_code(text)
    if not isinstance(read, CodeRefusal):
        assert read not in text
    assume(not text.lstrip().lower().startswith(("<", "r")) and len(code) > TOGETHER)
    assert read_code(f"{text}{code}{text}") is CodeRefusal.BARE
