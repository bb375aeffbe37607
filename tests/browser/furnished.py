"""A school with something on every page of the public portal: who is there, and what waits.

The addresses of `catalogue.PUBLIC` and `catalogue.SIGNED_IN` show what is made here. The numbers
of registrations are fixed, so that they can stand in those addresses.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from captive_portal.public.site import KEY_FILE
from captive_portal.web.drafts import draft_rules
from captive_portal.web.tokens import Signer, SignIn
from common import config as configuration
from db.models import (
    Account,
    AddressInterval,
    NetworkSession,
    UsageDay,
    VoucherBatch,
)
from identity.domain.access import Method
from identity.domain.contacts import Channel
from identity.domain.registering import Way
from identity.domain.registers import Right
from identity.domain.vouchers import Terms
from identity.office import Office
from identity.services import (
    contacts,
    disclosures,
    my_data,
    nas,
    own_devices,
    people,
    published,
    registration_ways,
    registrations,
    roles,
    vouchers,
)
from identity.services.published import Kind, Written
from tests.conftest import ADMIN, Site, free_port, write_configuration

PASSWORD = "password of theirs"
HERE = "127.0.0.1"
"""Where the browser is: it is on the network, as the first session of `somsri` says."""
_SECTIONS = """
[mail]
host = "127.0.0.1"
port = 9
start_tls = false
from = "wifi@school.ac.th"
[sms]
url = "http://127.0.0.1:9/send"
[onboarding]
ssids = ["School-1X"]
realm = "school.ac.th"
name_th = "โรงเรียนบ้านหนองน้ำใสวิทยาคม"
name_en = "Ban Nong Nam Sai School"
certificate_roles = ["staff"]
[office]
data_protection_contact = "เจ้าหน้าที่คุ้มครองข้อมูลส่วนบุคคล โทร. 044 123 456 ต่อ 12"
"""
FULL = "one device alone"
_WAYS = {
    "CODE": Way.MAIL_CODE,
    "SMSC": Way.SMS_CODE,
    "HOST": Way.SPONSOR,
    "WAIT": Way.APPROVAL,
    "DONE": Way.APPROVAL,
    "BACK": Way.APPROVAL,
}
"""First half of a registration's number -> how its visitor comes in."""


def make_site(made: Path, folder: Path) -> Site:
    """A copy of the site that `yuenyan init` has made, with everything switched on."""
    shutil.copytree(made / "var", folder / "var")
    path = write_configuration(folder)
    text = path.read_text(encoding="utf-8")
    text = text.replace('name = "Test school"', 'name = "โรงเรียนบ้านหนองน้ำใสวิทยาคม"')
    text = text.replace(
        '[portal]\nlisten = "127.0.0.1:0"',
        f'[portal]\nlisten = "{HERE}:{free_port()}"\npublic_url = "https://wifi.school.ac.th"\n'
        'help_line = "ห้องไอซีที อาคาร 1 โทร. 044 123 456"',
    )
    path.write_text(text + _SECTIONS, encoding="utf-8")
    site = Site(path, configuration.load(path))
    assert site.yuenyan("cert", "server", "--name", "radius.school.ac.th").exit_code == 0
    office = Office.open(site.config)
    furnish(office)
    office.database.dispose()
    return site


def sign_ins(site: Site) -> Mapping[str, str]:
    """User name -> the signed text of a sign-in, as a login would have made it."""
    office = Office.open(site.config)
    signer = Signer.open(site.config.keys_dir / KEY_FILE)
    made = {}
    with office.database.read() as session:
        for account in session.query(Account).where(Account.kind != "device"):
            by_voucher = account.username.startswith("voucher-")
            made["voucher" if by_voucher else account.username] = signer.sign_in(
                SignIn(
                    key=f"of {account.id}",
                    account_id=account.id,
                    since=office.clock(),
                    method=Method.VOUCHER if by_voucher else Method.PORTAL,
                )
            )
    office.database.dispose()
    return made


def full_code(site: Site) -> str:
    """A code for one device, which another than this one has."""
    office = Office.open(site.config)
    with office.database.read() as session:
        batch = session.scalars(select(VoucherBatch).where(VoucherBatch.note == FULL)).one()
        (row,) = vouchers.codes_of(session, office, batch.id)
    office.database.dispose()
    return row.code


def furnish(office: Office) -> None:
    """People, devices, connections, registrations of every way, rules, a voucher in use."""
    with office.database.write() as session:
        limits = {"quota_mb_day": 2000, "quota_minutes_week": 1200}
        roles.set_role(session, office, "staff", limits, ADMIN)
        roles.set_own_devices(session, office, "staff", 3, ADMIN)
        roles.set_hours(session, office, "staff", "daily 00:00-23:59", ADMIN)
        for code, name in (("NNS", "โรงเรียนบ้านหนองน้ำใสวิทยาคม"), ("BKK", "โรงเรียนบ้านโคกกลาง")):
            roles.add_organisation(session, office, code, name, ADMIN)
        nas.add_nas(session, office, "อาคาร 1", "10.20.0.2/32", "a very long secret", ADMIN)
        nas.add_nas(
            session, office, "hotspot", "10.20.0.3/32", "another long secret", ADMIN,
            vendor="mikrotik", login_url="http://10.20.0.3/login",
        )  # fmt: skip
        registration_ways.set_choice(session, office, "staff", ADMIN, may_sponsor=True)
        registration_ways.set_choice(session, office, "student", ADMIN, way=Way.ROSTER)
        _add_people(session, office)
    with office.database.write() as session:
        _add_connections(session, office)
        _add_own_things(session, office)
    for half, way in _WAYS.items():
        _register(office, half, way)
    with office.database.write() as session:
        registrations.approve(session, office, "DONE-2345", ADMIN)
        registrations.reject(session, office, "BACK-2345", ADMIN, "ไม่มีผู้รับรองในโรงเรียนนี้")
        _, codes = vouchers.issue(session, office, Terms(count=2, devices=2), ADMIN)
        vouchers.redeem(session, office, codes[0].replace("-", ""), "a2b4c6010203")
        _, (code,) = vouchers.issue(session, office, Terms(count=1, note=FULL), ADMIN)
        vouchers.redeem(session, office, code.replace("-", ""), "a2b4c6010204")
    _publish(office)


def _add_people(session: Session, office: Office) -> None:
    hashed = office.passwords.hash(PASSWORD)
    for username, full_name, role, must_change in (
        ("somsri", "ครูสมศรี ตั้งใจสอนดีเยี่ยม", "staff", False),
        ("malee", "มะลิ ปั้นน้ำผึ้ง", "staff", False),
        ("wichai", "วิชัย กู้เกียรติ", "staff", True),
    ):
        people.add_user(
            session,
            office,
            people.NewUser(
                username=username,
                password_hash=hashed,
                full_name=full_name,
                role=role,
                must_change=must_change,
            ),
            ADMIN,
        )


def _add_connections(session: Session, office: Office) -> None:
    """Of somsri three: this device, another one now, and one that has ended."""
    now, account = office.clock(), people.get(session, "somsri")
    today = now.astimezone(ZoneInfo(office.config.site.timezone)).date()
    for index, (mac, address, ended) in enumerate(
        (
            ("3c22fb010203", HERE, False),
            ("a2b4c6010299", "10.20.3.42", False),
            ("a2b4c6010299", "10.20.3.43", True),
        )
    ):
        started = now - timedelta(hours=3 * index, minutes=41)
        key = f"{index:032x}"
        session.add(
            NetworkSession(
                session_key=key,
                nas_client_id=1,
                nas_identity="ap-1",
                acct_session_id=f"8100{index:04x}",
                user_name="somsri",
                account_id=account.id,
                calling_station_id=mac,
                called_station_id="00-11-22-33-44-55:โรงเรียน-WiFi",
                started_at=started,
                last_heard_at=now if not ended else started + timedelta(hours=1),
                session_seconds=2460,
                stop_seen=int(ended),
                stop_at=started + timedelta(hours=1) if ended else None,
                terminate_cause=4 if ended else None,
                input_octets=18_400_000,
                output_octets=942_000_000,
            )
        )
        for own in (address, f"2001:db8:20:3::{index + 1:x}"):
            session.add(
                AddressInterval(
                    session_key=key, address=own, source="radius", from_at=started, to_at=now,
                    first_offset_seconds=0, last_offset_seconds=600,
                )
            )  # fmt: skip
    session.add(
        UsageDay(
            session_key="0" * 32, day=today, account_id=account.id, octets=1_912_000_000,
            seconds=7500, counted_octets=0, counted_seconds=0, counted_until=now,
        )
    )  # fmt: skip


def _add_own_things(session: Session, office: Office) -> None:
    account = people.get(session, "somsri")
    own_devices.add(session, office, account, "00:11:22:aa:bb:cc", "เครื่องพิมพ์ห้องพักครู")
    since = office.clock() - timedelta(days=7)
    own_devices.rename(session, office, account, "3c22fb010203", "โน้ตบุ๊กของสมศรี", since)
    contacts.keep(session, office, account, Channel.MAIL, "somsri@school.ac.th", "code")
    contacts.keep(session, office, account, Channel.SMS, "+66812345678", "code")
    my_data.ask(session, office, account, Right.CORRECT, "นามสกุลสะกดผิด", "password")
    showing = disclosures.Showing(
        shown_by="head", case="12/2569", reason="หมายศาล", means="lookup", recipient="สภ.เมืองชัยภูมิ"
    )
    disclosures.record(session, office.clock(), showing, [account.id])


def _register(office: Office, half: str, way: Way) -> None:
    with office.database.write() as session:
        registration_ways.set_choice(session, office, "guest", ADMIN, way=way, answerable=ADMIN)
        contact = "081 234 5678" if way is Way.SMS_CODE else "somying@home.example"
        made = registrations.submit(
            session,
            office,
            registrations.Application(
                username=f"visitor.{half.lower()}",
                full_name="สมหญิง ปิ่นกู้เกียรติ",
                contact=contact,
                sponsor_name="somsri",
                purpose="ประชุมผู้ปกครอง ภาคเรียนที่ 2",
                password="seven green elephants",
                client_address="10.20.3.44",
                client_mac="a2b4c6010203",
            ),
        )
        made.reference = f"{half}2345"


def _publish(office: Office) -> None:
    """The rules twice: somsri has agreed to both, malee to the first one only."""
    for version, readers in (("2568-1", ("somsri", "malee")), ("2569-1", ("somsri",))):
        written = {
            language: Written(text=draft_rules(language), summary=summary)
            for language, summary in (
                ("th", "เพิ่มข้อห้ามปล่อยสัญญาณต่อให้ผู้อื่น"),
                ("en", "No hotspots for others any more."),
            )
        }
        with office.database.write() as session:
            published.publish(session, office, Kind.ACCEPTABLE_USE, version, written, ADMIN)
        with office.database.write() as session:
            text = published.in_force(session, Kind.ACCEPTABLE_USE, "th")
            assert text is not None
            for username in readers:
                reader = published.Reader(
                    account=people.get(session, username),
                    language="th",
                    client_address=HERE,
                    client_mac=None,
                )
                published.accept(session, office, reader, text)
