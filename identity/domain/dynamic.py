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
    FAILED = "failed"
    """The request itself cannot be made or read; the log says why."""


class Cause(StrEnum):
    """Why a session is to end or to change."""

    SUSPENDED = "account_suspended"
    EXPIRED = "account_expired"
    ROLE_CHANGED = "role_changed"
    ROLE_SETTINGS = "role_settings"
    """What its role grants was changed; `role_changed` is another role."""
    CONSENT = "guardian_consent_withdrawn"
    QUOTA = "over_quota"
    HOURS = "outside_hours"
    OFFICER = "officer"
    OWNER = "owner"
    """Who has the account, for themselves."""
    BACK_AGAIN = "device_came_back"
    """It was not there when its session was to be ended."""
    ANOTHER_DEVICE = "another_device_came"
    """The account may have so many devices, and this one slept."""
    PROVEN = "signed_in_on_portal"
    """The controller is to ask again about a device whose user is known now."""


LIFTED_BY_ENABLING = (Cause.SUSPENDED, Cause.EXPIRED)
"""Reasons that are gone when an account is let in again."""

_TIMES_AND_RATES = frozenset({"down_kbps", "up_kbps", "session_seconds", "idle_seconds"})
CHANGEABLE: dict[str, frozenset[str]] = {
    "coova": _TIMES_AND_RATES,
    "mikrotik": _TIMES_AND_RATES,
    "yuenyan": _TIMES_AND_RATES,
    "aruba": frozenset({"filter_id", "vendor_role"}),
    # They cannot be told a value, but to ask again; the answer then holds all of them.
    "cisco": frozenset({"reauthenticate"}),
    "meraki": frozenset({"reauthenticate"}),
}
"""What a CoA-Request can change of a live session, by make; the fields of Change. A make that
is not here, such as hostapd, knows Disconnect only."""

UNREACHABLE = frozenset({"opnsense", "pfsense"})
"""Makes that take no requests at all."""

POLLING = frozenset({"opennds"})
"""Makes that are never spoken to: their requests wait until the gateway comes and fetches them."""


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
        return json.dumps({name: getattr(self, name) for name in self.names()}, sort_keys=True)

    def names(self) -> frozenset[str]:
        """What changes. A rate of 0 does: it says that there is no limit any more."""
        values = asdict(self)
        return frozenset(
            name for name, value in values.items() if value is not None and value is not False
        )

    @classmethod
    def load(cls, text: str) -> Change:
        """The change that `dump` wrote."""
        return cls(**json.loads(text))
