"""The single box: both wings under one root, with a queue between them all the same."""

from __future__ import annotations

from teltubby.actors.readiness import Outlook
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.config import Config
from teltubby.messages.wire_fields import KEY_PREFIX
from teltubby.supervision import Supervisor
from teltubby.transfer.upload import FirstCopy
from teltubby.trees import parts
from teltubby.trees.backing_up import backup_children
from teltubby.trees.bot import BotMail, bot_wing
from teltubby.trees.collecting import say_what_is_off
from teltubby.trees.common import root
from teltubby.trees.watching import look_around, watched_broker
from teltubby.trees.worker import WorkerMail, worker_wing


def box_tree(config: Config) -> Supervisor:
    """`teltubby run`. Without MTProto (packages or api id) the worker wing is left out and large files wait."""
    outlook, doorbell, mail = Outlook(), Doorbell(), BotMail()
    missing = parts.mtproto_missing(config)
    bot_broker = watched_broker(parts.broker(config, doorbell, client="teltubby box, bot wing"), outlook)
    wings = [Supervisor("bot", bot_wing(config, bot_broker, mail, outlook, missing=missing))]
    if missing is not None:
        say_what_is_off(config, outlook.troubles, missing=missing)
    else:
        other = parts.broker(config, doorbell, client="teltubby box, worker wing")
        worker_broker = watched_broker(other, outlook, name="worker_broker")
        first_copy = reportable(parts.first_copy(config, mail.first_copy))
        wing = worker_wing(config, worker_broker, WorkerMail(), outlook, first_copy=first_copy)
        wings.append(Supervisor("worker", wing))
    look_around(config, outlook, upload=mail.upload.ref, queue=mail.queue.ref, data=config.ingest.sqlite_path.parent)
    return root("box", config, outlook, [*wings, *backup_children(config, outlook)])


def reportable(known: FirstCopy) -> FirstCopy:
    """Only copies that a report may name: an old database knows keys outside of our prefix, where we touch nothing."""

    async def first_copy(sha256: str) -> str | None:
        key = await known(sha256)
        return key if key is not None and key.startswith(KEY_PREFIX) else None

    return first_copy
