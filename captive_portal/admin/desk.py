"""What every page of the admin portal works with: the office, the officer, and who asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from flask import current_app, request
from flask_login import current_user

from captive_portal.admin.attempts import SignInAttempts
from captive_portal.web.client_address import TrustedProxies
from identity.domain.levels import Level
from identity.office import Office
from identity.services import audit

if TYPE_CHECKING:
    from captive_portal.admin.officers import Officer

_ENDED_KEPT = 10_000
"""Far more sign-ins than an office makes in the half hour after which a cookie dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The wiring of one application; kept in `app.extensions["desk"]`."""

    office: Office
    proxies: TrustedProxies
    attempts: SignInAttempts
    _ended: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def end_sign_in(self, key: str) -> None:
        """Refuse the cookie of this sign-in from now on, should somebody have copied it."""
        with self._lock:
            self._ended[key] = None
            while len(self._ended) > _ENDED_KEPT:
                self._ended.popitem(last=False)

    def has_ended(self, key: str) -> bool:
        """Whether somebody signed this sign-in out."""
        return key in self._ended


def desk() -> Desk:
    """The desk of the running application."""
    found: Desk = current_app.extensions["desk"]
    return found


def office() -> Office:
    """The office of the running application."""
    return desk().office


def officer() -> Officer:
    """Who is signed in; only for views that require a permission."""
    return cast("Officer", current_user._get_current_object())


def note_reading(action: str, target: str, /, **detail: str | int | bool | None) -> None:
    """Put on record that the officer read or searched what names people (R50).

    Before the page is shown: what could not be recorded is not read.
    """
    told = {key: value for key, value in detail.items() if value != ""}
    with office().database.write() as session:
        audit.record(session, office().clock(), officer().username, action, target, **told)


def past_logins_locked() -> bool:
    """Whether whom past logins name is for a second officer to unlock.

    Not for who helps with logins, and not for a school's officer: it is their work.
    """
    helps = {Level.HELP_DESK, Level.SCHOOL} & set(officer().levels)
    return office().config.lookup.second_person and not helps


def client_address() -> str:
    """The address the request really comes from."""
    return desk().proxies.client_address(request)
