"""One directory (LDAP, Active Directory) as a source of people: find, prove, sort into a role.

Nothing is stored here; every question goes to a server of the directory.
"""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

from common.config_access import Directory
from common.errors import BackendUnavailable, ConfigError
from common.secret import read_secret_file
from identity.domain.directory import WANTED, Ambiguous, Answer, Entry, NtProof, OtherSpelling
from identity.domain.directory_names import Names
from identity.stores import ntlm_auth
from identity.stores.ldap_adapter import (
    NO_SUCH_OBJECT,
    SIZE_LIMIT_EXCEEDED,
    SUCCESS,
    Address,
    Link,
    Result,
    escaped,
    normal_dn,
    tls_context,
)
from identity.stores.servers import Servers

_IN_CHAIN = "1.2.840.113556.1.4.1941"
"""LDAP_MATCHING_RULE_IN_CHAIN of Active Directory, [MS-ADTS] section 3.1.1.3.4.4.3."""

_AD_REASONS = {
    "533": Answer.DISABLED,
    "701": Answer.EXPIRED,
    "532": Answer.PASSWORD_EXPIRED,
    "773": Answer.PASSWORD_EXPIRED,
    "775": Answer.LOCKED,
}
"""`data NNN` in the diagnostic of a refused bind. Active Directory tells 532, 533, 701 and 773
to who knows the password alone, 775 to anybody."""

_WRONG = frozenset({48, 49, 32, 34, 50})
"""inappropriateAuthentication (the entry has no password), invalidCredentials, noSuchObject,
invalidDNSyntax, insufficientAccessRights: RFC 4511 section 4.1.9."""

_LOCKED = frozenset({19, 53})
"""constraintViolation and unwillingToPerform, by which 389 Directory Server says locked."""


class LdapDirectory:
    """The directory `[directory.NAME]`. Inert until it is asked; for many threads."""

    def __init__(self, name: str, settings: Directory) -> None:
        """Read what is needed to ask.

        Raises:
            ConfigError: the CA, the password file or the DN of a group cannot be used.
        """
        self.name = name
        self._settings = settings
        key = f"directory.{name}"
        self._groups = [
            (_normal(group, f"{key}.groups"), group, role)
            for group, role in settings.groups.items()
        ]
        context = tls_context(settings.ca, f"{key}.ca")
        self._names = Names(settings.user_filter)
        asked = {name.lower(): name for name in (*self._names.attributes, *WANTED)}
        self._wanted = tuple(asked.values())
        self.addresses = tuple(
            Address(
                directory=name,
                url=url,
                start_tls=settings.start_tls,
                context=context,
                certificate_name=settings.certificate_name,
                timeout_seconds=settings.timeout_seconds,
            )
            for url in settings.url
        )
        self._servers = Servers(name, self.addresses, self._bind_search_account)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._servers.close()

    def find(self, username: str) -> Entry | None:
        """The entry of `username`, or None.

        Raises:
            Ambiguous: several entries have this name.
            OtherSpelling: the name of the entry is spelt otherwise.
            BackendUnavailable: no server answers, or none may tell.
        """
        text = self._settings.user_filter.replace("{username}", escaped(username))
        base = self._settings.base_dn

        def ask(link: Link) -> tuple[list[Entry], Result]:
            found, result = link.search(base, text, self._wanted, limit=2)
            if result.code != SIZE_LIMIT_EXCEEDED:
                self._check(result, f"the search below {base}")
            return found, result

        found, result = self._servers.kept(ask)
        if len(found) > 1 or result.code == SIZE_LIMIT_EXCEEDED:
            raise Ambiguous(username)
        if not found:
            return None
        if not self._names.has(found[0], username):
            raise OtherSpelling(found[0].dn)
        return found[0]

    def prove(self, entry: Entry | None, password: bytes) -> Answer:
        """What the directory says to `password`; a bind as that entry.

        Without an entry it is asked about its base, which has no password, so that the time
        does not tell whether the name exists.
        """
        dn = entry.dn if entry is not None else self._settings.base_dn
        if not password:
            return Answer.WRONG  # RFC 4513 section 5.1.2: it would be nobody's bind, and succeed

        def ask(link: Link) -> Answer:
            return self._answer(link.bind(dn, password))

        answer = self._servers.single(ask)
        return answer if entry is not None else Answer.WRONG

    @property
    def proves_nt(self) -> bool:
        """Whether a helper program is configured for MS-CHAPv2."""
        return bool(self._settings.ntlm_auth)

    def prove_nt(self, entry: Entry, username: str, proof: NtProof) -> Answer | bytes:
        """What Active Directory says to an MS-CHAPv2 response, asked through the helper."""
        name = entry.text("sAMAccountName") or username
        seconds = self._settings.timeout_seconds
        try:
            return ntlm_auth.prove(shlex.split(self._settings.ntlm_auth), name, proof, seconds)
        except BackendUnavailable as error:
            raise self._away(str(error)) from error

    def role_of(self, entry: Entry, username: str) -> str:
        """The role of the first configured group that has this member; else the default."""
        member_of = frozenset(
            _lenient(value.decode("utf-8", "replace")) for value in entry.values.get("memberof", ())
        )
        for normal, group, role in self._groups:
            if normal in member_of or self._has_member(group, entry, username):
                return role
        return self._settings.default_role

    @property
    def groups(self) -> list[tuple[str, str]]:
        """The configured groups, each with its role, as they are written."""
        return [(group, role) for _, group, role in self._groups]

    def check(self, address: Address) -> None:
        """Ask this server alone for the base, as the search account.

        Raises:
            BackendUnavailable: what is wrong, in the server's words.
        """
        link = Link(address)
        try:
            self._bind_search_account(link)
            found, result = link.search(
                self._settings.base_dn, "(objectClass=*)", ("cn",), limit=1, below=False
            )
            self._check(result, f"the base {self._settings.base_dn}")
            if not found:
                raise self._away(f"the base {self._settings.base_dn} is not there or not readable")
        finally:
            link.close()

    def has_group(self, group: str) -> bool:
        """Whether a configured group exists and can be read."""
        found, _ = self._servers.kept(
            lambda link: link.search(group, "(objectClass=*)", ("cn",), limit=1, below=False)
        )
        return bool(found)

    def _has_member(self, group: str, entry: Entry, username: str) -> bool:
        dn = escaped(entry.dn)
        if self._settings.nested_groups:
            text, base = f"(memberOf:{_IN_CHAIN}:={escaped(group)})", entry.dn
        else:
            name = escaped(entry.text("uid") or username)
            text = f"(|(member={dn})(uniqueMember={dn})(memberUid={name})"
            number = entry.text("gidNumber")
            text += f"(gidNumber={number}))" if number.isdigit() else ")"
            base = group
        search = partial(Link.search, base=base, text=text, attributes=("cn",), limit=1)
        found, result = self._servers.kept(lambda link: search(link, below=False))
        if result.code != NO_SUCH_OBJECT:
            self._check(result, f"the group {group}")
        return bool(found)

    def _bind_search_account(self, link: Link) -> None:
        settings = self._settings
        if not settings.bind_dn or settings.bind_password_file is None:
            return
        password = _read_password(settings.bind_password_file, self.name)
        result = link.bind(settings.bind_dn, password)
        self._check(result, f"the bind as {settings.bind_dn}")

    def _answer(self, result: Result) -> Answer:
        if result.code == SUCCESS:
            return Answer.PROVEN
        if result.code in _WRONG:
            _, _, told = result.message.partition(", data ")
            return _AD_REASONS.get(told.partition(",")[0].strip(), Answer.WRONG)
        if result.code in _LOCKED:
            return Answer.LOCKED
        raise self._away(f"a bind failed: {result.description} {result.message}".strip())

    def _check(self, result: Result, what: str) -> None:
        if result.code != SUCCESS:
            text = f"{what} failed: {result.description} {result.message}"
            raise self._away(" ".join(text.split()))

    def _away(self, why: str) -> BackendUnavailable:
        return BackendUnavailable(f"directory:{self.name}", why)


_NO_PASSWORD = "write the password of bind_dn into it, or correct bind_password_file"  # noqa: S105


def _read_password(path: Path, name: str) -> bytes:
    """Read each time: a new password needs no restart."""
    try:
        return read_secret_file(path, _NO_PASSWORD).reveal().strip(b"\r\n")
    except ConfigError as error:
        raise BackendUnavailable(f"directory:{name}", str(error)) from error


def _normal(dn: str, key: str) -> str:
    try:
        return normal_dn(dn)
    except ValueError as error:
        raise ConfigError(str(error), key) from error


def _lenient(dn: str) -> str:
    """What the directory itself says of a membership may be odd; then it matches nothing."""
    try:
        return normal_dn(dn)
    except ValueError:
        return ""
