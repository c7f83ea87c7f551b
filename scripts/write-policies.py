#!/usr/bin/env python
"""Writes deploy/policies/rabbitmq.json, the exchanges and queues of teltubby, from the code. A test compares it."""

from __future__ import annotations

import json
from pathlib import Path

from teltubby.adapters.rabbitmq_topology import BrokerNames, exchanges, queues

FILE = Path(__file__).resolve().parent.parent / "deploy" / "policies" / "rabbitmq.json"


def definitions(vhost: str = "/") -> str:
    """What `rabbitmqctl import_definitions` takes."""
    names, declared = BrokerNames(), list(queues(BrokerNames(), "quorum"))
    parts = {
        "vhosts": [{"name": vhost}],
        "exchanges": [
            {"name": name, "vhost": vhost, "type": kind, "durable": True, "auto_delete": False, "internal": False,
             "arguments": {}}
            for name, kind in exchanges(names).items()
        ],
        "queues": [
            {"name": queue.name, "vhost": vhost, "durable": True, "auto_delete": False,
             "arguments": dict(queue.arguments)}
            for queue in declared
        ],
        "bindings": [
            {"source": queue.exchange, "vhost": vhost, "destination": queue.name, "destination_type": "queue",
             "routing_key": queue.name, "arguments": {}}
            for queue in declared
        ],
    }  # fmt: skip
    return json.dumps(parts, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(definitions(), encoding="utf-8")
