"""Receiving: updates become durable in the inbox before they are confirmed to Telegram."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from teltubby.actors.troubles import Troubles
from teltubby.actors.wakeup import Wakeup
from teltubby.actors.whispers import Whispers
from teltubby.adapters.base import BotGateway
from teltubby.adapters.webhook_server import WebhookServer
from teltubby.errors import BadRequest, PollConflict, Unauthorised, WebhookActive
from teltubby.messages.ledger import LedgerMessage, RecordUpdates
from teltubby.messages.media import RawUpdate
from teltubby.supervision import Backoff, Context, Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
POLL_SECONDS = 25.0
UNAUTHORISED_SECONDS = 60.0
ACCEPT_SECONDS = 20.0
"""Shorter than webhook_server.CONNECTION_SECONDS: Telegram is told that we cannot, and does not wait in vain."""
REGISTER_SECONDS = 900.0
"""How often the webhook is set again, in case somebody who polls took it away."""
INTAKE = "intake"
"""Where the trouble is, in `/healthz`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Telegram brings updates to `url` and shows `secret`; what arrives there comes to `path` of this machine."""

    url: str
    secret: str = field(repr=False)
    host: str
    port: int
    path: str


class Receiving:
    """Brings updates into the inbox and rings `recorded`: polls, or with a `webhook` has them brought.

    What came in confidence goes to `whispers`, and no further.
    """

    def __init__(
        self,
        *,
        gateway: BotGateway,
        ledger: Ref[LedgerMessage],
        recorded: Wakeup,
        troubles: Troubles,
        backoff: Backoff,
        rng: random.Random,
        whispers: Whispers,
        webhook: Webhook | None = None,
    ) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._recorded = recorded
        self._troubles = troubles
        self._backoff = backoff
        self._rng = rng
        self._webhook = webhook
        self._whispers = whispers
        self._server: WebhookServer | None = None

    async def open(self) -> None:
        """Listen, when updates are brought. Raises ConfigurationError when the port is taken."""
        webhook = self._webhook
        if webhook is not None:
            self._server = WebhookServer(
                host=webhook.host, port=webhook.port, path=webhook.path, secret=webhook.secret, accept=self._accept
            )
            port = await self._server.open()
            _LOG.info("updates are expected at %s:%d%s", webhook.host, port, webhook.path)

    async def aclose(self) -> None:
        """Listen no more; safe to call twice. The webhook stays set: updates wait at Telegram for the next start."""
        server, self._server = self._server, None
        if server is not None:
            await server.aclose()

    async def receive(self, context: Context[Any]) -> None:
        """Go on until a stop is asked for."""
        if self._webhook is None:
            await self._poll(context)
        else:
            await self._keep_registered(context, self._webhook)

    async def _poll(self, context: Context[Any]) -> None:
        """Fetch updates and record them; the next poll confirms an offset only after its updates are durable."""
        # From 0, not from the newest recorded: after a quiet week Telegram starts its ids anew (Bot API, Update),
        # and a stored offset above them would discard updates unseen. What is recorded is recognised by its id.
        offset, failures = 0, 0
        while not context.stopping.is_set():
            pause = 0.0
            with context.interruptible():
                try:
                    updates = await self._fetch(offset)
                    offset = await self._record(updates)
                    failures = 0
                    self._troubles.leave(INTAKE)
                except Unauthorised as error:
                    pause = self._note_refusal("Telegram refuses the bot token", error)
                except PollConflict as error:
                    failures += 1
                    _LOG.warning("intake pauses: %s", error)
                    self._troubles.enter(INTAKE, f"another process takes this bot's updates: {error}")
                    pause = self._backoff.delay(failures + 1, self._rng)
                except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
                    failures += 1
                    _LOG.warning("intake pauses: %s", error)
                    pause = self._delay(failures, error)
                except Exception:  # noqa: BLE001 - a crash of the ledger, which its supervisor mends
                    failures += 1
                    _LOG.exception("intake pauses")
                    pause = self._backoff.delay(failures + 1, self._rng)
                await anyio.sleep(pause)

    async def _fetch(self, offset: int) -> Sequence[RawUpdate]:
        try:
            return await self._gateway.updates(offset=offset, wait=POLL_SECONDS)
        except WebhookActive:
            _LOG.warning("a webhook is set; it is removed, because TELEGRAM_MODE is polling")
            await self._gateway.delete_webhook()
            return await self._gateway.updates(offset=offset, wait=POLL_SECONDS)

    async def _record(self, updates: Sequence[RawUpdate]) -> int:
        if not updates:
            return 0  # all before is confirmed by now; see _poll() for why no high offset is kept
        await self._ledger.ask(RecordUpdates(updates=self._whispers.taken_from(updates)), within=ASK_SECONDS)
        self._recorded.ring()
        return max(update.update_id for update in updates) + 1

    async def _keep_registered(self, context: Context[Any], webhook: Webhook) -> None:
        """Set the webhook as soon as Telegram lets us, and from time to time again."""
        failures = 0
        while not context.stopping.is_set():
            with context.interruptible():
                try:
                    await self._gateway.set_webhook(webhook.url, secret=webhook.secret)
                    failures, pause = 0, REGISTER_SECONDS
                    self._troubles.leave(INTAKE)
                except Unauthorised as error:
                    pause = self._note_refusal("Telegram refuses the bot token", error)
                except BadRequest as error:
                    pause = self._note_refusal("Telegram refuses WEBHOOK_URL", error)
                except (SupervisionError, TimeoutError) as error:
                    failures += 1
                    _LOG.warning("the webhook is not set yet: %s", error)
                    pause = self._delay(failures, error)
                await anyio.sleep(pause)

    async def _accept(self, update: RawUpdate) -> bool:
        """Record an update that was brought; runs in the asyncio flavour."""
        try:
            await self._ledger.ask(RecordUpdates(updates=self._whispers.taken_from([update])), within=ACCEPT_SECONDS)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("update %d is left to Telegram: %s", update.update_id, error)
            return False
        except Exception:  # noqa: BLE001 - a crash of the ledger, which its supervisor mends
            _LOG.exception("update %d is left to Telegram", update.update_id)
            return False
        self._recorded.ring()
        return True

    def _note_refusal(self, what: str, error: Exception) -> float:
        """Only an operator can help; returns the pause before the next try."""
        _LOG.error("%s: %s", what, error)
        self._troubles.enter(INTAKE, f"{what}: {error}")
        return UNAUTHORISED_SECONDS

    def _delay(self, failures: int, error: Exception) -> float:
        return max(getattr(error, "seconds", 0.0), self._backoff.delay(failures + 1, self._rng))
