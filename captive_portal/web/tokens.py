"""Signed, short-lived texts that carry a visit or a sign-in in an address or hidden field.

A phone's sign-in sheet keeps no cookies, so the state of a visit travels in its pages. The
key is made by `yuenyan init`; without it the portal does not start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from common.secret import read_secret_text

VISIT_LIFETIME = timedelta(hours=2)
"""A login page may lie open for a lesson; after that the gateway sends the phone again."""

SIGN_IN_LIFETIME = timedelta(hours=12)
"""One working day."""

LONGEST_TEXT = 4096
"""What is read; a request line has 8190 octets for two of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Where a visitor came from, as the gateway's redirect told it. Nothing in it is proven."""

    nas: str = ""
    mac: str = ""
    ip: str = ""
    ap_mac: str = ""
    ssid: str = ""
    url: str = ""
    language: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)
    """What the gateway's make needs back, such as a challenge."""
    seen_from: str = ""
    """Address of the browser that arrived; the one thing here that we saw ourselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Somebody who has proven an account to this portal. `key` names this one sign-in."""

    key: str
    account_id: int
    since: datetime
    method: str
    nas: str = ""
    mac: str = ""
    """Of the visit it was proven on; empty outside one. For no other device is it asked to count
    where the page says which device comes in."""


class Signer:
    """Signs and reads visits and sign-ins; each kind has its own salt."""

    def __init__(self, key: str) -> None:
        self._visits = URLSafeTimedSerializer(key, salt="visit")
        self._sign_ins = URLSafeTimedSerializer(key, salt="sign-in")

    @classmethod
    def open(cls, path: Path) -> Signer:
        """The signer of the key file; ConfigError when `yuenyan init` has not made it."""
        return cls(read_secret_text(path).strip())

    def sign_visit(self, visit: Visit) -> str:
        """`visit` as a text; fields that are empty take no room."""
        fields = {name: getattr(visit, name) for name in Visit.__dataclass_fields__}
        return str(self._visits.dumps({name: value for name, value in fields.items() if value}))

    def read_visit(self, text: str) -> Visit | None:
        """The visit in `text`, or None when it is forged, broken or too old."""
        fields = _load(self._visits, text, VISIT_LIFETIME)
        try:
            return Visit(**fields) if isinstance(fields, dict) else None
        except TypeError:
            return None

    def sign_in(self, sign_in: SignIn) -> str:
        """`sign_in` as a text."""
        fields = [
            sign_in.key,
            sign_in.account_id,
            (sign_in.since - _EPOCH) // _MICROSECOND,
            sign_in.method,
            sign_in.nas,
            sign_in.mac,
        ]
        return str(self._sign_ins.dumps(fields))

    def read_sign_in(self, text: str) -> SignIn | None:
        """The sign-in in `text`, or None when it is forged, broken or too old."""
        fields = _load(self._sign_ins, text, SIGN_IN_LIFETIME)
        if not isinstance(fields, list) or len(fields) not in (4, 6):
            return None
        # Four until the release that bound it to a device; they live for hours after an update.
        key, account_id, since, method, nas, mac = fields if len(fields) == 6 else [*fields, "", ""]
        return SignIn(
            key=key,
            account_id=account_id,
            since=_EPOCH + since * _MICROSECOND,
            method=method,
            nas=nas,
            mac=mac,
        )


def _load(serializer: URLSafeTimedSerializer, text: str, lifetime: timedelta) -> Any:
    if not text or len(text) > LONGEST_TEXT:
        return None
    try:
        return serializer.loads(text, max_age=int(lifetime.total_seconds()))
    except BadData:
        return None
