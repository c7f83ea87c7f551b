"""`teltubby restore`: brings a backup back, and says what comes next."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from teltubby.adapters.clock import utc_now
from teltubby.backup.catalogue import catalogue
from teltubby.backup.contents import NOT_THERE, bot_of, places
from teltubby.backup.errors import BackupImpossible
from teltubby.backup.making import backup_key
from teltubby.backup.manifest import Content, Manifest
from teltubby.backup.restoring import Restored, chosen, restore
from teltubby.config import Config
from teltubby.recovery.stores import opened
from teltubby.trees.backing_up import backup_store

Write = Callable[[str], None]

_SESSIONS = frozenset({Content.USER_SESSION, Content.BOT_SESSION, Content.SAID_SESSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for: which backup, where to, and whether what is there may give way."""

    name: str | None
    into: Path | None
    settings: Path | None
    force: bool


async def bring_back(config: Config, wish: Wish, write: Write, *, as_json: bool) -> None:
    """Do it. Raises what `chosen` and `restore` do."""
    key = backup_key(config)
    async with opened(backup_store(config)) as store:
        entries, now = await catalogue(store, key), utc_now()
        bot = bot_of(config)
        entry = chosen(entries, wish.name, role=config.role, host=socket.gethostname(), bot=bot, now=now)
        if entry.name.role is not config.role:
            raise BackupImpossible(f"{entry.name} is the backup of a {entry.name.role}: --role {entry.name.role}")
        if entry.manifest is None:
            raise AssertionError("a complete backup has a manifest")
        manifest = entry.manifest
        if wish.into is None and wish.settings is None and None not in (bot, manifest.bot) and bot != manifest.bot:
            raise BackupImpossible(
                f"{manifest.name} is the backup of bot {manifest.bot}, and TELEGRAM_BOT_TOKEN is that of bot {bot}: "
                "set the right one, or look into it with --into"
            )
        restored = await restore(store, manifest, key, _targets(config, wish), force=wish.force, now=now)
    if as_json:
        write(json.dumps(_as_dict(manifest, restored), ensure_ascii=False, indent=2))
        return
    write(f"The backup {manifest.name} is verified, and back:")
    for content, path in restored.files.items():
        write(f"  {content:<16} {path}")
    for path in restored.kept:
        write(f"What was there is kept: {path}")
    for content, why in manifest.left_out.items():
        if why != NOT_THERE:
            write(f"  {content:<16} is not in it: {why}")
    for line in _next(manifest, restored, wish):
        write(line)


def _targets(config: Config, wish: Wish) -> Mapping[Content, Path]:
    if wish.settings is not None:
        return {Content.SETTINGS: wish.settings}
    if wish.into is not None:
        return {content: wish.into / content for content in Content}
    return places(config)


def _next(manifest: Manifest, restored: Restored, wish: Wish) -> list[str]:
    if wish.settings is not None:
        return ["Now look it through, and run `teltubby restore` for the rest."]
    lines = []
    if not _SESSIONS.isdisjoint(restored.files):
        lines.append("A session must not run in two places: be sure that the old machine is off for good.")
    if wish.into is None:
        if any(file.content is Content.SETTINGS for file in manifest.files):
            lines.append("The settings are in the backup too: `teltubby restore --settings FILE` writes them.")
        lines.append(f"The databases are as of {manifest.name.made_at:%Y-%m-%d %H:%M:%S} UTC.")
        if Content.LEDGER in restored.files:
            lines.append("What was archived since is in the store: `teltubby reindex` tells the ledger of it.")
        lines.append("Then run `teltubby doctor`, and start again.")
    return lines


def _as_dict(manifest: Manifest, restored: Restored) -> Mapping[str, object]:
    return {
        "name": str(manifest.name),
        "files": {content.value: str(path) for content, path in restored.files.items()},
        "kept": [str(path) for path in restored.kept],
        "left_out": {content.value: why for content, why in manifest.left_out.items()},
    }
