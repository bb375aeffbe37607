"""Form tokens without cookies: signed, bound to the client's address, and short-lived.

Flask-WTF's token needs a session cookie, which the sign-in sheets of phones do not keep.
"""

from __future__ import annotations

from datetime import timedelta

from itsdangerous import BadData, TimestampSigner

FIELD = "form_token"
LIFETIME = timedelta(hours=2)


class FormTokens:
    """Makes and checks the hidden token of every form."""

    def __init__(self, key: str) -> None:
        self._key = key

    def make(self, client_address: str) -> str:
        """A token that only this address may send back."""
        return self._signer(client_address).sign("form").decode("ascii")

    def is_good(self, token: str, client_address: str) -> bool:
        """Whether `token` was made here, for this address, not too long ago."""
        try:
            self._signer(client_address).unsign(token, max_age=int(LIFETIME.total_seconds()))
        except (BadData, ValueError):
            return False
        return True

    def _signer(self, client_address: str) -> TimestampSigner:
        return TimestampSigner(self._key, salt=f"form {client_address}")
