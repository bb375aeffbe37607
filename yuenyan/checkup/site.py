"""What belongs to the site: configuration, keys, database, certificates, archive."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from common.clock import unix_milliseconds, utc_now
from common.config import Config
from common.config_section import ANY
from common.counting import counted
from common.errors import NetAccessError
from common.net import parse_listen
from common.owners import other_owner
from common.secret import read_secret_file
from db import append_only
from db.engine import Database
from db.migrate import migration_config
from db.models import Account, NasClient, UnknownNas
from identity.domain.levels import Level
from identity.office import Office
from identity.services import nas, nas_hygiene, officers
from identity.vault import KEY_FILE
from traffic.archive.manifest import Manifest
from traffic.archive.seals import KEY_FILE as SEAL_KEY
from traffic.archive.seals import PUBLIC_FILE, read_seals, require_key_pair
from traffic.collectors.paths import collector_paths
from traffic.collectors.senders import read_refused
from yuenyan.checkup.duties import check_duties
from yuenyan.checkup.equipment import check_equipment
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.checkup.gateways import check_gateways
from yuenyan.checkup.names import check_names
from yuenyan.checkup.rights import is_denied
from yuenyan.initialise import ADMIN_SESSION_KEY, PORTAL_SESSION_KEY
from yuenyan.lost import RESTORE, describe_loss, has_database

FIRST_ADMIN_NOTE = "first-admin.txt"

_UNKNOWN_WITHIN = timedelta(days=1)
_REFUSED_MS = 86_400_000


def check_configuration(config: Config) -> Iterator[Finding]:
    """Where the configuration came from, and what of it is unwise."""
    yield ok("configuration", str(config.source or "built-in defaults"))
    host, _ = parse_listen(config.admin.listen)
    if not ip_address(host).is_loopback and not config.admin.public_url.startswith("https://"):
        yield warn(
            "admin.listen",
            f"{config.admin.listen} is reachable from the network without HTTPS",
            "put a proxy with a certificate before it; deploy/nginx.conf is an example",
        )
    if not config.portal.public_url.startswith("https://"):
        yield warn(
            "portal.public_url",
            "visitors type passwords over plain HTTP",
            "put a proxy with a certificate before the portal and set its https:// address",
        )


def check_exporters(config: Config) -> Iterator[Finding]:
    """Flows are taken from known equipment alone, where others can reach the port."""
    collector = config.collector
    open_to = [
        listen
        for listen in (*collector.netflow, *collector.ipfix)
        if not ip_address(parse_listen(listen)[0]).is_loopback
    ]
    if open_to and ANY in collector.exporters:
        yield warn(
            "collector.exporters",
            f"anybody who reaches {', '.join(open_to)} can enter flows and fill the disk",
            "name the equipment that sends them: [collector] exporters ="
            ' ["10.0.0.1", "10.20.0.0/16"]; and let nobody else through to the port',
        )
    refused = read_refused(collector_paths(config).state, unix_milliseconds() - _REFUSED_MS)
    if refused and ANY not in collector.exporters:
        shown = ", ".join(refused[:10]) + (" …" if len(refused) > 10 else "")
        yield warn(
            "collector.exporters",
            f"flows of {shown} were not taken, because nobody knows that equipment",
            "if it is yours, register it (yuenyan nas add) or name it in [collector] exporters",
        )


def check_streams(config: Config) -> Iterator[Finding]:
    """Whether senders over TCP and TLS find a place, since the collector was started."""
    name = "yuenyan_collector_streams_refused "
    with suppress(OSError, ValueError):
        text = (config.data_dir / "metrics" / "collector.prom").read_text(encoding="utf-8")
        for line in text.splitlines():
            if line.startswith(name) and (count := int(line.removeprefix(name))):
                yield warn(
                    "collector connections",
                    f"{counted(count, 'connection was', 'connections were')} turned away for want"
                    " of a place since the collector was started",
                    "raise [collector] ipfix_connections or syslog_connections, or let nobody"
                    " but your equipment through to the ports",
                )


def check_keys(config: Config) -> Iterator[Finding]:
    """Every key is there and readable by its owner alone."""
    for name in (KEY_FILE, PORTAL_SESSION_KEY, ADMIN_SESSION_KEY, SEAL_KEY):
        try:
            read_secret_file(config.keys_dir / name)
        except NetAccessError as problem:
            yield error(f"key {name}", str(problem), "mend it before the next start")
        else:
            yield from _check_seal_keys(config, name)
    note = config.data_dir / FIRST_ADMIN_NOTE
    if note.exists():
        yield warn(
            "first administrator",
            f"{note} still holds the first password",
            "change it (yuenyan user password admin --password-stdin), then delete the file",
        )


def _check_seal_keys(config: Config, name: str) -> Iterator[Finding]:
    """What is wrong with a key that can be read: the one of the seals has a public half."""
    try:
        if name == SEAL_KEY:
            require_key_pair(config.keys_dir)
    except NetAccessError as problem:
        yield error(
            f"key {name}",
            str(problem),
            f"bring {name} and {PUBLIC_FILE} back from the backup; where {PUBLIC_FILE} alone is"
            " lost, take it away and run: yuenyan init",
        )
    else:
        yield ok(f"key {name}", "there, mode 0600")


def _no_database(config: Config) -> Finding | None:
    """What is wrong where there should be one; None on a site that never had any."""
    loss = describe_loss(config)
    return None if loss is None else error("database", loss, RESTORE)


def check_database(config: Config) -> Iterator[Finding]:
    """The database answers, has today's tables, belongs to the keys, and knows somebody."""
    if not has_database(config):
        yield _no_database(config) or error("database", "there is none yet", "run: yuenyan init")
        return
    database = Database(config.database_url)
    try:
        yield from _check_database(config, database)
    except (NetAccessError, SQLAlchemyError) as problem:
        text = str(problem).splitlines()[0]
        todo = "start the database, or correct [database] url"
        if config.is_sqlite:
            path = config.database_url.removeprefix("sqlite:///")
            owner = None if os.access(path, os.R_OK | os.W_OK) else other_owner(path)
            todo = f"run it as {owner}" if owner else f"see that the disk is whole, or {RESTORE}"
        yield error("database", text, todo)
    finally:
        database.dispose()


def _check_database(config: Config, database: Database) -> Iterator[Finding]:
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    newest = ScriptDirectory.from_config(migration_config(config.database_url)).get_current_head()
    if current is None and (lost := _no_database(config)) is not None:
        yield lost
        return
    if current != newest:
        yield error(
            "database",
            f"its tables are at {current or 'nothing'}, this release needs {newest}",
            "stop the service and run: yuenyan init",
        )
        return
    yield ok("database", f"{database.engine.dialect.name}, tables at {newest}")
    with database.engine.connect() as connection:
        open_doors = append_only.missing(connection)
    if open_doors:
        yield error(
            "evidence in the database",
            f"what keeps rows from being changed is not in force: {', '.join(open_doors)}",
            "find out who took it away; docs/integrity.md says how to put it back",
        )
    with database.read() as session:
        admins = session.scalar(
            select(func.count())
            .select_from(Account)
            .where(officers.has_level(Level.ADMIN), Account.state == "active")
        )
        duties = [*check_duties(config, session), *check_names(config, session)]
        clients = session.scalars(select(NasClient).where(NasClient.enabled)).all()
        unknown = session.scalars(
            select(UnknownNas.address)
            .where(UnknownNas.last_seen_at >= utc_now() - _UNKNOWN_WITHIN)
            .order_by(UnknownNas.address)
            .limit(5)
        ).all()
    if admins:
        yield ok("administrators", f"{admins} active")
    else:
        yield error(
            "administrators",
            "nobody can use the admin portal",
            "run: yuenyan init --admin NAME --admin-password-stdin",
        )
    yield from duties
    yield from _check_nas(config, database, clients, unknown)


def _check_nas(
    config: Config,
    database: Database,
    clients: Sequence[NasClient],
    unknown: Sequence[str],
) -> Iterator[Finding]:
    if not clients:
        yield warn(
            "equipment",
            "no NAS is registered: every RADIUS packet is dropped",
            "run: yuenyan nas add NAME PREFIX --secret-stdin",
        )
    else:
        try:
            office = Office.open(config, database)
            nas.secret_of(office, clients[0])
        except NetAccessError as problem:
            yield error("equipment", str(problem), "nobody can log in with another vault.key")
        else:
            yield ok("equipment", f"{len(clients)} registered")
            with database.read() as session:
                hygiene = nas_hygiene.describe(session, office, clients)
            yield from check_equipment(clients, hygiene)
            yield from check_gateways(office, clients)
    if unknown:
        yield warn(
            "equipment",
            f"unregistered addresses sent RADIUS today: {', '.join(unknown)}",
            "register them (yuenyan nas add), or find out what they are",
        )


def check_archive(config: Config) -> Iterator[Finding]:
    """The list of all segments can be read, and has every line that was sealed."""
    archive = config.data_dir / "archive"
    try:
        seals = read_seals(archive)  # first: a line that comes meanwhile is not missed
        entries = sum(1 for _ in Manifest(archive).committed())
    except (NetAccessError, OSError) as problem:
        if is_denied(problem):
            raise  # yuenyan.checkup.rights says so; `verify` could not read it either
        yield error("archive", str(problem), "run: yuenyan archive verify")
        return
    if seals and seals[-1].seq > entries:
        yield error(
            "archive",
            f"{counted(seals[-1].seq, 'entry was', 'entries were')} sealed, and the manifest has"
            f" {entries}",
            "stop the service, keep what is there, and bring archive/manifest.jsonl back from the"
            " backup or a witness; then: yuenyan archive verify",
        )
    else:
        yield ok("archive", f"{counted(entries, 'entry', 'entries')} in the manifest")
