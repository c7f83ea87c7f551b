"""How people name channels, and what they are told of what names none."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.peers import (
    LARGEST_CHANNEL,
    LARGEST_GROUP,
    ChannelPeer,
    GroupPeer,
    InvitedPeer,
    NamedPeer,
    PeerName,
    PeerProblem,
    RefusedPeer,
    read_peer,
    read_peers,
)

INVITE = "AbCd-f01234_6789"


@pytest.mark.parametrize(
    ("written", "peer"),
    [
        *((each, NamedPeer("durov")) for each in ("@durov", "durov", "@Durov", " durov\n", "t.me/durov", "T.ME/Durov")),
        *(
            (f"https://t.me/{each}", NamedPeer("durov"))
            for each in ("durov", "durov/", "s/durov", "s/durov/5", "@durov")
        ),
        *((f"http://t.me/durov{each}", NamedPeer("durov")) for each in ("/5", "/5?single", "/5/7", "#x", "?before=3")),
        *((f"{each}/durov", NamedPeer("durov")) for each in ("telegram.me", "https://telegram.dog", "www.t.me")),
        *((each, NamedPeer("durov")) for each in ("durov.t.me", "https://durov.t.me/5", "tg://resolve?domain=durov")),
        ("tg:resolve?domain=durov&post=5", NamedPeer("durov")),
        ("a_1b", NamedPeer("a_1b")),
        ("a" * 32, NamedPeer("a" * 32)),
        *((f"t.me/c/{each}", ChannelPeer(123)) for each in ("123", "123/5", "123/5/7", "123/5?thread=1")),
        ("tg://privatepost?channel=123&post=5", ChannelPeer(123)),
        ("-1000000000123", ChannelPeer(123)),
        ("-1001234567890", ChannelPeer(1234567890)),
        ("1234567890", ChannelPeer(1234567890)),
        ("-1001", GroupPeer(1001)),
        ("-987654321", GroupPeer(987654321)),
        *(
            (f"https://t.me/{each}", InvitedPeer(INVITE))
            for each in (f"+{INVITE}", f"joinchat/{INVITE}", f"+{INVITE}?x")
        ),
        (f"tg://join?invite={INVITE}", InvitedPeer(INVITE)),
        (f"+{INVITE}", InvitedPeer(INVITE)),
    ],
)
def test_what_names_a_channel(written: str, peer: PeerName) -> None:
    assert read_peer(written) == peer


@pytest.mark.parametrize(
    ("problem", "written"),
    [
        (PeerProblem.EMPTY, ["", "  ", "\n"]),
        (PeerProblem.SEVERAL, ["one two", "@one,@two", "@name media=photo"]),
        (
            PeerProblem.NO_NAME,
            ["abc", "a" * 33, "a__b", "_abcd", "abcd_", "1abc", "@", "@@durov", "канал", "ｄｕｒｏｖ", "dur-ov"],
        ),
        (PeerProblem.NO_NAME, ["t.me/abc", "t.me/s/a__b", "abc.t.me", "tg://resolve?domain=%40", "me@x.org", "duroſ"]),
        (
            PeerProblem.NO_ID,
            ["0", "-0", "-1000000000000", str(LARGEST_CHANNEL + 1), "9" * 17, "9" * 5000, "-" + "9" * 5000],
        ),
        (PeerProblem.NO_ID, ["t.me/c/0", "t.me/c/name/5", "t.me/c/-5", "t.me/c/" + "9" * 5000, "-1001997852516352"]),
        (PeerProblem.PHONE, ["+4915112345678", "t.me/+4915112345678", "tg://resolve?phone=49151123456"]),
        (
            PeerProblem.FOREIGN,
            ["https://x.org/durov", "t.me.evil.com/durov", "https://evilt.me/x", "x.org", "ftp://t.me/x"],
        ),
        (PeerProblem.FOREIGN, ["http://[", "a/b", "mailto:durov"]),
        (
            PeerProblem.NO_CHANNEL,
            ["t.me", "t.me/", "https://t.me", "t.me/c", "t.me/s/", "t.me/joinchat", "t.me/durov/app"],
        ),
        (
            PeerProblem.NO_CHANNEL,
            ["t.me/share/url?url=x", "t.me/addstickers/x", "t.me/proxy?server=x", "tg://settings"],
        ),
        (
            PeerProblem.NO_CHANNEL,
            ["tg://[", "tg:", "tg://resolve", "tg://join", "t.me/+a/b/c", "t.me/durov/s/5"],
        ),
        (PeerProblem.FOLDER, ["t.me/addlist/abc", "tg://addlist?slug=abc"]),
        (PeerProblem.BAD_INVITE, ["t.me/+abc", "t.me/joinchat/abc", "tg://join?invite=a", "+abc", "t.me/+" + "a" * 65]),
        (PeerProblem.PERSON, ["t.me/contact/abc", "tg://user?id=5", "t.me/m/abc"]),
    ],
)
def test_what_names_none(problem: PeerProblem, written: list[str]) -> None:
    told = [(each, read_peer(each)) for each in written]
    assert told == [(each, RefusedPeer(each, problem)) for each in written]


def test_a_reason_is_a_sentence_that_can_be_shown() -> None:
    for problem in PeerProblem:
        reason = RefusedPeer("x", problem).reason
        assert reason == problem.value
        assert len(reason) < 120
        assert not reason.endswith(".")


def test_a_list_keeps_the_order_and_each_channel_once() -> None:
    peers, refused = read_peers(["@durov", "", "t.me/Durov", "-1000000000005", "a b", " ", "t.me/c/5", "https://x.org"])
    assert peers == (NamedPeer("durov"), ChannelPeer(5))
    assert [each.problem for each in refused] == [PeerProblem.SEVERAL, PeerProblem.FOREIGN]


NAMES = st.from_regex(r"[a-z](_?[a-z0-9]){3,15}", fullmatch=True)
PEERS = st.one_of(
    st.builds(NamedPeer, NAMES.filter(lambda name: len(name) <= 32)),
    st.builds(ChannelPeer, st.integers(1, LARGEST_CHANNEL)),
    st.builds(GroupPeer, st.integers(1, LARGEST_GROUP)),
    st.builds(InvitedPeer, st.text(string.ascii_letters + "-_", min_size=16, max_size=40)),
)


@given(PEERS)
def test_what_is_shown_is_read_as_the_same(peer: PeerName) -> None:
    assert read_peer(str(peer)) == peer


@given(
    st.sampled_from(
        ["", "@", "t.me/", "https://t.me/c/", "https://t.me/+", "t.me/joinchat/", "tg://", "tg://resolve?domain="]
    ),
    st.text(max_size=30) | st.text("/?#=&[]@+-_.: 0a", max_size=12),
)
def test_nothing_written_raises(before: str, behind: str) -> None:
    peer = read_peer(before + behind)
    if not isinstance(peer, RefusedPeer):
        assert read_peer(str(peer)) == peer
