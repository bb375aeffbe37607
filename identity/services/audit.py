"""The audit trail: who did what to whom. A table, not a log level."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy.orm import Session

from db.engine import OPERATOR
from db.models import AuditEvent

CONSOLE = "command-line"
"""The actor at the console; who that is stands in the detail of each event."""


def record(
    session: Session,
    now: datetime,
    actor: str,
    action: str,
    target: str,
    **detail: str | int | float | bool | None,
) -> None:
    """Add one audit event to the transaction that does the thing itself.

    Args:
        actor: user name, or `CONSOLE`; then what the session knows of its operator goes along.
        action: `subject:verb`, past tense, such as `registration:approved`.
        target: what it was done to.
        detail: never a secret.
    """
    if actor == CONSOLE:
        detail = {**session.info.get(OPERATOR, {}), **detail}
    session.add(
        AuditEvent(
            at=now,
            actor=actor,
            action=action,
            target=target,
            detail=json.dumps(detail, ensure_ascii=False, sort_keys=True),
        )
    )
