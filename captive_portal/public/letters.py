"""What the portal writes to people: a code, and that a visitor has named somebody as host.

Only composes and queues. The housekeeper sends.
"""

from __future__ import annotations

import re
from datetime import timedelta

from flask_babel import force_locale
from sqlalchemy.orm import Session

from captive_portal.public.site import client_address, page, portal
from captive_portal.web.dates import format_duration
from captive_portal.web.i18n import current_language, gettext
from captive_portal.web.limits import site_of
from common.errors import Refused
from db.models import Account, Registration
from identity.domain.admission import format_code
from identity.domain.contacts import Channel, find_mailbox, find_number
from identity.domain.registering import CODE_LIFETIME, Way
from identity.services import codes, hosting, hosts, messages
from identity.services.codes import Errand, Purpose, Text
from identity.services.messages import Bounds, TooManyMessages

_HOST_LETTERS = 50
"""A day to one host: an open day of one teacher, and no more from a joker."""

_LONGEST_NAME = 80
_LINK = re.compile(r"\S*(?:[:/\\@]|[A-Za-z0-9-]\.[A-Za-z0-9-]{2,})\S*")
"""What a mail program makes a link of; `ดร.สมชาย` and `J.R.` are none."""

_MINUTES = int(CODE_LIFETIME.total_seconds()) // 60


class CannotSend(Refused):
    """Nothing is set up that could carry a code; whoever chose this way must see to it."""


def send_first(session: Session, stored: Registration) -> None:
    """Write what an application calls for at its beginning.

    Raises:
        TooManyMessages: a bound was reached; nothing is stored then.
        CannotSend: there is no way to send a code.
    """
    if Way(stored.way).has_code:
        send_code(session, stored)
    elif stored.way == Way.SPONSOR:
        tell_host(session, stored)


def send_code(session: Session, stored: Registration) -> None:
    """Queue a fresh code to the contact of an application; raises as `send_first`."""
    by_sms = stored.way == Way.SMS_CODE
    compose = _code_by_sms if by_sms else _code_by_mail
    errand = Errand(
        purpose=Purpose.REGISTRATION,
        owner=stored,
        channel=Channel.SMS if by_sms else Channel.MAIL,
        recipient=stored.contact,
        about=f"registration {stored.reference}",
        client_address=client_address(),
    )
    try:
        codes.send(session, portal().office, errand, compose)
    except TooManyMessages:
        raise
    except Refused as error:
        raise CannotSend(str(error)) from error


def tell_host(session: Session, stored: Registration) -> None:
    """Queue a letter to the host, when there is one who can be written to.

    Whoever cannot be written to sees the visitor on the page of their guests all the same, so
    nothing here stops an application but that too many from one address wait for one host, and
    nothing tells who is a host.

    Raises:
        TooManyMessages: so many wait from this address.
    """
    hosting.refuse_too_many(session, stored)
    office = portal().office
    host = session.get(Account, stored.host_id) if stored.host_id is not None else None
    mailbox = hosts.mailbox_of(host) if host is not None else None
    if mailbox is None or not office.config.mail.host:
        return
    chosen = office.config.registration
    bounds = Bounds(
        cool_down=timedelta(0),
        per_recipient=_HOST_LETTERS,
        per_address=chosen.mails_per_address,
        per_day=chosen.mails_per_day,
    )
    subjects, bodies = [], []
    for language in office.config.site.languages:  # which of them the host reads, nobody knows
        with force_locale(language):
            subjects.append(gettext("A visitor waits for your answer"))
            bodies.append(_host_body(stored))
    try:
        messages.queue_mail(
            session,
            office,
            mailbox,
            " / ".join(subjects),
            "\n\n----\n\n".join(bodies) + "\n",
            f"registration {stored.reference}",
            asked_from=_asked_from(),
            bounds=bounds,
        )
    except TooManyMessages:
        return


def wait_text(error: TooManyMessages) -> str:
    """What to tell somebody who may not have another message yet."""
    seconds = int(error.wait.total_seconds()) + 1
    if seconds < 60:
        return gettext("Please wait %(seconds)s seconds, then try again.", seconds=seconds)
    return gettext(
        "No more messages can be sent for this today. Please try again in %(span)s, or ask the "
        "staff.",
        span=format_duration(seconds, current_language()),
    )


def cannot_send_text(_error: CannotSend) -> str:
    """What to tell somebody whose code cannot be sent at all."""
    return gettext("No code can be sent at the moment. Please ask the staff to let you in.")


def _asked_from() -> str | None:
    return site_of(client_address()) or None


def _code_by_mail(code: str) -> Text:
    site = portal().office.config.site.name
    subject = gettext("%(code)s is your code for the Wi-Fi", code=code)
    body = gettext(
        "Your code for the Wi-Fi of %(site)s is\n\n    %(code)s\n\nEnter it on the page where you "
        "registered. It is good for %(minutes)s minutes.\nIf you did not ask for it, you need "
        "not do anything.",
        site=site,
        code=code,
        minutes=_MINUTES,
    )
    return Text(subject, body + "\n")


def _code_by_sms(code: str) -> Text:
    site = portal().office.config.site.name
    return Text("", gettext("%(code)s is your Wi-Fi code for %(site)s", code=code, site=site))


def _plain(name: str) -> str:
    """A visitor's name for a letter: no stranger writes links under the office's name."""
    return _LINK.sub("…", name)[:_LONGEST_NAME]


def _host_body(stored: Registration) -> str:
    """What the host reads. The purpose is left to the page: it is free text of a stranger."""
    printed = format_code(stored.reference)
    text = gettext(
        "Somebody who wants to use the Wi-Fi of %(site)s has named you as their host. The visitor "
        "wrote this; nobody has checked it:\n\n"
        "Name: %(name)s\nContact: %(contact)s\nNumber: %(number)s\n\n"
        "What they need it for stands on the page.\n",
        site=portal().office.config.site.name,
        name=_plain(stored.full_name),
        contact=find_mailbox(stored.contact) or find_number(stored.contact) or "–",
        number=printed,
    )
    root = portal().office.config.portal.public_url.rstrip("/")
    # Never the address that the visitor's browser used: whoever forged that would have the
    # host type a password there.
    if root:
        address = root + page("guests.show", reference=printed, visit="", lang="")
        return (
            text
            + "\n"
            + gettext(
                "Do you know this person? Sign in here to agree or to refuse:\n%(address)s",
                address=address,
            )
        )
    return (
        text
        + "\n"
        + gettext(
            "Do you know this person? Open the sign-in page of the Wi-Fi, choose “Guests who named "
            "me”, and agree or refuse."
        )
    )
