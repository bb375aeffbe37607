"""Which equipment can be deceived or impersonated: unsigned requests and poor shared secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from db.models import NasClient
from identity.services.nas_hygiene import Hygiene
from yuenyan.checkup.finding import Finding, warn

_SIGNING = "equipment"
_SECRETS = "shared secrets"
_NAMES = 5
"""More names than this say no more."""


def check_equipment(rows: Sequence[NasClient], hygiene: Sequence[Hygiene]) -> Iterator[Finding]:
    """Warnings about equipment in use."""
    known = [(row.name, one) for row, one in zip(rows, hygiene, strict=True)]
    yield from _check_signing(known)
    weak = [
        f"{name} ({one.strength})"
        for name, one in known
        if one.strength is not None and one.strength.is_weak
    ]
    if weak:
        yield warn(
            _SECRETS,
            f"shared secrets that can be guessed: {_list(weak)}",
            "set 20 or more random signs on both sides: yuenyan nas secret NAME --secret-stdin",
        )
    shared = [name for name, one in known if one.shared_with]
    if shared:
        yield warn(
            _SECRETS,
            f"the same shared secret in several places: {_list(shared)}",
            "one stolen access point gives all of them away; give each its own",
        )
    old = [name for name, one in known if one.secret_is_old]
    if old:
        yield warn(
            _SECRETS,
            f"shared secrets older than two years: {_list(old)}",
            "replace them: yuenyan nas secret NAME --secret-stdin",
        )
    unknown = [name for name, one in known if one.strength is None]
    if unknown:
        yield warn(
            _SECRETS,
            f"nobody noted how good these shared secrets are: {_list(unknown)}",
            "run: yuenyan init",
        )


def _check_signing(known: Sequence[tuple[str, Hygiene]]) -> Iterator[Finding]:
    ready = [name for name, one in known if one.may_require]
    if ready:
        yield warn(
            _SIGNING,
            f"need not send Message-Authenticator but always do: {_list(ready)}",
            "close the exception: yuenyan nas set NAME --require-message-authenticator",
        )
    lax = [name for name, one in known if not one.requires and not one.may_require]
    if lax:
        yield warn(
            _SIGNING,
            f"without Message-Authenticator: {_list(lax)}; answers can be forged (CVE-2024-3596)",
            "update the firmware, then: yuenyan nas set NAME --require-message-authenticator",
        )
    silent = [name for name, one in known if one.is_cut_off]
    if silent:
        yield warn(
            _SIGNING,
            f"logins get no answer, because Message-Authenticator is missing: {_list(silent)}",
            "update the firmware or switch it on there; else, knowing the risk: "
            "yuenyan nas set NAME --allow-missing-message-authenticator",
        )


def _list(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")
