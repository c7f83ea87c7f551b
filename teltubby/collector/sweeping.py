"""Reads all that is stored of a channel again, by id: what was edited or deleted while Telegram did not tell.

After a difference that is too long nothing else finds it. A sweep goes from the newest post to the oldest, a hundred at
a time, and how far it is is stored with each hundred: stopped at any moment, it goes on there.
"""

from __future__ import annotations

import logging
from datetime import datetime

from teltubby.adapters.base import ChannelGateway
from teltubby.collector.pages import Sweep
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.sweeps import posts_to_sweep, sweep_of
from teltubby.collector.updates import Wanted, nothing_wanted, page_by_id
from teltubby.messages.channels import ChannelRef

log = logging.getLogger(__name__)


async def sweep_on(
    ref: ChannelRef, gateway: ChannelGateway, store: StoreThread, *, now: datetime, wanted: Wanted = nothing_wanted
) -> bool:
    """Read the next hundred posts of a channel's sweep; False where there is none to go on with.

    Raises what Telegram and the store raise; then the hundred is as before.
    """
    file, channel_id = store.store.file, ref.channel_id
    sweep = await store.run(sweep_of, file, channel_id)
    if sweep.below == 0:
        return False
    ids = await store.run(posts_to_sweep, file, channel_id, sweep.below)
    # As of `now`, before it was asked: of two edits in one second that which is pushed meanwhile is the newer.
    messages = await gateway.posts_by_id(ref, ids) if ids else ()
    swept = Sweep(number=sweep.number, below=ids[-1] if ids else 0)
    await store.run(store.store.record, page_by_id(channel_id, messages, now, wanted, sweep=swept))
    if not ids:
        log.info("channel %d: all stored posts were read again", channel_id)
    return bool(ids)
