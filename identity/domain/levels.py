"""What an account may be among the staff (R46); one account may be several of them.

What each may see and do is a table in captive_portal.admin.permissions. The administrator of
the system is one of them and, alone, neither alters nor reads identified logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Level(StrEnum):
    """In the order in which they are listed."""

    ADMIN = "admin"
    """Runs the system: people, roles, equipment."""
    CUSTODIAN = "custodian"
    """ผู้ดูแลข้อมูลจราจร: keeps the traffic data, answers for who reads it."""
    COORDINATOR = "coordinator"
    """ผู้ประสานงานพนักงานเจ้าหน้าที่: answers lawful requests."""
    AUDITOR = "auditor"
    """Reads what the others did; sees no name behind a look-up."""
    SCHOOL = "school"
    """The officer of one school: that school's people, connections and look-ups."""
    APPROVER = "approver"
    """Lets guests in."""
    VOUCHER_DESK = "voucher-desk"
    """Hands out vouchers, and sees nothing else."""
    HELP_DESK = "help-desk"
    """Helps with logins."""
    EXECUTIVE = "executive"
    """Sees numbers only."""


FIRST_OFFICER = (Level.ADMIN, Level.CUSTODIAN, Level.COORDINATOR)
"""Of the account that `yuenyan init` makes: a small site has one officer, and `doctor` says so."""

SEPARATE = (Level.ADMIN, Level.CUSTODIAN), (Level.ADMIN, Level.COORDINATOR)
"""Pairs that should be two people's: who can change the system should not read its logs."""


def in_order(levels: Iterable[str]) -> tuple[Level, ...]:
    """`levels` as they are listed; words that are none are left out."""
    held = set(levels)
    return tuple(level for level in Level if level in held)
