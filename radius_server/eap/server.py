"""The EAP side of a worker: certificates read and read again, methods in their order.

The files are read by `contexts`. The worker asks `converse` for a dialogue and
knows nothing else of EAP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from common.config import Config
from common.errors import ConfigError
from common.logging import get_logger
from identity.domain.access import Denied, Method, Reason
from radius_server.eap.contexts import read_contexts, stamps, watched_files
from radius_server.eap.conversation import Ceilings, converse
from radius_server.eap.framing import link_octets
from radius_server.eap.habits import Habits
from radius_server.eap.methods.gtc import gtc
from radius_server.eap.methods.md5 import md5
from radius_server.eap.methods.mschapv2 import mschapv2
from radius_server.eap.methods.pwd import pwd
from radius_server.eap.negotiation import Course, Offer
from radius_server.eap.ocsp import OcspTerms
from radius_server.eap.packet import Type
from radius_server.eap.peap import peap
from radius_server.eap.sessions import TlsSessions
from radius_server.eap.teap import Settings, teap
from radius_server.eap.teap_inside import Turn
from radius_server.eap.teap_tlv import IdentityType
from radius_server.eap.tls_method import tls
from radius_server.eap.ttls import ttls
from radius_server.eap.tunnel import Tools
from radius_server.process.questions import AccessRequest, Dialogue
from radius_server.process.retrying import patient

_LOOK_AGAIN = timedelta(seconds=1)

Offers = Callable[[AccessRequest, Course], Sequence[Offer]]


class EapServer:
    """Speaks EAP with the certificates and methods of one configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ceilings = Ceilings(rounds=config.eap.maximum_rounds)
        self._sessions = TlsSessions()
        self._habits = Habits()
        self._ocsp = (
            None
            if config.eap.ocsp == "off"
            else OcspTerms(config.eap.ocsp == "required", config.eap.ocsp_url)
        )
        self._look_at: datetime | None = None
        self._files = watched_files(config)
        self._stamps = stamps(self._files)
        self._contexts = read_contexts(config)
        self._teap = self._teap_settings()
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
        course = Course()
        try:
            conversation = converse(request, self._offers, self._ceilings, course)
            ended = yield from patient(conversation, request, course.renew)
            self._habits.learn(request.station, course.taken, ended)
            return ended
        except Exception:
            # One peer's odd packet must not take the others of its batch along.
            self._log.exception("eap_failed")
            return Denied(Reason.EAP_PROTOCOL, Method.EAP)

    def _offers(self, request: AccessRequest, course: Course) -> list[Offer]:
        octets = link_octets(request.framed_mtu, self._config.eap.fragment_octets)
        contexts, sessions = self._contexts, self._sessions

        def offer(name: str, of: Course) -> Offer | None:
            if name == "tls" and contexts.client is not None:
                begin = partial(tls, tools=Tools(octets, contexts.client, sessions, of, self._ocsp))
                return Offer(Type.TLS, name, Method.EAP_TLS, begin, is_tunnel=True)
            if name == "teap" and contexts.teap is not None:
                tools = Tools(octets, contexts.teap, sessions, of)
                begin = partial(teap, tools=tools, inner_offers=teap_offers, settings=self._teap)
                return Offer(Type.TEAP, name, Method.EAP_TEAP, begin, is_tunnel=True)
            if name not in _TUNNELS:
                return _plain(name, of, octets, self._config.eap.pwd_group)
            kind, method, start = _TUNNELS[name]
            tools = Tools(octets, contexts.tunnel, sessions, of)
            begin = partial(start, tools=tools, inner_offers=inner_offers)
            return Offer(kind, name, method, begin, is_tunnel=True)

        def inner_offers(of: Course) -> list[Offer]:
            found = [item for name in _INNER if (item := offer(name, of)) is not None]
            return habits.ordered(found, station, "inner")

        def teap_offers(of: Course) -> list[Offer]:
            wanted = self._config.eap.teap_inner
            found = [item for name in wanted if (item := inside_teap(name, of)) is not None]
            return habits.ordered(found, station, "inner")

        def inside_teap(name: str, of: Course) -> Offer | None:
            if name != "tls":
                return _plain(name, of, octets, self._config.eap.pwd_group)
            if contexts.client is None:
                return None
            # RFC 9930 section 3.6.4: nothing inside is resumed.
            whole = replace(contexts.client, resuming=contexts.client.full)
            apart = Tools(octets, whole, TlsSessions(maximum=0), of, self._ocsp)
            begin = partial(tls, tools=apart)
            return Offer(Type.TLS, name, Method.EAP_TLS, begin, is_tunnel=True)

        habits, station = self._habits, request.station
        names = self._config.eap.methods
        found = [item for name in names if (item := offer(name, course)) is not None]
        return habits.ordered(found, station, "eap")

    def _look_again(self, now: datetime) -> None:
        """Take new certificates up as soon as all their files fit together."""
        if self._look_at is not None and now < self._look_at:
            return
        self._look_at = now + _LOOK_AGAIN
        found = stamps(self._files)
        if found == self._stamps:
            return
        self._stamps = found
        try:
            self._contexts = read_contexts(self._config)
        except ConfigError as error:
            # Half of the files may be new yet; the next second sees the other half.
            self._log.warning("certificates_not_taken_up", error=str(error))
            return
        self._teap = self._teap_settings()
        self._sessions.clear()
        self._log.info("certificates_taken_up")

    def _teap_settings(self) -> Settings:
        eap = self._config.eap
        turn = Turn.NEVER
        if "password" in eap.teap_inner:
            turn = Turn.FIRST if eap.teap_inner[0] == "password" else Turn.LAST
        identities = tuple(IdentityType[name.upper()] for name in eap.teap_identities)
        return Settings(self._contexts.authority, identities, turn, eap.teap_emsk)


_TUNNELS = {
    "ttls": (Type.TTLS, Method.EAP_TTLS, ttls),
    "peap": (Type.PEAP, Method.EAP_PEAP, peap),
}
_INNER = ("mschapv2", "gtc", "md5", "tls")
"""Inside of a tunnel, in this order: what most phones and laptops speak comes first."""


def _plain(name: str, course: Course, octets: int, group: int) -> Offer | None:
    """A method without a tunnel of its own."""
    if name == "mschapv2":
        return Offer(Type.MSCHAPV2, name, Method.EAP_MSCHAP2, mschapv2)
    if name == "gtc":
        return Offer(Type.GTC, name, Method.EAP_GTC, gtc)
    if name == "md5":
        start = partial(md5, next_identifier=lambda: course.next_identifier)
        return Offer(Type.MD5, name, Method.EAP_MD5, start)
    if name == "pwd":
        start = partial(pwd, octets=octets, group=group)
        return Offer(Type.PWD, name, Method.EAP_PWD, start)
    return None
