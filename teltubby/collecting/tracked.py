"""`teltubby channels add|remove|list`: which channels are collected. It works beside the worker that collects them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing

from teltubby.adapters.clock import utc_now
from teltubby.archive.media_filter import describe, read_filter
from teltubby.archive.peers import read_peers
from teltubby.collecting.peers import NoChannel, one_peer
from teltubby.collecting.sync_history import Write
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.sweeps import left_to_sweep
from teltubby.collector.tracking import FoundPeer, Tracked
from teltubby.config import Config


def add(config: Config, written: str, words: Sequence[str], write: Write) -> None:
    """Collect a channel from now on; `words` say which of its files are archived, as for `/track`. Blocking.

    Raises NoChannel for what is none, and for words that are no filter; DatabaseUnavailable.
    """
    peer = one_peer(written)
    try:
        media = read_filter(words)
    except ValueError as error:
        raise NoChannel(str(error)) from error
    with closing(_open(config)) as store:
        was = next((each for each in store.tracking.all() if each.peer == peer), None)
        changed = store.tracking.add(peer, user_id=None, at=utc_now(), media=media)
    files = "no file of it is archived" if media is None else f"archived of it: {describe(media)}"
    if was is None:
        write(f"{peer} is collected from now on; {files}. {_when(config)}")
    else:
        write(f"{peer} was collected before; {'now ' if changed else ''}{files}.")


def remove(config: Config, written: str, write: Write) -> None:
    """Collect a channel no longer; what was collected stays. Blocking. Raises NoChannel, DatabaseUnavailable."""
    peer = one_peer(written)
    with closing(_open(config)) as store:
        removed = store.tracking.remove(peer)
    if peer in _configured(config):
        raise NoChannel(f"{peer} stands in MTPROTO_PEERS, so it is collected until it is taken out there")
    if not removed:
        raise NoChannel(f"{peer} is not among the channels that were added: `teltubby channels list` shows them")
    write(f"{peer} is collected no longer; what was collected of it stays.")


def show(config: Config, write: Write, *, as_json: bool) -> None:
    """Every channel that is collected, and how far. Blocking. Raises DatabaseUnavailable."""
    configured = _configured(config)
    with closing(_open(config)) as store:
        tracked = {each.peer: each for each in store.tracking.all()}
        peers = dict.fromkeys((*configured, *tracked))
        rows = [_row(store, store.tracking.known(peer), tracked.get(peer), configured) for peer in peers]
    if as_json:
        write(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        write(_line(row))
    if not rows:
        write("No channel is collected: `teltubby channels add`, `/track` and MTPROTO_PEERS name some.")


def _open(config: Config) -> CollectorStore:
    return CollectorStore.open_to_track(config.collector.database_path)


def _configured(config: Config) -> tuple[str, ...]:
    """MTPROTO_PEERS, without what names no channel."""
    return tuple(map(str, read_peers(config.collector.peers)[0]))


def _row(
    store: CollectorStore, found: FoundPeer, tracked: Tracked | None, configured: Sequence[str]
) -> dict[str, object]:
    channel_id = None if found.ref is None else found.ref.channel_id
    channel = None if channel_id is None else store.channels.find(channel_id)
    cursor = None if channel_id is None else store.channels.cursor(channel_id)
    complete_at = None if cursor is None or cursor.complete_at is None else cursor.complete_at.isoformat()
    media = None if tracked is None or tracked.media is None else describe(tracked.media)
    return {
        "peer": found.peer,
        "channel_id": channel_id,
        "title": None if channel is None else channel.title,
        "posts": 0 if channel_id is None else store.channels.posts(channel_id),
        "backfill_done": cursor is not None and cursor.backfill_done,
        "complete_at": complete_at,
        "media": media,
        "is_configured": found.peer in configured,
        "to_read_again": 0 if channel_id is None else left_to_sweep(store.file, channel_id),
        "trouble": found.trouble,
    }


def _line(row: dict[str, object]) -> str:
    """One channel; what strangers wrote cannot move the cursor."""
    facts = [
        str(row["title"]) if row["title"] is not None else "not seen yet",
        f"{row['posts']:,} posts" + ("" if row["backfill_done"] else " so far"),
        *([f"complete until {row['complete_at']}"] if row["complete_at"] else []),
        *([f"{row['to_read_again']:,} to be read again"] if row["to_read_again"] else []),
        *([f"archived: {row['media']}"] if row["media"] else []),
        *(["from MTPROTO_PEERS"] if row["is_configured"] else []),
        *([f"TROUBLE: {row['trouble']}"] if row["trouble"] else []),
    ]
    line = f"{row['peer']}  {' · '.join(facts)}"
    return "".join(character if character.isprintable() else " " for character in line)


def _when(config: Config) -> str:
    """When the worker begins with it."""
    settings = config.collector
    if settings.enabled and (settings.history_enabled or settings.updates_enabled):
        return "A worker that runs notices within a minute."
    return "Nothing is collected yet: MTPROTO_ENABLED and MTPROTO_HISTORY_ENABLED switch the collector on."
