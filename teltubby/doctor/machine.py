"""This machine: the cipher, the ports, and what the process needs of the disk for files on their way."""

from __future__ import annotations

import errno
import os
import uuid
from functools import partial
from pathlib import Path

from anyio import to_thread

from teltubby.adapters.cipher_speed import decrypt_speed
from teltubby.config import Config, Role, TelegramMode
from teltubby.doctor.findings import Findings
from teltubby.doctor.neighbours import is_free, running
from teltubby.doctor.troubles import Trouble
from teltubby.doctor.words import size
from teltubby.errors import ExtraNotInstalled

FAST_ENOUGH = 50_000_000
"""Bytes per second; cryptg reaches 300 MB/s and more, Telethon's own cipher 2 MB/s."""

_BLOCK = 512
"""The unit of `st_blocks` (stat(2))."""


async def look_at_machine(config: Config, findings: Findings) -> None:
    """Cipher, spool and ports."""
    if config.role is not Role.BOT:
        await _cipher(config, findings)
    await _spool(config, findings)
    await _ports(config, findings)


async def _cipher(config: Config, findings: Findings) -> None:
    if config.mtproto.api_id is None:
        findings.skipped("cipher", "not needed: MTPROTO_API_ID is not set")
        return
    try:
        speed = await to_thread.run_sync(decrypt_speed)
    except ExtraNotInstalled as error:
        findings.trouble("cipher", Trouble.CRYPTG_MISSING, error)
        return
    found = f"cryptg decrypts {speed / 1e6:,.0f} MB/s"
    if speed < FAST_ENOUGH:
        findings.trouble("cipher", Trouble.CIPHER_SLOW, found)
    else:
        findings.well("cipher", found)


async def _spool(config: Config, findings: Findings) -> None:
    folder = config.storage.spool_dir
    try:
        room = await to_thread.run_sync(partial(_room_in, folder), abandon_on_cancel=True)
    except OSError as error:
        trouble = Trouble.SPOOL_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else Trouble.SPOOL_UNUSABLE
        findings.trouble("spool", trouble, f"{error.filename or folder}: {error.strerror}")
        return
    largest = config.ingest.max_file_bytes
    at_once = 1 if config.role is Role.BOT else config.worker.concurrency
    found = f"{folder}: {size(room)} for files on their way; the largest is {size(largest)} (MAX_FILE_GB)"
    if config.role is Role.BOT:
        findings.well("spool", f"{folder}: {size(room)} for small files on their way")
    elif room < largest:
        findings.trouble("spool", Trouble.SPOOL_FULL, found)
    elif room < largest * at_once:
        findings.trouble("spool", Trouble.SPOOL_TIGHT, f"{found}, and {at_once} may come at once")
    else:
        findings.well("spool", found)


def _room_in(folder: Path) -> int:
    """Bytes that files on their way may take: what is free, and what those take that are there. Raises OSError.

    A folder that is not there is made at the start, so the nearest one above it must let us.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    probe = place / f".teltubby-doctor-{uuid.uuid4().hex}"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, b"teltubby doctor\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(place)) from error
    disk = os.statvfs(place)
    spooled = sum(path.stat().st_blocks * _BLOCK for path in folder.glob("*/*.data")) if folder.exists() else 0
    return disk.f_bavail * disk.f_frsize + spooled


async def _ports(config: Config, findings: Findings) -> None:
    neighbour = await running(config)
    health = config.health
    if health.port == 0:
        findings.well("health port", "any free one (HEALTH_PORT is 0)")
    elif neighbour is not None:
        findings.well("health port", f"{health.port}: teltubby {neighbour.role} runs and answers there")
    else:
        host = "127.0.0.1" if health.localhost_only else "0.0.0.0"
        await _port(findings, "health port", host, health.port)
    telegram = config.telegram
    if telegram.mode is not TelegramMode.WEBHOOK or config.role is Role.WORKER:
        return
    if neighbour is not None and neighbour.is_bot:
        findings.well("webhook port", f"{telegram.webhook_listen_port}: teltubby {neighbour.role} runs")
    else:
        await _port(findings, "webhook port", telegram.webhook_listen_host, telegram.webhook_listen_port)


async def _port(findings: Findings, subject: str, host: str, port: int) -> None:
    why = await is_free(host, port)
    if why is None:
        findings.well(subject, f"{host}:{port} is free")
    else:
        findings.trouble(subject, Trouble.PORT_TAKEN, f"{host}:{port} cannot be listened on: {why}")
