"""Whether somebody answers for the office, and what is due in its registers."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from common.clock import to_rfc3339, utc_now
from common.config import Config
from common.errors import NetAccessError
from db.engine import Database
from db.models import RegisterEntry
from identity.domain.registers import Register
from identity.services import registers
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.lost import has_database

COORDINATOR = "coordinator"
DUE = "registers"
_NAMES = 5


def check_registers(config: Config) -> Iterator[Finding]:
    """Coordinator and deputy are named, and nothing is overdue."""
    yield from check_coordinator(config)
    if not has_database(config):
        return
    database = Database(config.database_url)
    try:
        if not inspect(database.engine).has_table(RegisterEntry.__tablename__):
            return
        with database.read() as session:
            alarms = registers.find_alarms(session, utc_now(), config.office.warn_days)
    except (NetAccessError, SQLAlchemyError):
        return  # check_database tells
    finally:
        database.dispose()
    if not alarms:
        yield ok(DUE, "nothing is due")
    for alarm in alarms[:_NAMES]:
        due = to_rfc3339(alarm.due_at.replace(microsecond=0), config.site.timezone)
        command = f"yuenyan {alarm.register} show {alarm.number}"
        if alarm.overdue:
            yield error(DUE, f"{alarm.number} was due at {due}", f"answer it now: {command}")
        elif alarm.register is Register.INCIDENT:
            yield warn(
                DUE,
                f"{alarm.number}: the breach has to be reported by {due} unless no risk is likely",
                f"decide and report: yuenyan incident draft {alarm.number}",
            )
        else:
            yield warn(DUE, f"{alarm.number} is due at {due}", command)
    if len(alarms) > _NAMES:
        yield warn(DUE, f"{len(alarms) - _NAMES} more are due", "yuenyan request list --open")


def check_coordinator(config: Config) -> Iterator[Finding]:
    """Officials must find somebody who answers (R66)."""
    office = config.office
    unset = [
        name
        for name in ("coordinator", "coordinator_contact", "deputy", "deputy_contact")
        if not getattr(office, name)
    ]
    if unset:
        yield warn(
            COORDINATOR,
            f"not named: {', '.join(name.replace('_', ' ') for name in unset)}",
            "name who gives information to officials, and a deputy, in [office]",
        )
    else:
        yield ok(
            COORDINATOR,
            f"{office.coordinator} ({office.coordinator_contact});"
            f" deputy {office.deputy} ({office.deputy_contact})",
        )
