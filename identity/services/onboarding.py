"""Profiles for devices, made from the configuration, the certificates in place and an account.

The public files of the site suffice for everybody's profile; an account adds its name, its end,
and what its stored secret allows.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography import x509
from sqlalchemy.orm import Session

from common.config import Config
from common.errors import ConfigError, NetAccessError, NotFound, Refused
from db.models import Account, Credential
from identity.directories import ORIGIN
from identity.domain.recoverable import Recoverable
from identity.onboarding.profile import (
    Anchor,
    ClientFile,
    Helpdesk,
    Logo,
    Method,
    Profile,
    Security,
)
from identity.onboarding.signing import SigningPair
from identity.pki.authority import issuer_key_id, key_id
from identity.pki.folder import CaFolder, read_certificates, read_key
from identity.pki.names import dns_names

LOGO_OCTETS = 50_000
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def public_profile(config: Config) -> Profile:
    """What everybody's device may be told: networks, CA and server names, without a user name.

    Raises:
        Refused: no network is named in [onboarding], or no method suits.
        ConfigError, NotFound: a certificate or the logo cannot be used.
    """
    section = config.onboarding
    if not section.is_on:
        raise Refused("no network is named; set ssids, or wired, in [onboarding]")
    names = section.server_names or dns_names(read_certificates(config.eap_certificate)[0])
    if not names:
        raise ConfigError(
            f"{config.eap_certificate} bears no DNS name that devices could check; issue one"
            " that does: yuenyan cert server --name DNS"
        )
    methods = [Method.TTLS_PAP] if "ttls" in config.eap.methods else []
    if not methods and "peap" in config.eap.methods:
        methods = [Method.PEAP_MSCHAPV2]
    if not methods:
        raise Refused('profiles need "ttls" or "peap" among the methods of [eap]')
    return Profile(
        names={
            "th": section.name_th or section.name_en or config.site.name,
            "en": section.name_en or section.name_th or config.site.name,
        },
        identifier=section.identifier or _identifier(section.realm or names[0]),
        realm=section.realm,
        ssids=section.ssids,
        hidden=section.hidden,
        security=Security(section.security),
        wired=section.wired,
        server_names=tuple(names),
        anchors=tuple(Anchor(one) for one in trust_anchors(config)),
        methods=tuple(methods),
        tls_min=config.eap.tls_min,
        helpdesk=Helpdesk(
            mail=section.helpdesk_mail, phone=section.helpdesk_phone, web=section.helpdesk_web
        ),
        logo=_logo(section.logo),
    )


def profile_of(session: Session, config: Config, account: Account) -> Profile:
    """The profile of an account's device.

    Raises:
        Refused: the account has no password that a device could log in with; see `public_profile`.
    """
    if not has_password(session, account):
        raise Refused(f"{account.username} has no password, so no device can log in with it")
    methods = methods_of(session, config, account)
    if not methods:
        raise Refused(
            f"the password of {account.username} is kept as a hash alone, which PEAP cannot prove;"
            ' add "ttls" to the methods of [eap]'
        )
    return replace(
        public_profile(config),
        username=account.username,
        ends_at=account.expires_at,
        methods=methods,
    )


def with_certificate(profile: Profile, client: ClientFile) -> Profile:
    """`profile` with a client certificate in place of the password."""
    return replace(profile, client=client, methods=(Method.TLS,))


def methods_of(session: Session, config: Config, account: Account) -> tuple[Method, ...]:
    """By what a device can log in with the account's password, the best first; may be none."""
    if not has_password(session, account):
        return ()
    methods = []
    if "ttls" in config.eap.methods:
        methods.append(Method.TTLS_PAP)
    if "peap" in config.eap.methods and _is_recoverable(session, config, account):
        methods.append(Method.PEAP_MSCHAPV2)
    return tuple(methods)


def has_password(session: Session, account: Account) -> bool:
    """Whether a device can log in with this account and a password of its own."""
    if account.kind == "device":
        return False
    return account.origin is not None or session.get(Credential, account.id) is not None


def trust_anchors(config: Config) -> tuple[x509.Certificate, ...]:
    """The CAs that devices shall trust the RADIUS server by.

    Raises:
        ConfigError, NotFound: they are not known; the message says where to name them.
    """
    if config.onboarding.ca is not None:
        return read_certificates(config.onboarding.ca)
    chain = read_certificates(config.eap_certificate)
    try:
        own = CaFolder(config.ca_dir).trusted()
    except NotFound:
        own = ()
    above = {issuer_key_id(one) for one in chain} | {key_id(one) for one in chain}
    if any(key_id(one) in above for one in own):
        return own
    roots = tuple(one for one in chain if one.issuer == one.subject)
    if not roots:
        raise ConfigError(
            f"{config.eap_certificate} holds no root; name the CA that devices shall trust",
            "onboarding.ca",
        )
    return roots


def signing_pair(config: Config) -> SigningPair | None:
    """What Apple's profiles are signed with, or None where the key cannot be read here.

    Raises:
        ConfigError: what [onboarding] names cannot be used.
    """
    section = config.onboarding
    if section.signing_certificate is not None:
        key = section.signing_key or section.signing_certificate
        return _pair(section.signing_certificate, key)
    try:
        return _pair(config.eap_certificate, config.eap_private_key)
    except NetAccessError:
        # On a machine of its own the portal has no RADIUS key, and should not.
        return None


def _pair(certificate: Path, key_file: Path) -> SigningPair:
    chain, key = read_certificates(certificate), read_key(key_file)
    if chain[0].public_key() != key.public_key():
        raise ConfigError(f"{key_file} is not the key of {certificate}")
    return SigningPair(chain, key)


def _identifier(name: str) -> str:
    return ".".join([*reversed(name.split(".")), "wifi"])


def _logo(path: Path | None) -> Logo | None:
    if path is None:
        return None
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "onboarding.logo") from error
    mime = next((kind for start, kind in _SIGNATURES.items() if octets.startswith(start)), "")
    if not mime or len(octets) > LOGO_OCTETS:
        raise ConfigError(f"{path} is no PNG or JPEG of at most 50 kB", "onboarding.logo")
    return Logo(octets=octets, mime=mime)


def _is_recoverable(session: Session, config: Config, account: Account) -> bool:
    """Whether MS-CHAPv2 can be proven: of a kept secret, or by the directory."""
    if account.origin is not None:
        directory = config.directory.get(account.origin.removeprefix(ORIGIN))
        return directory is not None and bool(directory.ntlm_auth)
    credential = session.get(Credential, account.id)
    if credential is None or credential.recoverable is None:
        return False
    return credential.recoverable_kind in (Recoverable.NT_HASH, Recoverable.PASSWORD)
