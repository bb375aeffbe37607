"""Offices at a time that a test moves on, for the modules that make none of their own."""

from __future__ import annotations

import pytest

from identity.office import Office
from tests.moved_clock import Clock
from tests.unit.identity.visitors import NOW, reachable


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def timed(office: Office, clock: Clock) -> Office:
    """An office that can send letters and short messages, on SQLite."""
    return reachable(office, clock)


@pytest.fixture
def timed_on(office_on: Office, clock: Clock) -> Office:
    """The same, once on each kind of database."""
    return reachable(office_on, clock)
