"""ldap3 as this project uses it: connect, bind, search. Values out, BackendUnavailable raised.

Everything of ldap3 stays in this file. It follows no referral, reads no schema, and trusts a
server only after its certificate was checked for its name.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ldap3 import BASE, NONE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import parse_dn

from common.errors import BackendUnavailable, ConfigError
from common.urls import parse_ldap_url
from identity.domain.directory import Entry

SUCCESS = 0
SIZE_LIMIT_EXCEEDED = 4
NO_SUCH_OBJECT = 32
"""Result codes of RFC 4511 section 4.1.9 that somebody acts on."""

_FAULTS = (LDAPException, OSError, ValueError, TypeError, AttributeError, KeyError, IndexError)
"""What ldap3 raises on a broken connection or on an answer that is no LDAP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One server of a directory, and how it is spoken to."""

    directory: str
    url: str
    start_tls: bool
    context: ssl.SSLContext = field(repr=False)
    certificate_name: str
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation came to; `message` is the server's own diagnostic."""

    code: int
    description: str
    message: str


class _CheckedTls(Tls):  # type: ignore[misc]  # ldap3 has no types
    """TLS with a context of ours, which checks name and issuer while it shakes hands."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._name = name

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        _send_at_once(connection.socket)
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=self._name, do_handshake_on_connect=True
        )


def _send_at_once(wire: socket.socket) -> None:
    """A bind follows the handshake at once; held back for its ACK it would take 40 ms more."""
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Link:
    """One connection to one server, open until it fails or is closed. For one thread at a time."""

    def __init__(self, address: Address) -> None:
        """Connect, with TLS where it is wanted.

        Raises:
            BackendUnavailable: it does not come about; the text says why.
        """
        self.address = address
        scheme, host, port = parse_ldap_url(address.url)
        seconds = address.timeout_seconds
        tls = _CheckedTls(address.context, address.certificate_name or host)
        server = Server(
            host,
            port=port,
            use_ssl=scheme == "ldaps",
            tls=tls,
            get_info=NONE,
            connect_timeout=seconds,
            allowed_referral_hosts=[],
        )
        self._connection = Connection(
            server,
            auto_bind=False,
            auto_referrals=False,
            check_names=False,
            receive_timeout=seconds,
            raise_exceptions=False,
            return_empty_attributes=False,
        )
        try:
            self._connection.open(read_server_info=False)
            _send_at_once(self._connection.socket)
            if address.start_tls and scheme == "ldap":
                self._connection.start_tls(read_server_info=False)
                if not self._connection.tls_started:
                    raise self._away("the server does not begin TLS")
        except _FAULTS as error:
            self.close()
            raise self._away(error) from error

    def close(self) -> None:
        """Say good-bye, if anybody still listens."""
        with contextlib.suppress(*_FAULTS):
            self._connection.unbind()
        if self._connection.socket is not None:  # it leaves behind what it could not open
            self._connection.socket.close()

    def bind(self, dn: str, password: bytes) -> Result:
        """Prove to be `dn`; never with an empty name or password, which would be anonymous.

        Raises:
            BackendUnavailable: the connection broke; use it no more.
        """
        if not dn or not password:
            raise ValueError("a bind without name or password proves nothing")
        self._check_open()
        self._connection.user, self._connection.password = dn, password
        self._connection.authentication = "SIMPLE"
        try:
            self._connection.bind(read_server_info=False)
            return self._result()
        except _FAULTS as error:
            raise self._away(error) from error
        finally:
            self._connection.password = None

    def search(
        self, base: str, text: str, attributes: Sequence[str], limit: int, below: bool = True
    ) -> tuple[list[Entry], Result]:
        """The entries that fit, at most `limit`; references to other servers are left out.

        Raises:
            BackendUnavailable: the connection broke; use it no more.
        """
        self._check_open()
        try:
            self._connection.search(
                base,
                text,
                search_scope=SUBTREE if below else BASE,
                attributes=list(attributes),
                size_limit=limit,
                time_limit=self.address.timeout_seconds,
            )
            found = [
                Entry(item["dn"], _values(item["raw_attributes"]))
                for item in self._connection.response or ()
                if item.get("type") == "searchResEntry"
            ]
            return found, self._result()
        except _FAULTS as error:
            raise self._away(error) from error

    def _check_open(self) -> None:
        """ldap3 would open a closed connection again, and without TLS where TLS came later."""
        if self._connection.closed:
            raise self._away("the connection was closed")

    def _result(self) -> Result:
        result = self._connection.result
        return Result(
            int(result["result"]), str(result["description"]), str(result.get("message", ""))
        )

    def _away(self, why: object) -> BackendUnavailable:
        if isinstance(why, BackendUnavailable):
            return why
        text = " ".join(str(why).split())[:300]
        return BackendUnavailable(
            f"directory:{self.address.directory}", f"{self.address.url}: {text}"
        )


def tls_context(ca: Path | None, key: str) -> ssl.SSLContext:
    """A context that trusts the issuers in `ca` alone, or those of the operating system.

    Raises:
        ConfigError: the file cannot be read; `key` names the setting.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot read certificates from {ca}: {error}", key) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def escaped(text: str) -> str:
    """`text` as a value inside a filter. RFC 4515 section 3."""
    return str(escape_filter_chars(text))


def normal_dn(dn: str) -> str:
    """A DN so that equal ones are equal texts: case, spaces and escapes do not count.

    Raises:
        ValueError: it is no DN.
    """
    try:
        parts = parse_dn(dn, strip=True)
    except (LDAPException, ValueError, IndexError) as error:
        raise ValueError(f"{dn!r} is no DN such as cn=teachers,ou=groups,dc=school") from error
    return "".join(
        f"{kind.strip().lower()}={_unescaped(value)}{separator}" for kind, value, separator in parts
    )


def _unescaped(value: str) -> str:
    """The value itself, RFC 4514 section 2.4, folded; separators in it are escaped one way."""
    octets, at = bytearray(), 0
    raw = value.strip()
    while at < len(raw):
        if raw[at] == "\\" and at + 1 < len(raw):
            pair = raw[at + 1 : at + 3]
            if len(pair) == 2 and all(sign in "0123456789abcdefABCDEF" for sign in pair):
                octets.append(int(pair, 16))
                at += 3
                continue
            octets += raw[at + 1].encode()
            at += 2
            continue
        octets += raw[at].encode()
        at += 1
    text = " ".join(octets.decode("utf-8", "replace").casefold().split())
    return text.replace("\\", "\\\\").replace(",", "\\,").replace("+", "\\+")


def _values(raw: Any) -> dict[str, tuple[bytes, ...]]:
    return {
        str(name).partition(";")[0].lower(): tuple(bytes(value) for value in values)
        for name, values in raw.items()
    }
