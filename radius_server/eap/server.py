"""The EAP side of a worker: certificates read and read again, methods in their order.

Reads files; everything below it does not. The worker asks `converse` for a dialogue and
knows nothing else of EAP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from OpenSSL import SSL

from common.config import Config
from common.errors import ConfigError
from common.logging import get_logger
from identity.domain.access import Method
from radius_server.eap import openssl_adapter as openssl
from radius_server.eap.conversation import Ceilings, converse
from radius_server.eap.framing import link_octets
from radius_server.eap.methods.gtc import gtc
from radius_server.eap.methods.md5 import md5
from radius_server.eap.methods.mschapv2 import mschapv2
from radius_server.eap.negotiation import Course, Offer
from radius_server.eap.packet import Type
from radius_server.eap.peap import peap
from radius_server.eap.sessions import LIFETIME, TlsSessions
from radius_server.eap.ttls import ttls
from radius_server.eap.tunnel import Contexts, Tools
from radius_server.process.questions import AccessRequest, Dialogue

_LOOK_AGAIN = timedelta(seconds=1)
_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_SESSION_ID_CONTEXT = b"yuenyan"

Offers = Callable[[AccessRequest, Course], Sequence[Offer]]


class EapServer:
    """Speaks EAP with the certificates and methods of one configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ceilings = Ceilings(rounds=config.eap.maximum_rounds)
        self._sessions = TlsSessions()
        self._look_at: datetime | None = None
        self._files = _files(config)
        self._stamps = _stamps(self._files)
        self._tunnel = _contexts(config)
        self._log = get_logger("radius.eap")

    @classmethod
    def open(cls, config: Config) -> EapServer:
        """Read the certificates.

        Raises:
            ConfigError: one of them cannot be used.
        """
        return cls(config)

    def converse(self, request: AccessRequest) -> Dialogue:
        """The conversation that begins with `request`; yields a Challenge for every round."""
        self._look_again(request.now)
        return converse(request, self._offers, self._ceilings)

    def _offers(self, request: AccessRequest, course: Course) -> list[Offer]:
        octets = link_octets(request.framed_mtu, self._config.eap.fragment_octets)
        tools = Tools(octets, self._tunnel, self._sessions, course)
        return [
            offer
            for name in self._config.eap.methods
            if (offer := _plain(name, course) or self._tunnelled(name, tools)) is not None
        ]

    def _tunnelled(self, name: str, tools: Tools) -> Offer | None:
        if name not in _TUNNELS:
            return None
        kind, method, start = _TUNNELS[name]
        begin = partial(start, tools=tools, inner_offers=_inner_offers)
        return Offer(kind, name, method, begin, is_tunnel=True)

    def _look_again(self, now: datetime) -> None:
        """Take new certificates up as soon as all their files fit together."""
        if self._look_at is not None and now < self._look_at:
            return
        self._look_at = now + _LOOK_AGAIN
        stamps = _stamps(self._files)
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._tunnel = _contexts(self._config)
        except ConfigError as error:
            # Half of the files may be new yet; the next second sees the other half.
            self._log.warning("certificates_not_taken_up", error=str(error))
            return
        self._sessions.clear()
        self._log.info("certificates_taken_up")


_TUNNELS = {
    "ttls": (Type.TTLS, Method.EAP_TTLS, ttls),
    "peap": (Type.PEAP, Method.EAP_PEAP, peap),
}
_INNER = ("mschapv2", "gtc", "md5")
"""Inside of a tunnel, in this order: what most phones and laptops speak comes first."""


def _plain(name: str, course: Course) -> Offer | None:
    """A method without a tunnel of its own."""
    if name == "mschapv2":
        return Offer(Type.MSCHAPV2, name, Method.EAP_MSCHAP2, mschapv2)
    if name == "gtc":
        return Offer(Type.GTC, name, Method.EAP_GTC, gtc)
    if name == "md5":
        start = partial(md5, next_identifier=lambda: course.next_identifier)
        return Offer(Type.MD5, name, Method.EAP_MD5, start)
    return None


def _inner_offers(course: Course) -> list[Offer]:
    return [offer for name in _INNER if (offer := _plain(name, course)) is not None]


def _files(config: Config) -> list[Path]:
    named = (config.eap_certificate, config.eap_private_key, config.eap_ca, config.eap_crl)
    return [path for path in named if path is not None]


def _stamps(files: list[Path]) -> list[tuple[int, int] | None]:
    """When each file changed, and its size; None for one that is not there."""
    stamps: list[tuple[int, int] | None] = []
    for path in files:
        try:
            found = path.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((found.st_mtime_ns, found.st_size))
    return stamps


def _contexts(config: Config) -> Contexts:
    return Contexts(_context(config, resumes=True), _context(config, resumes=False))


def _context(config: Config, *, resumes: bool) -> SSL.Context:
    """A server's TLS settings for the tunnel methods: no client certificate is asked for."""
    chain, key = config.eap_certificate, config.eap_private_key
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[config.eap.tls_min])
    context.set_max_proto_version(_VERSIONS[config.eap.tls_max])
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_session_id(_SESSION_ID_CONTEXT)
    if resumes:
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_timeout(int(LIFETIME.total_seconds()))
        openssl.report_tickets(context)
    else:
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET)
    try:
        context.use_certificate_chain_file(str(chain))
    except SSL.Error as error:
        raise ConfigError(f"cannot use the certificate {chain}", "eap.certificate") from error
    try:
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except SSL.Error as error:
        raise ConfigError(
            f"the private key {key} cannot be used, or is not that of {chain}", "eap.private_key"
        ) from error
    return context
