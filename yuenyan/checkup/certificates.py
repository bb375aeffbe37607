"""Certificates and revocation lists: what ends when, and what devices would refuse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy.exc import SQLAlchemyError

from common.clock import utc_now
from common.config import Config
from common.counting import counted
from common.errors import NetAccessError
from db.engine import Database
from identity.pki.devices import find_objections
from identity.pki.endings import WARNING_DAYS, Ending, Item, Urgency, find_endings
from identity.pki.folder import CA, CaFolder, read_certificates
from identity.services import certificates
from yuenyan.checkup.finding import Finding, Level, error, ok, warn
from yuenyan.checkup.rights import is_denied
from yuenyan.lost import has_database

_LEVELS = {
    Urgency.FINE: Level.OK,
    Urgency.SOON: Level.WARN,
    Urgency.NEAR: Level.WARN,
    Urgency.NOW: Level.ERROR,
    Urgency.ENDED: Level.ERROR,
    Urgency.UNREADABLE: Level.ERROR,
}
_ADVICE = {
    Item.SERVER: "ต่ออายุ / renew it: yuenyan cert server",
    Item.RADSEC: "ต่ออายุ / renew it: yuenyan cert server --for radsec",
    Item.COLLECTOR: "ต่ออายุ / renew it, and [collector] syslog_certificate with it",
    Item.CA: "เปลี่ยนไปใช้ CA ใหม่ / go over to a new CA: yuenyan cert rollover",
    Item.CRL: (
        "ดูว่า housekeeper ทำงานอยู่ หรือสั่งเอง / see that the housekeeper runs, or: yuenyan cert crl"
    ),
}
_ADVICE_ELSEWHERE = (
    "ขอใบใหม่จากผู้ออกแล้ววางทับไฟล์เดิม / get a new one where it came from and replace the file"
)


def check_certificates(config: Config) -> Iterator[Finding]:
    """Nothing that a login depends on is about to end, and devices take the certificate."""
    for ending in find_endings(config):
        yield _ending(config, ending)
    yield from _check_server(config)
    yield from _check_other_keys(config)
    yield from _check_authority(config)
    yield from _check_nas(config)


def _ending(config: Config, ending: Ending) -> Finding:
    now = utc_now()
    urgency = ending.urgency(now)
    check = f"certificate {ending.path.name}"
    todo = _ADVICE[ending.item]
    if urgency is Urgency.UNREADABLE:
        if not config.ca_dir.exists():
            todo = f"bring {config.ca_dir} back from the backup; on a new site run: yuenyan init"
        elif ending.item is Item.CA or _is_elsewhere(config, ending):
            # Without the CA nothing is renewed.
            todo = f"bring {ending.path} back from the backup, or correct its name in [eap]"
        return Finding(_LEVELS[urgency], check, ending.problem, todo)
    assert ending.ends_at is not None
    if _is_elsewhere(config, ending):
        todo = _ADVICE_ELSEWHERE
    day, days = f"{ending.ends_at:%Y-%m-%d}", ending.days_left(now)
    if urgency is Urgency.FINE:
        return ok(check, f"{ending.title}, until {day}")
    if urgency is Urgency.ENDED:
        text = f"{ending.title} หมดอายุแล้วเมื่อ {day} / ended on {day}"
    else:
        text = f"{ending.title} จะหมดอายุใน {days} วัน ({day}) / ends in {counted(days, 'day')}"
    return Finding(_LEVELS[urgency], check, text, todo)


def _is_elsewhere(config: Config, ending: Ending) -> bool:
    return config.ca_dir not in ending.path.absolute().parents


def _check_server(config: Config) -> Iterator[Finding]:
    path = config.eap_certificate
    try:
        certificate = read_certificates(path)[0]
    except NetAccessError:
        return  # said above
    for objection in find_objections(certificate):
        yield warn(
            "certificate for devices",
            f"Apple, Android or Windows will refuse {path.name}: {objection}",
            "issue one that they take: yuenyan cert server --name DNS",
        )
    yield from _check_key(config.eap_private_key, path)


def _check_other_keys(config: Config) -> Iterator[Finding]:
    """Of RadSec and of the collector, where they have certificates of their own."""
    pairs = []
    if config.radius.radsec:
        pairs.append((config.radsec_private_key, config.radsec_certificate))
    if config.collector.syslog_tls or config.collector.ipfix_tls:
        pairs.append((config.syslog_private_key, config.syslog_certificate))
    for private_key, certificate in dict.fromkeys(pairs):
        if (private_key, certificate) != (config.eap_private_key, config.eap_certificate):
            yield from _check_key(private_key, certificate)


def _check_key(private_key: Path, certificate: Path) -> Iterator[Finding]:
    try:
        bearer = read_certificates(certificate)[0]
    except NetAccessError:
        return  # said above
    try:
        key = load_pem_private_key(private_key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or problem
        yield error(
            "certificate key",
            f"{private_key} cannot be read: {reason}",
            "put the key of the certificate there; the user that runs the server must read it",
        )
        return
    if key.public_key() != bearer.public_key():
        yield error(
            "certificate key",
            f"{private_key.name} is not the key of {certificate.name}",
            "put the two files there that belong together",
        )


def _check_authority(config: Config) -> Iterator[Finding]:
    """The CA can sign, where its key is here: without it nothing is renewed or taken back."""
    folder = CaFolder(config.ca_dir)
    try:
        read_certificates(folder.path / CA)
    except NetAccessError:
        return  # said above
    try:
        if folder.exists():
            folder.active()
    except NetAccessError as problem:
        if not is_denied(problem):
            yield error(
                "certificate authority",
                str(problem),
                "bring the right file back from the backup: nothing is renewed or revoked"
                " without it",
            )


def _check_nas(config: Config) -> Iterator[Finding]:
    if not has_database(config):
        return
    now = utc_now()
    database = Database(config.database_url)
    try:
        with database.read() as session:
            rows = certificates.list_ending_nas(session, now + timedelta(days=WARNING_DAYS[0]))
    except (NetAccessError, SQLAlchemyError):
        return  # check_database tells what is wrong with it
    finally:
        database.dispose()
    for row in rows:
        days = max(0, (row.not_after - now).days)
        yield warn(
            f"certificate of {row.name}",
            f"ใบรับรอง RadSec จะหมดอายุใน {days} วัน / its RadSec certificate ends in"
            f" {counted(days, 'day')}",
            "ออกใบใหม่แล้วนำไปติดตั้ง / issue a new one and install it there: "
            f"yuenyan cert nas {row.name}",
        )
