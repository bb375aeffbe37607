"""Bounds sign-in attempts by account and by address, before any password is hashed.

Every attempt counts, right or wrong, and it is counted before the password is checked, so
requests sent at the same moment cannot slip through together.
"""

from __future__ import annotations

import threading

from captive_portal.web.limits import FailureLimits, Limit, site_of
from identity.domain.spellings import composed

PER_ACCOUNT = Limit.of("admin-account", "10 per 15 minutes")
"""Room for a person who mistypes; a guesser gets 960 tries a day at one account."""
PER_ADDRESS = Limit.of("admin-address", "40 per 15 minutes")
"""Several officers may sit behind one address."""
_TOLD = Limit.of("admin-told", "1 per 15 minutes")
"""A flood of stopped attempts must not become a flood of audit events."""


class SignInAttempts:
    """Asks and counts in one step."""

    def __init__(self) -> None:
        self._limits = FailureLimits()
        self._lock = threading.Lock()

    def admit(self, username: str, address: str) -> bool:
        """Count one attempt; False when the account or the address has had too many."""
        checks = (
            (PER_ACCOUNT, composed(username.strip().casefold())[:253]),
            (PER_ADDRESS, site_of(address)),
        )
        with self._lock:
            if self._limits.wait_seconds(*checks):
                return False
            self._limits.count(*checks)
            return True

    def is_news(self, username: str, address: str) -> bool:
        """Whether stopping this account and address has not been recorded lately."""
        check = (_TOLD, f"{composed(username.strip().casefold())[:253]} {site_of(address)}")
        with self._lock:
            if self._limits.wait_seconds(check):
                return False
            self._limits.count(check)
            return True
