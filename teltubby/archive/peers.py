"""How people name the channels that they want collected: MTPROTO_PEERS, `/track`, `teltubby channels add`.

Links are those of core.telegram.org/api/links, "Public username links", "Message links", "Chat invite links"; ids those
of core.telegram.org/api/bots/ids. Whether such a channel is there, and whether the account may read it, is for
Telegram to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

CHANNEL_BASE = -1_000_000_000_000
"""The Bot API's id of a channel is this minus the channel's own."""
LARGEST_CHANNEL = 997_852_516_352
LARGEST_GROUP = 999_999_999_999

_NAME = re.compile(r"[a-z](?!.*__)[a-z0-9_]{2,30}[a-z0-9]", re.IGNORECASE)
_INVITE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_NUMBER = re.compile(r"[+-]?[0-9]+")
MOST_DIGITS = 16
"""Of an id, with `-100` before it."""
_LINK = re.compile(
    r"(?:https?://)?(?:(?:www\.)?(?P<host>t\.me|telegram\.me|telegram\.dog)(?![^/?#])|(?P<name>[a-z0-9_]+)\.t\.me(?![^/?#]))"
    r"/*(?P<path>[^?#]*)",
    re.IGNORECASE,
)
_OTHER_LINK = re.compile(r"[a-z][a-z0-9+.-]*:|[^@\s]+\.[^\s]*|[^@]*/", re.IGNORECASE)

_ELSEWHERE = (
    "addemoji|addlist|addstickers|addtheme|auction|boost|call|confirmphone|contact|giftcode|invoice|login|newbot|"
    "passport|proxy|setlanguage|share|socks|stickers"
)
NOT_NAMES = frozenset(_ELSEWHERE.split("|"))
"""First words of t.me links that lead elsewhere than to a chat."""


class PeerProblem(StrEnum):
    """Why something names no channel; the value says it in a sentence."""

    EMPTY = "nothing is written"
    SEVERAL = "these are several words: name one channel at a time"
    NO_NAME = "a channel's name has 4 to 32 letters of a to z, digits and single underscores, and begins with a letter"
    NO_ID = "that is not the id of a channel or group"
    PHONE = "that is a phone number, not a channel"
    FOREIGN = "that link does not lead to Telegram (t.me)"
    NO_CHANNEL = "that link of Telegram leads to something else than a channel"
    FOLDER = "that is a folder of chats: name its channels one by one"
    BAD_INVITE = "that invite link is not whole"
    PERSON = "that link leads to a person, not to a channel"


@dataclass(frozen=True, slots=True)
class NamedPeer:
    """A public channel by its name, without `@` and in small letters, as Telegram compares them."""

    name: str

    def __str__(self) -> str:
        return f"@{self.name}"


@dataclass(frozen=True, slots=True)
class ChannelPeer:
    """A channel or supergroup by its bare id, which the account has to be a member of, or to have met."""

    channel_id: int

    def __str__(self) -> str:
        return str(CHANNEL_BASE - self.channel_id)


@dataclass(frozen=True, slots=True)
class GroupPeer:
    """A basic group by its bare id: of use where it has become a supergroup since, which is then what is meant."""

    chat_id: int

    def __str__(self) -> str:
        return str(-self.chat_id)


@dataclass(frozen=True, slots=True)
class InvitedPeer:
    """A private channel by an invite link through which the account has joined already."""

    invite: str

    def __str__(self) -> str:
        return f"https://t.me/+{self.invite}"


@dataclass(frozen=True, slots=True)
class RefusedPeer:
    """What was written, and why it is none; `reason` is a sentence without the full stop."""

    written: str
    problem: PeerProblem

    @property
    def reason(self) -> str:
        return self.problem.value


PeerName = NamedPeer | ChannelPeer | GroupPeer | InvitedPeer


def read_peer(written: str) -> PeerName | RefusedPeer:
    """The channel that somebody names. `str()` of it is read as the same again."""
    asked = written.strip()
    found = PeerProblem.EMPTY if not asked else _read(asked)
    return RefusedPeer(written, found) if isinstance(found, PeerProblem) else found


def read_peers(written: Iterable[str]) -> tuple[tuple[PeerName, ...], tuple[RefusedPeer, ...]]:
    """The channels of a list, each once and in order, and what of it names none; empty entries do not count."""
    read = [read_peer(each) for each in written if each.strip()]
    peers = dict.fromkeys(peer for peer in read if not isinstance(peer, RefusedPeer))
    return tuple(peers), tuple(peer for peer in read if isinstance(peer, RefusedPeer))


def _read(asked: str) -> PeerName | PeerProblem:
    if len(asked.split()) > 1 or "," in asked:
        return PeerProblem.SEVERAL
    if _NUMBER.fullmatch(asked):
        if asked.startswith("+"):
            return PeerProblem.PHONE
        return _by_id(int(asked)) if len(asked) <= MOST_DIGITS else PeerProblem.NO_ID
    if asked.lower().startswith("tg:"):
        return _by_tg_link(asked)
    if (link := _LINK.match(asked)) is not None:
        return _by_name(link["name"]) if link["name"] else _by_path(link["path"])
    if asked.startswith("+"):
        return _by_invite(asked[1:])
    if _OTHER_LINK.match(asked):
        return PeerProblem.FOREIGN
    return _by_name(asked.removeprefix("@"))


def _by_id(number: int) -> PeerName | PeerProblem:
    """The Bot API's negative ids, and bare ones, which are taken for a channel's."""
    if 0 < number <= LARGEST_CHANNEL:
        return ChannelPeer(number)
    if 0 < CHANNEL_BASE - number <= LARGEST_CHANNEL:
        return ChannelPeer(CHANNEL_BASE - number)
    return GroupPeer(-number) if 0 < -number <= LARGEST_GROUP else PeerProblem.NO_ID


def _by_path(path: str) -> PeerName | PeerProblem:
    """What stands behind `t.me/`."""
    match [part for part in path.split("/") if part]:
        case []:
            return PeerProblem.NO_CHANNEL
        case ["c", number, *_]:
            return _by_id(int(number)) if re.fullmatch("[1-9][0-9]{0,15}", number) else PeerProblem.NO_ID
        case ["s", name, *_]:
            return _by_name(name)
        case ["joinchat", invite]:
            return _by_invite(invite)
        case [first] if first.startswith("+"):
            return _by_invite(first[1:])
        case ["c" | "s" | "joinchat", *_]:
            return PeerProblem.NO_CHANNEL
        case ["addlist", *_]:
            return PeerProblem.FOLDER
        case ["contact" | "m", *_]:
            return PeerProblem.PERSON
        case [first, *rest]:
            if first.lower() in NOT_NAMES or not all(re.fullmatch("[0-9]+", part) for part in rest):
                return PeerProblem.NO_CHANNEL
            return _by_name(first.removeprefix("@"))
        case _:
            return PeerProblem.NO_CHANNEL


def _by_tg_link(asked: str) -> PeerName | PeerProblem:
    """`tg://resolve?domain=…`, `tg://join?invite=…`, `tg://privatepost?channel=…`."""
    try:
        parts = urlsplit(asked)
        asks = {key: values[0] for key, values in parse_qs(parts.query).items()}
    except ValueError:
        return PeerProblem.NO_CHANNEL
    match parts.netloc.lower() or parts.path.lower():
        case "resolve" if "domain" in asks:
            return _by_name(asks["domain"])
        case "resolve" if "phone" in asks:
            return PeerProblem.PHONE
        case "join" if "invite" in asks:
            return _by_invite(asks["invite"])
        case "privatepost" if "channel" in asks:
            return _by_path(f"c/{asks['channel']}")
        case "addlist":
            return PeerProblem.FOLDER
        case "user" | "contact":
            return PeerProblem.PERSON
        case _:
            return PeerProblem.NO_CHANNEL


def _by_name(name: str) -> PeerName | PeerProblem:
    return NamedPeer(name.lower()) if _NAME.fullmatch(name) and name.isascii() else PeerProblem.NO_NAME


def _by_invite(invite: str) -> PeerName | PeerProblem:
    if re.fullmatch("[0-9]{5,15}", invite):
        return PeerProblem.PHONE
    return InvitedPeer(invite) if _INVITE.fullmatch(invite) else PeerProblem.BAD_INVITE
