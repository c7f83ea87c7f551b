"""The single box: both wings under one root, with a queue between them all the same."""

from __future__ import annotations

from teltubby.actors.troubles import Troubles
from teltubby.adapters.embedded_doorbell import Doorbell
from teltubby.adapters.metrics import Metrics
from teltubby.config import Config
from teltubby.messages.wire_fields import KEY_PREFIX
from teltubby.supervision import Supervisor
from teltubby.transfer.upload import FirstCopy
from teltubby.trees import parts
from teltubby.trees.bot import BotMail, bot_wing, usage
from teltubby.trees.collecting import say_what_is_off
from teltubby.trees.common import root
from teltubby.trees.worker import worker_wing


def box_tree(config: Config) -> Supervisor:
    """`teltubby run`. Without MTProto (packages or api id) the worker wing is left out and large files wait."""
    metrics, troubles, doorbell, mail = Metrics(), Troubles(), Doorbell(), BotMail()
    missing = parts.mtproto_missing(config)
    bot_broker = parts.broker(config, doorbell, client="teltubby box, bot wing")
    wings = [Supervisor("bot", bot_wing(config, bot_broker, mail, metrics, troubles, missing=missing))]
    if missing is not None:
        say_what_is_off(config, troubles, missing=missing)
    else:
        worker_broker = parts.broker(config, doorbell, client="teltubby box, worker wing")
        first_copy = reportable(parts.first_copy(config, mail.first_copy))
        wings.append(Supervisor("worker", worker_wing(config, worker_broker, troubles, first_copy=first_copy)))
    return root("box", config, metrics, wings, troubles=troubles, measure=usage(config, mail, metrics))


def reportable(known: FirstCopy) -> FirstCopy:
    """Only copies that a report may name: an old database knows keys outside of our prefix, where we touch nothing."""

    async def first_copy(sha256: str) -> str | None:
        key = await known(sha256)
        return key if key is not None and key.startswith(KEY_PREFIX) else None

    return first_copy
