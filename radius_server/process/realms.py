"""Which realm a user name belongs to, and whose that realm is. RFC 7542. Pure.

A realm is what stands behind the last @, without case. Ours are served here; foreign ones
have home servers; of any other nobody knows, and the name is looked up here as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

DEFAULT = "*"
"""The realm of a route for every realm that has no other."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_WELL_FORMED = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}\Z")
_MAXIMUM = 253
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a realm's requests go. `servers` are names, the first to be asked first."""

    realm: str
    """A whole realm, a suffix that begins with a dot, or DEFAULT."""
    servers: tuple[str, ...]
    accounting: bool = True
    vlan: int | None = None
    """Where its people are put here; what their own servers say of VLANs is not believed."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Not ours. `route` is None when the realm is misspelt so that no server could know it."""

    realm: str
    route: Route | None


def realm_of(user_name: str) -> str | None:
    """The realm in a user name, lower case, or None when it names none."""
    _, separator, realm = user_name.rpartition("@")
    return realm.strip().lower() if separator else None


def is_well_formed(realm: str) -> bool:
    """Whether a realm may be sent to other institutions: labels with a dot between them.

    RFC 7542 section 2.2, in letters, digits and hyphens (an A-label for other scripts).
    Misspelt ones would only load servers that cannot know them.
    """
    return len(realm) <= _MAXIMUM and _WELL_FORMED.match(realm) is not None


class Realms:
    """The realms of one configuration."""

    def __init__(self, local: Iterable[str], routes: Iterable[Route]) -> None:
        self._local = _Table((realm.lower(), True) for realm in local)
        self._routes = _Table((route.realm.lower(), route) for route in routes)

    def find(self, user_name: str) -> Foreign | None:
        """Whose the name is; None: it is looked up here."""
        realm = realm_of(user_name)
        if not realm or self._local.find(realm) is not None:
            return None
        route = self._routes.find(realm)
        if route is None:
            return None
        if route.realm == DEFAULT and not is_well_formed(realm):
            return Foreign(realm, None)
        return Foreign(realm, route)

    def of_realm(self, realm: str) -> Foreign | None:
        """As `find`, for a realm by itself."""
        return self.find("@" + realm)

    def stored(self, user_name: str) -> str:
        """A user name as accounts have it: without the realm when that is ours.

        Nothing for a name of a foreign realm: whatever an account may be called, that person
        is another institution's.
        """
        realm = realm_of(user_name)
        if realm and self._local.find(realm) is not None:
            return user_name.rpartition("@")[0]
        return "" if self.find(user_name) is not None else user_name

    def returned(self, user_name: str, foreign: Foreign) -> str | None:
        """The name that a home server gives its person, as a NAS here may use it.

        A NAS puts this name in its accounting. Without a realm it would be taken for one of
        ours, so it gets the realm of the login; one of any other realm is not for this home
        server to give (RFC 2865 section 5.1 makes the name in an Access-Accept the session's).
        """
        if realm_of(user_name) is None:
            return f"{user_name}@{foreign.realm}" if user_name else None
        found = self.find(user_name)
        return user_name if found is not None and found.route is foreign.route else None


class _Table(Generic[_Entry]):
    """Finds the whole realm, else the longest suffix, else the default."""

    def __init__(self, entries: Iterable[tuple[str, _Entry]]) -> None:
        self._entries = dict(entries)

    def find(self, realm: str) -> _Entry | None:
        found = self._entries.get(realm)
        at = realm.find(".")
        while found is None and at >= 0:
            found = self._entries.get(realm[at:])
            at = realm.find(".", at + 1)
        return found if found is not None else self._entries.get(DEFAULT)
