"""Objects that nobody names: whose they are by the ledger, and by which faults alone they may be there.

The product deletes them, but some minutes after a scenario is over. Where no fault explains them, somebody forgot to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from teltubby.archive.keys import preview_key
from tests.acceptance.household import Household
from tests.chaos.faults.base import Fault
from tests.chaos.faults.disks import FullDisk
from tests.chaos.faults.processes import Freeze, Kill, KillAtCall, KillAtRequest, PowerCut
from tests.chaos.faults.servers import KillBroker, KillStore
from tests.chaos.faults.wires import OnWire
from tests.chaos.installation import BOT, BOX, Wire


class Whose(StrEnum):
    """Who stored what lies at a doubtful key: a worker for a job, or the bot a small file."""

    WORKER = "worker"
    BOT = "bot"


def doubtful_keys(house: Household) -> dict[str, Whose]:
    """At which an object may lie that nobody will name, as the ledger knows, and at which its preview may.

    Those of jobs without a file are among them, whatever else the ledger says, for what failed once is never deleted;
    and what the trail says of those that are decided.
    """
    told = house.rows("SELECT detail, job_id FROM commands WHERE command = 'leftover'")
    doubted = house.rows("SELECT key, job_id FROM doubtful_keys")
    decided = [(str(detail).partition(" ")[0], job_id) for detail, job_id in told]
    found = {str(key): Whose.WORKER if job_id else Whose.BOT for key, job_id in (*decided, *doubted)}
    for (payload,) in house.rows("SELECT payload_json FROM jobs WHERE state IN ('FAILED', 'CANCELLED')"):
        found[str(json.loads(payload)["target"]["key"])] = Whose.WORKER
    return found | {preview: whose for key, whose in found.items() if (preview := preview_key(key)) is not None}


def not_dropped(leftovers: Iterable[str], doubtful: Mapping[str, Whose], met: Iterable[Fault]) -> Iterator[str]:
    """Objects for which no fault that met something is an excuse."""
    faults = list(met)
    if kept := [key for key in sorted(leftovers) if not any(_excuses(fault, doubtful[key]) for fault in faults)]:
        yield f"nobody dropped {kept}"


def _excuses(fault: Fault, whose: Whose) -> bool:
    """Whether who stored it may have been cut off before it was told, or the store did late what it was asked.

    What the bot drops it drops again when it was cut off itself, so that its trouble explains only what it had stored.
    """
    match fault:
        case KillAtRequest() | PowerCut() | KillStore() | OnWire(wire=Wire.STORE):
            return True
        case Kill(role=role) | KillAtCall(role=role) | Freeze(role=role):
            return role == BOX or (role == BOT) is (whose is Whose.BOT)
        case FullDisk(disk=disk):  # who stored it cannot write down that it did
            return disk == "database" or whose is Whose.WORKER
        case KillBroker() | OnWire(wire=Wire.WORKER_BROKER):
            return whose is Whose.WORKER
        case _:
            return fault.family == "store" or (fault.family == "broker" and whose is Whose.WORKER)
