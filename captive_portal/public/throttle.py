"""Which failures are counted, and how many are too many (spec: portal, threats).

Addresses and MAC addresses are free to change, so a count over the account or the whole site
stands behind each of them. What a few strangers can fill shuts out nobody else: a full count of
account or site makes the room of each address smaller, and is in the log; a right reference or code
passes whatever others have tried from its address. Voucher codes are counted elsewhere
(voucher_guesses).

Shared are those that only fail or are rare: what a login that succeeds counts stays in memory.
"""

from __future__ import annotations

from flask import Flask, g

from captive_portal.public.site import client_address, portal
from captive_portal.web.i18n import gettext
from captive_portal.web.limits import Check, Limit, site_of
from common.logging import get_logger
from identity.domain.spellings import composed

_BY_ADDRESS = Limit.of("login-address", "200 per 10 minutes", shared=True)
"""High, because a whole school may share one address behind a gateway that translates."""
_BY_ACCOUNT_HERE = Limit.of("login-account-address", "5 per 5 minutes", shared=True)
_BY_ACCOUNT = Limit.of("login-account", "60 per 30 minutes", shared=True)
_BY_ACCOUNT_RUSH = Limit.of("login-account-rush", "3 per 1 hour", shared=True)
"""Of one address while the account's count is full: room for a slip of the owner's, elsewhere."""

_REGISTER_ADDRESS = Limit.of("register-address", "60 per 1 hour", shared=True)
"""A parents' evening behind one address still gets in."""
_REGISTER_SITE = Limit.of("register-site", "300 per 1 hour", shared=True)
_REGISTER_RUSH = Limit.of("register-rush", "20 per 1 hour", shared=True)
"""Of one address while the site's count is full."""
_REFERENCE_ADDRESS = Limit.of("reference-address", "20 per 10 minutes", shared=True)
_REFERENCE_SITE = Limit.of("reference-site", "2000 per 1 hour", shared=True)
"""At 39 bits, a year of this against a hundred live references finds one in five hundred."""
_OWN_ENDING = Limit.of("own-ending", "20 per 10 minutes")
"""Each waits some seconds for the equipment in one of a few threads."""
_MAILBOX = Limit.of("own-mailbox", "5 per 1 hour", shared=True)
_CODE_ADDRESS = Limit.of("code-address", "20 per 10 minutes", shared=True)
_CODE_SITE = Limit.of("code-site", "500 per 1 hour", shared=True)
"""At 59 bits, half a year of this against a hundred live codes hits once in a billion. Room of a
thousand addresses beyond it makes that once in some thousands."""

_FORGOT_ADDRESS = Limit.of("forgot-address", "30 per 1 hour", shared=True)
"""A class behind one address has some who forgot; each name is counted as well."""
_FORGOT_NAME = Limit.of("forgot-name-address", "3 per 1 hour", shared=True)
"""Of one address: a stranger elsewhere does not use up the owner's. Letters are counted as well."""
_FORGOT_SITE = Limit.of("forgot-site", "200 per 1 hour", shared=True)
_FORGOT_RUSH = Limit.of("forgot-rush", "10 per 1 hour", shared=True)
"""Of one address while the site's count is full."""
_RUSH_TOLD = Limit.of("rush-told", "1 per 1 hour")
_HAND_OFF = Limit.of("hand-off", "20 per 10 minutes")
_HAND_OFF_ACCOUNT = Limit.of("hand-off-account", "600 per 10 minutes")
"""A class may share one voucher, and each page looks some times by itself."""

_TAKEN = "limits_taken"

Checks = tuple[Check, ...]


def login_checks(username: str) -> Checks:
    """What a login with a password is counted under."""
    address, name = site_of(client_address()), composed(username.strip().casefold())[:253]
    here = (_BY_ACCOUNT_HERE, f"{name} {address}")
    return ((_BY_ADDRESS, address), *_with_rush(here, (_BY_ACCOUNT, name), _BY_ACCOUNT_RUSH))


def registration_checks() -> Checks:
    """What an application is counted under, whether it is taken or not."""
    return _by_address(_REGISTER_ADDRESS, _REGISTER_SITE, _REGISTER_RUSH)


def reference_checks() -> Checks:
    """What asking for an unknown reference number is counted under; for `flood_text`."""
    return ((_REFERENCE_ADDRESS, site_of(client_address())), (_REFERENCE_SITE, "site"))


def own_ending_checks(account_id: int) -> Checks:
    """What a wish to end an own session is counted under, whatever comes of it."""
    return ((_OWN_ENDING, str(account_id)),)


def mailbox_checks(account_id: int) -> Checks:
    """What mailing a code to a mailbox is counted under."""
    return ((_MAILBOX, str(account_id)),)


def code_checks() -> Checks:
    """What a wrong code from a letter is counted under; for `flood_text`."""
    return ((_CODE_ADDRESS, site_of(client_address())), (_CODE_SITE, "site"))


def forgotten_checks(typed: str) -> Checks:
    """What asking for a new password is counted under, whether there is such an account or not."""
    name, address = composed(typed.strip().casefold())[:253], site_of(client_address())
    return (
        *_by_address(_FORGOT_ADDRESS, _FORGOT_SITE, _FORGOT_RUSH),
        (_FORGOT_NAME, f"{name} {address}"),
    )


def _by_address(usual: Limit, site: Limit, rush: Limit) -> Checks:
    return _with_rush((usual, site_of(client_address())), (site, "site"), rush)


def _with_rush(own: Check, common: Check, rush: Limit) -> Checks:
    """Once the count that all have in common is full, each address has less room of its own."""
    if not portal().limits.wait_seconds(common):
        return (own, common)
    limit, told = common[0], (_RUSH_TOLD, common[0].name)
    if not portal().limits.wait_seconds(told):
        portal().limits.count(told)
        get_logger(__name__).warning("portal_rush", limit=limit.name, rate=str(limit.rate))
    return (own, (rush, own[1]))


def hand_off_checks(account_id: int, device: str) -> Checks:
    """What handing a one-time token to a gateway is counted under, each look of the page too."""
    return ((_HAND_OFF, f"{account_id} {device}"), (_HAND_OFF_ACCOUNT, str(account_id)))


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
    return _text(seconds)


def flood_text(checks: Checks) -> str:
    """What to tell somebody before what they bring is looked up, or the empty text.

    Not before each of `checks` is full: what is right passes where others have only tried a lot
    from the same address, and where others elsewhere have.
    """
    return _text(min(portal().limits.wait_seconds(check) for check in checks))


def miss_text(checks: Checks) -> str:
    """Count what was not found; what to tell instead of that, once the first check is full."""
    seconds = portal().limits.wait_seconds(checks[0])
    portal().limits.count(*checks)
    return _text(seconds)


def _text(seconds: int) -> str:
    if not seconds:
        return ""
    return gettext(
        "Too many attempts. Please wait %(minutes)s minutes, then try again.",
        minutes=-(-seconds // 60),
    )
