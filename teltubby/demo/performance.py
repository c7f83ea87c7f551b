"""The demonstration itself: Telegram, the product, the curator, and the check of what came of it."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from rich.text import Text

from teltubby.demo.checking import check_archive
from teltubby.demo.errors import DemoFailed
from teltubby.demo.left_behind import check_ledger, check_leftovers
from teltubby.demo.place import Place, prepared
from teltubby.demo.product import BACKEND_VARIABLE, POLL, Product
from teltubby.demo.report import Report, show_problems, show_report
from teltubby.demo.scenes import CURATOR, Scene, script
from teltubby.demo.screen import Screen
from teltubby.messages.media import Route
from teltubby.simulator.curator import ChatLine, Conversation, Curator, as_text
from teltubby.simulator.people import User
from teltubby.simulator.server import SimulatedTelegram

MTPROTO_PACKAGES = ("telethon", "cryptg")
API_ID, API_HASH = "12345", "0123456789abcdef0123456789abcdef"
"""The simulated Telegram takes any."""
ALBUM_WINDOW_SECONDS = "1"
SETTLED_WITHIN = 10.0
"""Seconds after the last word to the curator in which a running product has to have tidied up."""

Publish = Callable[[Report], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A scene that is over, what the bot said last, and the seconds it took."""

    scene: Scene
    answer: ChatLine
    seconds: float


def perform(screen: Screen, *, out: Path | None, keep_running: bool, publish: Publish) -> bool:
    """Show everything, and return whether all of it was right.

    `publish` gets the report once, when the scenes are checked. Raises DemoFailed when it does not come that far, and
    KeyboardInterrupt when people have seen enough; the product has ended then too.
    """
    started = time.monotonic()
    _check_packages()
    with prepared(out) as place, SimulatedTelegram(media_only=True) as telegram:
        bot = telegram.add_bot()
        curator = telegram.add_curator(bot, "Ada", username=CURATOR)
        with Product(place, _settings(place, telegram, bot, curator)) as product:
            with screen:
                screen.doing("starting teltubby run beside a simulated Telegram")
                product.wait_until_ready()
                played = play(script(telegram, curator), curator, product, screen)
                peak = product.peak_memory()
                stopping = None
                if not keep_running:
                    screen.doing("stopping the product")
                    stopping = product.stop_gracefully()
                screen.doing("reading back and hashing every stored byte")
                report = _inspect(place, played, product if keep_running else None)
            problems = [stopping] if stopping else []
            problems += _failures_of(telegram)
            report = replace(
                report,
                problems=(*report.problems, *problems),
                seconds=time.monotonic() - started,
                peak_rss_bytes=peak,
                folder=str(place.root) if place.kept or keep_running else None,
                health_url=product.url if keep_running else None,
            )
            show_report(screen.console, report)
            publish(report)
            if keep_running:
                return stay(screen, place, product) and report.ok
            if place.kept:
                screen.console.print(Text(f"Everything is kept in {place.root}"), soft_wrap=True)
            return report.ok


def play(scenes: Sequence[Scene], curator: Curator, product: Product, screen: Screen) -> list[Played]:
    """Hand in one thing after the other, each when the bot said its last word on the one before.

    Raises DemoFailed when it does not say it in time, or when the product ends.
    """
    news: SimpleQueue[Conversation] = SimpleQueue()
    curator.on_change(news.put)
    played = []
    for number, scene in enumerate(scenes, start=1):
        screen.begin(number, len(scenes), scene, memory=product.memory)
        started = time.monotonic()
        message_id = scene.hand_in(curator)
        while (answer := scene.answer(curator.conversation(), message_id)) is None:
            _show_news(news, screen)
            product.pause(POLL)
            if time.monotonic() > started + scene.within:
                raise DemoFailed(
                    f"Scene {number} ({scene.title}) was not over within {scene.within:g} s.",
                    details=f"The conversation so far:\n{as_text(curator.conversation())}\n\n"
                    f"The end of the product's log:\n{product.last_lines()}",
                )
        seconds = time.monotonic() - started
        _show_news(news, screen)
        screen.show(curator.conversation())
        screen.end(seconds)
        played.append(Played(scene=scene, answer=answer, seconds=seconds))
    return played


def _show_news(news: SimpleQueue[Conversation], screen: Screen) -> None:
    while True:
        try:
            screen.show(news.get_nowait())
        except Empty:
            return


def _inspect(place: Place, played: Sequence[Played], running: Product | None) -> Report:
    """Everything that can be seen from outside; a product that still runs gets a moment to tidy up."""
    complaints = [complaint for done in played if (complaint := done.scene.complaint(done.answer)) is not None]
    findings = check_archive(place.archive, [done.scene.submission(round(done.seconds, 3)) for done in played])
    large = [found.key for found in findings.objects if found.route != Route.BOT_API]
    deadline = time.monotonic() + SETTLED_WITHIN
    while True:
        jobs, problems = check_ledger(place, keys_of_jobs=large)
        problems += check_leftovers(place)
        if not problems or running is None or time.monotonic() > deadline:
            break
        running.pause(POLL)
    return Report(
        problems=(*complaints, *findings.problems, *problems),
        objects=findings.objects,
        artifacts=findings.artifacts,
        jobs=jobs,
        backend=os.environ.get(BACKEND_VARIABLE, "").strip() or "asyncio",
    )


def stay(screen: Screen, place: Place, product: Product) -> bool:
    """Leave the product running until Ctrl-C; whether it then stopped as it should."""
    try:
        for line in (  # whoever reads the first of them may press Ctrl-C before the last
            "",
            "The product stays up until you press Ctrl-C. Meanwhile:",
            f"  the archive    {place.archive}",
            f"  its log        {place.log}",
            f"  its health     {product.url}/healthz  (also /status and /metrics)",
            f"  its actors     teltubby tree --port {product.port}",
        ):
            screen.console.print(Text(line), soft_wrap=True)
        while True:
            product.pause(60.0)
    except KeyboardInterrupt:
        screen.console.print(Text("Stopping in order."))
    problem = product.stop_gracefully()
    if problem is not None:
        show_problems(screen.console, [problem])
    return problem is None


def _failures_of(telegram: SimulatedTelegram) -> list[str]:
    """Errors of the simulated Telegram itself, and why it hung up on a client."""
    server = telegram.mtproto_server
    failures = telegram.call(lambda: [*server.failures])
    return [f"The simulated Telegram failed in {method}: {error!r}." for method, error in failures]


def _check_packages() -> None:
    missing = [name for name in MTPROTO_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoFailed(
            f"The demo needs {' and '.join(missing)} for large files: pip install 'teltubby[mtproto]', "
            "or make demo in a clone of the project."
        )


def _settings(place: Place, telegram: SimulatedTelegram, bot: User, curator: Curator) -> dict[str, str]:
    """What an operator would write into the `.env` of a single box, with this Telegram in place of the real one."""
    return {
        "TELEGRAM_BOT_TOKEN": str(bot.token),
        "TELEGRAM_WHITELIST_IDS": str(curator.user.id),
        "TELEGRAM_BOT_API_URL": telegram.bot_api_url,
        "MTPROTO_API_ID": API_ID,
        "MTPROTO_API_HASH": API_HASH,
        "MTPROTO_DC": telegram.mtproto_dc,
        "MTPROTO_PUBLIC_KEY": str(telegram.write_public_key(place.public_key)),
        "MTPROTO_BOT_SESSION_PATH": str(place.session),
        "STORAGE_FOLDER": str(place.archive),
        "SPOOL_DIR": str(place.spool),
        "SQLITE_PATH": str(place.ledger),
        "EMBEDDED_QUEUE_PATH": str(place.queue),
        "ALBUM_AGGREGATION_WINDOW_SECONDS": ALBUM_WINDOW_SECONDS,
        "LOG_FORMAT": "console",
    }
