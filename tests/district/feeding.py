"""Feeds a district to the real pipeline, only without sockets and with the world's own time.

Accounting: the packet codec, `process.accounting`, owners by Class, re-used Acct-Session-Ids
and the ledger's batches. Flows: spool files of whole datagrams, the decoder, the archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import islice

from sqlalchemy import insert, select

from common.config import Config
from common.metrics import Counters
from db.ledger import Ledger, open_ledger
from db.ledger.batch import UnclearError
from db.models import Account, Person, Role, ServiceRun
from identity.office import Office
from identity.services import housekeeping, nas
from identity.stores.sql import SqlStore
from radius_server.process import accounting, class_attribute
from radius_server.worker.clients import NasTable
from radius_server.worker.directory import Directory
from radius_server.worker.exchange import ACCT_CODES, Exchange, authenticate
from radius_server.worker.outcome import Outcome
from radius_server.worker.owners import Owners
from radius_server.worker.reused_ids import ReusedIds
from tests.district.gateways import Sent, Traffic
from tests.district.reports import SECRET, Arrival, Classes, Reports
from tests.district.world import Size, World, number_sessions
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import collector_paths
from traffic.collectors.records import Listener, RecordKind, encode_record
from traffic.collectors.spool import closed_files

EPOCH = 1_794_960_000
"""When the world begins: 2026-11-17T18:00:00Z."""

FIRST_ACCOUNT = 1_000_000
_BATCH = 256
_SPOOL_SECONDS = 60.0


class District:
    """A made-up world, and a site that has been told of it as far as the telling arrived."""

    def __init__(self, config: Config, seed: int, size: Size, *, flows_every: float = 90.0) -> None:
        self.config = config
        self.office = Office.open(config)
        self.world = World(seed, size)
        number_sessions(self.world)
        self.reports = Reports(self.world, EPOCH, classes(self.office.vault.class_key))
        self.traffic = Traffic(self.world, EPOCH, every_seconds=flows_every)

    def feed(self) -> None:
        """Store everything that arrived."""
        self.enrol()
        feed_accounting(self.office, self.reports.arrivals)
        feed_flows(self.config, self.traffic.datagrams)
        self._keep_house()

    def close(self) -> None:
        """Give the database back."""
        self.office.database.dispose()

    def enrol(self) -> None:
        """One account for each person, one NAS client for each school."""
        now = moment(-86_400)
        with self.office.database.write() as session:
            role = session.scalars(select(Role).where(Role.name == "student")).one()
            people = [
                {
                    "id": FIRST_ACCOUNT + number,
                    "full_name": f"Person {number}",
                    "proofing_method": "roster",
                    "proofed_by": "test",
                    "proofed_at": now,
                    "created_at": now,
                }
                for number in range(self.world.size.people)
            ]
            session.execute(insert(Person), people)
            accounts = [
                {
                    "id": FIRST_ACCOUNT + number,
                    "username": f"p{number}",
                    "kind": "person",
                    "state": "active",
                    "person_id": FIRST_ACCOUNT + number,
                    "role_id": role.id,
                    "created_at": now,
                }
                for number in range(self.world.size.people)
            ]
            session.execute(insert(Account), accounts)
            for school in self.world.schools:
                name, prefix = f"school-{school.number}", f"{school.client}/32"
                nas.add_nas(session, self.office, name, prefix, SECRET.decode(), "test")

    def _keep_house(self) -> None:
        """A day later: what ran when, and what the housekeeper closes."""
        down, up = self.traffic.outage
        end = moment(self.world.size.seconds + 86_400)
        runs = (
            ("radius", moment(-43_200), end),
            ("collector", moment(-43_200), moment(down)),
            ("collector", moment(up), end),
        )
        with self.office.database.write() as session:
            for process, begin, stop in runs:
                session.add(
                    ServiceRun(
                        process=process,
                        node="node",
                        started_at=begin,
                        alive_at=stop,
                        stopped_at=stop,
                    )
                )
        silent = housekeeping.silent_after(self.office)
        with self.office.database.write() as session:
            housekeeping.close_restarted_sessions(session, end)
            housekeeping.close_silent_sessions(session, end + timedelta(days=1), silent)


def classes(key: bytes) -> Classes:
    """Makes the Class that an Access-Accept of a site with this key carries."""
    return lambda person, reference: class_attribute.seal(key, FIRST_ACCOUNT + person, reference)


def moment(seconds: float) -> datetime:
    """The time `seconds` after the world began."""
    return datetime.fromtimestamp(EPOCH, UTC) + timedelta(seconds=seconds)


def feed_accounting(office: Office, arrivals: Sequence[Arrival]) -> None:
    """Store accounting packets as the workers do, in the order of receipt."""
    store = SqlStore(office)
    clients = NasTable(store.nas_clients())
    key = office.vault.class_key
    owners = Owners(Directory(store), store, key)
    reused = ReusedIds(store)
    ledger = open_ledger(office.config.database_url)
    try:
        rest = iter(arrivals)
        while some := list(islice(rest, _BATCH)):
            outcome = Outcome(key)
            read = []
            for one in some:
                client = clients.find(one.school.client)
                assert client is not None
                packet = authenticate(one.octets, client, ACCT_CODES)
                at = moment(one.received_s)
                source = (one.school.client, 1813)
                exchange = Exchange(None, source, packet, client, at, ())
                record = accounting.read(packet, client.facts.nas_client_id, at)
                read.append((exchange, record))
            found = owners.find([record for _, record in read])
            for (exchange, record), owner in zip(read, found, strict=True):
                outcome.accounted(exchange, record, *owner)
            _commit(ledger, reused, outcome)
    finally:
        ledger.close()
        store.close()


def _commit(ledger: Ledger, reused: ReusedIds, outcome: Outcome) -> None:
    if not outcome.is_unclear:
        try:
            ledger.commit(outcome.finish())
            return
        except UnclearError:
            pass
    ledger.commit(outcome.placed(reused.place).finish())


def feed_flows(config: Config, datagrams: Sequence[Sent]) -> None:
    """Spool datagrams as the receiver does, a minute a file, and archive them file by file."""
    paths = collector_paths(config)
    paths.make()
    archivist = Archivist(config, paths, Counters())
    archivist.recover()
    number = 0
    index = 0
    while index < len(datagrams):
        number += 1
        until = datagrams[index].received_s + _SPOOL_SECONDS
        path = paths.spool / f"{number:012d}.spool"
        with path.open("wb") as stream:
            while index < len(datagrams) and datagrams[index].received_s < until:
                stream.write(_spooled(datagrams[index]))
                index += 1
        archivist.consume(closed_files(paths.spool))


def _spooled(sent: Sent) -> bytes:
    source = bytes(10) + b"\xff\xff" + ip_address(sent.exporter).packed
    received_ns = int((EPOCH + sent.received_s) * 1e9)
    return encode_record(
        RecordKind.DATAGRAM, Listener.NETFLOW, received_ns, 2055, source, sent.octets
    )
