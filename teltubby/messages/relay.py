"""What the RelayActor is asked."""

from __future__ import annotations

from dataclasses import dataclass

from teltubby.messages.questions import RelayTold
from teltubby.supervision import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyForJob(Request[RelayTold]):
    """Where the copy of this job's message is; made now where there is none, or where it is `lost` (its id) for us."""

    job_id: str
    lost: int | None = None


RelayMessage = CopyForJob
