"""Choose the ledger that fits the database URL."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from db.ledger.batch import Ledger
from db.ledger.connecting import WAIT_SECONDS
from db.ledger.postgres import PostgresLedger
from db.ledger.sqlite import SqliteLedger


def open_ledger(url: str, wait_seconds: float = WAIT_SECONDS) -> Ledger:
    """A ledger for `url`; nothing is connected before the first commit.

    Args:
        wait_seconds: for a new connection to PostgreSQL. A worker that answers packets cannot
            stand still for longer than the default.
    """
    if url.startswith("sqlite"):
        return SqliteLedger(make_url(url).database or ":memory:")
    return PostgresLedger(url, wait_seconds)
