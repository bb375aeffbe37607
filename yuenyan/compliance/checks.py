"""Looks, duty by duty, at what is stored and configured. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from captive_portal.web.dates import format_date
from common.config import RETENTION_FLOOR_DAYS, Config
from common.errors import ArchiveError
from db.models import (
    Account,
    AddressInterval,
    AuditEvent,
    Gap,
    GuardianConsent,
    NasClient,
    NetworkSession,
    Person,
    Role,
)
from identity.domain.levels import Level
from identity.domain.registers import Register
from identity.services import guardians, notices, published, registers
from identity.services.officers import has_level
from identity.services.published import Kind
from identity.services.registers import Alarm
from traffic.archive.kinds import ADMIN
from traffic.archive.tables import TableArchive
from traffic.clock.history import ClockStatus
from traffic.collectors.paths import node_name
from traffic.moments import to_milliseconds
from yuenyan.checkup.clocks import equipment_is_proven
from yuenyan.compliance.duty import Shown, Status, Text

SEALED_WITHIN = timedelta(hours=25)
VERIFIED_WITHIN = timedelta(days=7)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the checks look at."""

    config: Config
    session: Session
    now: datetime
    archive: dict[str, Any] | None
    """`archive status`; None: it cannot be read."""
    clock: ClockStatus | None
    """None: the samples cannot be read."""

    def count(self, *conditions: Any) -> int:
        return self.session.scalar(select(func.count()).where(*conditions)) or 0


Check = Callable[[Site], Shown]


def _shown(status: Status, en: str, th: str, at: datetime | None = None) -> Shown:
    return Shown(status=status, evidence=Text(en, th), at=at)


def check_retention(site: Site) -> Shown:
    days = site.config.archive.retention_days
    if site.archive is None:
        return _shown(Status.MISSING, "the archive cannot be read", "อ่านคลังข้อมูลไม่ได้")
    kinds = site.archive["kinds"]
    if not kinds:
        return _shown(
            Status.MISSING,
            f"kept for {days} days, but no record has been stored yet",
            f"กำหนดเก็บ {days} วัน แต่ยังไม่มีข้อมูลในคลัง",
        )
    oldest = min(datetime.fromisoformat(held["oldest"]) for held in kinds.values())
    records = sum(held["records"] for held in kinds.values())
    return _shown(
        Status.IN_PLACE if days >= RETENTION_FLOOR_DAYS else Status.MISSING,
        f"kept for {days} days; {records} records, the oldest of {oldest:%Y-%m-%d}",
        f"กำหนดเก็บ {days} วัน มี {records} รายการ เก่าที่สุดวันที่ {_thai_date(site, oldest)}",
    )


def check_sessions(site: Site) -> Shown:
    since = site.now - DAY
    sessions = site.count(NetworkSession.last_heard_at >= since)
    nameless = site.count(
        NetworkSession.last_heard_at >= since,
        NetworkSession.account_id.is_(None),
    )
    with_address = site.session.scalar(
        select(func.count(func.distinct(NetworkSession.session_key)))
        .join(AddressInterval, AddressInterval.session_key == NetworkSession.session_key)
        .where(NetworkSession.last_heard_at >= since)
    )
    en = f"{sessions} sessions in 24 hours, {with_address} with their address"
    th = f"24 ชั่วโมงที่ผ่านมามี {sessions} ครั้งการใช้งาน ระบุหมายเลขไอพีได้ {with_address} ครั้ง"
    if nameless:
        return _shown(
            Status.ATTENTION,
            f"{en}, {nameless} without an account of ours",
            f"{th} ไม่พบบัญชีผู้ใช้ {nameless} ครั้ง",
        )
    if not sessions:
        return _shown(Status.ATTENTION, en, th)
    good = with_address == sessions
    return _shown(Status.IN_PLACE if good else Status.ATTENTION, en, th)


def check_identification(site: Site) -> Shown:
    active = site.count(Account.state == "active")
    unproven = site.session.scalar(
        select(func.count())
        .select_from(Account)
        .join(Person, Person.id == Account.person_id)
        .where(Account.state == "active", Person.proofing_method == "")
    )
    return _shown(
        Status.ATTENTION if unproven else Status.IN_PLACE,
        f"{active} active accounts, each of a person, of a guest with a sponsor or of a device with"
        f" an owner; {unproven} without a record of how the person was identified",
        f"บัญชีที่ใช้งานอยู่ {active} บัญชี ทุกบัญชีมีเจ้าของ ผู้รับรอง หรือผู้รับผิดชอบอุปกรณ์"
        f" ไม่มีบันทึกวิธีพิสูจน์ตัวตน {unproven} บัญชี",
    )


def check_integrity(site: Site) -> Shown:
    if site.archive is None:
        return _shown(Status.MISSING, "the archive cannot be read", "อ่านคลังข้อมูลไม่ได้")
    sealed, verified = (_moment(site.archive[name]) for name in ("sealed_to", "verified_at"))
    if sealed is None:
        return _shown(Status.MISSING, "nothing has been sealed yet", "ยังไม่เคยลงลายมือชื่อกำกับข้อมูล")
    fresh = site.now - sealed <= SEALED_WITHIN
    checked = verified is not None and site.now - verified <= VERIFIED_WITHIN
    en = f"sealed to {sealed:%Y-%m-%d %H:%M}"
    th = f"ลงลายมือชื่อกำกับถึง {_thai_date(site, sealed)}"
    en += f", verified on {verified:%Y-%m-%d}" if verified else ", never verified"
    th += (
        f" ตรวจความครบถ้วนล่าสุด {_thai_date(site, verified)}"
        if verified
        else " ยังไม่เคยตรวจความครบถ้วน"
    )
    return _shown(Status.IN_PLACE if fresh and checked else Status.ATTENTION, en, th, sealed)


def check_witnesses(site: Site) -> Shown:
    number = len(site.config.archive.witnesses)
    return _shown(
        Status.ATTENTION if number else Status.MISSING,
        f"{number} witnesses configured; whether they are outside the administrator's reach, "
        "somebody has to look",
        f"กำหนดพยานไว้ {number} แห่ง ต้องให้บุคคลตรวจว่าอยู่นอกอำนาจของผู้ดูแลระบบจริง",
    )


def check_access(site: Site) -> Shown:
    since = site.now - timedelta(days=30)
    actions = ("lookup:run", "flows:read", "sessions:searched")
    reads = site.count(AuditEvent.action.in_(actions), AuditEvent.at >= since)
    try:
        # The audit trail keeps a week in the database.
        archive = TableArchive(site.config.data_dir / "archive", node_name())
        where = "list_contains(?, action)"
        reads += len(
            archive.read(
                ADMIN, where, [list(actions)], from_ms=to_milliseconds(since), limit=1_000_000
            )
        )
    except ArchiveError:
        return _shown(Status.MISSING, "the archive cannot be read", "อ่านคลังข้อมูลไม่ได้")
    admins = site.count(has_level(Level.ADMIN), Account.state == "active")
    return _shown(
        Status.IN_PLACE if admins >= 2 else Status.ATTENTION,
        f"{admins} administrators with accounts of their own; {reads} look-ups of 30 days are on"
        " record with case and reason",
        f"ผู้ดูแลระบบ {admins} คน ใช้บัญชีของตนเอง การสืบค้น {reads} ครั้งใน 30 วัน มีบันทึกเลขเรื่องและเหตุผลครบ",
    )


def check_coordinator(site: Site) -> Shown:
    office = site.config.office
    if not office.coordinator:
        return _shown(
            Status.MISSING,
            "nobody is named ([office] coordinator)",
            "ยังไม่ระบุผู้ประสานงาน ([office] coordinator)",
        )
    whole = office.coordinator_contact and office.deputy and office.deputy_contact
    named = f"{office.coordinator} ({office.coordinator_contact or '?'})"
    deputy = f"{office.deputy or '?'} ({office.deputy_contact or '?'})"
    return _shown(
        Status.IN_PLACE if whole else Status.ATTENTION,
        f"{named}; deputy {deputy}",
        f"{named} ผู้แทน {deputy}",
    )


def check_clock(site: Site) -> Shown:
    clock = site.clock
    if clock is None:
        return _shown(
            Status.MISSING, "the samples of the clock cannot be read", "อ่านผลการวัดนาฬิกาไม่ได้"
        )
    own = clock.own
    if own is None:
        return _shown(
            Status.MISSING, "the clock was never measured", "ยังไม่เคยวัดความเที่ยงตรงของนาฬิกา"
        )
    if clock.proven and own.bound_us is not None:
        return _shown(
            Status.IN_PLACE,
            f"at most {own.bound_us / 1000:.1f} ms wrong, measured against {own.source}",
            f"คลาดเคลื่อนไม่เกิน {own.bound_us / 1000:.1f} มิลลิวินาที วัดเทียบกับ {own.source}",
            clock.at,
        )
    return _shown(
        Status.ATTENTION,
        f"not shown to be right to {site.config.clock.limit_ms:g} ms"
        f" ({(clock.alarm or '').replace('_', ' ')})",
        f"ยังยืนยันไม่ได้ว่าคลาดเคลื่อนไม่เกิน {site.config.clock.limit_ms:g} มิลลิวินาที",
        clock.at,
    )


def check_equipment_clocks(site: Site) -> Shown:
    nas = site.count(NasClient.enabled.is_(True))
    seen = () if site.clock is None else site.clock.equipment
    proven = sum(
        equipment_is_proven(one, site.clock.limit_us) for one in seen if site.clock is not None
    )
    return _shown(
        Status.IN_PLACE if nas and proven >= nas else Status.ATTENTION,
        f"{proven} of {nas} devices proven by NTP; one-second timestamps of the others cannot prove"
        " 10 ms",
        f"ยืนยันด้วย NTP ได้ {proven} จาก {nas} อุปกรณ์ เวลาที่บอกเป็นวินาทีของอุปกรณ์อื่นใช้ยืนยัน 10 มิลลิวินาทีไม่ได้",
    )


def check_gaps(site: Site) -> Shown:
    week = site.count(Gap.to_at >= site.now - timedelta(days=7))
    return _shown(
        Status.ATTENTION if week else Status.IN_PLACE,
        f"{week} gaps in the records of 7 days; look-ups in them answer 'gap'",
        f"ใน 7 วันมีช่วงที่ข้อมูลขาด {week} ช่วง การสืบค้นในช่วงนั้นตอบว่าข้อมูลขาด ไม่ตอบว่าไม่มีผู้ใช้",
    )


def check_notice(site: Site) -> Shown:
    people = site.count(Account.state == "active", Account.kind.in_(("person", "guest")))
    untold = len(notices.find_untold(site.session))
    rules = published.in_force(site.session, Kind.ACCEPTABLE_USE, "th")
    silent = 0 if rules is None else published.count_not_accepted(site.session, rules)
    if rules is None:
        rules_en = "no rules of use are published (yuenyan notice publish)"
        rules_th = "ยังไม่ได้ประกาศระเบียบการใช้งาน (yuenyan notice publish)"
    else:
        rules_en = f"rules of use {rules.version}: {silent} have not accepted them yet"
        rules_th = f"ระเบียบการใช้งานฉบับ {rules.version} ยังไม่ยอมรับ {silent} คน"
    return _shown(
        Status.ATTENTION if untold or silent or rules is None else Status.IN_PLACE,
        f"{people - untold} of {people} active people accepted or were given a notice, with its"
        f" version and hash; {untold} were not: hand it to them (yuenyan notice give);"
        f" {rules_en}",
        f"ผู้ใช้ {people - untold} จาก {people} คนรับทราบหรือได้รับประกาศความเป็นส่วนตัว มีรุ่นและค่าแฮชบันทึกไว้"
        f" ยังไม่ได้รับ {untold} คน ต้องแจ้งให้ทราบ (yuenyan notice give)"
        f" {rules_th}",
    )


def check_guardians(site: Site) -> Shown:
    needing = site.session.scalars(
        select(Role.name).where(Role.guardian_consent).order_by(Role.name)
    ).all()
    given = site.count(GuardianConsent.withdrawn_at.is_(None))
    if not needing:
        return _shown(
            Status.IN_PLACE,
            f"no role lets its people in only with a consent; {given} are recorded",
            f"ไม่มีบทบาทใดกำหนดให้ต้องมีความยินยอมของผู้ปกครอง บันทึกไว้ {given} รายการ",
        )
    missing = guardians.count_missing(site.session)
    names = ", ".join(needing)
    return _shown(
        Status.ATTENTION if missing else Status.IN_PLACE,
        f"needed by: {names}; {given} in force, {missing} people have none and are refused",
        f"บทบาทที่ต้องมี: {names} มีผลอยู่ {given} รายการ ยังไม่มีและเข้าใช้ไม่ได้ {missing} คน",
    )


def _check_register(register: Register, en: str, th: str) -> Check:
    def check(site: Site) -> Shown:
        entries = registers.find(site.session, register)
        live = [entry for entry in entries if entry.finished_at is None]
        late = [alarm for alarm in _alarms(site) if alarm.register is register and alarm.overdue]
        return _shown(
            Status.ATTENTION if late else Status.IN_PLACE,
            f"{len(entries)} {en}, {len(live)} not done, {len(late)} overdue",
            f"{th} {len(entries)} เรื่อง ยังไม่เสร็จ {len(live)} เรื่อง เกินกำหนด {len(late)} เรื่อง",
        )

    return check


check_requests = _check_register(Register.REQUEST, "requests of officials", "คำขอจากพนักงานเจ้าหน้าที่")
check_subjects = _check_register(Register.SUBJECT, "requests about own data", "คำขอใช้สิทธิ")
check_incidents = _check_register(Register.INCIDENT, "breaches", "เหตุละเมิดข้อมูล")
check_abuse = _check_register(Register.ABUSE, "complaints and notices", "เรื่องร้องเรียนและหนังสือแจ้ง")


def check_processing(site: Site) -> Shown:
    named = bool(site.config.office.data_contact)
    return _shown(
        Status.IN_PLACE if named else Status.ATTENTION,
        "made from configuration and tables: yuenyan compliance ropa"
        + ("" if named else "; nobody is named whom people can ask"),
        "สร้างจากการตั้งค่าและตารางจริงด้วยคำสั่ง yuenyan compliance ropa"
        + ("" if named else " แต่ยังไม่ระบุผู้ติดต่อเรื่องข้อมูลส่วนบุคคล"),
    )


def check_content(site: Site) -> Shown:
    own = len(site.config.collector.own_servers)
    return _shown(
        Status.IN_PLACE,
        "no table and no kind of archive record has a field for content or names asked of the DNS"
        " (tests/unit/yuenyan/test_compliance.py); addresses of pages and names of hosts are cut"
        " out of log lines before they are stored"
        + (
            f"; of the {own} own servers paths, file names and mail addresses are kept, as the"
            " notification asks of whoever runs one"
            if own
            else ""
        ),
        "ไม่มีตารางหรือชนิดข้อมูลใดมีช่องเก็บเนื้อหาหรือชื่อโดเมนที่สอบถาม มีชุดทดสอบตรวจ และตัดที่อยู่เว็บ"
        "กับชื่อเครื่องออกจากบรรทัดบันทึกก่อนจัดเก็บ"
        + (
            f" เว้นแต่เครื่องแม่ข่ายของหน่วยงานเอง {own} รายการ ซึ่งเก็บเส้นทาง ชื่อไฟล์ และที่อยู่อีเมลตามประกาศ"
            if own
            else ""
        ),
    )


def check_backup(site: Site) -> Shown:
    return _shown(
        Status.NOT_CHECKED,
        "back-ups are not made by this release: note here when one was last restored for trial",
        "รุ่นนี้ไม่ได้สำรองข้อมูลให้ ต้องบันทึกวันที่ทดลองกู้คืนครั้งล่าสุดเอง",
    )


def _alarms(site: Site) -> list[Alarm]:
    return registers.find_alarms(site.session, site.now, site.config.office.warn_days)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _thai_date(site: Site, moment: datetime) -> str:
    return format_date(moment, "th", site.config.site.timezone)
