"""Directories: reachable, trusted, readable, and do their groups and roles exist."""

from __future__ import annotations

import time
from collections.abc import Iterator

from common.config import Config
from common.config_access import Directory
from common.errors import BackendUnavailable, ConfigError
from common.urls import is_here, parse_ldap_url
from identity.stores.directory import LdapDirectory
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.checkup.roles import known_roles

_SLOW_SECONDS = 1.0

_ADVICE = (
    ("certificate", "set ca to the file of its authority, or certificate_name to its name"),
    ("invalidcredentials", "correct bind_dn, or the password in bind_password_file"),
    ("the base", "correct base_dn, or let bind_dn read there"),
    ("confidentiality", "use ldaps://, or set start_tls = true"),
    ("strongerauth", "use ldaps://, or set start_tls = true"),
    ("bind_password_file", "put the password of bind_dn there, mode 0600"),
)
_UNREACHABLE = "look whether the server runs and a firewall lets this machine in"


def check_directories(config: Config) -> Iterator[Finding]:
    """Every server of every directory answers, and what the configuration names is there."""
    for name, settings in config.directory.items():
        check = f"directory {name}"
        try:
            directory = LdapDirectory(name, settings)
        except ConfigError as problem:
            yield error(check, str(problem), "correct it; nobody logs in through it")
            continue
        try:
            yield from _check_servers(check, directory)
            yield from _check_groups(config, check, directory, settings)
            yield from _check_protection(check, settings)
        finally:
            directory.close()


def _check_servers(check: str, directory: LdapDirectory) -> Iterator[Finding]:
    for address in directory.addresses:
        began = time.monotonic()
        try:
            directory.check(address)
        except BackendUnavailable as problem:
            text = str(problem).partition(": ")[2]
            if address.url not in text:
                text = f"{address.url}: {text}"
            yield error(check, text, _advice(text))
            continue
        took = time.monotonic() - began
        told = f"{address.url} answers, base found, {took * 1000:.0f} ms"
        if took > _SLOW_SECONDS:
            yield warn(check, told, "a login takes three such times; look why it is slow")
        else:
            yield ok(check, told)


def _check_groups(
    config: Config, check: str, directory: LdapDirectory, settings: Directory
) -> Iterator[Finding]:
    roles = known_roles(config)
    wanted = [(f"group {group}", role) for group, role in directory.groups]
    if settings.default_role:
        wanted.append(("default_role", settings.default_role))
    if not wanted:
        yield error(
            check,
            "nobody gets a role",
            f"add [directory.{directory.name}.groups], or set default_role",
        )
    for what, role in wanted:
        if roles is not None and role not in roles:
            yield error(check, f"{what}: there is no role {role}", f"run: yuenyan role set {role}")
    try:
        for group, _ in directory.groups:
            if not directory.has_group(group):
                yield warn(
                    check,
                    f"the group {group} is not there or not readable",
                    "correct its name, or let bind_dn read it",
                )
    except BackendUnavailable:
        return  # said above


def _check_protection(check: str, settings: Directory) -> Iterator[Finding]:
    for url in settings.url:
        scheme, host, _ = parse_ldap_url(url)
        if scheme == "ldap" and not settings.start_tls and not is_here(host):
            yield warn(
                check,
                f"passwords go to {url} readable for everybody on the way",
                "use ldaps://, or set start_tls = true, and take allow_cleartext out",
            )


def _advice(text: str) -> str:
    folded = text.lower()
    return next((todo for sign, todo in _ADVICE if sign in folded), _UNREACHABLE)
