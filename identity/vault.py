"""Encryption and keyed look-up of stored secrets, with a key that is not in the database.

A stolen database alone gives away no NAS secret and no voucher code.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.errors import ConfigError
from common.secret import read_secret_file, write_secret_file

KEY_FILE = "vault.key"
_NONCE_OCTETS = 12


def make_key(keys_dir: Path) -> bool:
    """Make the vault key unless it exists; True when it was made."""
    return write_secret_file(keys_dir / KEY_FILE, secrets.token_hex(32).encode())


class Vault:
    """AES-256-GCM and HMAC-SHA256 under keys derived from one file."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"yuenyan encrypt" + key).digest())
        self._lookup_key = hashlib.sha256(b"yuenyan lookup" + key).digest()
        self._class_key = hashlib.sha256(b"yuenyan class" + key).digest()
        self._redirect_key = hashlib.sha256(b"yuenyan redirect" + key).digest()

    @classmethod
    def open(cls, keys_dir: Path) -> Vault:
        """The vault of this site; ConfigError when `yuenyan init` has not made its key."""
        return cls(read_secret_file(keys_dir / KEY_FILE).reveal().strip())

    def encrypt(self, value: bytes, purpose: str) -> bytes:
        """`value` sealed for `purpose`; the same purpose is needed to open it."""
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        return nonce + self._cipher.encrypt(nonce, value, purpose.encode())

    def decrypt(self, sealed: bytes, purpose: str) -> bytes:
        """The value in `sealed`; ConfigError when the key is not the one that sealed it."""
        try:
            return self._cipher.decrypt(
                sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:], purpose.encode()
            )
        except InvalidTag as error:
            raise ConfigError(
                f"keys/{KEY_FILE} does not belong to this database; restore the right key file"
            ) from error

    def lookup_hash(self, value: str) -> str:
        """A keyed hash by which a secret can be found but not guessed from the table."""
        return hmac.new(self._lookup_key, value.encode(), hashlib.sha256).hexdigest()

    @property
    def class_key(self) -> bytes:
        """Key of the Class attribute, so that accounting cannot name a stranger's session."""
        return self._class_key

    @property
    def redirect_key(self) -> bytes:
        """Key of what RADIUS tells the portal by way of a browser (identity.domain.central)."""
        return self._redirect_key
