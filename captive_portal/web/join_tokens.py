"""Signed texts that carry a device's set-up out of the browser that began it: one hour.

The text is in an address that a phone scans or a real browser opens beside the sign-in sheet.
It names an account and signs nobody in: all that it opens is a file without a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from itsdangerous import BadData, URLSafeTimedSerializer

LIFETIME = timedelta(hours=1)
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class JoinToken:
    """Whose device it is; with `file_key` its certificate waits as well."""

    account_id: int
    file_key: str = ""


class JoinTokens:
    """Makes and reads them."""

    def __init__(self, key: str) -> None:
        self._serializer = URLSafeTimedSerializer(key, salt="join")

    def make(self, token: JoinToken) -> str:
        """`token` as a text."""
        fields = [token.account_id, token.file_key]
        return str(self._serializer.dumps(fields[: 2 if token.file_key else 1]))

    def read(self, text: str) -> JoinToken | None:
        """The token in `text`, or None when it is forged, broken or too old."""
        if not text or len(text) > _LONGEST:
            return None
        try:
            fields = self._serializer.loads(text, max_age=int(LIFETIME.total_seconds()))
        except BadData:
            return None
        return JoinToken(*fields) if isinstance(fields, list) else None
