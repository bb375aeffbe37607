"""Which failures are counted, and how many are too many (spec: portal, threats).

Addresses and MAC addresses are free to change, so a count over the account or the whole
site stands behind each of them. Voucher codes are counted elsewhere (voucher_guesses).
"""

from __future__ import annotations

from flask import Flask, g

from captive_portal.public.site import client_address, portal
from captive_portal.web.i18n import gettext
from captive_portal.web.limits import Check, Limit, site_of

_BY_ADDRESS = Limit.of("login-address", "200 per 10 minutes")
"""High, because a whole school may share one address behind a gateway that translates."""
_BY_ACCOUNT_HERE = Limit.of("login-account-address", "5 per 5 minutes")
_BY_ACCOUNT = Limit.of("login-account", "60 per 30 minutes")

_REGISTER_ADDRESS = Limit.of("register-address", "60 per 1 hour")
"""A parents' evening behind one address still gets in."""
_REGISTER_SITE = Limit.of("register-site", "300 per 1 hour")
_REFERENCE_ADDRESS = Limit.of("reference-address", "20 per 10 minutes")
_OWN_ENDING = Limit.of("own-ending", "20 per 10 minutes")
"""Each waits some seconds for the equipment in one of a few threads."""
_MAILBOX = Limit.of("own-mailbox", "5 per 1 hour")
_CODE_ADDRESS = Limit.of("code-address", "20 per 10 minutes")
_CODE_SITE = Limit.of("code-site", "500 per 1 hour")
"""At 59 bits, half a year of this against a hundred live codes hits once in a billion."""

_FORGOT_ADDRESS = Limit.of("forgot-address", "30 per 1 hour")
"""A class behind one address has some who forgot; each name is counted as well."""
_FORGOT_NAME = Limit.of("forgot-name", "3 per 1 hour")
_FORGOT_SITE = Limit.of("forgot-site", "200 per 1 hour")
_HAND_OFF = Limit.of("hand-off", "20 per 10 minutes")

_TAKEN = "limits_taken"

Checks = tuple[Check, ...]


def login_checks(username: str) -> Checks:
    """What a login with a password is counted under."""
    address, name = site_of(client_address()), username.strip().casefold()[:253]
    return (
        (_BY_ADDRESS, address),
        (_BY_ACCOUNT_HERE, f"{name} {address}"),
        (_BY_ACCOUNT, name),
    )


def registration_checks() -> Checks:
    """What an application is counted under, whether it is taken or not."""
    return ((_REGISTER_ADDRESS, site_of(client_address())), (_REGISTER_SITE, "site"))


def reference_checks() -> Checks:
    """What asking for an unknown reference number is counted under."""
    return ((_REFERENCE_ADDRESS, site_of(client_address())),)


def own_ending_checks(account_id: int) -> Checks:
    """What a wish to end an own session is counted under, whatever comes of it."""
    return ((_OWN_ENDING, str(account_id)),)


def mailbox_checks(account_id: int) -> Checks:
    """What mailing a code to a mailbox is counted under."""
    return ((_MAILBOX, str(account_id)),)


def code_checks() -> Checks:
    """What a wrong code from a letter is counted under."""
    return ((_CODE_ADDRESS, site_of(client_address())), (_CODE_SITE, "site"))


def forgotten_checks(typed: str) -> Checks:
    """What asking for a new password is counted under, whether there is such an account or not."""
    name = typed.strip().casefold()[:253]
    return (
        (_FORGOT_ADDRESS, site_of(client_address())),
        (_FORGOT_NAME, name),
        (_FORGOT_SITE, "site"),
    )


def hand_off_checks(account_id: int) -> Checks:
    """What handing a one-time token to a gateway is counted under."""
    return ((_HAND_OFF, str(account_id)),)


def init_limits(app: Flask) -> None:
    """Give back with each answer what was taken for it."""

    def give_back(_error: BaseException | None) -> None:
        portal().limits.give_back(*g.pop(_TAKEN, ()))

    app.teardown_request(give_back)


def wait_text(checks: Checks) -> str:
    """What to tell somebody who must wait, or the empty text: this request is an attempt.

    It fills room under `checks` until it is answered. The caller counts it when it fails.
    """
    taken: Checks = g.setdefault(_TAKEN, ())
    fresh = tuple(check for check in checks if check not in taken)
    seconds = portal().limits.take(*fresh)
    if not seconds:
        setattr(g, _TAKEN, (*taken, *fresh))
        return ""
    return gettext(
        "Too many attempts. Please wait %(minutes)s minutes, then try again.",
        minutes=-(-seconds // 60),
    )
