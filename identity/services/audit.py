"""The audit trail: who did what to whom. A table, not a log level."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy.orm import Session

from db.models import AuditEvent


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
        actor: user name, or `command-line` for the operator at the console.
        action: `subject:verb`, past tense, such as `registration:approved`.
        target: what it was done to.
        detail: never a secret.
    """
    session.add(
        AuditEvent(
            at=now,
            actor=actor,
            action=action,
            target=target,
            detail=json.dumps(detail, ensure_ascii=False, sort_keys=True),
        )
    )
