"""Orders to workers that a person waits for: a broker that is only just being reached is waited for."""

from __future__ import annotations

import logging

import anyio

from teltubby.messages.control import Order
from teltubby.messages.queue import SendOrder
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

AGAIN_SECONDS = 0.5


async def send_order(queue: Ref[SendOrder], order: Order, *, within: float) -> bool:
    """Tell the workers; False when the broker could not be reached in so many seconds."""
    with anyio.move_on_after(within):
        while True:
            try:
                await queue.ask(SendOrder(order=order), within=within)
            except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
                _LOG.info("the workers cannot be told yet: %s", error)
                await anyio.sleep(AGAIN_SECONDS)
            else:
                return True
    return False
