"""A school day in a database: people, registrations, vouchers, sessions and refusals."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.models import (
    AddressInterval,
    AuthEvent,
    Exhibit,
    Gap,
    NetworkSession,
    ServiceRun,
    UnknownNas,
)
from identity.domain.levels import Level
from identity.office import Office
from identity.services import nas, people, registrations, roles, vouchers
from traffic.evidence import custody

OFFICER_PASSWORD = "officer horse battery"
OFFICERS = {
    "head": "first",
    "rabop": "admin",
    "kepkhomun": "custodian",
    "prasan": "coordinator",
    "truat": "auditor",
    "rongrian": "school",
    "kruya": "approver",
    "khupong": "voucher-desk",
    "chuai": "help-desk",
    "phoo": "executive",
}
"""User name of one officer of each level; `head`, the site's first, has three of them."""
_NAMES = {
    "rabop": "นายระบบ มั่นคง",
    "kepkhomun": "น.ส.รักษา เก็บดี",
    "prasan": "นายประสาน งานดี",
    "truat": "นายตรวจ ใจซื่อ",
    "rongrian": "ครูโรงเรียน ดีงาม",
    "kruya": "ครูญาดา ศรีสุข",
    "khupong": "น.ส.คูปอง แจกดี",
    "chuai": "นายช่วย เหลือเกิน",
    "phoo": "ดร.ผู้บริหาร ยอดเยี่ยม",
}
SCHOOL = "KRT1"

_PEOPLE = (
    ("somchai.r", "สมชาย รุ่งเรืองศรี", "staff", "T-1029", None),
    ("pimchanok", "พิมพ์ชนก น้ำผึ้งป่า", "student", "45120", "ม.4/2"),
    ("thanyarat", "ธัญญารัตน์ ตั้งกิจเจริญ", "student", "45121", "ม.4/2"),
    ("kittipong", "กิตติพงษ์ อยู่เย็นเป็นสุข", "student", "45233", "ม.5/1"),
    ("nattha", "ณัฏฐา ปิ่นเกล้า", "student", "45388", "ม.6/3"),
)
_VISITORS = (
    ("wirat.k", "นายวิรัช กู้เกียรติศักดิ์", "081 234 5678", "ครูสมชาย", "ประชุมผู้ปกครอง ม.4"),
    ("suda", "น.ส.สุดา ชื่นจิตต์", "suda@example.ac.th", "ครูใหญ่", "วิทยากรอบรมคอมพิวเตอร์"),
    ("ananda", "นายอานันท์ ปั้นสุวรรณ์", "089 111 2222", "", "ซ่อมเครื่องปรับอากาศ"),
    ("j.miller", "Jonathan Miller", "j.miller@example.org", "ครูพิมพ์", "English camp"),
)
_REFUSALS = (
    ("nattha", "suspended"),
    ("kittipong", "wrong_password"),
    ("kittipong", "wrong_password"),
    ("thanyarat", "method_needs_recoverable_secret"),
    ("pimchanook", "unknown_account"),
    ("kittipong", "simultaneous_limit"),
)

TRACE = "eap:identity=anonymous@school\neap:method=ttls\ntls:version=TLSv1.3\ntls:alert=unknown_ca"
"""Of a device that does not trust the server."""


def add_officers(office: Office) -> None:
    """One officer of each level beside the first; the school's belongs to `SCHOOL`."""
    with office.database.read() as session:
        if people.find(session, next(iter(_NAMES))) is not None:
            return
    hashed = office.passwords.hash(OFFICER_PASSWORD)
    with office.database.write() as session:
        roles.add_organisation(session, office, SCHOOL, "โรงเรียนบ้านหนองน้ำใสวิทยาคม", "test")
        for username, full_name in _NAMES.items():
            people.add_user(
                session,
                office,
                people.NewUser(
                    username=username,
                    full_name=full_name,
                    password_hash=hashed,
                    role="staff",
                    organisation=SCHOOL if OFFICERS[username] == Level.SCHOOL else None,
                    levels=(Level(OFFICERS[username]),),
                ),
                "test",
            )


def apply(office: Office, username: str = "wirat.k") -> str:
    """One pending registration; its reference."""
    visitor = next(row for row in _VISITORS if row[0] == username)
    with office.database.write() as session:
        return registrations.submit(
            session,
            office,
            registrations.Application(
                username=visitor[0],
                full_name=visitor[1],
                contact=visitor[2],
                sponsor_name=visitor[3],
                purpose=visitor[4],
                password="seven green elephants",
                client_address="10.20.3.44",
                client_mac="a2b4c6010203",
            ),
        ).reference


def add_school_day(office: Office) -> None:
    """Everything a page may have to show, with Thai names and long values."""
    now = office.clock()
    hashed = office.passwords.hash("pupil horse battery")
    for username, *_rest in _VISITORS:
        apply(office, username)
    with office.database.write() as session:
        roles.add_organisation(session, office, SCHOOL, "โรงเรียนบ้านหนองน้ำใสวิทยาคม", "test")
        accounts = {}
        for username, full_name, role, code, room in _PEOPLE:
            accounts[username] = people.add_user(
                session,
                office,
                people.NewUser(
                    username=username,
                    password_hash=hashed,
                    full_name=full_name,
                    role=role,
                    organisation="KRT1",
                    person_code=code,
                    class_name=room,
                    expires_at=now + timedelta(days=200) if room else None,
                    proofing_method="roster",
                ),
                "test",
            ).id
        people.set_state(session, office, "nattha", "suspended", "head")
        first = nas.add_nas(
            session, office, "อาคาร 1 ชั้น 2", "10.20.0.2/32", "a very long secret", "test",
            vendor="mikrotik", organisation="KRT1", login_url="http://10.20.0.1/login",
        )  # fmt: skip
        nas.add_nas(
            session, office, "หอประชุม", "10.20.1.0/24", "a very long secret", "test",
            vendor="unifi", require_message_authenticator=False,
        ).last_without_message_authenticator_at = now - timedelta(hours=3)  # fmt: skip
        first.last_seen_at = now - timedelta(seconds=40)
        first.last_with_message_authenticator_at = first.last_seen_at
        first.secret_set_at = now - timedelta(days=800)
        nas.add_nas(
            session, office, "ห้องสมุด", "10.20.4.2/32", "testing123", "test", vendor="aruba"
        ).last_without_message_authenticator_at = now - timedelta(minutes=5)  # fmt: skip
        nas.add_nas(
            session, office, "ศูนย์เด็กเล็กบ้านโคก", "radsec:ap.bankhok.example.ac.th", "", "test"
        )  # fmt: skip
        session.flush()
        nas_id = first.id
        session.add(
            UnknownNas(
                address="10.20.9.9",
                first_seen_at=now - timedelta(days=1),
                last_seen_at=now - timedelta(minutes=12),
                datagrams=5120,
            )
        )
        session.add(
            Gap(
                kind="flow",
                source="10.20.0.1 / 0",
                from_at=now - timedelta(hours=5),
                to_at=now - timedelta(hours=5) + timedelta(seconds=20),
                lost=1834,
                reason="sequence",
            )
        )
        for process, ago in (("radius", 2), ("portal", 4), ("collector", 900)):
            session.add(
                ServiceRun(
                    process=process,
                    node="yuenyan-1",
                    started_at=now - timedelta(days=3),
                    alive_at=now - timedelta(seconds=ago),
                )
            )
        _add_ledger(office, session, accounts, nas_id, now)
    with office.database.write() as session:
        batch, codes = vouchers.create_batch(
            session, office, count=30, role="guest", minutes=480, devices=2,
            issuer="head", name="ประชุมผู้ปกครอง ภาคเรียนที่ 2",
        )  # fmt: skip
        vouchers.redeem(session, office, codes[0].replace("-", ""), "a2b4c6010203")
        vouchers.create_batch(
            session, office, count=10, role="guest", minutes=4320, devices=1,
            issuer="head", name="English camp",
        )  # fmt: skip
        assert batch.id == 1


def _add_ledger(
    office: Office, session: Session, accounts: dict[str, int], nas_id: int, now: datetime
) -> None:
    for index, (name, reason) in enumerate(_REFUSALS):
        session.add(
            AuthEvent(
                at=now - timedelta(minutes=7 * index + 3),
                nas_client_id=nas_id,
                user_name=name,
                account_id=accounts.get(name),
                method="chap" if reason.startswith("method") else "pap",
                outcome="reject",
                reason=reason,
                calling_station_id=f"3c22fb0102{index:02x}",
                called_station_id="00-11-22-33-44-55:โรงเรียน-WiFi",
            )
        )
    session.add(
        AuthEvent(
            at=now - timedelta(minutes=1),
            nas_client_id=nas_id,
            user_name="anonymous@school",
            account_id=None,
            method="eap-ttls",
            outcome="reject",
            reason="tls_failed",
            calling_station_id="a6b4c6010299",
            called_station_id="00-11-22-33-44-55:โรงเรียน-WiFi",
            trace=TRACE,
        )
    )
    for index, (name, number) in enumerate(accounts.items()):
        started = now - timedelta(minutes=55 * index + 9)
        station = f"a6b4c60102{index:02x}" if index % 2 else f"3c22fb0102{index:02x}"
        session.add(
            AuthEvent(
                at=started, nas_client_id=nas_id, user_name=name, account_id=number,
                method="pap", outcome="accept", reason="ok", calling_station_id=station,
            )
        )  # fmt: skip
        stopped, silent = index == 2, index == 4
        key = f"{index:032x}"
        session.add(
            NetworkSession(
                session_key=key, nas_client_id=nas_id, nas_identity="ap-1",
                acct_session_id=f"8100{index:04x}", user_name=name, account_id=number,
                calling_station_id=station,
                called_station_id="00-11-22-33-44-55:โรงเรียน-WiFi",
                started_at=started, last_heard_at=now - timedelta(minutes=2), session_seconds=600,
                stop_seen=int(stopped), stop_at=now if stopped else None,
                terminate_cause=4 if stopped else None,
                input_octets=18_400_000 * (index + 1), output_octets=942_000_000 * (index + 1),
                closed_at=now if silent else None, close_cause="silent" if silent else None,
            )
        )  # fmt: skip
        for address in (f"10.20.3.{40 + index}", f"2001:db8:20:3::{index + 1:x}"):
            session.add(
                AddressInterval(
                    session_key=key, address=address, source="radius", from_at=started,
                    to_at=now, first_offset_seconds=0, last_offset_seconds=600,
                )
            )  # fmt: skip


def add_exhibit(office: Office, file_name: str = "case-12-2569.zip") -> None:
    """One bundle of evidence in the custody register."""
    now = office.clock()

    def enter(session: Session) -> None:
        row = Exhibit(
            created_at=now,
            created_by="head",
            case_reference="12/2569",
            reason="หมายเรียกพยานเอกสาร",
            from_at=now - timedelta(hours=2),
            to_at=now - timedelta(hours=1),
            scope="{}",
            file_name=file_name,
            sha256="ab" * 32,
            octets=81_234,
            records=12,
            key_fingerprint=" ".join(["b5bb9d80"] * 8),
        )
        custody.enter_exhibit(session, row)

    custody.in_turn(office.database, enter)
