"""The record of processing (RoPA), made from the tables there are and the configuration in force.

Each table and each kind of archive record is named with what it is for; a test fails when a new
one is in neither list, so the record cannot fall behind the schema. What a column is called is
told as it stands: the record describes this system, not an ideal one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import db.models
from common.config import RETENTION_FLOOR_DAYS, Config
from identity.services.message_queue import KEPT as MESSAGES_KEPT
from identity.services.usage import KEPT as USAGE_KEPT
from traffic.archive.kinds import KINDS
from traffic.archive.schema import STORED, TIMES
from traffic.keeping.policy import keep_days
from yuenyan.compliance.duty import Text

_LEGAL = Text(
    "legal obligation, PDPA s.24(6) with Computer Crime Act s.26",
    "หน้าที่ตามกฎหมาย พ.ร.บ. คุ้มครองข้อมูลส่วนบุคคล มาตรา 24 (6) ประกอบ พ.ร.บ. คอมพิวเตอร์ฯ มาตรา 26",
)
_TASK = Text(
    "public task, PDPA s.24(4)",
    "ภารกิจเพื่อประโยชน์สาธารณะ พ.ร.บ. คุ้มครองข้อมูลส่วนบุคคล มาตรา 24 (4)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One thing that is done with personal data."""

    key: str
    name: Text
    people: Text
    purpose: Text
    basis: Text
    tables: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    kept: str
    """traffic | identity | trail | record | short | message | day"""


_USERS = Text("pupils, staff, guests", "นักเรียน บุคลากร ผู้มาติดต่อ")
_STAFF = Text("administrators and officers", "ผู้ดูแลระบบและเจ้าหน้าที่")

ACTIVITIES: tuple[Activity, ...] = (
    Activity(
        key="accounts",
        name=Text("accounts and who they belong to", "บัญชีผู้ใช้และเจ้าของบัญชี"),
        people=_USERS,
        purpose=Text("to let people in and to know who they are", "ให้บริการและระบุตัวผู้ใช้"),
        basis=_LEGAL,
        tables=(
            "person",
            "account",
            "credential",
            "certificate",
            "certificate_file",
            "directory_entry",
            "voucher",
            "voucher_batch",
            "voucher_device",
            "registration",
            "portal_token",
            "gateway_grant",
            "web_grant",
            "notice_given",
            "text_accepted",
            "verified_contact",
            "sent_code",
            "device_name",
        ),
        kept="identity",
    ),
    Activity(
        key="guardians",
        name=Text("consent of guardians", "ความยินยอมของผู้ปกครอง"),
        people=Text("pupils and their guardians", "นักเรียนและผู้ปกครอง"),
        purpose=Text(
            "to show that a guardian agreed, where a school makes a service depend on it",
            "เป็นหลักฐานว่าผู้ปกครองให้ความยินยอม ในกรณีที่สถานศึกษากำหนดให้ต้องมี",
        ),
        basis=Text(
            "consent and the duty to be able to show it, PDPA s.19 and s.20",
            "ความยินยอมและหน้าที่ต้องแสดงหลักฐานได้ พ.ร.บ. คุ้มครองข้อมูลส่วนบุคคล มาตรา 19 และ 20",
        ),
        tables=("guardian_consent",),
        kept="identity",
    ),
    Activity(
        key="sessions",
        name=Text("logins, sessions and addresses", "การเข้าใช้ ช่วงการใช้งาน และหมายเลขไอพี"),
        people=_USERS,
        purpose=Text("traffic data that must be kept", "เก็บข้อมูลจราจรทางคอมพิวเตอร์"),
        basis=_LEGAL,
        tables=(
            "auth_event",
            "accounting_event",
            "network_session",
            "granted_session",
            "address_interval",
            "relay_outbox",
            "coa_request",
        ),
        kinds=("session", "access", "lease", "nat"),
        kept="traffic",
    ),
    Activity(
        key="flows",
        name=Text("traffic records (flows)", "ข้อมูลจราจรระดับการเชื่อมต่อ"),
        people=_USERS,
        purpose=Text(
            "to find who used a public address and port; no content",
            "ระบุผู้ใช้หมายเลขไอพีสาธารณะและพอร์ต โดยไม่เก็บเนื้อหา",
        ),
        basis=_LEGAL,
        kinds=("flow", "raw"),
        kept="traffic",
    ),
    Activity(
        key="arrivals",
        name=Text(
            "devices that a gateway has just sent, and failed tries on pages",
            "อุปกรณ์ที่เกตเวย์เพิ่งส่งมา และการกรอกรหัสคูปองหรือรหัสผ่านผิด",
        ),
        people=_USERS,
        purpose=Text(
            "to sign in the device that scanned a voucher; to stop guessing",
            "ให้อุปกรณ์ที่สแกนคูปองเข้าใช้ได้ และป้องกันการเดารหัส",
        ),
        basis=_TASK,
        tables=("open_visit", "voucher_guess", "page_count"),
        kept="day",
    ),
    Activity(
        key="usage",
        name=Text("data and time used, for quotas", "ปริมาณและเวลาการใช้ เพื่อกำหนดโควตา"),
        people=_USERS,
        purpose=Text("to share the line fairly", "จัดสรรการใช้งานอย่างเป็นธรรม"),
        basis=_TASK,
        tables=("usage_day",),
        kept="short",
    ),
    Activity(
        key="messages",
        name=Text(
            "letters and short messages: codes, links for hosts",
            "อีเมลและ SMS ที่ระบบส่ง: รหัสยืนยัน ลิงก์ถึงผู้รับรอง",
        ),
        people=_USERS,
        purpose=Text(
            "to prove that a mailbox or telephone is somebody's, before they are let in",
            "ยืนยันว่าอีเมลหรือหมายเลขโทรศัพท์เป็นของผู้ขอใช้ ก่อนให้บริการ",
        ),
        basis=_LEGAL,
        tables=("message", "provisional_grant"),
        kept="message",
    ),
    Activity(
        key="audit",
        name=Text("what officers did and looked up", "การกระทำและการสืบค้นของเจ้าหน้าที่"),
        people=_STAFF,
        purpose=Text("to answer for every access", "ตรวจสอบย้อนหลังการเข้าถึงข้อมูล"),
        basis=_LEGAL,
        tables=(
            "audit_event",
            "approver_scope",
            "approver_role",
            "officer_level",
            "api_token",
            "unlock_request",
        ),
        kinds=("admin",),
        kept="trail",
    ),
    Activity(
        key="registers",
        name=Text(
            "requests of officials and data subjects, orders to keep, evidence given out, breaches,"
            " complaints",
            "คำขอจากพนักงานเจ้าหน้าที่ คำขอใช้สิทธิ คำสั่งเก็บรักษา พยานหลักฐานที่ส่งมอบ เหตุละเมิด และเรื่องร้องเรียน",
        ),
        people=Text("officials, people concerned", "พนักงานเจ้าหน้าที่ ผู้เกี่ยวข้อง"),
        purpose=Text("to answer them in time and show it", "ตอบทันกำหนดและมีหลักฐาน"),
        basis=_LEGAL,
        tables=(
            "register_entry",
            "register_step",
            "hold",
            "exhibit",
            "custody_step",
            "disclosure",
        ),
        kept="record",
    ),
)

WITHOUT_PEOPLE = frozenset(
    {
        "organisation", "role", "nas_client", "unknown_nas", "nas_boot", "revision", "service_run",
        "gap", "clock", "notice_text", "published_text", "append_only", "archive_move",
        "role_registration", "gateway_nonce",
    }
)  # fmt: skip
"""Tables and kinds that hold equipment, places and the service's own state."""

RECIPIENTS = Text(
    "officials with legal power, each request in the register; the home institution of its own"
    " visitors; nobody else",
    "พนักงานเจ้าหน้าที่ผู้มีอำนาจตามกฎหมาย (ลงทะเบียนทุกคำขอ) และสถาบันต้นสังกัดของผู้มาติดต่อ เฉพาะข้อมูลของผู้นั้น",
)
SECURITY = Text(
    "own accounts, roles, recorded look-ups with case and reason, argon2id, secrets encrypted"
    " outside the database, hash chain and signed seals",
    "บัญชีรายบุคคล แบ่งสิทธิ์ตามหน้าที่ บันทึกการสืบค้นพร้อมเลขเรื่องและเหตุผล argon2id"
    " กุญแจเข้ารหัสอยู่นอกฐานข้อมูล โซ่แฮชและลายมือชื่อกำกับ",
)


def unlisted() -> set[str]:
    """Tables and kinds that no activity names; must be empty."""
    named = {name for one in ACTIVITIES for name in (*one.tables, *one.kinds)}
    there = {*db.models.Base.metadata.tables, *KINDS, "flow"}
    return there ^ (named | WITHOUT_PEOPLE)


def record_of_processing(config: Config, language: str) -> dict[str, Any]:
    """The record as one tree, in `language`."""
    office = config.office
    return {
        "controller": {
            "name": office.name or config.site.name,
            "address": office.address or None,
            "contact": office.data_contact or None,
            "coordinator": office.coordinator or None,
        },
        "recipients": RECIPIENTS.of(language),
        "security": SECURITY.of(language),
        "home_institutions": sorted(realm.name for realm in config.proxy.realm),
        "directories": sorted(config.directory),
        "without_destinations": sorted(config.collector.without_destinations),
        "activities": [_tree(one, config, language) for one in ACTIVITIES],
        "without_personal_data": sorted(WITHOUT_PEOPLE),
    }


def kept_for(kept: str, config: Config) -> Text:
    """How long, by the configuration in force."""
    days = config.archive.retention_days
    return {
        "traffic": Text(f"{days} days", f"{days} วัน"),
        "identity": Text(
            f"until {RETENTION_FLOOR_DAYS} days after the account has ended, and as long as a"
            f" record needs it ({days} days)",
            f"จนครบ {RETENTION_FLOOR_DAYS} วันหลังบัญชีสิ้นสุด และตราบที่ข้อมูลจราจรยังต้องใช้ ({days} วัน)",
        ),
        "trail": Text(
            f"{keep_days(days, 'admin')} days; what officers may do until {RETENTION_FLOOR_DAYS}"
            " days after their account has ended",
            f"{keep_days(days, 'admin')} วัน ส่วนสิทธิของเจ้าหน้าที่จนครบ {RETENTION_FLOOR_DAYS}"
            " วันหลังบัญชีสิ้นสุด",
        ),
        "record": Text(
            "not erased by this release; the office decides",
            "ระบบรุ่นนี้ไม่ลบเอง หน่วยงานเป็นผู้กำหนด",
        ),
        "message": Text(
            f"{MESSAGES_KEPT.days} days; what they say only until they have gone",
            f"{MESSAGES_KEPT.days} วัน ส่วนเนื้อหาเก็บเพียงจนส่งแล้ว",
        ),
        "day": Text("a day at most", "ไม่เกินหนึ่งวัน"),
        "short": Text(
            f"{USAGE_KEPT.days} days; of a voucher that counts data or minutes until it is over",
            f"{USAGE_KEPT.days} วัน ส่วนคูปองที่นับข้อมูลหรือนาทีจนกว่าคูปองจะสิ้นสุด",
        ),
    }[kept]


def _tree(one: Activity, config: Config, language: str) -> dict[str, Any]:
    return {
        "key": one.key,
        "activity": one.name.of(language),
        "people": one.people.of(language),
        "purpose": one.purpose.of(language),
        "basis": one.basis.of(language),
        "kept": kept_for(one.kept, config).of(language),
        "fields": {**_tables(one.tables), **_kinds(one.kinds)},
    }


def _tables(names: tuple[str, ...]) -> Mapping[str, list[str]]:
    tables = db.models.Base.metadata.tables
    return {name: [column.name for column in tables[name].columns] for name in names}


def _kinds(names: tuple[str, ...]) -> Mapping[str, list[str]]:
    return {
        f"archive/{name}": list(KINDS[name].columns)
        if name in KINDS
        else [*TIMES.values(), "exporter", *STORED]
        for name in names
    }
