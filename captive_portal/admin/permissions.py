"""Who may do what in the admin portal: one table, and the decorator that enforces it.

A view that names no permission is refused by the application (see app.py), so a forgotten
decorator closes a page instead of opening it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

from flask import abort, current_app, request
from flask_login import current_user
from werkzeug.wrappers import Response

from captive_portal.admin.desk import client_address, desk
from identity.domain.levels import Level
from identity.services import audit


class Permission(StrEnum):
    """One thing a page lets its reader do."""

    OVERVIEW = "overview"
    DECIDE_REGISTRATIONS = "decide registrations"
    VIEW_PEOPLE = "view people"
    CHANGE_PEOPLE = "change people"
    VIEW_VOUCHERS = "view vouchers"
    ISSUE_VOUCHERS = "issue vouchers"
    VIEW_SESSIONS = "view sessions"
    END_SESSIONS = "end sessions"
    VIEW_LOGINS = "view logins"
    VIEW_ROLES = "view roles"
    CHANGE_ROLES = "change roles"
    VIEW_MESSAGES = "view messages"
    SEND_MESSAGES = "send messages"
    VIEW_NAS = "view nas"
    CHANGE_NAS = "change nas"
    LOOK_UP = "look up"
    REVEAL = "reveal"
    APPROVE_REVEAL = "approve reveal"
    VIEW_AUDIT = "view audit"
    VIEW_CUSTODY = "view custody"
    ENTER_CUSTODY = "enter custody"
    VIEW_REGISTERS = "view registers"
    KEEP_REGISTERS = "keep registers"
    VIEW_HOLDS = "view holds"
    CHANGE_HOLDS = "change holds"
    CHANGE_OFFICERS = "change officers"
    PUBLISH_TEXTS = "publish texts"
    HOLD_TOKENS = "hold tokens"
    KEEP_CONSENTS = "keep consents"


_EVERYONE = frozenset(Level)
_ADMIN = frozenset({Level.ADMIN})
_STAFF = _EVERYONE - {Level.EXECUTIVE, Level.VOUCHER_DESK}
_DESK = frozenset({Level.ADMIN, Level.APPROVER, Level.SCHOOL})
_ISSUERS = _DESK | {Level.VOUCHER_DESK}
_CONNECTIONS = frozenset(
    {Level.CUSTODIAN, Level.COORDINATOR, Level.AUDITOR, Level.SCHOOL, Level.HELP_DESK}
)
"""Without the administrator: who changes the system does not read its identified logs (R46)."""

_KEEPERS = frozenset({Level.CUSTODIAN, Level.COORDINATOR})
_REGISTERS = _KEEPERS | {Level.AUDITOR}

ALLOWED: dict[Permission, frozenset[Level]] = {
    Permission.OVERVIEW: _EVERYONE,
    Permission.DECIDE_REGISTRATIONS: _DESK,
    Permission.VIEW_PEOPLE: _STAFF,
    Permission.CHANGE_PEOPLE: _ADMIN,
    Permission.VIEW_VOUCHERS: _ISSUERS | {Level.AUDITOR, Level.HELP_DESK},
    Permission.ISSUE_VOUCHERS: _ISSUERS,
    # Where somebody was and when is more than an approver needs to admit them.
    Permission.VIEW_SESSIONS: _CONNECTIONS,
    Permission.END_SESSIONS: frozenset({Level.CUSTODIAN, Level.SCHOOL, Level.HELP_DESK}),
    Permission.VIEW_LOGINS: _CONNECTIONS,
    Permission.VIEW_ROLES: _STAFF,
    Permission.CHANGE_ROLES: _ADMIN,
    # Whom the system wrote to, and whether it arrived; never what it said.
    Permission.VIEW_MESSAGES: _ADMIN | {Level.HELP_DESK},
    Permission.SEND_MESSAGES: _ADMIN | {Level.HELP_DESK},
    Permission.VIEW_NAS: _CONNECTIONS | _ADMIN,
    Permission.CHANGE_NAS: _ADMIN,
    # What was given out, asked for and ordered names people.
    Permission.VIEW_CUSTODY: _REGISTERS,
    Permission.ENTER_CUSTODY: _KEEPERS,
    Permission.VIEW_REGISTERS: _REGISTERS,
    Permission.KEEP_REGISTERS: _KEEPERS,
    Permission.VIEW_HOLDS: _REGISTERS,
    Permission.CHANGE_HOLDS: frozenset({Level.CUSTODIAN}),
    Permission.LOOK_UP: frozenset(
        {Level.CUSTODIAN, Level.COORDINATOR, Level.AUDITOR, Level.SCHOOL}
    ),
    Permission.REVEAL: frozenset({Level.CUSTODIAN, Level.COORDINATOR, Level.SCHOOL}),
    Permission.APPROVE_REVEAL: frozenset({Level.CUSTODIAN, Level.COORDINATOR}),
    Permission.VIEW_AUDIT: frozenset({Level.CUSTODIAN, Level.AUDITOR}),
    Permission.CHANGE_OFFICERS: _ADMIN,
    Permission.PUBLISH_TEXTS: frozenset({Level.ADMIN, Level.COORDINATOR}),
    Permission.HOLD_TOKENS: frozenset(
        {Level.ADMIN, Level.CUSTODIAN, Level.COORDINATOR, Level.AUDITOR, Level.SCHOOL}
    ),
    Permission.KEEP_CONSENTS: frozenset({Level.ADMIN, Level.COORDINATOR, Level.SCHOOL}),
}

BY_TOKEN = frozenset({Permission.OVERVIEW, Permission.LOOK_UP, Permission.REVEAL})
"""What a program may do in an officer's name. Agreeing to unlock names is a person's act."""

WHOLE_SITE = frozenset(
    {
        Permission.CHANGE_ROLES,
        Permission.VIEW_MESSAGES,
        Permission.SEND_MESSAGES,
        Permission.PUBLISH_TEXTS,
        Permission.VIEW_CUSTODY,
        Permission.ENTER_CUSTODY,
        Permission.VIEW_REGISTERS,
        Permission.KEEP_REGISTERS,
        Permission.VIEW_HOLDS,
        Permission.CHANGE_HOLDS,
    }
)
"""What touches every organisation, and so is not for the staff of one."""


def permissions_of(levels: Iterable[Level]) -> frozenset[Permission]:
    """Everything these levels may do together."""
    held = frozenset(levels)
    return frozenset(permission for permission, allowed in ALLOWED.items() if allowed & held)


def outranks(own: Iterable[Level], other: Iterable[Level]) -> bool:
    """Whether the first may do everything that the second may.

    Only then may they set the other's password or make somebody that: whoever could hand out
    more than they have would have it themselves at the next sign-in.
    """
    return permissions_of(other) <= permissions_of(own)


ViewT = TypeVar("ViewT", bound=Callable[..., Any])


def requires(permission: Permission) -> Callable[[ViewT], ViewT]:
    """Let a view run only for officers one of whose levels has `permission`.

    Nobody signed in: to the sign-in page. Signed in without the permission: 403, on record.
    """

    def decorate(view: ViewT) -> ViewT:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not current_user.is_authenticated:
                response: Response = current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
                return response
            if not current_user.may(permission):
                note_denial(permission)
                abort(403)
            return view(*args, **kwargs)

        guarded.required_permission = permission  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def note_denial(permission: Permission) -> None:
    """Put on record that an officer tried what is not theirs (R50)."""
    office, address = desk().office, client_address()
    with office.database.write() as session:
        audit.record(
            session,
            office.clock(),
            current_user.username,
            "admin:denied",
            request.path[:200],
            permission=permission.value,
            method=request.method,
            address=address,
            **current_user.noted,
        )


def public(view: ViewT) -> ViewT:
    """Mark a view that needs no sign-in."""
    view.is_public = True  # type: ignore[attr-defined]
    return view
