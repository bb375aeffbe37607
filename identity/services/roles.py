"""Roles and organisations: find, make, change."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from db.models import Organisation, Role
from identity.domain.access import RoleProfile
from identity.domain.egress import parse_egress
from identity.domain.hours import parse_hours
from identity.office import Office
from identity.services import audit
from identity.services.reach import is_under

DEFAULT_ROLES: dict[str, dict[str, int | bool]] = {
    "staff": {"simultaneous": 3},
    "student": {"simultaneous": 2},
    "guest": {"for_guests": True, "session_seconds": 8 * 3600, "simultaneous": 2},
    "device": {},
}
"""What `init` makes; the limits are those of the office's manual and can be changed."""

LIMITS: dict[str, tuple[int, int]] = {
    "vlan": (1, 4094),
    "down_kbps": (1, 2**31 - 1),
    "up_kbps": (1, 2**31 - 1),
    "session_seconds": (60, 2**31 - 1),
    "idle_seconds": (60, 2**31 - 1),
    "simultaneous": (1, 1000),
    "quota_mb_day": (1, 2**31 - 1),
    "quota_mb_week": (1, 2**31 - 1),
    "quota_mb_month": (1, 2**31 - 1),
    "quota_minutes_day": (1, 24 * 60),
    "quota_minutes_week": (1, 7 * 24 * 60),
    "quota_minutes_month": (1, 31 * 24 * 60),
}
TEXTS = ("filter_id", "vendor_role", "egress_vlans")
MOST_OWN_DEVICES = 50
_LONGEST_NAME = 60
_LONGEST_TEXT = 200
"""Octets; with its head it must fit into one attribute of a vendor."""


def profile(role: Role) -> RoleProfile:
    """The access profile of a role row."""
    limits = {field: getattr(role, field) for field in LIMITS}
    texts = {field: getattr(role, field) for field in TEXTS}
    return _one_of_each(RoleProfile(name=role.name, hours=role.hours, **limits, **texts))


@lru_cache(maxsize=1024)
def _one_of_each(profile: RoleProfile) -> RoleProfile:
    """The first profile that was equal: thousands of accounts share it, and comparing is quick."""
    return profile


def seed(session: Session) -> None:
    """Make the default roles that are not there yet; existing ones stay as they are."""
    known = set(session.scalars(select(Role.name)))
    for name, limits in DEFAULT_ROLES.items():
        if name not in known:
            session.add(Role(name=name, **limits))


def get(session: Session, name: str) -> Role:
    """The role called `name`.

    Raises:
        NotFound: the message lists the roles there are.
    """
    role = session.scalar(select(Role).where(Role.name == name))
    if role is None:
        known = ", ".join(session.scalars(select(Role.name).order_by(Role.name)))
        raise NotFound(
            f"there is no role {name!r}; known roles: {known}. Make it: yuenyan role set"
        )
    return role


def set_role(
    session: Session,
    office: Office,
    name: str,
    limits: Mapping[str, int | str | None],
    actor: str,
) -> Role:
    """Make the role `name` or change what is given of it; the rest stays.

    Raises:
        UsageError: a limit is outside its range, a text cannot be told to equipment, or a new
            role would have a name that is none.
    """
    for field, value in limits.items():
        if field in TEXTS:
            _refuse_text(field, value)
            continue
        assert value is None or isinstance(value, int)
        low, high = LIMITS[field]
        if value is not None and not low <= value <= high:
            raise UsageError(f"--{field.replace('_', '-')} must be {low}..{high}")
    role = session.scalar(select(Role).where(Role.name == name))
    if role is None:
        _refuse_name(name)
        role = Role(name=name)
        session.add(role)
    for field, value in limits.items():
        setattr(role, field, value)
    audit.record(session, office.clock(), actor, "role:set", name, **limits)
    return role


def _refuse_name(name: str) -> None:
    """Options, spaces and the like; the vowel and tone marks of Thai belong to its letters."""
    is_name = 0 < len(name) <= _LONGEST_NAME and all(
        symbol.isalnum() or symbol in "-_" or unicodedata.category(symbol) in ("Mn", "Mc")
        for symbol in name
    )
    if not is_name or name.startswith("-"):
        raise UsageError(
            f"{name!r} is no role name; use letters, digits, - and _, {_LONGEST_NAME} at most"
        )


def _refuse_text(field: str, value: int | str | None) -> None:
    if value is None:
        return
    text = str(value)
    if not text.strip() or not text.isprintable() or len(text.encode()) > _LONGEST_TEXT:
        option = f"--{field.replace('_', '-')}"
        raise UsageError(f"{option} is 1..{_LONGEST_TEXT} octets of printable text")
    if field == "egress_vlans":
        parse_egress(text)


def set_for_guests(
    session: Session, office: Office, name: str, for_guests: bool, actor: str
) -> None:
    """Say whether an approval of this role makes a guest with a sponsor, or a person.

    Raises:
        NotFound: there is no such role.
    """
    role = get(session, name)
    role.for_guests = for_guests
    audit.record(session, office.clock(), actor, "role:set", name, for_guests=for_guests)


def set_own_devices(session: Session, office: Office, name: str, count: int, actor: str) -> None:
    """Let each person of a role register so many devices for themselves; 0: none.

    Raises:
        NotFound: there is no such role.
        UsageError: the number is out of range.
    """
    if not 0 <= count <= MOST_OWN_DEVICES:
        raise UsageError(f"--own-devices must be 0..{MOST_OWN_DEVICES}")
    role = get(session, name)
    if role.own_devices != count:
        role.own_devices = count
        audit.record(session, office.clock(), actor, "role:set", name, own_devices=count)


def set_guardian_consent(
    session: Session, office: Office, name: str, required: bool, actor: str
) -> None:
    """Let a role's people in only with a guardian's consent, or without.

    Raises:
        NotFound: there is no such role.
    """
    role = get(session, name)
    if role.guardian_consent != required:
        role.guardian_consent = required
        audit.record(session, office.clock(), actor, "role:set", name, guardian_consent=required)


def set_hours(session: Session, office: Office, name: str, hours: str | None, actor: str) -> None:
    """Let a role in at these hours only; None is always.

    Raises:
        NotFound: there is no such role.
        UsageError: the text says no hours.
    """
    role = get(session, name)
    if hours is not None:
        parse_hours(hours)
    role.hours = hours
    audit.record(session, office.clock(), actor, "role:hours_set", name, hours=hours)


def get_organisation(session: Session, code: str) -> Organisation:
    """The organisation with this code; NotFound says how to make it."""
    found = session.scalar(select(Organisation).where(Organisation.code == code))
    if found is None:
        raise NotFound(f"there is no organisation {code!r}; make it: yuenyan org add {code} NAME")
    return found


def add_organisation(
    session: Session,
    office: Office,
    code: str,
    name: str,
    actor: str,
    *,
    parent: str | None = None,
) -> Organisation:
    """Make or rename an organisation.

    Args:
        parent: the code of the one it belongs under; empty: under none; None: as it was.

    Raises:
        NotFound: there is no such parent.
        Refused: the parent is the organisation itself or lies under it.
    """
    found = session.scalar(select(Organisation).where(Organisation.code == code))
    if found is None:
        found = Organisation(code=code, name=name, created_at=office.clock())
        session.add(found)
    found.name = name
    if parent is not None:
        above = get_organisation(session, parent) if parent else None
        session.flush()
        if above is not None and is_under(session, above.id, found.id):
            raise Refused(f"{parent} is {code} itself or lies under it")
        found.parent_id = None if above is None else above.id
    audit.record(session, office.clock(), actor, "organisation:set", code, name=name, parent=parent)
    return found
