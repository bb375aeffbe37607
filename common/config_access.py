"""The sections about how people are let in: EAP, RADIUS over TLS, home servers, directories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from common.config_section import Section
from common.urls import is_here, parse_ldap_url


class Eap(Section):
    methods: tuple[Literal["ttls", "peap", "tls", "pwd", "gtc", "mschapv2", "md5", "teap"], ...] = (
        "ttls",
        "peap",
        "tls",
    )
    certificate: Path | None = None
    private_key: Path | None = None
    ca: Path | None = None
    crl: Path | None = None
    ocsp: Literal["off", "when-named", "required"] = "off"
    """Ask the issuer of each client certificate whether it is still good (RFC 6960). Off, because
    the site's own CA has a revocation list; where it is on, no answer is no login."""
    ocsp_url: str = ""
    """A responder to ask instead of the one that a certificate names."""
    ocsp_seconds: float = Field(default=3.0, ge=0.5, le=30)
    """For one answer: below the 5 seconds after which an access point asks again."""
    tls_min: Literal["1.2", "1.3"] = "1.2"
    tls_max: Literal["1.2", "1.3"] = "1.3"
    fragment_octets: int = Field(default=1024, ge=64, le=3000)
    """The longest EAP packet sent; a Framed-MTU of the NAS may make it less. Of 1024, with the
    RADIUS around it, no router on the way has to cut anything."""
    pwd_group: Literal[19, 20, 21] = 19
    """The elliptic curve of EAP-pwd: P-256, which every peer must have, P-384 or P-521."""
    maximum_rounds: int = Field(default=50, ge=10, le=500)
    """Requests in one conversation, not counting acknowledged fragments."""
    teap_identities: tuple[Literal["user", "machine"], ...] = Field(("user",), min_length=1)
    """Each must be proven in a TEAP login. A machine alone, before anybody signs in, has no
    user: whoever adds "machine" wants both."""
    teap_inner: tuple[Literal["mschapv2", "tls", "gtc", "password"], ...] = Field(
        ("mschapv2", "tls", "password"), min_length=1
    )
    """EAP inside TEAP in this order. "password" (Basic-Password-Auth) comes before EAP when it is
    the first, else after it. Without "gtc", which RFC 9930 section 3.6.4 forbids."""
    teap_tls_max: Literal["1.2", "1.3"] = "1.2"
    """Peers agree on TEAP's keys in TLS 1.2; in 1.3 wpa_supplicant has others than RFC 9427."""
    teap_resumption: bool = True
    """Off for devices that cannot go on with an earlier tunnel: which of them can is not known."""
    teap_emsk: bool = False
    """Demand the EMSK's Compound-MAC where the inner method makes one. Windows makes none, and
    wpa_supplicant takes its keys from the MSK even then."""

    @field_validator("teap_identities", "teap_inner")
    @classmethod
    def _once_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names one of them twice")
        return value

    @model_validator(mode="after")
    def _teap_has_a_version(self) -> Eap:
        if "teap" in self.methods and self.tls_min > self.teap_tls_max:
            raise ValueError("teap_tls_max is below tls_min: TEAP has no version of TLS left")
        return self

    @field_validator("ocsp_url")
    @classmethod
    def _http(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("an OCSP responder has an address like http://ocsp.school.example/")
        return value


class RadSec(Section):
    certificate: Path | None = None
    private_key: Path | None = None
    ca: Path | None = None
    crl: Path | None = None
    tls_min: Literal["1.2", "1.3"] = "1.2"
    idle_seconds: int = Field(default=900, ge=30)
    """A connection that says nothing for so long is closed; clients that watch it say more."""
    connections: int = Field(default=1000, ge=1, le=20_000)
    """Each worker's; an office has a handful, a province hundreds."""
    connections_per_address: int = Field(default=250, ge=1, le=20_000)
    """Of each worker. A school's access points may all come from the one address of its line;
    one address alone must not take every place."""


class HomeServer(Section):
    """Whom to ask about people of a foreign realm."""

    host: str
    """An address, or a DNS name."""
    transport: Literal["udp", "radsec"] = "udp"
    port: int = Field(default=0, ge=0, le=65535)
    """0: 1812 for UDP, 2083 for RadSec."""
    acct_port: int = Field(default=1813, ge=1, le=65535)
    """RadSec has one port for both."""
    secret: str = Field(default="", repr=False)
    secret_file: Path | None = None
    certificate_name: str = ""
    """What must stand in a RadSec server's certificate; empty: its host."""
    status_server: bool = True
    """It answers Status-Server (RFC 5997), by which a dead one is noticed to be back."""
    allow_missing_message_authenticator: bool = False
    """For one that cannot sign its answers: they can be forged (CVE-2024-3596)."""


class ProxyRealm(Section):
    """`name` is a whole realm, a suffix such as `.ac.th`, or `*` for every other."""

    name: str = Field(min_length=1, max_length=253)
    servers: tuple[str, ...] = Field(min_length=1)
    accounting: bool = True
    vlan: int | None = Field(default=None, ge=1, le=4094)

    @field_validator("name")
    @classmethod
    def _lower(cls, value: str) -> str:
        if "@" in value or value != value.strip():
            raise ValueError("a realm is written without the @, such as school.example")
        return value.lower()


class Proxy(Section):
    local_realms: tuple[str, ...] = ()
    """Ours: taken off the user name, which is then looked up here."""
    operator_name: str = ""
    """The realm that tells other institutions where their people log in (RFC 5580)."""
    request_cui: bool = True
    """Ask for a Chargeable-User-Identity: the same person comes back under the same one."""
    maximum_hops: int = Field(default=10, ge=1, le=50)
    answer_seconds: float = Field(default=4.0, ge=0.5, le=30)
    """Until the next server is asked; an access point asks again after 3 to 10 seconds."""
    give_up_seconds: float = Field(default=15.0, ge=1, le=29)
    """Below the 30 s for which a retransmission is known as one."""
    probe_seconds: float = Field(default=10.0, ge=0.5, le=600)
    revive_seconds: float = Field(default=120.0, ge=1)
    """Until a dead server that takes no Status-Server is tried again."""
    accounting_hours: float = Field(default=72.0, gt=0, le=24 * 90)
    """How long accounting is offered to a home server that is away: a long weekend."""
    server: dict[str, HomeServer] = {}
    realm: tuple[ProxyRealm, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Proxy:
        for name, server in self.server.items():
            if server.transport == "udp" and not (server.secret or server.secret_file):
                raise ValueError(f"the home server {name} needs a secret_file")
        names = [realm.name for realm in self.realm]
        for realm in self.realm:
            for asked in realm.servers:
                if asked not in self.server:
                    raise ValueError(f"the realm {realm.name} names an unknown server {asked}")
            if names.count(realm.name) > 1 or realm.name in self.local_realms:
                raise ValueError(f"the realm {realm.name} is there twice")
        return self


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Directory(Section):
    """A directory (LDAP, Active Directory) whose people may log in; docs/directories.md."""

    url: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = Field(min_length=1)
    """One or a list: the first that answers is asked; the others stand in for it."""
    base_dn: str = Field(min_length=1)
    bind_dn: str = ""
    """The account that searches; empty: the directory lets anybody search."""
    bind_password_file: Path | None = None
    start_tls: bool = False
    """TLS after the beginning, for ldap://; ldaps:// begins with it."""
    ca: Path | None = None
    """Who has issued the directory's certificate; empty: whom the operating system trusts."""
    certificate_name: str = ""
    """What must stand in the certificate; empty: the host of the url."""
    allow_cleartext: bool = False
    """Without TLS passwords cross the network readable; loopback needs no leave."""
    user_filter: str = "(uid={username})"
    """For Active Directory: (&(objectCategory=person)(sAMAccountName={username}))."""
    default_role: str = ""
    """Of people in none of the groups; empty: they are refused."""
    groups: dict[str, str] = {}
    nested_groups: bool = False
    """Also members of groups inside a group; Active Directory alone can search so."""
    timeout_seconds: int = Field(default=3, ge=1, le=15)
    """For a connection and for each answer; an access point asks again after 3 to 10 s."""
    remember_seconds: int = Field(default=60, ge=0, le=300)
    """A proven password is not asked for again: so long the old one works after a change."""
    refresh_minutes: int = Field(default=15, ge=1, le=24 * 60)
    """How often the housekeeper looks whether somebody is still there, and in which groups."""
    offline_days: int = Field(default=0, ge=0, le=90)
    """While the directory is down, whoever it proved in these days gets in; 0: nobody."""
    password_help: str = ""
    """Where its people change their password, as they read it; empty: the directory's name."""
    ntlm_auth: str = ""
    """Command that proves MS-CHAPv2 at Active Directory, such as /usr/bin/ntlm_auth."""

    @field_validator("url")
    @classmethod
    def _ldap_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            parse_ldap_url(url)
        return value

    @field_validator("user_filter")
    @classmethod
    def _finds_a_user(cls, value: str) -> str:
        if "{username}" not in value or not (value.startswith("(") and value.endswith(")")):
            raise ValueError("must be a filter in parentheses that contains {username}")
        if value.count("(") != value.count(")"):
            raise ValueError("a parenthesis is missing")
        return value

    @model_validator(mode="after")
    def _protected(self) -> Directory:
        if bool(self.bind_dn) != (self.bind_password_file is not None):
            raise ValueError("bind_dn and bind_password_file belong together")
        for url in self.url:
            scheme, host, _ = parse_ldap_url(url)
            if not (scheme == "ldaps" or self.start_tls or self.allow_cleartext or is_here(host)):
                raise ValueError(
                    f"{url} would send passwords readable: use ldaps://, or start_tls = true"
                )
        return self
