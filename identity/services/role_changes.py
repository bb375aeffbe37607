"""Change what a role grants, and bring the sessions that live on it in line.

Equipment that takes CoA-Requests is told the new values; what it cannot change while a session
lasts (a VLAN, at most makes) waits for the next login, or the session is ended where that is
wished. A role may have thousands of sessions: their requests are spread over time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.models import Account, CoaRequest, NasClient, NetworkSession, Role
from identity.domain.access import RoleProfile
from identity.domain.dynamic import CHANGEABLE, UNREACHABLE, Cause, Change, Kind, State
from identity.office import Office
from identity.services import audit, dynamic, roles

REQUESTS_A_SECOND = 20
"""A role of 2,000 sessions is through in two minutes, and no equipment notices a storm."""

_TOLD = (
    "vlan",
    "egress_vlans",
    "down_kbps",
    "up_kbps",
    "session_seconds",
    "idle_seconds",
    "filter_id",
    "vendor_role",
)
"""What a login tells equipment; hours and quotas are held by identity.services.enforcement."""

_RATES = frozenset({"down_kbps", "up_kbps"})
_KEYS_A_QUERY = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How many live sessions are being changed, ended, or left as they are until a new login."""

    changing: int = 0
    ending: int = 0
    waiting: int = 0


def set_role(
    session: Session,
    office: Office,
    name: str,
    limits: Mapping[str, int | str | None],
    actor: str,
    live: str | None = None,
) -> Followed:
    """Make the role or change what is given of it, as `roles.set_role`; its sessions follow.

    Args:
        live: change | disconnect | nothing; None is what [radius] role_changes says.

    Raises:
        UsageError: a limit is outside its range.
    """
    before = session.scalar(select(Role).where(Role.name == name))
    was = roles.profile(before) if before is not None else None
    role = roles.set_role(session, office, name, limits, actor)
    session.flush()
    if was is None:
        return Followed()
    wanted = live or office.config.radius.role_changes
    return _follow(session, office, role.id, was, roles.profile(role), wanted, actor)


def _follow(
    session: Session,
    office: Office,
    role_id: int,
    was: RoleProfile,
    now_grants: RoleProfile,
    live: str,
    actor: str,
) -> Followed:
    changed = {name for name in _TOLD if getattr(was, name) != getattr(now_grants, name)}
    if not changed:
        return Followed()
    found = session.execute(
        select(NetworkSession, NasClient.vendor, NasClient.coa_port)
        .join(NasClient, NasClient.id == NetworkSession.nas_client_id)
        .where(
            *dynamic.open_conditions(),
            NetworkSession.account_id.in_(select(Account.id).where(Account.role_id == role_id)),
        )
        .order_by(NetworkSession.session_key)
    ).all()
    if live == "nothing" or not found:
        return Followed(waiting=len(found))
    now = office.clock()
    earlier = _take_back(session, now, [row.session_key for row, _, _ in found])
    changes: list[tuple[NetworkSession, Change]] = []
    ending: list[NetworkSession] = []
    waiting = 0
    for row, vendor, port in found:
        names = changed | earlier.get(row.session_key, frozenset())
        change, is_all = _change(vendor, names, now_grants)
        if port == 0 or vendor in UNREACHABLE:
            waiting += 1
        elif live == "disconnect" and not is_all:
            ending.append(row)
        elif change.is_empty():
            waiting += 1
        else:
            changes.append((row, change))
    dynamic.request_changes(
        session, now, changes, Cause.ROLE_SETTINGS, actor, a_second=REQUESTS_A_SECOND
    )
    dynamic.request_disconnect(
        session, now, ending, Cause.ROLE_SETTINGS, actor, a_second=REQUESTS_A_SECOND
    )
    followed = Followed(changing=len(changes), ending=len(ending), waiting=waiting)
    audit.record(
        session, now, actor, "role:sessions_follow", now_grants.name, live=live, **asdict(followed)
    )
    return followed


def _change(vendor: str, names: Collection[str], role: RoleProfile) -> tuple[Change, bool]:
    """What to tell this make, perhaps nothing, and whether that is all there is to tell."""
    able = CHANGEABLE.get(vendor, frozenset())
    if "reauthenticate" in able:
        # It asks again, and is told everything anew.
        return Change(reauthenticate=True), True
    wanted = set(names)
    if wanted & _RATES:
        wanted |= _RATES  # some have one attribute for both
    told: dict[str, int | str] = {}
    for name in wanted & able:
        value = getattr(role, name)
        if value is None and name in _RATES:
            value = 0  # how these makes write that there is no limit
        if value is not None:  # no make can be told to forget a time-out or a role
            told[name] = value
    return replace(Change(), **told), wanted == set(told)  # type: ignore[arg-type]


def _take_back(session: Session, now: datetime, keys: Sequence[str]) -> dict[str, frozenset[str]]:
    """Drop changes of the role that still wait, and say what each was about.

    A session hears of the newest state alone: one that was put off and came after a newer one
    would bring the old values back.
    """
    found: dict[str, frozenset[str]] = {}
    for start in range(0, len(keys), _KEYS_A_QUERY):
        waiting = session.execute(
            select(CoaRequest.id, CoaRequest.session_key, CoaRequest.wanted).where(
                CoaRequest.session_key.in_(keys[start : start + _KEYS_A_QUERY]),
                CoaRequest.kind == Kind.COA,
                CoaRequest.reason == Cause.ROLE_SETTINGS,
                CoaRequest.state == State.QUEUED,
            )
        ).all()
        for _, key, wanted in waiting:
            names = Change.load(wanted).names() - {"reauthenticate"}
            found[key] = found.get(key, frozenset()) | names
        session.execute(
            update(CoaRequest)
            .where(CoaRequest.id.in_([row.id for row in waiting]))
            .values(state=State.SUPERSEDED, finished_at=now)
            .execution_options(synchronize_session=False)
        )
    return found


def seconds_needed(followed: Followed) -> timedelta:
    """How long until the last of them has been asked."""
    return timedelta(seconds=(followed.changing + followed.ending) / REQUESTS_A_SECOND)
