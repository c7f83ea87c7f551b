"""What storing collected posts costs, beside SQLite alone; and what a channel of very many posts costs.

Run as a process: it prints one JSON line. Both write the same rows into the same tables, with their indexes and their
search index, a page of a hundred posts and their counters in each transaction.
"""

from __future__ import annotations

import gc
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from teltubby.adapters.base import ChannelGateway
from teltubby.adapters.sqlite_file import to_text
from teltubby.collector.history import ChannelHistory, Progress
from teltubby.collector.pages import Cursor, Page
from teltubby.collector.repositories import BUCKET_SECONDS, CollectorStore
from teltubby.collector.rows import UPSERT_METRICS, UPSERT_POST, reading_of
from teltubby.collector.series import snapshot_of
from teltubby.collector.store_thread import StoreThread
from teltubby.messages.channels import PAGE, ChannelDifference, ChannelRef, FoundChannel, PostPage, Pushes
from teltubby.messages.collected import (
    Channel,
    ChannelKind,
    CollectedMedia,
    CollectedMessage,
    Link,
    MediaFacts,
    Post,
    PostMetrics,
    ReadMessage,
)

CHANNEL = 1_500_000_001
SEEN_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WORDS = (
    "the",
    "channel",
    "tells",
    "of",
    "ships,",
    "trains",
    "and",
    "weather",
    "at",
    "sea;",
    "новости",
    "каждый",
    "день",
)
CAUGHT_UP = 1000
"""So many posts are new when the time for catching up is taken."""


def message(msg_id: int) -> CollectedMessage:
    """A post with a text of some forty words, at times a link and a file, and its counters."""
    text = " ".join(WORDS[(msg_id * 7 + place * place) % len(WORDS)] for place in range(40))
    url = f"https://example.org/{msg_id}"
    has_link, has_file = msg_id % 3 == 0, msg_id % 5 == 0
    post = Post(
        channel_id=CHANNEL,
        msg_id=msg_id,
        date=SEEN_AT - timedelta(days=4000) + timedelta(minutes=msg_id),
        text=f"{text} {url}" if has_link else text,
        entities=({"type": "url", "offset": len(text) + 1, "length": len(url)},) if has_link else (),
        links=(Link(url=url, offset=len(text) + 1, length=len(url)),) if has_link else (),
        media=MediaFacts(kind=CollectedMedia.PHOTO, document_id=msg_id, size_bytes=100_000) if has_file else None,
    )
    reactions = {"👍": msg_id % 50, "❤": msg_id % 20}
    metrics = PostMetrics(
        channel_id=CHANNEL, msg_id=msg_id, ts=SEEN_AT, views=msg_id % 9000, forwards=3, reactions=reactions
    )
    return CollectedMessage(post=post, metrics=metrics)


def channel() -> Channel:
    return Channel(channel_id=CHANNEL, username="sea", title="Sea", kind=ChannelKind.CHANNEL, seen_at=SEEN_AT)


class Endless(ChannelGateway):
    """A channel of `posts` posts that are made when they are asked for."""

    def __init__(self, posts: int) -> None:
        self.posts = posts

    async def find_channel(self, peer: str) -> FoundChannel:
        raise NotImplementedError

    async def describe_channel(self, ref: ChannelRef) -> FoundChannel:
        return FoundChannel(ref=ref, channel=channel(), pts=self.posts, newest=self.posts)

    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        top = (self.posts + 1 if before is None else before) - 1
        return self._page(range(top, max(top - limit, 0), -1), is_end=top <= limit)

    async def posts_after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        end = min(after + limit, self.posts)
        return self._page(range(after + 1, end + 1), is_end=end == self.posts)

    async def posts_by_id(self, ref: ChannelRef, msg_ids: Sequence[int]) -> tuple[ReadMessage, ...]:
        raise NotImplementedError

    async def difference(self, ref: ChannelRef, pts: int) -> ChannelDifference:
        raise NotImplementedError

    async def follow(self) -> Pushes:
        raise NotImplementedError

    def _page(self, ids: range, *, is_end: bool) -> PostPage:
        return PostPage.of(tuple(map(message, ids)), is_end=is_end, total=self.posts)


# -- the rate


def recorded(path: Path, pages: Sequence[Sequence[CollectedMessage]]) -> float:
    """Posts per CPU second through CollectorStore."""
    store = CollectorStore.open(path)
    store.channels.record(channel())
    began = time.thread_time()
    for page in pages:
        cursor = Cursor(newest=page[-1].post.msg_id)
        store.record(Page(channel_id=CHANNEL, seen_at=SEEN_AT, messages=tuple(page), cursor=cursor))
    spent = time.thread_time() - began
    store.close()
    return sum(map(len, pages)) / spent


def plain(path: Path, pages: Sequence[Sequence[CollectedMessage]]) -> float:
    """Posts per CPU second through sqlite3 alone: the rows are there before."""
    store = CollectorStore.open(path)
    store.channels.record(channel())
    seen_at = to_text(SEEN_AT)
    rows = [
        (
            [
                reading_of(one.post, seen_at).row(content_edited_at=None, deleted_at=None, first_seen_at=seen_at)
                for one in page
            ],
            [
                (CHANNEL, one.post.msg_id, *snapshot_of(one.metrics, BUCKET_SECONDS))
                for one in page
                if one.metrics is not None
            ],
        )
        for page in pages
    ]
    connection = store.file.db.conn
    began = time.thread_time()
    for posts, metrics in rows:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(UPSERT_POST, posts)
        connection.executemany(UPSERT_METRICS, metrics)
        connection.execute("COMMIT")
    spent = time.thread_time() - began
    store.close()
    return sum(map(len, pages)) / spent


def rates(posts: int, rounds: int) -> dict[str, float]:
    """The best of both, in turns: per CPU second, so that neither the disk nor others on the machine matter."""
    pages = [[message(number) for number in range(first, first + PAGE)] for first in range(1, posts + 1, PAGE)]
    ours: list[float] = []
    alone: list[float] = []
    with TemporaryDirectory(dir=os.environ.get("BENCH_PLACE")) as folder:
        for number in range(rounds):
            for name, way, found in (("recorded", recorded, ours), ("plain", plain, alone)):
                gc.collect()
                found.append(way(Path(folder) / f"{name}-{number}.db", pages))
    return {"recorded": max(ours), "plain": max(alone)}


# -- many posts


def resident() -> int:
    """Bytes of this process that are resident now (VmRSS of proc_pid_status(5))."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def collected(path: Path, posts: int, note: Callable[[Progress], None]) -> tuple[float, float]:
    """Seconds for the whole history of a channel, and then for catching up with CAUGHT_UP new posts (best of five)."""
    store = CollectorStore.open(path)
    try:
        gateway, thread, ref = Endless(posts), StoreThread(store), ChannelRef(CHANNEL, 1)

        async def history() -> ChannelHistory:
            return ChannelHistory(await gateway.describe_channel(ref), gateway, thread, clock=lambda: SEEN_AT)

        began = time.perf_counter()
        await (await history()).backfill(None, note)
        whole, times = time.perf_counter() - began, []
        for _ in range(5):
            gateway.posts += CAUGHT_UP
            began = time.perf_counter()
            await (await history()).catch_up(lambda told: None)
            times.append(time.perf_counter() - began)
        return whole, min(times)
    finally:
        store.close()


def many(posts: int, few: int) -> dict[str, float]:
    """Memory at a tenth of the way and at its end, and catching up in a channel of `few` and one of `posts`."""
    memory: dict[str, int] = {}

    def note(told: Progress) -> None:
        if told.posts >= posts // 10:
            memory.setdefault("tenth", resident())
        if told.posts >= posts:
            memory.setdefault("end", resident())

    with TemporaryDirectory(dir=os.environ.get("BENCH_PLACE")) as folder:
        _, small = anyio.run(collected, Path(folder) / "few.db", few, lambda told: None)
        whole, large = anyio.run(collected, Path(folder) / "many.db", posts, note)
    return {**memory, "whole": whole, "small": small, "large": large}


def main() -> None:
    """BENCH_POSTS, BENCH_ROUNDS for the rates; BENCH_MANY, BENCH_FEW for the rest."""
    numbers = {name: int(os.environ[f"BENCH_{name}"]) for name in ("POSTS", "ROUNDS", "MANY", "FEW")}
    found = {"rates": rates(numbers["POSTS"], numbers["ROUNDS"]), "many": many(numbers["MANY"], numbers["FEW"])}
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
