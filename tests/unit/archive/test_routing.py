"""Which way a file takes, at and around every limit."""

from __future__ import annotations

import pytest

from teltubby.archive.routing import Decision, Direct, Limits, Queue, Skip, after_refusal, route
from teltubby.messages.media import MediaKind, SkipReason
from tests.unit.archive.samples import media

MIB = 1 << 20
CLOUD = Limits(policy_bytes=50_000_000, server_bytes=20 * MIB, max_bytes=4 << 30)
LOCAL = Limits(policy_bytes=50_000_000, server_bytes=2_000_000_000, max_bytes=4 << 30)
TOO_BIG = Skip(SkipReason.EXCEEDS_CFG_LIMIT)


@pytest.mark.parametrize(
    ("limits", "size", "expected"),
    [
        (CLOUD, 0, Direct()),
        (CLOUD, 20 * MIB, Direct()),
        (CLOUD, 20 * MIB + 1, Queue()),
        (CLOUD, 50_000_000, Queue()),
        (CLOUD, None, Queue()),
        (CLOUD, 4 << 30, Queue()),
        (CLOUD, (4 << 30) + 1, TOO_BIG),
        (LOCAL, 50_000_000, Direct()),
        (LOCAL, 50_000_001, Queue()),
        (Limits(policy_bytes=50, server_bytes=60, max_bytes=40), 41, TOO_BIG),
    ],
)
def test_by_size(limits: Limits, size: int | None, expected: Decision) -> None:
    assert route(media(MediaKind.VIDEO, size_bytes=size), limits) == expected


@pytest.mark.parametrize("kind", MediaKind)
def test_unknown_size_goes_to_the_queue_unless_it_is_a_photo(kind: MediaKind) -> None:
    assert route(media(kind), CLOUD) == (Direct() if kind is MediaKind.PHOTO else Queue())


def test_a_photo_has_no_way_over_mtproto() -> None:
    assert route(media(size_bytes=20 * MIB + 1), CLOUD) == Skip(SkipReason.EXCEEDS_BOT_LIMIT)
    assert after_refusal(media()) == Skip(SkipReason.EXCEEDS_BOT_LIMIT)
    assert route(media(size_bytes=(4 << 30) + 1), CLOUD) == TOO_BIG


def test_a_refused_document_goes_to_the_queue() -> None:
    assert after_refusal(media(MediaKind.DOCUMENT)) == Queue()
