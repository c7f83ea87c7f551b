"""What a failure of aiogram, of aiohttp or of the disk means to the house."""

from __future__ import annotations

from http import HTTPStatus

import aiohttp
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)

from teltubby.errors import (
    BadRequest,
    ChatUnavailable,
    FileGone,
    FileTooBig,
    FloodWait,
    PollConflict,
    SpoolFull,
    TelegramUnavailable,
    TeltubbyError,
    Unauthorised,
    WebhookActive,
)

DEFAULT_RETRY_AFTER = 5.0

_BY_DESCRIPTION: tuple[tuple[str, type[TeltubbyError]], ...] = (
    ("file is too big", FileTooBig),
    ("wrong file_id", FileGone),
    ("wrong remote file identifier", FileGone),
    ("invalid file_id", FileGone),
    ("file is temporarily unavailable", TelegramUnavailable),
    ("message to copy not found", FileGone),
    ("message_id_invalid", FileGone),
    ("chat not found", ChatUnavailable),
    ("peer_id_invalid", ChatUnavailable),
    ("need administrator rights in", ChatUnavailable),
    ("not enough rights to send", ChatUnavailable),
    ("chat_write_forbidden", ChatUnavailable),
    ("chat_admin_required", ChatUnavailable),
    ("while webhook is active", WebhookActive),
)

_BY_CLASS: tuple[tuple[type[Exception], type[TeltubbyError]], ...] = (
    (TelegramUnauthorizedError, Unauthorised),
    (TelegramNotFound, Unauthorised),  # the Bot API answers 404 to a token of the wrong shape
    (TelegramConflictError, PollConflict),
    (TelegramForbiddenError, ChatUnavailable),
    (TelegramEntityTooLarge, FileTooBig),
    (TelegramServerError, TelegramUnavailable),
    (TelegramNetworkError, TelegramUnavailable),
    (ClientDecodeError, TelegramUnavailable),
    (TelegramBadRequest, BadRequest),
    (TelegramAPIError, BadRequest),
    (AiogramError, TelegramUnavailable),
    (aiohttp.ClientError, TelegramUnavailable),
    (TimeoutError, TelegramUnavailable),
)


def _retry_after(error: aiohttp.ClientResponseError) -> float:
    """Seconds that the file server asks for; a few where it does not say."""
    wanted = "" if error.headers is None else error.headers.get("Retry-After", "")
    return float(wanted) if wanted.isdecimal() else DEFAULT_RETRY_AFTER


def translate(error: Exception) -> TeltubbyError:
    """The error of ours that stands for it; Telegram's own words where it said any."""
    if isinstance(error, TelegramRetryAfter):
        return FloodWait(error.retry_after)
    if isinstance(error, aiohttp.ClientResponseError) and error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return FloodWait(_retry_after(error))
    if isinstance(error, aiohttp.ClientResponseError):
        kind = FileGone if error.status in (403, 404) else TelegramUnavailable
        return kind(f"the file server answered {error.status}")
    if isinstance(error, OSError) and not isinstance(error, aiohttp.ClientError | ConnectionError | TimeoutError):
        return SpoolFull(f"the download cannot be written: {error.strerror}")
    text = str(getattr(error, "message", error)) or type(error).__name__
    if isinstance(error, TelegramBadRequest | TelegramConflictError):
        for phrase, meaning in _BY_DESCRIPTION:
            if phrase in text.lower():
                return meaning(text)
    for kind_of_error, meaning in _BY_CLASS:
        if isinstance(error, kind_of_error):
            return meaning(text)
    return TelegramUnavailable(text)
