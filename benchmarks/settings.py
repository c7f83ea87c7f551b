"""Settings of the product's processes, as an operator would write them, for the simulated Telegram."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.clients.serving import API_HASH, API_ID
from benchmarks.telegram import Telegram
from teltubby.demo.product import clean_environment


def folder_store(folder: Path) -> dict[str, str]:
    """The archive in a folder."""
    return {"STORAGE_FOLDER": str(folder)}


def s3_store(port: int) -> dict[str, str]:
    """The archive in the bucket of the S3 sink."""
    return {
        "S3_ENDPOINT": f"http://127.0.0.1:{port}",
        "S3_ACCESS_KEY_ID": "benchmark",
        "S3_SECRET_ACCESS_KEY": "benchmark",
        "S3_BUCKET": "benchmark",
    }


def product(telegram: Telegram, home: Path, store: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a process that keeps its things in `home`."""
    key = home / "telegram.pem"
    key.write_text(telegram.hello["public_key"])
    return clean_environment(os.environ) | {
        "TELEGRAM_BOT_TOKEN": telegram.hello["bot_token"],
        "TELEGRAM_WHITELIST_IDS": str(telegram.hello["curator_id"]),
        "TELEGRAM_BOT_API_URL": telegram.hello["bot_api_url"],
        "MTPROTO_API_ID": str(API_ID),
        "MTPROTO_API_HASH": API_HASH,
        "MTPROTO_DC": telegram.hello["mtproto_dc"],
        "MTPROTO_PUBLIC_KEY": str(key),
        "MTPROTO_BOT_SESSION_PATH": str(home / "bot.session"),
        "MTPROTO_SESSION_PATH": str(home / "user.session"),
        "SPOOL_DIR": str(home / "spool"),
        "SQLITE_PATH": str(home / "teltubby.db"),
        "HEALTH_PORT": "0",
        "LOG_FORMAT": "json",
        **store,
    }
