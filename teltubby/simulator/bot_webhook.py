"""Delivery of updates to a bot's webhook, again and again until it answers with 2xx.

Those of one chat come one after the other, those of different chats side by side, and presses of buttons beside the
messages of their chat (telegram-bot-api, Client.cpp: the webhook queue of an update).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from urllib.parse import urlsplit

import aiohttp

from teltubby.simulator.bot_errors import ApiError, bad_request
from teltubby.simulator.bot_updates import Queued, UpdateQueue, WebhookState
from teltubby.simulator.faults import Faults

SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
PORTS = (80, 88, 443, 8443)
DELIVERY = "webhook"
"""The method of faults that concern it."""
FIRST_RETRY = 0.2
LAST_RETRY = 60.0
REQUEST_SECONDS = 30.0


def checked_webhook(url: str, secret: str | None, max_connections: int) -> WebhookState:
    """The webhook that was asked for. Raises ApiError 400.

    Only loopback is served, and there, other than at Telegram, on any port and without TLS too.
    """
    if not _is_loopback(url):
        raise _refusal_abroad(url)
    if secret is not None and not SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    return WebhookState(url=url, secret=secret, max_connections=min(max(max_connections, 1), 100))


async def deliver(queue: UpdateQueue, webhook: WebhookState, faults: Faults, bot_id: int) -> None:
    """Post updates to the webhook until cancelled."""
    headers = {SECRET_HEADER: webhook.secret} if webhook.secret else {}
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    lanes: set[str] = set()

    async def bring(session: aiohttp.ClientSession, queued: Queued, lane: str) -> None:
        pause = FIRST_RETRY
        while queued in queue.pending():
            problem = await _post(session, webhook.url, queued, faults, bot_id)
            if problem is None:
                break
            webhook.last_error, webhook.last_error_at = problem, queue.now()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_RETRY)
        lanes.discard(lane)
        queue.confirm_one(queued.id)

    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        while True:
            for queued in queue.pending():
                lane = _lane(queued)
                if lane not in lanes and len(lanes) < webhook.max_connections:
                    lanes.add(lane)
                    tasks.create_task(bring(session, queued, lane))
            await queue.changed()


async def _post(session: aiohttp.ClientSession, url: str, queued: Queued, faults: Faults, bot_id: int) -> str | None:
    """Bring one update; what went wrong, or None."""
    fault = faults.take(DELIVERY, bot_id, queued.update)
    if fault is not None:
        await asyncio.sleep(fault.delay)
    try:
        async with session.post(url, json=queued.update, allow_redirects=False) as response:
            problem = None if 200 <= response.status < 300 else f"Wrong response from the webhook: {response.status}"
    except (aiohttp.ClientError, TimeoutError) as exc:
        return f"Connection failed: {exc}"
    if fault is not None and (fault.cut or fault.error is not None):
        return "Connection failed: the answer was lost"
    return problem


def _lane(queued: Queued) -> str:
    kind, content = next((name, value) for name, value in queued.update.items() if name != "update_id")
    match content:
        case {"chat": {"id": int(chat_id)}}:
            return f"chat {chat_id}"
        case {"from": {"id": int(user_id)}}:
            return f"{kind} {user_id}"
    return kind


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal_abroad(url: str) -> ApiError:
    parts = urlsplit(url)
    if parts.scheme != "https":
        return bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if (parts.port or 443) not in PORTS:
        return bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    return bad_request("bad webhook: Failed to resolve host: Name or service not known")
