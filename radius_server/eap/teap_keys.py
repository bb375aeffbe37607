"""What binds TEAP's tunnel to what was proven inside, and the keys of both. RFC 9930 section 5.

TLS 1.2 derives with its PRF, TLS 1.3 with its exporter (RFC 9427 section 2.2). Two chains of
keys are kept, over the MSKs and over the EMSKs of the inner methods; a method that makes no
EMSK leaves the second as it is (section 5.2.1).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from radius_server.eap.packet import Type
from radius_server.eap.teap_tlv import Error, Kind, Tlv, TlvViolation, encode

SEED_OCTETS = 40
_COMPOUND_OCTETS = 60
_INNER_KEY_OCTETS = 32
_SESSION_KEY_OCTETS = 64
_EMSK_LENGTH = b"\0\0\x40"

_VERSION = 1
_REQUEST, _RESPONSE = 0, 1
_WITH_EMSK, _WITH_MSK = 1, 2
_BINDING_OCTETS = 76
_NONCE_OCTETS = 32
_MAC_OCTETS = 20

_SEED_LABEL = b"EXPORTER: teap session key seed"
_COMPOUND_LABEL = b"Inner Methods Compound Keys"
_MSK_LABEL = b"Session Key Generating Function"
_EMSK_LABEL = b"Extended Session Key Generating Function"
_BIND_LABEL = b"TEAPbindkey@ietf.org"

Random = Callable[[int], bytes]


class Exporter(Protocol):
    """The TLS connection that keys are taken from."""

    @property
    def is_tls_1_3(self) -> bool: ...

    @property
    def cipher(self) -> str:
        """As OpenSSL calls it."""

    def export(self, label: bytes, octets: int, context: bytes | None = None) -> bytes:
        """RFC 5705 and RFC 8446 section 7.5."""


def prf(algorithm: str, secret: bytes, seed: bytes, octets: int) -> bytes:
    """P_hash of TLS 1.2; `seed` has the label before it. RFC 5246 section 5."""
    made, block = b"", seed
    while len(made) < octets:
        block = hmac.digest(secret, block, algorithm)
        made += hmac.digest(secret, block + seed, algorithm)
    return made[:octets]


def algorithms(cipher: str) -> tuple[str, str]:
    """The hashes of PRF and MAC that a cipher suite stands for, by OpenSSL's name of it."""
    if cipher.endswith("SHA384"):
        return "sha384", "sha384"
    if cipher.endswith("-SHA"):
        # TLS 1.2 has one PRF for all the suites that are older than it.
        return "sha256", "sha1"
    return "sha256", "sha256"


def of_mschapv2(msk: bytes) -> bytes:
    """The MSK of EAP-MSCHAPv2 as TEAP takes it: its halves change places. Section 3.6.3."""
    return msk[16:32] + msk[:16]


@dataclass(slots=True)
class _Chain:
    """S-IMCK[j], and CMK[j] of the last method that fed this chain."""

    compound: bytes = field(repr=False)
    mac_key: bytes = field(default=b"", repr=False)


class Binding:
    """The keys of one conversation.

    Args:
        outer: all Outer TLVs, the server's first.
        prefers_emsk: an inner method that makes an EMSK must be bound by it.
    """

    def __init__(self, tls: Exporter, outer: bytes, prefers_emsk: bool = False) -> None:
        self._tls = tls
        self._outer = outer
        # What TLS 1.3 makes of an EMSK has not been seen with any peer, so it is not used.
        self._prefers_emsk = prefers_emsk and not tls.is_tls_1_3
        self._prf, self._mac = algorithms(tls.cipher)
        seed = tls.export(_SEED_LABEL, SEED_OCTETS)
        self._by_msk = _Chain(seed)
        self._by_emsk = _Chain(seed)
        self._has_emsk = False
        self._nonce = b""
        self._chosen = self._by_msk

    def add(self, msk: bytes, emsk: bytes = b"") -> None:
        """Take the keys of an inner method that has succeeded; `msk` may be empty."""
        key = msk[:_INNER_KEY_OCTETS].ljust(_INNER_KEY_OCTETS, b"\0")
        self._by_msk = self._next(self._by_msk, key)
        self._has_emsk = bool(emsk) and not self._tls.is_tls_1_3
        if self._has_emsk:
            bind = prf(self._prf, emsk, _BIND_LABEL + _EMSK_LENGTH, _SESSION_KEY_OCTETS)
            self._by_emsk = self._next(self._by_emsk, bind[:_INNER_KEY_OCTETS])
        self._chosen = self._by_msk

    def add_nothing(self) -> None:
        """A password, or nothing at all, has succeeded: only the MAC has a key of its own.

        Section 5.4: without any key from inside, the session's keys come from the seed. After a
        method that made keys they stay that method's, as wpa_supplicant has it.
        """
        made = self._next(self._by_msk, bytes(_INNER_KEY_OCTETS))
        self._by_msk = _Chain(self._by_msk.compound, made.mac_key)
        self._has_emsk = False
        self._chosen = self._by_msk

    def request(self, random: Random = secrets.token_bytes) -> Tlv:
        """The server's Crypto-Binding TLV for what was added last."""
        nonce = random(_NONCE_OCTETS)
        self._nonce = nonce[:-1] + bytes((nonce[-1] & 0xFE,))
        with_emsk = self._prefers_emsk and self._has_emsk
        flags = _WITH_MSK | (_WITH_EMSK if with_emsk else 0)
        head = bytes((0, _VERSION, _VERSION, flags << 4 | _REQUEST)) + self._nonce
        bare = Tlv(Kind.CRYPTO_BINDING, head + bytes(2 * _MAC_OCTETS))
        emsk_mac = self._compound_mac(self._by_emsk, bare) if with_emsk else bytes(_MAC_OCTETS)
        return Tlv(bare.kind, head + emsk_mac + self._compound_mac(self._by_msk, bare))

    def check(self, tlv: Tlv) -> None:
        """The peer's Crypto-Binding TLV must answer ours and prove the same keys.

        Raises:
            TlvViolation: it does not; the conversation cannot go on.
        """
        value = tlv.value
        if len(value) != _BINDING_OCTETS:
            raise TlvViolation("binding_length_wrong", Error.BINDING_INVALID)
        flags, subtype = value[3] >> 4, value[3] & 0x0F
        if value[1:3] != bytes((_VERSION, _VERSION)) or subtype != _RESPONSE:
            raise TlvViolation("binding_version_wrong", Error.BINDING_INVALID)
        if flags not in (_WITH_EMSK, _WITH_MSK, _WITH_EMSK | _WITH_MSK):
            raise TlvViolation("binding_flags_wrong", Error.BINDING_INVALID)
        nonce = self._nonce[:-1] + bytes((self._nonce[-1] | 1,))
        if not hmac.compare_digest(value[4 : 4 + _NONCE_OCTETS], nonce):
            raise TlvViolation("binding_nonce_wrong", Error.BINDING_INVALID)
        self._check_macs(tlv, flags)

    def session_keys(self) -> tuple[bytes, bytes]:
        """MSK and EMSK of TEAP, by the chain that the peer has proven. Section 5.4."""
        compound = self._chosen.compound
        return (
            self._derive(_MSK_LABEL, compound, b"", _SESSION_KEY_OCTETS),
            self._derive(_EMSK_LABEL, compound, b"", _SESSION_KEY_OCTETS),
        )

    def _check_macs(self, tlv: Tlv, flags: int) -> None:
        bare = Tlv(tlv.kind, tlv.value[: -2 * _MAC_OCTETS] + bytes(2 * _MAC_OCTETS), tlv.mandatory)
        emsk_mac, msk_mac = tlv.value[-2 * _MAC_OCTETS : -_MAC_OCTETS], tlv.value[-_MAC_OCTETS:]
        if flags & _WITH_MSK:
            if not hmac.compare_digest(self._compound_mac(self._by_msk, bare), msk_mac):
                raise TlvViolation("binding_msk_wrong", Error.MSK_MAC_WRONG)
        elif not self._has_emsk:
            raise TlvViolation("binding_msk_missing", Error.MSK_MAC_MISSING)
        if not self._has_emsk:
            return
        if flags & _WITH_EMSK:
            if not hmac.compare_digest(self._compound_mac(self._by_emsk, bare), emsk_mac):
                raise TlvViolation("binding_emsk_wrong", Error.EMSK_MAC_WRONG)
            self._chosen = self._by_emsk
        elif self._prefers_emsk:
            raise TlvViolation("binding_emsk_missing", Error.EMSK_MAC_MISSING)

    def _compound_mac(self, chain: _Chain, bare: Tlv) -> bytes:
        """Section 5.3; longer MACs are cut to 20 octets."""
        buffer = encode((bare,)) + bytes((Type.TEAP,)) + self._outer
        return hmac.digest(chain.mac_key, buffer, self._mac)[:_MAC_OCTETS]

    def _next(self, chain: _Chain, inner_key: bytes) -> _Chain:
        made = self._derive(_COMPOUND_LABEL, chain.compound, inner_key, _COMPOUND_OCTETS)
        return _Chain(made[:SEED_OCTETS], made[SEED_OCTETS:])

    def _derive(self, label: bytes, secret: bytes, seed: bytes, octets: int) -> bytes:
        if self._tls.is_tls_1_3:
            return self._tls.export(b"EXPORTER: " + label, octets, secret + seed)
        return prf(self._prf, secret, label + seed, octets)
