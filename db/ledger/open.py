"""Choose the ledger that fits the database URL."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from db.ledger.batch import Ledger


def open_ledger(url: str, wait_seconds: float | None = None) -> Ledger:
    """A ledger for `url`; nothing is connected before the first commit.

    Args:
        wait_seconds: for a new connection to PostgreSQL; None is what a worker that answers
            packets can stand still for at most.
    """
    # Each loads its driver, a tenth of a second: not at the top, for most commands write nothing.
    if url.startswith("sqlite"):
        from db.ledger.sqlite import SqliteLedger

        return SqliteLedger(make_url(url).database or ":memory:")
    from db.ledger.connecting import WAIT_SECONDS
    from db.ledger.postgres import PostgresLedger

    return PostgresLedger(url, WAIT_SECONDS if wait_seconds is None else wait_seconds)
