"""One consumer of RabbitMQ: deliveries of several queues in order of preference, a bounded number at a time.

A single queue is consumed with the broker's own prefetch. With several, the preferred one has to overtake, and a
delivery that waits in our memory would be taken from idle workers. So nothing is held beyond what is handed out:

- While all slots are taken there is no consumer; what arrives too much goes back to the head of its queue.
- When a slot is free, the preferred queues are asked first (`basic.get` answers with certainty, a consumer does not);
  only when they are empty, consumers on all queues wait for whatever comes.

It costs a few round trips per message, nothing against jobs that take seconds to hours.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Mapping

import anyio
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Delivery, Destination
from teltubby.adapters.rabbitmq_delivery import DeadLetter, RabbitDelivery
from teltubby.adapters.rabbitmq_errors import BROKER_FAILURES, close_quietly
from teltubby.flavour import asyncio_hosted

logger = logging.getLogger("teltubby.broker")

CANCEL_AGAIN_SECONDS = 0.2


class RabbitSubscription(ObjectReceiveStream[Delivery]):
    """Deliveries of `queues` (by source, the preferred first) on a channel of its own.

    Underscored methods are asyncio-flavoured or only called from there; receive and aclose belong to the caller.
    """

    def __init__(
        self,
        channel: AbstractChannel,
        queues: Mapping[Destination, str],
        *,
        prefetch: int,
        timeout: float,
        dead_letter: DeadLetter,
    ) -> None:
        self._channel = channel
        self._queue_names = queues
        self._prefetch = prefetch
        self._timeout = timeout
        self._dead_letter = dead_letter
        # The buffer is never the limit: what it holds is unsettled too, and of that there are at most `prefetch`.
        self._send, self._receive = anyio.create_memory_object_stream[Delivery](prefetch)
        self._ended = False
        self._failure: BaseException | None = None
        self._queues: dict[Destination, AbstractQueue] = {}
        self._consumer_tags: dict[Destination, str] = {}
        self._held: set[int | None] = set()
        self._excess: deque[tuple[Destination, AbstractIncomingMessage]] = deque()
        self._changed = asyncio.Event()
        self._balancer: asyncio.Task[None] | None = None

    async def receive(self) -> Delivery:
        """The next delivery. Raises EndOfStream when the channel, the connection or the broker is closed."""
        if not self._ended:
            try:
                return await self._receive.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                pass  # ended while we waited
        raise self._failure or anyio.EndOfStream

    async def aclose(self) -> None:
        """End the stream; the broker puts what is unsettled back into the queues. Safe to call twice."""
        with anyio.CancelScope(shield=True):
            await self.stop()
            await close_quietly(self._channel)

    @property
    def ended(self) -> bool:
        """Whether it hands out nothing more."""
        return self._ended

    def end(self) -> None:
        """Hand out nothing more; what nobody has received yet comes again from the broker."""
        self._ended = True
        self._changed.set()
        self._send.close()
        self._receive.close()

    @asyncio_hosted
    async def start(self) -> None:
        """Begin to consume. Raises what aio-pika raises."""
        self._channel.close_callbacks.add(self._on_channel_closed)
        transport = await self._channel.get_underlay_channel()
        transport.on_consumer_cancel_callbacks.add(self._on_consumer_cancelled)
        for source, name in self._queue_names.items():
            self._queues[source] = await self._channel.get_queue(name, ensure=False)
        if len(self._queues) == 1:
            await self._consume(self._prefetch)
        else:
            await self._balance()
            self._balancer = asyncio.get_running_loop().create_task(self._keep_balance())
            self._balancer.add_done_callback(self._on_balancer_done)

    @asyncio_hosted
    async def stop(self) -> None:
        """End, and leave nothing running; the channel stays to be closed with its connection."""
        self.end()
        while self._balancer is not None and not self._balancer.done():
            # Again until it has ended: on Python 3.11 asyncio.wait_for, in which aio-pika waits for answers, swallows
            # a cancellation that meets an answer or a lost connection.
            self._balancer.cancel()
            await asyncio.wait({self._balancer}, timeout=CANCEL_AGAIN_SECONDS)

    async def _keep_balance(self) -> None:
        while not self._ended:
            await self._changed.wait()
            self._changed.clear()
            await self._balance()

    async def _balance(self) -> None:
        """Bring the consumers in line with the free slots."""
        for source in self._queues:
            self._hand_out_excess(source)
        if self._free_slots() <= 0:
            await self._pause()
        elif not self._consumer_tags:
            *preferred, _ = self._queues
            for source in preferred:
                await self._drain(source)
            if free := self._free_slots():
                await self._consume(free)

    async def _drain(self, source: Destination) -> None:
        while self._free_slots() > 0:
            message = await self._queues[source].get(no_ack=False, fail=False, timeout=self._timeout)
            if message is None:
                return
            self._hand_out(source, message)

    async def _consume(self, prefetch: int) -> None:
        await self._channel.set_qos(prefetch_count=prefetch, timeout=self._timeout)
        for source, queue in self._queues.items():
            arrived = functools.partial(self._on_message, source)
            self._consumer_tags[source] = await queue.consume(arrived, timeout=self._timeout)

    async def _pause(self) -> None:
        while self._consumer_tags and not self._ended:
            source, tag = self._consumer_tags.popitem()
            await self._queues[source].cancel(tag, timeout=self._timeout)
        while self._excess:
            _, message = self._excess.popleft()
            await message.nack(requeue=True)

    async def _on_message(self, source: Destination, message: AbstractIncomingMessage) -> None:
        if self._ended:
            return
        # With one queue the broker keeps the count, and may be ahead of ours: it saw the ack that we are still writing.
        if self._free_slots() > 0 or len(self._queues) == 1:
            self._hand_out(source, message)
        else:
            self._excess.append((source, message))
        self._changed.set()

    def _hand_out_excess(self, source: Destination) -> None:
        for entry in tuple(self._excess):
            if entry[0] is source and self._free_slots() > 0:
                self._excess.remove(entry)
                self._hand_out(*entry)

    def _hand_out(self, source: Destination, message: AbstractIncomingMessage) -> None:
        if self._ended:
            return  # the channel is going, and the message goes back with it
        self._held.add(message.delivery_tag)
        self._send.send_nowait(
            RabbitDelivery(
                message,
                source,
                timeout=self._timeout,
                dead_letter=self._dead_letter,
                on_settled=self._on_settled,
                is_lost=lambda: self._ended,
            )
        )

    def _free_slots(self) -> int:
        return self._prefetch - len(self._held)

    def _on_settled(self, message: AbstractIncomingMessage) -> None:
        self._held.discard(message.delivery_tag)
        self._changed.set()

    async def _on_channel_closed(self, channel: AbstractChannel | None, reason: BaseException | None) -> None:
        del channel
        self._end_because(reason)

    def _on_consumer_cancelled(self, frame: object) -> None:
        """The broker ended a consumer: its queue was deleted, or its node is going down."""
        del frame
        self._end_because("the queue was deleted, or its server is going down")

    def _on_balancer_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (exc := task.exception()) and not isinstance(exc, BROKER_FAILURES):
            self._failure = exc
        self.end()

    def _end_because(self, reason: object) -> None:
        if not self._ended:
            logger.warning("consuming %s ends: %s", ", ".join(self._queue_names.values()), reason or "closed")
            self.end()
