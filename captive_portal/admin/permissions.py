"""Who may do what in the admin portal: one table, and the decorator that enforces it.

A view that names no permission is refused by the application (see app.py), so a forgotten
decorator closes a page instead of opening it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

from flask import abort, current_app
from flask_login import current_user
from werkzeug.wrappers import Response


class Level(StrEnum):
    """What an account may be in this portal; `account.admin_level`."""

    ADMIN = "admin"
    APPROVER = "approver"
    AUDITOR = "auditor"


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
    VIEW_NAS = "view nas"
    CHANGE_NAS = "change nas"
    LOOK_UP = "look up"
    VIEW_AUDIT = "view audit"
    VIEW_CUSTODY = "view custody"
    ENTER_CUSTODY = "enter custody"
    VIEW_REGISTERS = "view registers"
    KEEP_REGISTERS = "keep registers"
    VIEW_HOLDS = "view holds"
    CHANGE_HOLDS = "change holds"


_EVERYONE = frozenset(Level)
_ADMIN = frozenset({Level.ADMIN})
_DESK = frozenset({Level.ADMIN, Level.APPROVER})
_OVERSIGHT = frozenset({Level.ADMIN, Level.AUDITOR})

ALLOWED: dict[Permission, frozenset[Level]] = {
    Permission.OVERVIEW: _EVERYONE,
    Permission.DECIDE_REGISTRATIONS: _DESK,
    Permission.VIEW_PEOPLE: _EVERYONE,
    Permission.CHANGE_PEOPLE: _ADMIN,
    Permission.VIEW_VOUCHERS: _EVERYONE,
    Permission.ISSUE_VOUCHERS: _DESK,
    # Where somebody was and when is more than an approver needs to admit them.
    Permission.VIEW_SESSIONS: _OVERSIGHT,
    Permission.END_SESSIONS: _ADMIN,
    Permission.VIEW_LOGINS: _OVERSIGHT,
    Permission.VIEW_ROLES: _EVERYONE,
    Permission.CHANGE_ROLES: _ADMIN,
    Permission.VIEW_NAS: _OVERSIGHT,
    Permission.CHANGE_NAS: _ADMIN,
    Permission.LOOK_UP: _OVERSIGHT,
    Permission.VIEW_AUDIT: _OVERSIGHT,
    Permission.VIEW_CUSTODY: _OVERSIGHT,
    Permission.ENTER_CUSTODY: _ADMIN,
    Permission.VIEW_REGISTERS: _OVERSIGHT,
    Permission.KEEP_REGISTERS: _ADMIN,
    Permission.VIEW_HOLDS: _OVERSIGHT,
    Permission.CHANGE_HOLDS: _ADMIN,
}

ViewT = TypeVar("ViewT", bound=Callable[..., Any])


def requires(permission: Permission) -> Callable[[ViewT], ViewT]:
    """Let a view run only for officers whose level has `permission`.

    Nobody signed in: to the sign-in page. Signed in without the permission: 403.
    """

    def decorate(view: ViewT) -> ViewT:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not current_user.is_authenticated:
                response: Response = current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
                return response
            if not current_user.may(permission):
                abort(403)
            return view(*args, **kwargs)

        guarded.required_permission = permission  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def public(view: ViewT) -> ViewT:
    """Mark a view that needs no sign-in."""
    view.is_public = True  # type: ignore[attr-defined]
    return view
