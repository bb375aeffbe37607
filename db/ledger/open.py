"""Choose the ledger that fits the database URL."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from db.ledger.batch import Ledger
from db.ledger.postgres import PostgresLedger
from db.ledger.sqlite import SqliteLedger


def open_ledger(url: str) -> Ledger:
    """A ledger for `url`; nothing is connected before the first commit."""
    if url.startswith("sqlite"):
        return SqliteLedger(make_url(url).database or ":memory:")
    return PostgresLedger(url)
