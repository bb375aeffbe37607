"""The key that signs bundles of evidence: one of its own, made by `yuenyan init`.

Apart from the key of the seals, so that either can be put into other hands. Signing happens
here; whoever checks needs the public half alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import ConfigError
from common.secret import read_secret_file, write_secret_file
from traffic.evidence.verify import fingerprint, pem

KEY_FILE = "evidence.key"
PUBLIC_FILE = "evidence.pem"


@dataclass(frozen=True, slots=True)
class EvidenceKey:
    """The site's key for evidence."""

    public: bytes
    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """As it stands on paper."""
        return fingerprint(self.public)

    def sign(self, octets: bytes) -> bytes:
        """The Ed25519 signature, 64 octets."""
        return self._private.sign(octets)


def make_key(keys_dir: Path) -> bool:
    """Make the key, and its public half where that is missing; False when the key was there."""
    seed = Ed25519PrivateKey.generate().private_bytes_raw().hex()
    made = write_secret_file(keys_dir / KEY_FILE, seed.encode())
    if made or not (keys_dir / PUBLIC_FILE).exists():
        (keys_dir / PUBLIC_FILE).write_bytes(pem(load_key(keys_dir).public))
    return made


def load_key(keys_dir: Path) -> EvidenceKey:
    """The key that `init` made.

    Raises:
        ConfigError: it is missing, open to others or no key.
    """
    path = keys_dir / KEY_FILE
    try:
        seed = bytes.fromhex(read_secret_file(path).reveal().decode("ascii"))
        private = Ed25519PrivateKey.from_private_bytes(seed)
    except ValueError as error:
        raise ConfigError(f"{path} holds no Ed25519 key in hex") from error
    return EvidenceKey(private.public_key().public_bytes_raw(), private)
