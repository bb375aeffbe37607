"""Group commit: many RADIUS decisions and accounting packets in one transaction."""

from db.ledger.batch import Batch, Ledger
from db.ledger.open import open_ledger

__all__ = ["Batch", "Ledger", "open_ledger"]
