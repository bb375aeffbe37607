"""What people are written about their own accounts: Thai, then English, no secret but a code.

Queued in the transaction of what it tells of, as a letter, or as a short message where only a
telephone is proven. Where nothing is set up to send it with, what it tells of is done all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from common.net import site_of
from db.models import Account, VerifiedContact
from identity.domain.contacts import Channel
from identity.domain.registering import CODE_LIFETIME
from identity.office import Office
from identity.services import messages, officers
from identity.services.codes import Compose, Text
from identity.services.messages import Bounds

_BUDDHIST_ERA = 543
_WARNINGS_A_DAY = 10
"""Of one change, to one mailbox or number; short messages cost money."""
_NO_BOUND = 1_000_000
_MINUTES = int(CODE_LIFETIME.total_seconds()) // 60


def reset_code(office: Office, username: str, channel: Channel) -> Compose:
    """Puts the code into words with which somebody who forgot their password chooses another."""
    site = office.config.site.name

    def by_mail(code: str) -> Text:
        link = _link(office, f"/reset?t={code}")
        return Text(
            f"ตั้งรหัสผ่านใหม่ / New password – {site}",
            f"มีผู้ขอตั้งรหัสผ่านใหม่ของบัญชี {username} ({site})\n"
            f"รหัสสำหรับตั้งรหัสผ่านใหม่: {code}\n"
            f"ใช้ได้ครั้งเดียว ภายใน {_MINUTES} นาที{_or_open(link, 'หรือเปิด')}\n"
            "หากท่านไม่ได้ขอ ไม่ต้องทำอะไร รหัสผ่านเดิมยังใช้ได้ตามปกติ\n"
            f"\n---\n\nSomebody asked for a new password of the account {username} ({site}).\n"
            f"Code for choosing a new password: {code}\n"
            f"It works once, within {_MINUTES} minutes.{_or_open(link, 'Or open')}\n"
            "If it was not you, do nothing: your password stays as it is.\n",
        )

    def by_sms(code: str) -> Text:
        return Text("", f"{code} รหัสตั้งรหัสผ่านใหม่ / code for a new password – {site}")

    return by_sms if channel is Channel.SMS else by_mail


def contact_code(office: Office, username: str, channel: Channel) -> Compose:
    """Puts the code into words that proves that whoever typed this mailbox or number reads it."""
    site = office.config.site.name

    def by_mail(code: str) -> Text:
        return Text(
            f"ยืนยันอีเมล / Confirm your e-mail – {site}",
            f"รหัสยืนยันอีเมลของบัญชี {username} ({site}): {code}\n"
            f"กรอกในหน้าเว็บที่ขอไว้ ภายใน {_MINUTES} นาที\n"
            "หากท่านไม่ได้ขอ ไม่ต้องทำอะไร\n"
            f"\n---\n\nCode to confirm the e-mail address of the account {username} ({site}):"
            f" {code}\n"
            f"Enter it on the page where you asked for it, within {_MINUTES} minutes.\n"
            "If it was not you, do nothing.\n",
        )

    def by_sms(code: str) -> Text:
        return Text("", f"{code} รหัสยืนยันเบอร์มือถือ / code for your mobile number – {site}")

    return by_sms if channel is Channel.SMS else by_mail


def tell_where_to_reset(
    session: Session,
    office: Office,
    to: VerifiedContact,
    username: str,
    where: str,
    client_address: str,
) -> None:
    """That the password of a directory's account is changed there and not here.

    Args:
        client_address: of whoever asked; letters are counted by it.
    """
    site = office.config.site.name
    _queue_if_possible(
        session,
        office,
        to,
        Text(
            f"รหัสผ่านของท่าน / Your password – {site}",
            f"มีผู้ขอตั้งรหัสผ่านใหม่ของบัญชี {username} ({site})\n"
            f"รหัสผ่านของบัญชีนี้เก็บอยู่ที่ {where} จึงต้องเปลี่ยนที่นั่น\n"
            f"\n---\n\nSomebody asked for a new password of the account {username} ({site}).\n"
            f"Its password is kept in {where} and is changed there.\n",
        ),
        f"รหัสผ่านของท่านเปลี่ยนที่ / your password is changed at: {where} – {site}",
        f"password reset of {username}",
        asked_from=site_of(client_address) or None,
    )


def tell_password_changed(session: Session, office: Office, account: Account) -> None:
    """Tell the owner that the password was changed, should it not have been them."""
    site, now = office.config.site.name, office.clock()
    help_line = office.config.portal.help_line
    _warn(
        session,
        office,
        _contacts(session, account.id),
        Text(
            f"รหัสผ่านของท่านถูกเปลี่ยน / Your password was changed – {site}",
            f"รหัสผ่านของบัญชี {account.username} ({site}) ถูกเปลี่ยนเมื่อ {thai_moment(office, now)}\n"
            f"หากไม่ใช่ท่าน โปรดแจ้งเจ้าหน้าที่ผู้ดูแลเครือข่ายทันที {help_line}\n"
            f"\n---\n\nThe password of the account {account.username} ({site}) was changed on"
            f" {english_moment(office, now)}.\n"
            "If it was not you, tell the staff in charge of the network at once."
            f" {help_line}\n",
        ),
        f"รหัสผ่านของท่านถูกเปลี่ยน หากไม่ใช่ท่านโปรดแจ้งเจ้าหน้าที่ / your password was changed – {site}",
        f"password of {account.username} changed",
    )


def tell_token_made(session: Session, office: Office, owner: Account, name: str) -> None:
    """Tell an officer that somebody else has made a token in their name."""
    site = office.config.site.name
    _warn(
        session,
        office,
        _contacts(session, owner.id),
        Text(
            f"มีผู้สร้างโทเคนในนามของท่าน / A token in your name – {site}",
            f"มีผู้สร้างโทเคน “{name}” สำหรับโปรแกรมในนามของบัญชี {owner.username} ({site})\n"
            "หากท่านไม่ทราบเรื่องนี้ โปรดเพิกถอนที่หน้าโทเคนของ API และแจ้งผู้ดูแลระบบทันที\n"
            f"\n---\n\nSomebody made the token “{name}” for a program in the name of the account"
            f" {owner.username} ({site}).\n"
            "If you do not know of it, revoke it on the page API tokens and tell the administrator"
            " at once.\n",
        ),
        f"มีผู้สร้างโทเคนในนามของท่าน / a token was made in your name – {site}",
        f"token in the name of {owner.username}",
    )


def tell_contact_changed(
    session: Session, office: Office, old: VerifiedContact, username: str, *, is_replaced: bool
) -> None:
    """Tell the old mailbox or number that another one, or none, takes its place; and the other.

    Not which one: whoever reads the old mailbox by now may be the reason for the change.
    """
    site = office.config.site.name
    thing, english = (
        ("เบอร์มือถือ", "mobile number") if old.channel == Channel.SMS else ("อีเมล", "e-mail address")
    )
    thai_what, what = ("ถูกเปลี่ยน", "changed") if is_replaced else ("ถูกนำออก", "taken out")
    _warn(
        session,
        office,
        _contacts(session, old.account_id),
        Text(
            f"{thing}ของบัญชีถูกเปลี่ยน / The {english} was changed – {site}",
            f"{thing}สำหรับตั้งรหัสผ่านใหม่ของบัญชี {username} ({site}) {thai_what}\n"
            "หากไม่ใช่ท่าน โปรดแจ้งเจ้าหน้าที่ผู้ดูแลเครือข่ายทันที\n"
            f"\n---\n\nThe {english} of the account {username} ({site}) was {what}.\n"
            "If it was not you, tell the staff in charge of the network at once.\n",
        ),
        f"{thing}ของบัญชีถูกเปลี่ยน หากไม่ใช่ท่านโปรดแจ้งเจ้าหน้าที่ / the {english} of your account was"
        f" changed – {site}",
        f"{english} of {username} changed",
    )


def proven(session: Session, account_id: int) -> VerifiedContact | None:
    """Where the owner of an account is written to: the mailbox, else the telephone, else None."""
    return next(iter(_contacts(session, account_id)), None)  # a letter costs nothing and says more


def _contacts(session: Session, account_id: int) -> Sequence[VerifiedContact]:
    """Everything that the owner of an account has proven to read, as it is before the change."""
    found = (session.get(VerifiedContact, (account_id, channel)) for channel in Channel)
    return [contact for contact in found if contact is not None]


def _warn(
    session: Session,
    office: Office,
    contacts: Sequence[VerifiedContact],
    letter: Text,
    short: str,
    about: str,
) -> None:
    """Write to every contact: who has taken over one of them does not keep the warning away.

    Nor do messages that somebody has caused just before: warnings have bounds of their own. An
    officer's is not kept away by those of a whole school either; officers are few.
    """
    usual = {Channel.SMS: messages.sms_bounds(office), Channel.MAIL: messages.mail_bounds(office)}
    for to in contacts:
        count = messages.count_about(session, office, to.address, about)
        if count < _WARNINGS_A_DAY:
            bounds = replace(
                usual[Channel(to.channel)], cool_down=timedelta(0), per_recipient=_NO_BOUND
            )
            if officers.levels_of(session, to.account_id):
                bounds = replace(bounds, per_day=_NO_BOUND)
            _queue_if_possible(session, office, to, letter, short, about, bounds=bounds)


def _queue_if_possible(
    session: Session,
    office: Office,
    to: VerifiedContact,
    letter: Text,
    short: str,
    about: str,
    *,
    asked_from: str | None = None,
    bounds: Bounds | None = None,
) -> None:
    """Queue a letter, or the short message in its place."""
    try:
        if to.channel == Channel.SMS:
            messages.queue_sms(
                session, office, to.address, short, about, asked_from=asked_from, bounds=bounds
            )
        else:
            if asked_from and bounds is None:
                bounds = messages.mail_bounds(office)
            messages.queue_mail(
                session,
                office,
                to.address,
                letter.subject,
                letter.body,
                about,
                asked_from=asked_from,
                bounds=bounds,
            )
    except (Refused, UsageError):
        # Nothing to send it with, enough were sent, or no short message may go there any more; the
        # page says whom to ask instead.
        return


def _link(office: Office, path: str) -> str:
    """Only under the configured name: the host of a request is the asker's to choose."""
    root = office.config.portal.public_url.rstrip("/")
    return f"{root}{path}" if root else ""


def _or_open(link: str, words: str) -> str:
    return f"\n{words}: {link}" if link else ""


def thai_moment(office: Office, moment: datetime) -> str:
    """Day and minute as a Thai letter has them, with the Buddhist-era year."""
    local = moment.astimezone(ZoneInfo(office.config.site.timezone))
    return f"{local.day}/{local.month}/{local.year + _BUDDHIST_ERA} เวลา {local:%H:%M} น."


def english_moment(office: Office, moment: datetime) -> str:
    """Day and minute as an English letter has them."""
    local = moment.astimezone(ZoneInfo(office.config.site.timezone))
    return f"{local:%Y-%m-%d %H:%M}"
