"""The words of dynamic authorization: what is asked of a NAS, why, and what came of it.

Pure values. How a request looks on the wire is radius_server's.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a NAS is asked, RFC 5176 section 1."""

    DISCONNECT = "disconnect"
    COA = "coa"


class State(StrEnum):
    """What has become of a request; all but `queued` are final."""

    QUEUED = "queued"
    ACKED = "acked"
    NAKKED = "nakked"
    TIMED_OUT = "timed_out"
    SUPERSEDED = "superseded"
    """The session had ended, or the reason was gone, before the NAS was asked."""
    UNSUPPORTED = "unsupported"
    """This NAS takes no such requests, or nobody knows where it is."""


class Cause(StrEnum):
    """Why a session is to end or to change."""

    SUSPENDED = "account_suspended"
    EXPIRED = "account_expired"
    ROLE_CHANGED = "role_changed"
    QUOTA = "over_quota"
    HOURS = "outside_hours"
    OFFICER = "officer"


LIFTED_BY_ENABLING = (Cause.SUSPENDED, Cause.EXPIRED)
"""Reasons that are gone when an account is let in again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a CoA-Request is to change of a session; None leaves it as it is."""

    session_seconds: int | None = None
    idle_seconds: int | None = None
    down_kbps: int | None = None
    up_kbps: int | None = None
    filter_id: str | None = None
    """Filter-Id, RFC 2865 section 5.11: a role or access list by its name on the NAS."""
    vendor_role: str | None = None
    """The same in the attribute of the make, where it has one."""
    reauthenticate: bool = False
    """Let the NAS ask again whether this station may come in (Cisco, Meraki)."""

    def is_empty(self) -> bool:
        """Whether nothing is asked."""
        return self == Change()

    def dump(self) -> str:
        """As JSON, without what stays."""
        kept = {name: value for name, value in asdict(self).items() if value not in (None, False)}
        return json.dumps(kept, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Change:
        """The change that `dump` wrote."""
        return cls(**json.loads(text))
