"""How exchanges with the Bot API end, and what that says of it."""

from __future__ import annotations

from teltubby.adapters.dependencies import Dependency
from teltubby.adapters.metrics import Metrics
from teltubby.errors import FloodWait, PollConflict, TelegramUnavailable, TeltubbyError, Unauthorised

SOURCE = "bot_api"


class BotApiWatch:
    """Told of every exchange by the client; a refusal of one request (a chat that is gone) is an answer."""

    def __init__(self, dependency: Dependency, metrics: Metrics) -> None:
        self._dependency = dependency
        self._metrics = metrics

    def answered(self) -> None:
        """Telegram did what was asked, or said no to it."""
        self._metrics.bot_api_requests.labels(outcome="ok").inc()
        self._dependency.works()

    def failed(self, error: TeltubbyError) -> None:
        """It ended with this."""
        match error:
            case TelegramUnavailable():
                self._dependency.failed(str(error))
            case Unauthorised():
                self._dependency.down(f"Telegram refuses the bot token: {error}")
            case PollConflict():
                self._dependency.degraded(f"another process takes this bot's updates: {error}")
            case FloodWait():
                self._metrics.asked_to_wait(SOURCE, error.seconds)
                self._dependency.degraded(str(error))
            case _:
                self.answered()
                return
        self._metrics.bot_api_requests.labels(outcome="failed").inc()

    def downloaded(self, size: int) -> None:
        """So many bytes of a file came."""
        self._metrics.downloaded_bytes.labels(source=SOURCE).inc(size)
