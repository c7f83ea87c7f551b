"""Slugs, by the table of compatibility.md and by their laws."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.slugs import caption_slug, shorten, slug
from tests.unit.archive.samples import ANY_TEXT

TABLE = {
    "Foo_Bar": "foo_bar",
    "Привет Мир!": "privet-mir",
    "My.Channel.v2": "my.channel.v2",
    "a--b__c": "a-b__c",
    "-100123": "100123",
    'Don\'t "quote" & <b>': "don-t-quote-b",
    "1,000 files": "1000-files",
    "!!!": "",
}


@pytest.mark.parametrize(("text", "expected"), TABLE.items())
def test_table(text: str, expected: str) -> None:
    assert slug(text) == expected


@pytest.mark.parametrize("text", ["", ".", "..", "...", "-", "-.-", "/../", "\0", "\u202e", "😀", "\ud83d", " \n\t"])
def test_what_has_no_name_has_no_slug(text: str) -> None:
    assert slug(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("../../etc/passwd", "..-..-etc-passwd"),
        ("a\0b", "a-b"),
        ("\u202egnp.exe", "gnp.exe"),
        ("x\ud83dy", "xy"),
        ("&amp; &#65;", "amp-65"),
        ("日本語", "ri-ben-yu"),
        ("ЩУКА.Doc", "shchuka.doc"),
    ],
)
def test_hostile_and_foreign_text(text: str, expected: str) -> None:
    assert slug(text) == expected


@given(ANY_TEXT)
def test_slug_is_a_name_and_stays_it(text: str) -> None:
    result = slug(text)
    assert re.fullmatch(r"[a-z0-9._-]*", result, re.ASCII)
    assert "--" not in result
    assert result == result.strip("-")
    assert not result or result.strip(".")
    assert slug(result) == result


@given(ANY_TEXT.map(slug).filter(bool), st.integers(1, 40))
def test_shortened_slug_is_a_slug_that_fits(name: str, room: int) -> None:
    short = shorten(name, room)
    assert 1 <= len(short) <= max(room, 1)
    assert slug(short) == short
    assert short in name


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Hello, world! this is a long caption", "hello-world-this-is-a-long"),
        ("  Отчёт\nза  год ", "otchet-za-god"),
        ("one two three four five six seven", "one-two-three-four-five-six"),
        ("😀 🎉", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_caption_gives_its_first_six_words(caption: str | None, expected: str) -> None:
    assert caption_slug(caption) == expected
