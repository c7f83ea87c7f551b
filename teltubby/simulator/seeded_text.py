"""Texts of seeded posts, with what makes them hard to read right: links of all kinds, emoji, tags, formatting. Pure."""

from __future__ import annotations

from random import Random

from teltubby.simulator.messages import Entity

WORDS = (
    "архив", "lighthouse", "сегодня", "radio", "утро", "signal", "новости", "harbour", "снег", "ёлка", "naïve", "中文",
    "summary", "ночь", "archive", "поезд", "field", "recording", "выпуск", "letters", "карта", "winter",
)  # fmt: skip
ENDS = (".", "!", "…", " 😀", " 👩‍👩‍👧", " 🇫🇮", "\n\n")
HOSTS = ("example.org", "пример.рф", "example.com:8080", "sub.example.net", "t.me/example")
PATHS = ("", "/", "/a?b=1&c=2", "/wiki/Foo_(bar)", "/ü#части", "/watch?v=dQw4w9WgXcQ")


class _Writing:
    """A text as it grows, with entities in UTF-16 units."""

    def __init__(self) -> None:
        self.text = ""
        self.entities: list[Entity] = []

    def add(self, text: str, type: str | None = None, *, url: str | None = None, emoji: str | None = None) -> None:
        if type is not None:
            offset, length = _units(self.text), _units(text)
            self.entities.append(Entity(type=type, offset=offset, length=length, url=url, custom_emoji_id=emoji))
        self.text += text


def sentence(dice: Random) -> tuple[str, tuple[Entity, ...]]:
    """A few words, here and there formatted."""
    writing = _Writing()
    _words(writing, dice)
    return writing.text, tuple(writing.entities)


def sentence_with_links(dice: Random) -> tuple[str, tuple[Entity, ...]]:
    """Words with one to four links, mentions and tags between them."""
    writing = _Writing()
    for _ in range(dice.randint(1, 4)):
        _words(writing, dice)
        writing.add(" ")
        url = f"https://{dice.choice(HOSTS)}{dice.choice(PATHS)}"
        match dice.randrange(5):
            case 0:
                writing.add(url, "url")
            case 1:
                writing.add(dice.choice(HOSTS[:1]) + dice.choice(PATHS), "url")
            case 2:
                writing.add("here 😀", "text_link", url=url)
            case 3:
                writing.add("@example_channel", "mention")
            case _:
                writing.add("#тег_2024", "hashtag")
        writing.add(dice.choice((".", ",", ")", " ", "\n")))
    return writing.text, tuple(writing.entities)


def _words(writing: _Writing, dice: Random) -> None:
    words = dice.choices(WORDS, k=dice.randint(2, 9))
    for number, word in enumerate(words):
        if number:
            writing.add(" ")
        match dice.randrange(24):
            case 0:
                writing.add(word, "bold")
            case 1:
                writing.add(word, "spoiler")
            case 2:
                writing.add("🔥", "custom_emoji", emoji="5368324170671202286")
            case _:
                writing.add(word)
    writing.add(dice.choice(ENDS).rstrip("\n") or ".")


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
