"""Whether foreign realms' home servers get what they are owed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from common.clock import to_rfc3339, utc_now
from common.config import Config
from common.errors import NetAccessError
from db.engine import Database
from db.models import RelayOutbox
from identity.services import relay_outbox
from yuenyan.checkup.finding import Finding, ok, warn
from yuenyan.lost import has_database

PATIENCE = timedelta(minutes=15)
"""A home server that restarts is back before."""

_CHECK = "foreign realms"


def check_roaming(config: Config) -> Iterator[Finding]:
    """Accounting that waits for a home server for longer than a restart takes."""
    if not has_database(config):
        return
    database = Database(config.database_url)
    try:
        if not inspect(database.engine).has_table(RelayOutbox.__tablename__):
            return
        with database.read() as session:
            backlogs = relay_outbox.backlogs(session)
    except (NetAccessError, SQLAlchemyError):
        return  # check_database tells
    finally:
        database.dispose()
    configured = {realm.name for realm in config.proxy.realm if realm.accounting}
    if configured and not backlogs:
        yield ok(_CHECK, "no accounting waits for a home server")
    for backlog in backlogs:
        what = (
            f"{backlog.waiting} accounting packets of {backlog.realm} wait for their home server,"
            f" the oldest since {to_rfc3339(backlog.oldest, config.site.timezone)}"
        )
        if backlog.realm not in configured:
            todo = "the realm is not configured any more; they are dropped when they are too old"
            yield warn(_CHECK, what, todo)
        elif utc_now() - backlog.oldest >= PATIENCE:
            yield warn(
                _CHECK,
                what,
                "is it up, does the firewall let accounting through, is the secret right? The log "
                "names home_server_dead and home_server_not_believed",
            )
