"""What letters to people about their own accounts say: Thai, then English, no secret but a code.

Queued in the transaction of what they tell of. Where no mail server is set up nothing is sent,
and what they tell of is done all the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import Account, VerifiedContact
from identity.office import Office
from identity.services import messages

_BUDDHIST_ERA = 543


def send_reset_code(
    session: Session, office: Office, mailbox: str, username: str, code: str, minutes: int
) -> None:
    """The code with which somebody who forgot their password chooses another.

    Raises:
        Refused: no mail server is set up.
    """
    site, link = office.config.site.name, _link(office, f"/reset?t={code}")
    messages.queue_mail(
        session,
        office,
        mailbox,
        f"ตั้งรหัสผ่านใหม่ / New password – {site}",
        f"มีผู้ขอตั้งรหัสผ่านใหม่ของบัญชี {username} ({site})\n"
        f"รหัสสำหรับตั้งรหัสผ่านใหม่: {code}\n"
        f"ใช้ได้ครั้งเดียว ภายใน {minutes} นาที{_or_open(link, 'หรือเปิด')}\n"
        "หากท่านไม่ได้ขอ ไม่ต้องทำอะไร รหัสผ่านเดิมยังใช้ได้ตามปกติ\n"
        f"\n---\n\nSomebody asked for a new password of the account {username} ({site}).\n"
        f"Code for choosing a new password: {code}\n"
        f"It works once, within {minutes} minutes.{_or_open(link, 'Or open')}\n"
        "If it was not you, do nothing: your password stays as it is.\n",
        f"password reset of {username}",
        timedelta(minutes=minutes),
    )


def tell_where_to_reset(
    session: Session, office: Office, mailbox: str, username: str, where: str
) -> None:
    """That the password of a directory's account is changed there and not here.

    Raises:
        Refused: no mail server is set up.
    """
    site = office.config.site.name
    messages.queue_mail(
        session,
        office,
        mailbox,
        f"รหัสผ่านของท่าน / Your password – {site}",
        f"มีผู้ขอตั้งรหัสผ่านใหม่ของบัญชี {username} ({site})\n"
        f"รหัสผ่านของบัญชีนี้เก็บอยู่ที่ {where} จึงต้องเปลี่ยนที่นั่น\n"
        f"\n---\n\nSomebody asked for a new password of the account {username} ({site}).\n"
        f"Its password is kept in {where} and is changed there.\n",
        f"password reset of {username}",
    )


def send_mailbox_code(
    session: Session, office: Office, mailbox: str, username: str, code: str, minutes: int
) -> None:
    """The code that proves that whoever typed this mailbox reads it.

    Raises:
        Refused: no mail server is set up.
    """
    site = office.config.site.name
    messages.queue_mail(
        session,
        office,
        mailbox,
        f"ยืนยันอีเมล / Confirm your e-mail – {site}",
        f"รหัสยืนยันอีเมลของบัญชี {username} ({site}): {code}\n"
        f"กรอกในหน้าเว็บที่ขอไว้ ภายใน {minutes} นาที\n"
        "หากท่านไม่ได้ขอ ไม่ต้องทำอะไร\n"
        f"\n---\n\nCode to confirm the e-mail address of the account {username} ({site}): {code}\n"
        f"Enter it on the page where you asked for it, within {minutes} minutes.\n"
        "If it was not you, do nothing.\n",
        f"mailbox of {username}",
        timedelta(minutes=minutes),
    )


def tell_password_changed(session: Session, office: Office, account: Account) -> None:
    """Tell the owner that the password was changed, should it not have been them."""
    site, now = office.config.site.name, office.clock()
    help_line = office.config.portal.help_line
    _tell(
        session,
        office,
        account,
        f"รหัสผ่านของท่านถูกเปลี่ยน / Your password was changed – {site}",
        f"รหัสผ่านของบัญชี {account.username} ({site}) ถูกเปลี่ยนเมื่อ {_thai(office, now)}\n"
        f"หากไม่ใช่ท่าน โปรดแจ้งเจ้าหน้าที่ผู้ดูแลเครือข่ายทันที {help_line}\n"
        f"\n---\n\nThe password of the account {account.username} ({site}) was changed on"
        f" {_english(office, now)}.\n"
        f"If it was not you, tell the staff in charge of the network at once. {help_line}\n",
        f"password of {account.username} changed",
    )


def tell_mailbox_changed(
    session: Session, office: Office, mailbox: str, username: str, new: str
) -> None:
    """Tell the old mailbox that another one, or none, takes its place."""
    site = office.config.site.name
    _queue_if_possible(
        session,
        office,
        mailbox,
        f"อีเมลของบัญชีถูกเปลี่ยน / The e-mail address was changed – {site}",
        f"อีเมลสำหรับตั้งรหัสผ่านใหม่ของบัญชี {username} ({site})"
        f" {'เปลี่ยนเป็น ' + new if new else 'ถูกนำออก'}\n"
        "หากไม่ใช่ท่าน โปรดแจ้งเจ้าหน้าที่ผู้ดูแลเครือข่ายทันที\n"
        f"\n---\n\nThe e-mail address of the account {username} ({site}) was"
        f" {'changed to ' + new if new else 'taken out'}.\n"
        "If it was not you, tell the staff in charge of the network at once.\n",
        f"mailbox of {username} changed",
    )


def _tell(
    session: Session, office: Office, account: Account, subject: str, body: str, about: str
) -> None:
    contact = session.get(VerifiedContact, account.id)
    if contact is not None:
        _queue_if_possible(session, office, contact.mailbox, subject, body, about)


def _queue_if_possible(
    session: Session, office: Office, mailbox: str, subject: str, body: str, about: str
) -> None:
    try:
        messages.queue_mail(session, office, mailbox, subject, body, about)
    except Refused:
        return  # no mail server; whoever shows the page says whom to ask instead


def _link(office: Office, path: str) -> str:
    """Only under the configured name: the host of a request is the asker's to choose."""
    root = office.config.portal.public_url.rstrip("/")
    return f"{root}{path}" if root else ""


def _or_open(link: str, words: str) -> str:
    return f"\n{words}: {link}" if link else ""


def _thai(office: Office, moment: datetime) -> str:
    local = moment.astimezone(ZoneInfo(office.config.site.timezone))
    return f"{local.day}/{local.month}/{local.year + _BUDDHIST_ERA} เวลา {local:%H:%M} น."


def _english(office: Office, moment: datetime) -> str:
    local = moment.astimezone(ZoneInfo(office.config.site.timezone))
    return f"{local:%Y-%m-%d %H:%M}"
