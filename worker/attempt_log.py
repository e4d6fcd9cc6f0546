"""One line of the log for each attempt, so that a delivery is found from what a request stored.

The request's line names its events; these lines name the event, the delivery and the receiver's
answer as a number. No body, no URL, no header and nothing that a receiver said.
"""

import logging

from shared.traces import parse
from worker.delivery.settle import Record

log = logging.getLogger("guardian.attempts")


def tell(record: Record) -> None:
    """Say what came of an attempt: at level info where it failed, at level debug where it did not.

    Deliveries come by the thousand a second, so those that went well are for who looks for them.
    """
    level = logging.DEBUG if record.status == "delivered" else logging.INFO
    if not log.isEnabledFor(level):
        return
    due = record.due
    told: dict[str, object] = {
        "event_id": due.event_id,
        "delivery_id": due.id,
        "integration_id": due.integration_id,
        "attempt": record.number,
        "outcome": record.status,
        "reason": record.reason,
        "status": record.status_code,
        "ms": record.duration_ms,
    }
    if trace := parse(due.traceparent):
        told["trace_id"] = trace.trace_id
    log.log(level, "attempt", extra=told)
