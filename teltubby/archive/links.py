"""Links, mentions and hashtags of a text: those that Telegram marked as entities, and those that it did not.

Entities are the Bot API's, as Post has them. Places are counted in UTF-16 units. What Telegram marked is kept as it is;
what is found besides is cautious, for nothing is lost by it: of `readme.md`, `3.14` and `e.g.` nothing is made. All
of it takes time in proportion to the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from teltubby.archive.hosts import is_host, may_be_another_thing
from teltubby.archive.utf16 import Utf16Text
from teltubby.messages.collected import Link
from teltubby.messages.media import JsonObject

ASSUMED_SCHEME = "https"
USUAL_PORTS = {"http": 80, "https": 443, "ftp": 21}

LATIN_END = "\u024f"
"""The last of the Latin letters with their accents: where a name in letters ends that stand beside other writing."""

_EXPLICIT = r"(?:https?|ftps?|tonsite|ton|tg)://"
_STOPS = r"\s\x00-\x1f\u2000-\u200b\u200e-\u206f\u3000-\u3002\uff08-\uff0c<>«»\"`|"
"""What no path is made of: what tdlib has (MessageEntity.cpp, is_url_path_symbol), and a little more."""

_CANDIDATE = re.compile(
    rf"(?P<scheme>{_EXPLICIT})(?P<authority>[^{_STOPS}/?#]+)|(?<![\w@-])(?<!\w\.)(?P<host>[\w-]+(?:\.[\w-]+)+)(?P<port>:\d{{1,5}})?(?![@\w])",
    re.IGNORECASE,
)
_STEP = re.compile(rf"[{_STOPS}()\[\]{{}}]")
_HAS_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|(?:mailto|tel|tg|ton|magnet|bitcoin):", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:[^@\[\]]*@)?(?:(?P<host>[\w.-]+)|\[[0-9a-f:.]+\])(?::\d{0,5})?", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@/.])@([a-z][a-z0-9_]{3,31})(?![\w@])", re.IGNORECASE)
_HASHTAG = re.compile(r"(?<![\w#/&])#((?=\w*[^\W\d_])\w{1,256})(?![\w#])")

OPENING = dict(zip(")]}", "([{", strict=True))
TRAILING = frozenset(".,;:!?'\"»”’“‘„…、。，！？；：([{")
"""What ends the sentence around a link, and not the link."""

NOT_WITHIN = ("code", "pre", "url", "text_link", "email", "mention", "text_mention", "hashtag", "cashtag")
"""Entities in which Telegram would have marked a mention or a hashtag if it were one."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Something in the text, in characters."""

    start: int
    end: int
    url: str
    bare: bool
    """It names no scheme."""


def find_links(text: str, entities: Sequence[JsonObject] = ()) -> tuple[Link, ...]:
    """All links by their place, each address once, at its first place.

    What Telegram marked (`url`, `text_link`) goes before what is found there too. A link without a scheme gets
    `https://` in `url`; its place stays that of the text. Entities outside the text are moved to its end.
    """
    measured = Utf16Text(text)
    marked = [link for entity in entities for link in _marked(measured, entity)]
    taken = _Spans((link.offset, link.offset + link.length) for link in marked)
    code = _Spans(_places(measured, entities, ("code", "pre")))
    found = [
        Link(url=each.url, offset=start, length=end - start)
        for each in _candidates(text)
        for start, end in [(measured.units_at(each.start), measured.units_at(each.end))]
        if not taken.touch(start, end) and not (each.bare and code.touch(start, end))
    ]
    kept: dict[str, Link] = {}
    for link in sorted([*marked, *found], key=lambda link: (link.offset, -link.length)):
        kept.setdefault(normalised(link.url), link)
    return tuple(kept.values())


def find_mentions(text: str, entities: Sequence[JsonObject] = ()) -> tuple[str, ...]:
    """`@name` of everybody who is named, as written; who has no name is `tg://user?id=…`. Each once, in order."""
    measured = Utf16Text(text)
    marked = [(start, measured.slice(start, end - start)) for start, end in _places(measured, entities, ("mention",))]
    for entity in entities:
        if entity.get("type") == "text_mention":
            user = entity.get("user")
            number = user.get("id") if isinstance(user, dict) else None
            if isinstance(number, int):
                marked += [(start, f"tg://user?id={number}") for start, _ in _places(measured, [entity])]
    return _named(measured, entities, marked, _MENTION)


def find_hashtags(text: str, entities: Sequence[JsonObject] = ()) -> tuple[str, ...]:
    """`#tag` of every hashtag, as written, each once, in order; a tag of nothing but digits is none."""
    measured = Utf16Text(text)
    marked = [(start, measured.slice(start, end - start)) for start, end in _places(measured, entities, ("hashtag",))]
    return _named(measured, entities, marked, _HASHTAG)


def normalised(url: str) -> str:
    """By what two links are the same: scheme and host in small letters, no usual port, no slash that stands alone."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    host = (parts.hostname or "") + ("" if port is None or port == USUAL_PORTS.get(parts.scheme) else f":{port}")
    user = parts.netloc.rpartition("@")[0]
    path = "" if parts.path == "/" else parts.path
    behind = f"{path}?{parts.query}#{parts.fragment}"
    return f"{parts.scheme}://{user}@{host}{behind}" if user else f"{parts.scheme}://{host}{behind}"


class _Spans:
    """Stretches of a text, any of which may overlap."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(span for span in spans if span[0] < span[1]):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._starts.append(start)
                self._ends.append(end)

    def touch(self, start: int, end: int) -> bool:
        """Whether anything between the two lies in one of them."""
        before = bisect_left(self._starts, end)
        return before > 0 and self._ends[before - 1] > start


def _marked(measured: Utf16Text, entity: JsonObject) -> Iterator[Link]:
    for start, end in _places(measured, [entity], ("url", "text_link")):
        shown, url = measured.slice(start, end - start), entity.get("url")
        if entity.get("type") == "url" and shown.strip():
            yield Link(url=with_scheme(shown.strip()), offset=start, length=end - start)
        elif entity.get("type") == "text_link" and isinstance(url, str) and url.strip():
            yield Link(url=with_scheme(url.strip()), offset=start, length=end - start, shown=shown)


def with_scheme(url: str) -> str:
    """The link as a browser needs it."""
    return url if _HAS_SCHEME.match(url) else f"{ASSUMED_SCHEME}://{url}"


def _places(
    measured: Utf16Text, entities: Iterable[JsonObject], kinds: tuple[str, ...] = ()
) -> Iterator[tuple[int, int]]:
    """Where entities (of these kinds) begin and end, in units, inside the text and between its characters."""
    for entity in entities:
        offset, length = entity.get("offset"), entity.get("length")
        if isinstance(offset, int) and isinstance(length, int) and (not kinds or entity.get("type") in kinds):
            first, last = measured.span(offset, length)
            yield measured.units_at(first), measured.units_at(last)


def _named(
    measured: Utf16Text, entities: Sequence[JsonObject], marked: list[tuple[int, str]], pattern: re.Pattern[str]
) -> tuple[str, ...]:
    """The marked ones, and those found where nothing is marked that is none."""
    taken = _Spans(_places(measured, entities, NOT_WITHIN))
    found = [
        (start, measured.text[match.start() : end])
        for match in pattern.finditer(measured.text)
        for start, end in [(measured.units_at(match.start()), _end_of_word(measured.text, match.end()))]
        if not taken.touch(start, measured.units_at(end))
    ]
    kept: dict[str, str] = {}
    for _, name in sorted([*((start, name) for start, name in marked if name.strip("@# \n")), *found]):
        kept.setdefault(name.casefold(), name)
    return tuple(kept.values())


def _end_of_word(text: str, index: int) -> int:
    """Behind the vowel signs and accents, which `\\w` does not know to be parts of words."""
    while index < len(text) and (text[index].isalnum() or unicodedata.category(text[index]) in ("Mn", "Mc", "Pc")):
        index += 1
    return index


def _candidates(text: str) -> Iterator[_Found]:
    """What looks like a link, from left to right, none overlapping another."""
    position = 0
    while (match := _CANDIDATE.search(text, position)) is not None:
        found = _explicit(text, match) if match["scheme"] else _bare(text, match)
        if found is not None:
            yield found
        position = match.end() if found is None else max(found.end, match.start() + 1)


def _explicit(text: str, match: re.Match[str]) -> _Found | None:
    """`scheme://authority…`; the host need not be one of the Internet's, but has to be one."""
    end = _end(text, match.start("authority"), match.end())
    url = text[match.start() : end]
    authority = text[match.start("authority") : min(end, match.end())]
    fits = _AUTHORITY.fullmatch(authority)
    return None if fits is None or not any(map(str.isalnum, authority)) else _Found(match.start(), end, url, bare=False)


def _bare(text: str, match: re.Match[str]) -> _Found | None:
    """`host.tld…` without a scheme; what touches it in another writing does not belong to it."""
    start, stop = match.span("host")
    last = match["host"].rpartition(".")[2]
    foreign = next((index for index, each in enumerate(last) if each > LATIN_END), 0)
    host_end = stop - len(last) + foreign if foreign else match.end()
    stop = min(stop, host_end)
    latin = stop - _tail(text[start:stop], lambda each: each <= LATIN_END)
    if "." in text[latin:stop].strip("."):
        start = latin
    start = stop - len(text[start:stop].lstrip(".-_"))
    host, end = text[start:stop], _end(text, start, host_end)
    alone = end <= stop
    if end < stop or not is_host(host) or (alone and may_be_another_thing(host)):
        return None
    return _Found(start, end, f"{ASSUMED_SCHEME}://{text[start:end]}", bare=True)


def _tail(name: str, fits: Callable[[str], bool]) -> int:
    """How many of the last characters fit."""
    return next((count for count, each in enumerate(reversed(name)) if not fits(each)), len(name))


def _end(text: str, start: int, host_end: int) -> int:
    """Where a link ends: before a bracket that it did not open, and before what ends the sentence.

    Looks no further than that: what follows belongs to the next link, and is looked at with that.
    """
    stop = len(text) if text[host_end : host_end + 1] in ("/", "?", "#") else host_end
    opened: list[str] = []
    for step in _STEP.finditer(text, start, stop):
        each = step.group()
        if each in OPENING.values():
            opened.append(each)
        elif each not in OPENING or not opened or opened.pop() != OPENING[each]:
            stop = step.start()
            break
    while stop > start and text[stop - 1] in TRAILING:
        stop -= 1
    return stop
