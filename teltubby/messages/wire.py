"""The versioned JSON codec for what crosses the broker: jobs, reports and questions of workers, and orders to them.

Reading is liberal in form (integers may be strings, unknown keys are ignored, as older and newer senders need) and
strict in substance: what is accepted can be acted on, and what cannot raises MalformedMessage with a one-line reason.
"""

from teltubby.messages.wire_collector import (
    collector_report_type,
    decode_collector_report,
    encode_collector_report,
    is_collector_report,
)
from teltubby.messages.wire_jobs import JOB_TYPE, decode_event, decode_job, encode_event, encode_job, event_type
from teltubby.messages.wire_json import MAX_BODY_BYTES, SCHEMA
from teltubby.messages.wire_orders import decode_order, encode_order, order_type
from teltubby.messages.wire_questions import (
    FIRST_COPY_TYPE,
    RELAY_TYPE,
    TURN_TYPE,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
    question_type,
)
from teltubby.messages.wire_workers import (
    decode_worker_report,
    encode_worker_report,
    is_worker_report,
    worker_report_type,
)

__all__ = [
    "FIRST_COPY_TYPE",
    "JOB_TYPE",
    "MAX_BODY_BYTES",
    "RELAY_TYPE",
    "SCHEMA",
    "TURN_TYPE",
    "collector_report_type",
    "decode_answer",
    "decode_collector_report",
    "decode_event",
    "decode_job",
    "decode_order",
    "decode_question",
    "decode_worker_report",
    "encode_answer",
    "encode_collector_report",
    "encode_event",
    "encode_job",
    "encode_order",
    "encode_question",
    "encode_worker_report",
    "event_type",
    "is_collector_report",
    "is_worker_report",
    "order_type",
    "question_type",
    "worker_report_type",
]
