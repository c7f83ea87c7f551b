"""`teltubby doctor` as an operator runs it, and what it printed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teltubby.config import Role, load
from teltubby.doctor.troubles import Trouble
from teltubby.trees import parts
from tests.acceptance.accounts import Person
from tests.acceptance.household import Household
from tests.servers.ports import free_port

WITHIN = 100.0
"""A whole run takes less than 60 s, however much hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What came of one run: its exit code, everything it printed, and the lines of its report."""

    code: int
    printed: str
    findings: tuple[Mapping[str, str], ...]

    @property
    def troubles(self) -> dict[str, str]:
        """By their names, what was found."""
        return {line["trouble"]: line["found"] for line in self.findings if "trouble" in line}

    def state(self, subject: str) -> str:
        """How the (first) line about that is marked."""
        return next(line["state"] for line in self.findings if line["subject"] == subject)

    def found(self, subject: str) -> str:
        """What the lines about that say."""
        return "\n".join(line["found"] for line in self.findings if line["subject"] == subject)


def examine(
    house: Household,
    *arguments: str,
    role: str = "box",
    listens: bool = False,
    other: Mapping[str, str] | None = None,
    **settings: str,
) -> Examination:
    """Run `teltubby doctor --json` beside whatever runs; `settings`, and `other` ones, hold for it alone.

    Unless it `listens` it is told that updates are brought: else it spends seconds on looking who else fetches them.
    """
    webhook = {
        "TELEGRAM_MODE": "webhook",
        "WEBHOOK_URL": "https://example.invalid/hook",
        "WEBHOOK_SECRET": "secret-of-the-webhook",
        "WEBHOOK_LISTEN_PORT": str(free_port()),
    }
    settings = ({} if listens else webhook) | dict(other or {}) | settings
    printed, code = run_doctor(house, "--json", "--role", role, *arguments, **settings)
    assert code in (0, 1), printed
    report: dict[str, Any] = json.loads(printed[printed.index("{\n") :])
    findings = tuple(line for section in report["sections"] for line in section["findings"])
    assert report["well"] is (code == 0), printed
    return Examination(code=code, printed=printed, findings=findings)


def run_doctor(house: Household, *arguments: str, **settings: str) -> tuple[str, int]:
    """What it printed, and its exit code."""
    log = house.home / "doctor.log"
    process = house.begin(["doctor", *arguments], house.settings | settings, house.home, log)
    code = process.wait(WITHIN)
    return log.read_text(), code


def must_say(examination: Examination, trouble: Trouble, *words: str) -> None:
    """It found this trouble, said so with these words, gave its remedy, and ended accordingly."""
    lines = [line for line in examination.findings if line.get("trouble") == trouble.title]
    assert lines, f"no {trouble.title} in:\n{examination.printed}"
    assert lines[0]["remedy"] == trouble.remedy
    for word in words:
        assert word in lines[0]["found"], lines[0]["found"]


def sign_in(house: Household, someone: Person | None = None) -> None:
    """Make the bot's session file, and that of a person who scans the code: as a worker would have left them."""
    settings = house.settings | {"STORAGE_FOLDER": "/nowhere", "QUEUE_BACKEND": "embedded"}
    for name in [name for name in settings if name.startswith("S3_")]:
        del settings[name]
    config = load(Role.BOX, settings, None)

    async def dialogue() -> None:
        bot = parts.bot_session(config)()
        await bot.open()
        await bot.aclose()
        if someone is not None:
            person = parts.personal_session(config)()
            await person.begin()
            shown = await person.show_qr()
            await asyncio.to_thread(someone.phone.scan, shown.url)
            await person.wait_scanned()
            await person.aclose()

    asyncio.run(dialogue())
