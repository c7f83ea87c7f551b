"""What the house asks of the world outside: the Protocols that adapters fulfil.

Every adapter translates foreign exceptions to `teltubby.errors` at its boundary. Methods may be called from both
backends. An adapter does not retry: exactly one layer does, and that is the actor which owns the adapter.
"""

from __future__ import annotations

from teltubby.adapters.base.broker import Broker, Delivery, Destination, HeaderValue, Heard, Outgoing, Question
from teltubby.adapters.base.store import ObjectInfo, ObjectStore, UnfinishedUpload
from teltubby.adapters.base.telegram import (
    Account,
    BotGateway,
    ChannelGateway,
    MtprotoGateway,
    PersonalGateway,
    SentLine,
    SentLines,
    UpdateParser,
)

__all__ = [
    "Account",
    "BotGateway",
    "Broker",
    "ChannelGateway",
    "Delivery",
    "Destination",
    "HeaderValue",
    "Heard",
    "MtprotoGateway",
    "ObjectInfo",
    "ObjectStore",
    "Outgoing",
    "PersonalGateway",
    "Question",
    "SentLine",
    "SentLines",
    "UnfinishedUpload",
    "UpdateParser",
]
