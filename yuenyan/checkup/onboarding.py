"""Would a device that is set up today get in, and go on getting in for a school year?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from common.clock import utc_now
from common.config import Config
from common.errors import NetAccessError
from identity.onboarding.profile import Profile
from identity.pki.authority import title
from identity.pki.devices import find_objections
from identity.pki.folder import read_certificates
from identity.pki.names import dns_names
from identity.services.certificates import DEFAULT_SERVER_NAME
from identity.services.onboarding import public_profile, signing_pair
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.checkup.roles import unknown_roles

PROFILE_LIFE = timedelta(days=400)
"""A school year and its holidays: so long nobody should have to set up a device again."""

CHECK = "onboarding"
_CHAIN_LIMIT = 6


def check_onboarding(config: Config) -> Iterator[Finding]:
    """The profiles that the portal hands out fit the server that devices will meet."""
    if not config.onboarding.is_on:
        yield ok(CHECK, "no network is named in [onboarding], so no profile is handed out")
        return
    now = utc_now()
    try:
        profile = public_profile(config)
        chain = read_certificates(config.eap_certificate)
    except NetAccessError as problem:
        yield error(CHECK, f"no profile can be made: {problem}", "see docs/onboarding.md")
        return
    found = [
        *unknown_roles(config, "onboarding.certificate_roles", config.onboarding.certificate_roles),
        *_names(profile, chain[0]),
        *_trust(profile, chain, now),
        *_life(profile, chain[0], now),
        *_ways(config, profile),
        *_signature(config),
    ]
    yield from found
    if not any(finding.level != "ok" for finding in found):
        networks = ", ".join(profile.ssids) or "the wire"
        yield ok(CHECK, f"{networks}: devices will know {', '.join(profile.server_names)}")


def _names(profile: Profile, certificate: x509.Certificate) -> Iterator[Finding]:
    borne = dns_names(certificate)
    if not set(borne) & set(profile.server_names):
        yield error(
            CHECK,
            f"the server's certificate bears {', '.join(borne) or 'no name'}, and devices are told"
            f" to accept {', '.join(profile.server_names)} alone",
            "set server_names in [onboarding] right, or: yuenyan cert server --name DNS",
        )
    if DEFAULT_SERVER_NAME in profile.server_names:
        yield warn(
            CHECK,
            f"{DEFAULT_SERVER_NAME} is the name of every site that has not chosen one",
            "choose one before devices are set up: yuenyan cert server --name radius.YOUR.DOMAIN",
        )
    for objection in find_objections(certificate):
        yield error(
            CHECK,
            f"devices will refuse the server's certificate: {objection}",
            "issue one that they take: yuenyan cert server --name DNS",
        )


def _trust(profile: Profile, chain: Sequence[x509.Certificate], now: datetime) -> Iterator[Finding]:
    anchors = [one.certificate for one in profile.anchors]
    if _anchor_of(chain, anchors) is None:
        yield error(
            CHECK,
            f"{title(chain[0])} was not issued by any CA that devices are told to trust"
            f" ({', '.join(one.title for one in profile.anchors)})",
            "name the right CA with ca in [onboarding], or renew: yuenyan cert server",
        )
    for anchor in anchors:
        if anchor.not_valid_after_utc <= now:
            yield error(
                CHECK,
                f"the CA {title(anchor)} ended on {anchor.not_valid_after_utc:%Y-%m-%d}",
                "take it out of [onboarding] ca, or begin a new one: yuenyan cert rollover",
            )


def _anchor_of(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    """The anchor that the chain's first certificate leads to, by its signatures."""
    current = chain[0]
    for _ in range(_CHAIN_LIMIT):
        for anchor in anchors:
            if current == anchor or _issued(anchor, current):
                return anchor
        above = next((one for one in chain if one != current and _issued(one, current)), None)
        if above is None:
            return None
        current = above
    return None


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _life(profile: Profile, certificate: x509.Certificate, now: datetime) -> Iterator[Finding]:
    """The server's own certificate may be renewed; what devices trust must outlast the profile."""
    if certificate.not_valid_after_utc <= now:
        yield error(
            CHECK,
            f"the server's certificate ended on {certificate.not_valid_after_utc:%Y-%m-%d}",
            "renew it: yuenyan cert server",
        )
    last = max(anchor.certificate.not_valid_after_utc for anchor in profile.anchors)
    if now < last < now + PROFILE_LIFE:
        yield warn(
            CHECK,
            f"every CA of the profile ends by {last:%Y-%m-%d}, within {PROFILE_LIFE.days} days:"
            " devices that are set up now would have to be set up again",
            "let them learn the next CA: yuenyan cert rollover",
        )


def _ways(config: Config, profile: Profile) -> Iterator[Finding]:
    if not config.portal.public_url.startswith("https://"):
        yield warn(
            CHECK,
            "profiles are handed out over plain HTTP, where somebody on the way can put another CA"
            " into them",
            "put a proxy with a certificate before the portal and set its https:// address",
        )
    if not profile.realm:
        yield warn(
            CHECK,
            "the name outside the tunnel has no realm",
            "set realm in [onboarding], such as the school's domain",
        )
    known = config.proxy.local_realms
    away = profile.realm and config.proxy.realm and not _is_local(profile.realm, known)
    if away:
        yield error(
            CHECK,
            f"anonymous@{profile.realm} may be sent to a home server: {profile.realm} is not among"
            " the local realms",
            "add it to local_realms in [proxy]",
        )


def _is_local(realm: str, known: Sequence[str]) -> bool:
    return any(realm == one or (one[:1] == "." and realm.endswith(one)) for one in known)


def _signature(config: Config) -> Iterator[Finding]:
    try:
        pair = signing_pair(config)
    except NetAccessError as problem:
        yield error(CHECK, f"Apple profiles cannot be signed: {problem}", "mend it, or take it out")
        return
    if pair is None:
        yield warn(
            CHECK,
            "Apple profiles are handed out unsigned: the server's key cannot be read here",
            "set signing_certificate and signing_key in [onboarding]",
        )
    elif pair.chain[0].not_valid_after_utc <= utc_now():
        yield error(CHECK, "what signs Apple profiles has ended", "renew signing_certificate")
