"""parse_mode=HTML, with the grammar and the error texts of TDLib's MessageEntity.cpp."""

from __future__ import annotations

from dataclasses import dataclass

from teltubby.simulator.bot_errors import ApiError, bad_request
from teltubby.simulator.messages import Entity

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "blockquote": "blockquote",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
SPACES = " \t\r\n\v"


def utf16_length(text: str) -> int:
    """Length in UTF-16 units, in which Telegram counts offsets."""
    return len(text) + sum(character > "\uffff" for character in text)


def parse_html(text: str) -> tuple[str, tuple[Entity, ...]]:
    """Plain text and entities of HTML. Raises ApiError 400 "can't parse entities: …" as strictly as the real server."""
    return _Parser(text).parse()


@dataclass(slots=True)
class _Open:
    tag: str
    argument: str
    offset: int
    start: int


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.plain: list[str] = []
        self.offset = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def parse(self) -> tuple[str, tuple[Entity, ...]]:
        while self.at < len(self.text):
            if self._peek() != "<":
                self._push(self._character())
            elif self.text[self.at + 1 : self.at + 2] == "/":
                self._end_tag()
            else:
                self._start_tag()
        if self.open:
            raise _error(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        return "".join(self.plain), tuple(sorted(self.entities, key=lambda entity: (entity.offset, -entity.length)))

    def _push(self, character: str) -> None:
        self.plain.append(character)
        self.offset += utf16_length(character)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _character(self) -> str:
        """The next character, with one of the four named or a numeric HTML entity decoded; others stay as they are."""
        if self._peek() == "&":
            end = self.text.find(";", self.at, self.at + 12)
            decoded = _decoded(self.text[self.at + 1 : end]) if end > 0 else None
            if decoded is not None:
                self.at = end + 1
                return decoded
        self.at += 1
        return self.text[self.at - 1]

    def _skip(self, *, spaces: bool, until: str = "") -> str:
        """Skip spaces, or everything but spaces and `until`; return what was skipped."""
        start = self.at
        while self.at < len(self.text) and (self._peek() in SPACES) is spaces and self._peek() not in (until or "\0>"):
            self.at += 1
        return self.text[start : self.at]

    def _start_tag(self) -> None:
        begin = self.at
        self.at += 1
        tag = self._skip(spaces=False, until=">").lower()
        if not self._peek():
            raise _error(f"Unclosed start tag at byte offset {self._bytes(begin)}")
        if tag not in TAGS:
            raise _error(f'Unsupported start tag "{tag}" at byte offset {self._bytes(begin)}')
        argument = ""
        while True:
            self._skip(spaces=True)
            if self._peek() == ">":
                break
            name, value = self._attribute(tag, begin)
            argument = _argument(tag, name, value) or argument
        if tag == "span" and argument != "spoiler":
            raise _error(f'Tag "span" must have class "tg-spoiler" at byte offset {self._bytes(begin)}')
        self.at += 1
        self.open.append(_Open(tag, argument, self.offset, len(self.plain)))

    def _attribute(self, tag: str, begin: int) -> tuple[str, str | None]:
        name = self._skip(spaces=False, until="=>").lower()
        if not name and self._peek():
            raise _error(f'Empty attribute name in the tag "{tag}" at byte offset {self._bytes(begin)}')
        self._skip(spaces=True)
        if not self._peek():
            raise self._unclosed(tag, begin)
        if self._peek() != "=":
            return name, None
        self.at += 1
        self._skip(spaces=True)
        quote = self._peek()
        if not quote:
            raise self._unclosed(tag, begin)
        if quote not in "'\"":
            return name, self._name_token()
        self.at += 1
        value = []
        while self._peek() and self._peek() != quote:
            value.append(self._character())
        if not self._peek():
            raise self._unclosed(tag, begin)
        self.at += 1
        return name, "".join(value)

    def _name_token(self) -> str:
        start = self.at
        while self._peek() and ((self._peek().isascii() and self._peek().isalnum()) or self._peek() in ".-"):
            self.at += 1
        if self._peek() not in SPACES + ">":
            raise _error(f"Unexpected end of name token at byte offset {self._bytes(start)}")
        return self.text[start : self.at].lower()

    def _end_tag(self) -> None:
        begin = self.at
        if not self.open:
            raise _error(f"Unexpected end tag at byte offset {self._bytes(begin)}")
        self.at += 2
        name = self._skip(spaces=False, until=">").lower()
        self._skip(spaces=True)
        if self._peek() != ">":
            raise _error(f"Unclosed end tag at byte offset {self._bytes(begin)}")
        self.at += 1
        opened = self.open.pop()
        if name and name != opened.tag:
            raise _error(
                f'Unmatched end tag at byte offset {self._bytes(begin)}, expected "</{opened.tag}>", found "</{name}>"'
            )
        if self.offset > opened.offset:
            self._close(opened)

    def _close(self, opened: _Open) -> None:
        kind, length = TAGS[opened.tag], self.offset - opened.offset
        content = "".join(self.plain[opened.start :])
        url = language = emoji = None
        match opened.tag:
            case "a":
                url = opened.argument or content
                if "." not in url and ":" not in url:
                    return
            case "blockquote" if opened.argument:
                kind = "expandable_blockquote"
            case "tg-emoji":
                emoji = opened.argument
            case "pre":
                language = self._code_within(opened.offset, length)
        if opened.tag == "code":
            language = opened.argument or None
        self.entities.append(
            Entity(type=kind, offset=opened.offset, length=length, url=url, language=language, custom_emoji_id=emoji)
        )

    def _code_within(self, offset: int, length: int) -> str | None:
        """The language of a code block that fills a pre block; it becomes one with it."""
        for entity in self.entities:
            if (entity.type, entity.offset, entity.length) == ("code", offset, length):
                self.entities.remove(entity)
                return entity.language
        return None

    def _unclosed(self, tag: str, begin: int) -> ApiError:
        return _error(f'Unclosed start tag "{tag}" at byte offset {self._bytes(begin)}')

    def _bytes(self, position: int) -> int:
        return len(self.text[:position].encode())


def _error(text: str) -> ApiError:
    return bad_request(f"can't parse entities: {text}")


def _argument(tag: str, name: str, value: str | None) -> str | None:
    match tag, name, value:
        case "a", "href", str():
            return value
        case "code", "class", str() if value.startswith("language-"):
            return value.removeprefix("language-")
        case "span", "class", str() if value.startswith("tg-"):
            return value.removeprefix("tg-")
        case "tg-emoji", "emoji-id", str():
            return value
        case "blockquote", "expandable", _:
            return "1"
    return None


def _decoded(name: str) -> str | None:
    if not name.startswith("#"):
        return NAMED.get(name)
    digits, base = (name[2:], 16) if name[1:2] == "x" else (name[1:], 10)
    try:
        number = int(digits, base)
    except ValueError:
        return None
    return chr(number) if 0 < number < 0x10FFFF else None
