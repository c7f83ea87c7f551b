"""Messages to the admins straight over the Bot API, with nothing of the bot in between."""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.error import HTTPError

from teltubby.config import TelegramSettings

_LOG = logging.getLogger(__name__)

ANSWER_WITHIN = 20.0
_TOO_MANY, _SERVER_ERROR = 429, 500
LONGEST_PAUSE = 3600.0
"""Nobody is believed who wants to be left alone for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """Who was not told because Telegram was away or busy, and the seconds that it wants to be left alone."""

    recipients: tuple[int, ...] = ()
    after: float = 0.0


class _Away(Exception):
    """Telegram cannot be reached, or wants a pause; the seconds of it."""

    def __init__(self, after: float, reason: str) -> None:
        super().__init__(reason)
        self.after = after


def tell(telegram: TelegramSettings, recipients: Sequence[int], text: str) -> Unreached:
    """Send the text to everybody. Whom Telegram refuses for good is logged, and left out."""
    unreached: list[int] = []
    after = 0.0
    for recipient in recipients:
        try:
            _send(telegram, recipient, text)
        except _Away as away:
            _LOG.warning("%d cannot be told yet: %s", recipient, away)
            unreached.append(recipient)
            after = max(after, away.after)
    return Unreached(recipients=tuple(unreached), after=after)


def _send(telegram: TelegramSettings, recipient: int, text: str) -> None:
    token = telegram.bot_token.get_secret_value() if telegram.bot_token else ""
    request = urllib.request.Request(
        f"{telegram.bot_api_url}/bot{token}/sendMessage",
        data=json.dumps({"chat_id": recipient, "text": text}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        # Without the environment's proxies, as the bot itself.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_context(telegram))
        )
        with opener.open(request, timeout=ANSWER_WITHIN) as response:
            response.read()
    except HTTPError as error:
        with error:
            description, pause = _refusal(error)
        if error.code == _TOO_MANY or error.code >= _SERVER_ERROR:
            raise _Away(pause if error.code == _TOO_MANY else 0.0, description) from error
        _LOG.error("%d cannot be told: %s", recipient, description)
    except (OSError, http.client.HTTPException) as error:
        raise _Away(0.0, str(error) or type(error).__name__) from error


def _context(telegram: TelegramSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=telegram.bot_api_ca_file)


def _refusal(error: HTTPError) -> tuple[str, float]:
    """What Telegram said, and the seconds that it wants to be left alone."""
    try:
        answer = json.loads(error.read())
        description = str(answer["description"])
        pause = int(answer.get("parameters", {}).get("retry_after", 0))
        return description, float(max(0, min(pause, LONGEST_PAUSE)))
    except (OSError, http.client.HTTPException):
        pass  # it was cut off
    except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass  # it is not Telegram that answers so
    return f"status {error.code}", 0.0
