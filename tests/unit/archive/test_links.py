"""Links, mentions and hashtags: where they are, to the UTF-16 unit, and what is none."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive import hosts
from teltubby.archive.hosts import is_host
from teltubby.archive.links import TRAILING, find_hashtags, find_links, find_mentions, normalised, with_scheme
from teltubby.archive.utf16 import Utf16Text
from teltubby.messages.media import JsonObject

LONGEST = 4096
"""The most characters of a message."""


def utf16_slice(text: str, offset: int, length: int) -> str:
    """What Telegram means by a place: units of two bytes each."""
    return text.encode("utf-16-le", "surrogatepass")[2 * offset : 2 * (offset + length)].decode("utf-16-le", "replace")


def urls(text: str, *entities: JsonObject) -> list[str]:
    return [link.url for link in find_links(text, entities)]


def entity(kind: str, offset: int, length: int, **more: str) -> JsonObject:
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com", ["https://example.com"]),
        ("HTTP://Example.COM/Path", ["HTTP://Example.COM/Path"]),
        ("see example.com/foo.", ["https://example.com/foo"]),
        ("t.me/durov, and more", ["https://t.me/durov"]),
        ("www.example.org", ["https://www.example.org"]),
        ("GitHub.com/lipoja", ["https://GitHub.com/lipoja"]),
        ("EXAMPLE.COM!", ["https://EXAMPLE.COM"]),
        ("(https://x.org/a)", ["https://x.org/a"]),
        ("[text](https://x.org/a)b", ["https://x.org/a"]),
        ("https://en.wikipedia.org/wiki/Foo_(bar)", ["https://en.wikipedia.org/wiki/Foo_(bar)"]),
        ("(https://en.wikipedia.org/wiki/Foo_(bar)).", ["https://en.wikipedia.org/wiki/Foo_(bar)"]),
        ("https://x.org/a[1]{2}]}", ["https://x.org/a[1]{2}"]),
        ("«https://x.org»… “t.me/foo” ‘x.net/1’", ["https://x.org", "https://t.me/foo", "https://x.net/1"]),
        ('"https://x.org/?q=1&r=2#top"', ["https://x.org/?q=1&r=2#top"]),
        ("<https://x.org/a>", ["https://x.org/a"]),
        ("a.com,b.com;c.com", ["https://a.com", "https://b.com", "https://c.com"]),
        ("https://instagram.com/name_", ["https://instagram.com/name_"]),
        ("x.org:8080/a x.net:443.", ["https://x.org:8080/a", "https://x.net:443"]),
        ("x.org:nothing", ["https://x.org"]),
        ("привет.рф! 例え.jp", ["https://привет.рф", "https://例え.jp"]),
        ("münchen.de/straße", ["https://münchen.de/straße"]),
        ("请看example.com吧", ["https://example.com"]),
        ("见https://example.com/a。好", ["https://example.com/a"]),
        ("🔥https://t.me/a/5 🔥", ["https://t.me/a/5"]),
        ("http://10.0.0.1:8080/x 10.0.0.1/x", ["http://10.0.0.1:8080/x", "https://10.0.0.1/x"]),
        ("http://localhost:8000/x http://[::1]:80/", ["http://localhost:8000/x", "http://[::1]:80/"]),
        ("https://user:pw@h.org/x", ["https://user:pw@h.org/x"]),
        ("tg://resolve?domain=durov", ["tg://resolve?domain=durov"]),
        ("...a.com -b.com", ["https://a.com", "https://b.com"]),
        ("https://x.org/??!...", ["https://x.org/"]),
    ],
)
def test_found(text: str, expected: list[str]) -> None:
    assert urls(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("file.txt", "readme.md", "README.md", "main.py", "backup.zip", "lib.rs", "node.js", "a.b.c", "e.g.", "i.e."),
        *("3.14", "1.2.3", "v1.2.3", "1.2.3.4", "2.0.0-beta.1", "21.11.2026", "U.S.A.", "10.000,00", "...", "a..b"),
        *("me@example.com", "first.me@example.com", "it.So far", "done.Now", "https://", "http://...", "http:///x"),
        *("example.invalidtld/x", "a_b.com", "-.com", "x.-com", ".com", "@name.com", "😀.😀", "//", "256.1.1.1/x"),
        f"{'a' * 64}.com",
    ],
)
def test_not_found(text: str) -> None:
    assert urls(text) == []


def test_a_place_is_counted_in_utf16_units_and_is_the_text_s() -> None:
    text = "👨‍👩‍👧 é 𝔘 example.com/x and t.me/y"
    links = find_links(text)
    assert [utf16_slice(text, link.offset, link.length) for link in links] == ["example.com/x", "t.me/y"]
    assert [link.url for link in links] == ["https://example.com/x", "https://t.me/y"]
    assert links[0].offset == text.index("example") + 4  # of which three are the family, one the letter


def test_what_telegram_marked_is_kept_as_it_is() -> None:
    text = "😀 README.md and here: a.b"
    marked = [
        entity("url", 3, 9),
        entity("text_link", 17, 4, url="tg://user?id=5"),
        entity("text_link", 0, 2, url="x.org"),
    ]
    links = find_links(text, marked)
    assert [(link.url, link.offset, link.length, link.shown) for link in links] == [
        ("https://x.org", 0, 2, "😀"),
        ("https://README.md", 3, 9, None),
        ("tg://user?id=5", 17, 4, "here"),
    ]


def test_a_link_that_hides_another_counts_and_not_what_it_shows() -> None:
    (link,) = find_links("https://bank.com/login", [entity("text_link", 0, 22, url="https://evil.com/")])
    assert (link.url, link.shown) == ("https://evil.com/", "https://bank.com/login")


def test_each_address_once_at_its_first_place() -> None:
    text = "Example.com https://example.com/ https://EXAMPLE.com:443 http://example.com https://example.com/A"
    links = find_links(text)
    assert [(link.url, link.offset) for link in links] == [
        ("https://Example.com", 0),
        ("http://example.com", text.index("http://e")),
        ("https://example.com/A", text.index("https://example.com/A")),
    ]


def test_in_code_only_what_names_its_scheme() -> None:
    text = "run x.com or https://y.org"
    assert urls(text, entity("pre", 0, len(text))) == ["https://y.org"]
    assert find_hashtags("#one #two", [entity("code", 0, 4)]) == ("#two",)
    assert find_mentions("@someone @another", [entity("code", 0, 8)]) == ("@another",)


@pytest.mark.parametrize(("offset", "length"), [(-5, 3), (90, 9), (3, -1), (1, 1), (2**40, 2**40), (-(2**70), 2**71)])
def test_entities_outside_the_text_are_kept_within_it(offset: int, length: int) -> None:
    (link,) = find_links("😀ab", [entity("text_link", offset, length, url="https://x.org")])
    assert 0 <= link.offset <= link.offset + link.length <= 4
    assert link.shown == utf16_slice("😀ab", link.offset, link.length)


@pytest.mark.parametrize("odd", [{}, {"type": "url"}, {"type": "url", "offset": "0", "length": None}, {"type": 7}])
def test_entities_that_make_no_sense_count_for_nothing(odd: JsonObject) -> None:
    assert urls("no link", odd) == []
    assert find_mentions("nobody", [odd]) == find_hashtags("nothing", [odd]) == ()


def test_somebody_without_a_number_cannot_be_named() -> None:
    assert find_mentions("some one", [{"type": "text_mention", "offset": 0, "length": 4, "user": {}}]) == ()


@pytest.mark.parametrize("url", ["https://a.de:port/", "https://[::1/", "https://a.de:99999/"])
def test_an_address_that_cannot_be_taken_apart_is_only_itself(url: str) -> None:
    assert normalised(url) == url


def test_mentions() -> None:
    text = "@Ada, mail me@example.com; t.me/@x @ab @Bob_99 (@ada) 😀 Somebody @channel_"
    person: JsonObject = {"type": "text_mention", "offset": text.index("Some") + 1, "length": 8, "user": {"id": 77}}
    assert find_mentions(text, [person]) == ("@Bob_99", "tg://user?id=77", "@channel_")
    assert find_mentions("@Ada and @pic", [entity("mention", 0, 4), entity("mention", 9, 4)]) == ("@Ada", "@pic")


def test_hashtags() -> None:
    text = "#One two#three #1 #2nd #one #Привет #हिन्दी https://x.org/#top ##no"
    assert find_hashtags(text) == ("#One", "#2nd", "#Привет", "#हिन्दी")
    assert find_hashtags("a #b@c", [entity("hashtag", 2, 4)]) == ("#b@c",)


def test_the_host_is_judged_by_the_whole_list_of_top_level_domains() -> None:
    assert all(map(is_host, ("x.com", "x.museum", "x.xn--p1ai", "x.рф", "a.b.c.co.uk", "1.2.3.4", "X.ORG")))
    assert not any(map(is_host, ("", "com", "x.", ".com", "x..com", "x.notatld", "999.1.1.1", "a b.com", "x.com/")))
    assert not is_host("a." * 127 + "com")


def test_urlextract_neither_writes_nor_dials() -> None:
    """In a process of its own, where nothing was made before."""
    code = """
import sys
seen = []
def look(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"): seen.append(args)
    if event == "open" and args[1] is None and args[2] & 3: seen.append(args)
    if event.split(".")[0] in ("socket", "urllib"): seen.append(event)
    if event in ("os.mkdir", "os.rename", "os.remove"): seen.append(event)
sys.dont_write_bytecode = True
sys.addaudithook(look)
import teltubby.archive.links as links
assert links.find_links("see example.com") != ()
assert not seen, seen
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr


# -- laws

WORDS = (
    "https:// http:// example.com t.me/x x.org/(a) привет.рф e.g. 1.2.3.4 / ?q= #a ( ) [ ] . , … » "
    "😀 👩‍👧 é @ me@ file.txt : 8 _ - ж 中 \u200b"
)
PIECES = st.sampled_from([*WORDS.split(), " ", "\n"])
TEXTS = st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60)


@st.composite
def marked_texts(draw: st.DrawFn) -> tuple[str, list[JsonObject]]:
    """A text, and entities of Telegram's and of nobody's."""
    text = draw(TEXTS)
    place = st.integers(-3, 2 * len(text) + 3)
    links = st.builds(
        lambda o, n, url: entity("text_link", o, n, url=url), place, place, st.sampled_from(["x.org", "tg://a"])
    )
    others = st.builds(entity, st.sampled_from(["url", "code", "bold", "mention", "hashtag"]), place, place)
    return text, draw(st.lists(links | others, max_size=4))


@given(marked_texts())
def test_laws_of_places(given_: tuple[str, list[JsonObject]]) -> None:
    text, entities = given_
    links = find_links(text, entities)
    units = Utf16Text(text).units
    for link in links:
        assert 0 <= link.offset <= link.offset + link.length <= units
        there = utf16_slice(text, link.offset, link.length)
        if link.shown is not None:
            assert link.shown == there
        else:
            assert link.url == with_scheme(there.strip())
    assert all(before.offset <= after.offset for before, after in pairwise(links))
    assert len({normalised(link.url) for link in links}) == len(links)


@given(marked_texts())
def test_what_telegram_marked_is_never_lost(given_: tuple[str, list[JsonObject]]) -> None:
    text, entities = given_
    kept = {normalised(link.url) for link in find_links(text, entities)}
    for each in entities:
        if each["type"] == "text_link":
            assert normalised(with_scheme(str(each["url"]))) in kept


@given(TEXTS)
def test_found_ones_marked_are_found_again(text: str) -> None:
    found = find_links(text)
    marked = [entity("url", link.offset, link.length) for link in found]
    assert find_links(text, marked) == found
    assert all(link.url[-1] not in TRAILING for link in found)
    assert [each for link in found for each in urls(link.url)] == [link.url for link in found]


@given(st.text(max_size=40), st.integers(-5, 90), st.integers(-5, 90))
def test_utf16_slices_are_those_of_the_encoding(text: str, offset: int, length: int) -> None:
    measured = Utf16Text(text)
    first, last = measured.span(offset, length)
    assert 0 <= first <= last <= len(text)
    assert measured.slice(offset, length) == text[first:last]
    assert measured.units_at(len(text)) == measured.units == len(text.encode("utf-16-le", "surrogatepass")) // 2
    for index in range(len(text)):
        assert measured.span(measured.units_at(index), 1) == (index, index + 1)


REPEATED = (
    *("😀", "a.com,", "a.", "(", "http://", "http://a)/", "http://a/(", "https://x.org/)", "1.2.3.4 ", "#a", "@abcd "),
    *("a@", "ж.com", "x.y.z/", "a-", "…", "#é", "[x](http://a.b)"),
)


@pytest.mark.parametrize("piece", REPEATED)
def test_the_work_grows_with_the_text_and_not_with_its_square(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by the number of lines that run in the two modules, which no load of the machine changes."""
    short = piece * (LONGEST // len(piece) // 8)
    hosts._extractor()
    steps = [lines_run(short * times) for times in (1, 8)]
    assert steps[1] < 8 * 1.5 * steps[0] + 2000


def lines_run(text: str) -> int:
    """How many lines of links.py and utf16.py run for a text."""
    lines = 0

    def trace(frame: object, event: str, _: object) -> object:
        nonlocal lines
        lines += event == "line"
        return trace if "archive" in frame.f_code.co_filename else None  # type: ignore[attr-defined]

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        find_links(text)
        find_mentions(text)
        find_hashtags(text)
    finally:
        sys.settrace(before)
    return lines
