"""What a visitor is written when an application was approved or refused, in their language.

A letter, or a short message where only a telephone is known. It holds the number to come back
with and what to do, and nothing that the visitor typed: nobody has proven that the mailbox is
theirs, and no stranger is to write letters under the office's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from common.net import site_of
from db.models import Registration
from identity.domain.admission import format_code
from identity.domain.contacts import find_mailbox
from identity.office import Office
from identity.services import letters, messages
from identity.services.messages import Bounds

LIFETIME = timedelta(days=3)
"""A mail server that was away over a weekend; later the visitor has looked for themselves."""


@dataclass(frozen=True, slots=True)
class _Words:
    """What is written in one language."""

    subject: str
    body: str
    short: str


def tell(
    session: Session, office: Office, registration: Registration, until: datetime | None
) -> None:
    """Queue what tells the visitor of the decision on `registration`, where that can reach them.

    Nothing is queued for whom the code itself let in: they are looking at the page. Whatever
    cannot be sent stops no decision.

    Args:
        until: when an approved account ends.
    """
    if registration.decided_by == registration.username:
        return
    is_approved = registration.account_id is not None
    words = _words(office, registration, is_approved, until)
    about = f"registration {registration.reference}"
    asked_from = site_of(registration.client_address or "") or None
    mailbox = find_mailbox(registration.contact)
    try:
        if mailbox is not None:
            messages.queue_mail(
                session,
                office,
                mailbox,
                words.subject,
                words.body,
                about,
                LIFETIME,
                asked_from=asked_from,
                bounds=_unhurried(messages.mail_bounds(office), 1),
            )
        elif office.config.registration.tell_by_sms:
            messages.queue_sms(
                session,
                office,
                registration.contact,
                words.short,
                about,
                LIFETIME,
                asked_from=asked_from,
                bounds=_unhurried(messages.sms_bounds(office), 2),
            )
    except (Refused, UsageError):
        return  # nothing to send it with, no mobile, or enough was sent; the page tells it too


def _unhurried(usual: Bounds, part: int) -> Bounds:
    """Without a pause after the code, and only a part of the day's messages: codes come first."""
    return Bounds(
        cool_down=timedelta(0),
        per_recipient=usual.per_recipient,
        per_address=max(1, usual.per_address // part),
        per_day=max(1, usual.per_day // part),
    )


def _words(
    office: Office, registration: Registration, is_approved: bool, until: datetime | None
) -> _Words:
    number, site = format_code(registration.reference), office.config.site.name
    if registration.language == "th":
        end = letters.thai_moment(office, until) if until is not None else ""
        return _thai(office, number, site, is_approved, end)
    end = letters.english_moment(office, until) if until is not None else ""
    return _english(office, number, site, is_approved, end)


def _thai(office: Office, number: str, site: str, is_approved: bool, end: str) -> _Words:
    page, help_line = _page(office, number), office.config.portal.help_line
    where = f"ดูคำขอของท่านได้ที่ {page}" if page else "ดูคำขอได้ที่หน้าเข้าใช้งาน Wi-Fi โดยกรอกเลขที่คำขอนี้"
    ask = f"หากมีข้อสงสัย ติดต่อ {help_line}" if help_line else ""
    if is_approved:
        what = "คำขอใช้อินเทอร์เน็ตของท่านได้รับอนุมัติแล้ว"
        todo = "เข้าใช้งานด้วยชื่อผู้ใช้และรหัสผ่านที่ท่านตั้งไว้เมื่อลงทะเบียน" + (f" ใช้ได้ถึงวันที่ {end}" if end else "")
        short = f"คำขอ {number} ได้รับอนุมัติ เข้าใช้ Wi-Fi ด้วยชื่อผู้ใช้และรหัสผ่านที่ตั้งไว้ – {site}"
    else:
        what = "คำขอใช้อินเทอร์เน็ตของท่านไม่ได้รับอนุมัติ"
        todo = "เหตุผลแสดงอยู่ในหน้าคำขอ หากยังต้องการใช้งาน ให้ติดต่อเจ้าหน้าที่หรือยื่นคำขอใหม่"
        short = f"คำขอ {number} ไม่ได้รับอนุมัติ ดูเหตุผลในหน้าคำขอ หรือติดต่อเจ้าหน้าที่ – {site}"
    lines = [f"{what} ({site})", f"เลขที่คำขอ: {number}", "", todo, where, ask]
    return _Words(f"{what} – {site}", "\n".join(lines).rstrip() + "\n", short)


def _english(office: Office, number: str, site: str, is_approved: bool, end: str) -> _Words:
    page, help_line = _page(office, number), office.config.portal.help_line
    where = (
        f"Your registration: {page}"
        if page
        else "To see your registration, enter this number on the sign-in page of the Wi-Fi."
    )
    ask = f"Questions? {help_line}" if help_line else ""
    if is_approved:
        what = "Your registration was approved"
        todo = "Sign in with the user name and password that you chose when you registered." + (
            f" They are good until {end}." if end else ""
        )
        short = (
            f"Registration {number} approved: sign in to the Wi-Fi with the user name and password"
            f" you chose. {site}"
        )
    else:
        what = "Your registration was refused"
        todo = (
            "The reason stands on the page of your registration. If you still need the network,"
            " ask the staff, or register again."
        )
        short = f"Registration {number} refused: the reason is on its page, or ask. {site}"
    lines = [f"{what} ({site}).", f"Number: {number}", "", todo, where, ask]
    return _Words(f"{what} – {site}", "\n".join(lines).rstrip() + "\n", short)


def _page(office: Office, number: str) -> str:
    """Only under the configured name: the host of a request is the visitor's to choose."""
    root = office.config.portal.public_url.rstrip("/")
    return f"{root}/registration/{number}" if root else ""
