"""Vouchers: issue a sheet, and redeem a code.

First use is one conditional UPDATE, so two phones with one code cannot both be first. What is done
to sheets and codes later is in identity.services.voucher_changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused
from db.models import Account, NasClient, Organisation, Voucher, VoucherBatch, VoucherDevice
from identity.domain.access import Denied, Method, Reason, RoleProfile
from identity.domain.admission import format_code, new_code
from identity.domain.hours import is_open, parse_hours
from identity.domain.quota import has_total, remaining
from identity.domain.vouchers import (
    MAXIMUM_BATCH,
    NOWHERE,
    Place,
    Terms,
    Validity,
    VoucherState,
    is_new_use,
    state_of,
    tightened,
)
from identity.office import Office
from identity.services import approval, audit, people, roles
from identity.services.usage import usage_of
from identity.services.voucher_terms import (
    USERNAME_PREFIX,
    clock_of,
    limits_of,
    profile_of,
    scope_of,
)

__all__ = ["MAXIMUM_BATCH", "IssuedVoucher", "codes_of", "create_batch", "issue", "redeem"]

PURPOSE = "voucher"
"""Of the encryption of codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedVoucher:
    """One code as the printed slip shows it."""

    voucher_id: int
    code: str
    state: str
    first_used_at: datetime | None
    expires_at: datetime | None
    minutes: int
    quota_mb: int | None
    hard_expiry: datetime
    """These three with what extensions have added to the sheet's own."""


def create_batch(
    session: Session,
    office: Office,
    *,
    count: int,
    role: str,
    minutes: int,
    devices: int,
    issuer: str,
    name: str = "",
) -> tuple[VoucherBatch, Sequence[str]]:
    """`issue` for the plainest sheet: valid for some minutes from the first use."""
    terms = Terms(count=count, role=role, minutes=minutes, devices=devices, name=name)
    return issue(session, office, terms, issuer)


def issue(
    session: Session, office: Office, terms: Terms, issuer: str
) -> tuple[VoucherBatch, Sequence[str]]:
    """Issue a sheet and return its codes grouped for reading (`ABCDE-FGHJK`).

    Raises:
        UsageError: something in the terms is out of range.
        NotFound: the role, network device or organisation of the terms does not exist.
        Refused: the issuer is not a person, so nobody would answer for the guests, or is an
            approver who may not grant this role.
    """
    now = office.clock()
    terms.check(now)
    sponsor = people.get(session, issuer)
    if sponsor.kind != "person":
        raise Refused(f"{issuer} is a {sponsor.kind}; vouchers need a person as their issuer")
    approval.refuse_role(session, sponsor, terms.role)
    batch = VoucherBatch(
        name=terms.name.strip() or _date_of(office, now),
        role_id=roles.get(session, terms.role).id,
        issuer_id=sponsor.id,
        receiver=terms.receiver.strip(),
        note=terms.note.strip(),
        language=terms.language,
        validity=terms.validity,
        minutes=0 if terms.validity is Validity.FIXED_WINDOW else terms.minutes,
        not_before=terms.not_before,
        hard_expiry=terms.last_moment(now),
        devices=terms.devices,
        uses=terms.uses,
        quota_mb=terms.quota_mb,
        down_kbps=terms.down_kbps,
        up_kbps=terms.up_kbps,
        idle_seconds=terms.idle_seconds,
        hours=terms.hours,
        nas_client_id=_nas_id(session, terms.nas),
        organisation_id=_organisation_id(session, terms.organisation),
        ssid=terms.ssid,
        prefix=terms.prefix,
        code_length=terms.code_length,
        digits_only=terms.digits_only,
        created_at=now,
    )
    session.add(batch)
    session.flush()
    codes = _fresh_codes(session, terms)
    session.add_all(
        Voucher(
            batch_id=batch.id,
            code_hmac=office.vault.lookup_hash(code),
            code_encrypted=office.vault.encrypt(code.encode(), PURPOSE),
            state="unused",
        )
        for code in codes
    )
    audit.record(
        session,
        now,
        sponsor.username,
        "voucher:created",
        f"batch {batch.id}",
        count=terms.count,
        minutes=batch.minutes,
        devices=terms.devices,
        role=terms.role,
        validity=str(terms.validity),
        receiver=batch.receiver or None,
    )
    return batch, [format_code(code, terms.prefix) for code in codes]


def _date_of(office: Office, now: datetime) -> str:
    """What a sheet is called that nobody gave a name: when it was made, by the wall clock."""
    return f"{now.astimezone(ZoneInfo(office.config.site.timezone)):%Y-%m-%d %H:%M}"


def _fresh_codes(session: Session, terms: Terms) -> list[str]:
    """Codes that differ, none of them somebody's user name: RADIUS asks for the name first."""
    found: dict[str, None] = {}
    while len(found) < terms.count:
        wanted = terms.count - len(found)
        some = [new_code(terms.code_length, terms.digits_only, terms.prefix) for _ in range(wanted)]
        taken: set[str] = set()
        if terms.digits_only:
            for start in range(0, len(some), 500):
                names = some[start : start + 500]
                taken |= set(
                    session.scalars(select(Account.username).where(Account.username.in_(names)))
                )
        found |= dict.fromkeys(code for code in some if code not in taken)
    return list(found)


def _nas_id(session: Session, name: str) -> int | None:
    if not name:
        return None
    number = session.scalar(select(NasClient.id).where(NasClient.name == name))
    if number is None:
        raise NotFound(f"there is no NAS {name!r}; see: yuenyan nas list")
    return number


def _organisation_id(session: Session, code: str) -> int | None:
    if not code:
        return None
    number = session.scalar(select(Organisation.id).where(Organisation.code == code))
    if number is None:
        raise NotFound(f"there is no organisation {code!r}; see: yuenyan org list")
    return number


@dataclass(frozen=True, slots=True)
class Examined:
    """What a code would come to now; nothing was changed."""

    refusal: Denied | None
    knows_device: bool = False
    """This device has used this very code before."""


def find(session: Session, office: Office, code: str) -> Voucher | None:
    """The voucher with this code, as `find_code` returns it."""
    return session.scalar(
        select(Voucher).where(Voucher.code_hmac == office.vault.lookup_hash(code))
    )


def examine(
    session: Session, office: Office, code: str, client_mac: str | None, place: Place = NOWHERE
) -> Examined:
    """Whether `redeem` would let this device in."""
    voucher = find(session, office, code)
    if voucher is None:
        return Examined(Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER))
    device = _device(session, voucher, client_mac)
    reason = _refusal(session, office, voucher, client_mac, place)
    known = device is not None and device.released_at is None
    if reason is None:
        return Examined(None, known)
    return Examined(Denied(reason, Method.VOUCHER, voucher.account_id), known)


def redeem(
    session: Session,
    office: Office,
    code: str,
    client_mac: str | None,
    place: Place = NOWHERE,
) -> Account | Denied:
    """The guest account behind `code` (as `find_code` returns it), made at first use."""
    now = office.clock()
    voucher = session.scalar(
        # Locked, so that devices and uses count one after the other; SQLite has one writer anyway.
        select(Voucher)
        .where(Voucher.code_hmac == office.vault.lookup_hash(code))
        .with_for_update(of=Voucher)
    )
    if voucher is None:
        return Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
    reason = _refusal(session, office, voucher, client_mac, place)
    if reason is not None:
        return Denied(reason, Method.VOUCHER, voucher.account_id)
    if voucher.state == VoucherState.UNUSED:
        _first_use(session, voucher, now)
    account = session.get(Account, voucher.account_id)
    if account is None:
        return Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
    _note_use(session, voucher, client_mac, now)
    return account


def may_join(
    session: Session, office: Office, account_id: int, mac: str, place: Place
) -> Denied | None:
    """Why the hand-over to a network device must not go on; None when it may.

    An account that did not come of a voucher may: the role's own limit counts its devices. What is
    handed over has signed in before, so it is no further use of the code.
    """
    voucher = session.scalar(
        select(Voucher).where(Voucher.account_id == account_id).with_for_update(of=Voucher)
    )
    if voucher is None:
        return None
    reason = _refusal(session, office, voucher, mac or None, place, counts_uses=False)
    if reason is not None:
        return Denied(reason, Method.VOUCHER, account_id)
    if mac:
        _bind(session, voucher, mac, office.clock())
    return None


def count_device(session: Session, office: Office, account_id: int, mac: str) -> Denied | None:
    """Take a place of the account's voucher for the device a gateway tells; why not, if not.

    The redirect to the portal may have named none, or another. An account that did not come of a
    voucher has no places.
    """
    voucher = session.scalar(
        select(Voucher).where(Voucher.account_id == account_id).with_for_update(of=Voucher)
    )
    if voucher is None:
        return None
    if _is_beyond(session, voucher, mac):
        return Denied(Reason.VOUCHER_DEVICES, Method.TOKEN, account_id)
    _bind(session, voucher, mac, office.clock())
    return None


def _is_beyond(session: Session, voucher: Voucher, mac: str) -> bool:
    # One statement: of two, the second may see the device that the first still missed.
    places = devices_of(session, voucher.id)
    return len(places) >= voucher.batch.devices and mac not in {one.mac for one in places}


def _refusal(
    session: Session,
    office: Office,
    voucher: Voucher,
    mac: str | None,
    place: Place,
    counts_uses: bool = True,
) -> Reason | None:
    """Why this code lets this device not in, here and now."""
    now, batch = office.clock(), voucher.batch
    if voucher.state == VoucherState.REVOKED:
        return Reason.VOUCHER_REVOKED
    if voucher.state == VoucherState.EXHAUSTED:
        return Reason.VOUCHER_EXHAUSTED
    used = voucher.state != VoucherState.UNUSED
    late = clock_of(voucher).refusal(now, voucher.expires_at if used else None)
    if late is not None:
        return late
    if not scope_of(batch).holds(place):
        return Reason.VOUCHER_ELSEWHERE
    account = session.get(Account, voucher.account_id) if used else None
    if used:
        if account is None:
            return Reason.VOUCHER_UNKNOWN
        if account.state != "active":
            return Reason.VOUCHER_EXPIRED if account.state == "expired" else Reason.SUSPENDED
    limited = _limit(session, office, voucher, account)
    if limited is not None:
        return limited
    device = _device(session, voucher, mac)
    if (
        counts_uses
        and batch.uses is not None
        and voucher.use_count >= batch.uses
        and is_new_use(device.last_used_at if device else None, now)
    ):
        return Reason.VOUCHER_EXHAUSTED
    if mac is not None and _is_beyond(session, voucher, mac):
        return Reason.VOUCHER_DEVICES
    return None


def _limit(
    session: Session, office: Office, voucher: Voucher, account: Account | None
) -> Reason | None:
    """Hours that are closed, or a quota over the whole life that is used up.

    Before the first use: its clock must not start at night.
    """
    local = office.clock().astimezone(ZoneInfo(office.config.site.timezone))
    if account is None:
        profile = tightened(roles.profile(voucher.batch.role), limits_of(voucher.batch))
    else:
        profile = profile_of(session, account)
    if profile.hours is not None and not is_open(parse_hours(profile.hours), local):
        return Reason.OUTSIDE_HOURS
    if account is not None and has_total(profile):
        used = usage_of(session, [account.id], date.min).get(account.id, ())
        own = limits_of(voucher.batch, voucher.extra_mb, voucher.extra_minutes)
        whole = tightened(RoleProfile(name=""), own)
        if remaining(whole, used, local).exhausted is not None:
            return Reason.VOUCHER_EXHAUSTED
    return None


def _first_use(session: Session, voucher: Voucher, now: datetime) -> None:
    expires_at = clock_of(voucher).ends_if_begun(now)
    result = cast(
        "CursorResult[Any]",
        session.execute(
            update(Voucher)
            .where(Voucher.id == voucher.id, Voucher.state == VoucherState.UNUSED)
            .values(state=VoucherState.ACTIVE, first_used_at=now, expires_at=expires_at)
        ),
    )
    if result.rowcount == 1:
        account = Account(
            username=f"{USERNAME_PREFIX}{voucher.id}",
            kind="guest",
            state="active",
            sponsor_id=voucher.batch.issuer_id,
            guest_name=f"Voucher {voucher.id} ({voucher.batch.name})",
            organisation_id=session.get_one(Account, voucher.batch.issuer_id).organisation_id,
            role_id=voucher.batch.role_id,
            expires_at=expires_at,
            created_at=now,
        )
        session.add(account)
        session.flush()
        voucher.account_id = account.id
        audit.record(session, now, account.username, "voucher:first_used", f"voucher {voucher.id}")
        session.flush()
    session.refresh(voucher)


def _note_use(session: Session, voucher: Voucher, mac: str | None, now: datetime) -> None:
    device = _device(session, voucher, mac)
    if is_new_use(device.last_used_at if device else None, now):
        # Not through the row: what a worker keeps in memory does not depend on it.
        session.execute(
            update(Voucher)
            .where(Voucher.id == voucher.id)
            .values(use_count=Voucher.use_count + 1)
            .execution_options(synchronize_session=False)
        )
    if mac is not None:
        _bind(session, voucher, mac, now).last_used_at = now


def _bind(session: Session, voucher: Voucher, mac: str, now: datetime) -> VoucherDevice:
    device = session.get(VoucherDevice, (voucher.id, mac))
    if device is None:
        device = VoucherDevice(voucher_id=voucher.id, mac=mac, first_seen_at=now)
        session.add(device)
        session.flush()
    device.released_at = None
    return device


def _device(session: Session, voucher: Voucher, mac: str | None) -> VoucherDevice | None:
    return None if mac is None else session.get(VoucherDevice, (voucher.id, mac))


def devices_of(session: Session, voucher_id: int) -> Sequence[VoucherDevice]:
    """The devices that count, in the order in which they came."""
    return session.scalars(
        select(VoucherDevice)
        .where(VoucherDevice.voucher_id == voucher_id, VoucherDevice.released_at.is_(None))
        .order_by(VoucherDevice.first_seen_at, VoucherDevice.mac)
    ).all()


def codes_of(
    session: Session, office: Office, batch_id: int, only_unused: bool = False
) -> Sequence[IssuedVoucher]:
    """The codes of a batch for printing; the caller records who printed them."""
    now = office.clock()
    rows = session.scalars(
        select(Voucher).where(Voucher.batch_id == batch_id).order_by(Voucher.id)
    ).all()
    found = []
    for row in rows:
        clock = clock_of(row)
        state = state_of(row.state, clock, row.expires_at, now)
        if only_unused and state is not VoucherState.UNUSED:
            continue
        code = office.vault.decrypt(row.code_encrypted, PURPOSE).decode()
        found.append(
            IssuedVoucher(
                voucher_id=row.id,
                code=format_code(code, row.batch.prefix),
                state=state,
                first_used_at=row.first_used_at,
                expires_at=row.expires_at,
                minutes=clock.minutes,
                quota_mb=limits_of(row.batch, row.extra_mb).quota_mb,
                hard_expiry=clock.hard_expiry,
            )
        )
    return found
