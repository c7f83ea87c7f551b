"""Delivery of updates to a bot's webhook: one after the other, again and again until it answers with 2xx."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from urllib.parse import urlsplit

import aiohttp

from teltubby.simulator.bot_errors import bad_request
from teltubby.simulator.bot_updates import UpdateQueue, WebhookState

SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
FIRST_RETRY = 0.2
LAST_RETRY = 60.0
REQUEST_SECONDS = 30.0


def checked_webhook(url: str, secret: str | None, max_connections: int) -> WebhookState:
    """The webhook that was asked for. Raises ApiError 400; only loopback is served, there without TLS too."""
    host = urlsplit(url).hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise bad_request("bad webhook: Failed to resolve host: Name or service not known")
    if secret is not None and not SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    return WebhookState(url=url, secret=secret, max_connections=min(max(max_connections, 1), 100))


async def deliver(queue: UpdateQueue, webhook: WebhookState) -> None:
    """Post updates to the webhook until cancelled."""
    headers = {SECRET_HEADER: webhook.secret} if webhook.secret else {}
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        pause = FIRST_RETRY
        while True:
            await queue.arrival()
            first = queue.pending()[0]
            try:
                async with session.post(webhook.url, json=first.update) as response:
                    problem = None if response.ok else f"Wrong response from the webhook: {response.status}"
            except (aiohttp.ClientError, TimeoutError) as exc:
                problem = f"Connection failed: {exc}"
            if problem is None:
                queue.confirm(first.id + 1)
                pause = FIRST_RETRY
            else:
                webhook.last_error, webhook.last_error_at = problem, queue.now()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_RETRY)
