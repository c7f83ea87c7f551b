"""Readers of Bot API answers for tests that use no client library."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any


def description(answer: tuple[int, Any]) -> Any:
    status, body = answer
    assert body["ok"] is False and body["error_code"] == status
    return body["description"]


def result(answer: tuple[int, Any]) -> Any:
    assert answer[0] == 200, answer
    return answer[1]["result"]


def get(url: str) -> int:
    """The status of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
