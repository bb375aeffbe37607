"""Whether letters and short messages leave, and whether what visitors are offered can work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from common.clock import utc_now
from common.config import Config
from common.errors import ConfigError, NetAccessError
from common.mail_server import try_server
from db.engine import Database
from db.models import Message, RoleRegistration
from identity.domain.registering import Way
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.lost import has_database

CHECK = "messages"
WAYS = "registration"
_LONG = timedelta(minutes=10)
_RECENT = timedelta(days=1)

MAIL = "mail"
_MAIL_SECONDS = 5.0
"""For each answer: an officer waits."""

_MAIL_ADVICE = (
    ("certificate", "set ca in [mail] to the file of its authority, or host to its name"),
    ("user and password", "correct user, or the password in password_file"),
    ("starttls", "it offers no encryption there: try port 465, or another server"),
    ("auth", "it asks for no password there: take user out, or try port 587"),
    ("wrong_version", "it does not begin with TLS there: port 465 does, 587 has STARTTLS"),
)
_UNREACHABLE = "look whether host and port are right and a firewall lets this machine out"


def check_messages(config: Config) -> Iterator[Finding]:
    """Messages that failed or wait for long, and ways to register that cannot work."""
    if not has_database(config):
        return
    database = Database(config.database_url)
    try:
        names = inspect(database.engine).get_table_names()
        if not {Message.__tablename__, RoleRegistration.__tablename__} <= set(names):
            return
        with database.read() as session:
            findings = [*_messages(session), *_ways(session, config)]
    except (NetAccessError, SQLAlchemyError):
        return  # check_database tells
    finally:
        database.dispose()
    yield from findings


def check_mail(config: Config) -> Iterator[Finding]:
    """The server of [mail] answers, encrypts and takes our password; no letter is sent."""
    mail = config.mail
    if not mail.host:
        return
    began = time.monotonic()
    try:
        try_server(mail, _MAIL_SECONDS)
    except ConfigError as problem:
        yield error(MAIL, str(problem), "correct [mail]; no letter leaves until then")
    except NetAccessError as problem:
        yield error(MAIL, str(problem), _advice(str(problem)))
    else:
        took = (time.monotonic() - began) * 1000
        yield ok(MAIL, f"{mail.host}:{mail.port} would take letters, {took:.0f} ms")


def _advice(text: str) -> str:
    folded = text.lower()
    return next((todo for sign, todo in _MAIL_ADVICE if sign in folded), _UNREACHABLE)


def _messages(session: Session) -> Iterator[Finding]:
    now = utc_now()
    failed = session.execute(
        select(func.count(), func.max(Message.last_error)).where(
            Message.state.in_(("failed", "late")), Message.created_at > now - _RECENT
        )
    ).one()
    waiting = session.execute(
        select(func.count(), func.max(Message.last_error)).where(
            Message.state == "waiting", Message.created_at <= now - _LONG
        )
    ).one()
    if failed[0]:
        yield warn(
            CHECK,
            f"{failed[0]} of the last day did not arrive: {failed[1] or 'their time was over'}",
            "yuenyan message list --state failed; set it right, then: yuenyan message retry ID",
        )
    if waiting[0]:
        yield warn(
            CHECK,
            f"{waiting[0]} wait for longer than 10 minutes: {waiting[1] or 'nobody sends them'}",
            "see [mail] and [sms], and whether the housekeeper runs: yuenyan message list",
        )
    if not failed[0] and not waiting[0]:
        yield ok(CHECK, "none failed, none waits for long")


def _ways(session: Session, config: Config) -> Iterator[Finding]:
    rows = session.scalars(select(RoleRegistration)).unique().all()
    sponsors = any(row.may_sponsor for row in rows)
    for row in rows:
        way, role = Way(row.way), row.role.name
        if way is Way.MAIL_CODE and not config.mail.host:
            yield warn(WAYS, f"{role}: codes go by mail, but no server takes it", "set [mail] host")
        if way is Way.SMS_CODE and not config.sms.url:
            yield warn(WAYS, f"{role}: codes go by SMS, but no gateway takes it", "set [sms] url")
        if way is Way.SPONSOR and not config.portal.public_url:
            yield warn(
                WAYS,
                f"{role}: letters to hosts hold no link",
                "set [portal] public_url to the address that hosts open the portal at",
            )
        if way is Way.SPONSOR and not sponsors:
            yield warn(
                WAYS,
                f"{role}: nobody may receive guests",
                "yuenyan role registration staff --may-sponsor",
            )
