"""Two people behind one public address: sessions, accounting, flows, leases and NAT lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from common.metrics import Counters
from db.engine import Database
from db.models import (
    Account,
    AccountingEvent,
    AddressInterval,
    AuthEvent,
    NetworkSession,
    Person,
    Role,
    ServiceRun,
)
from identity.domain.registers import Action, Register
from identity.office import Office
from identity.services import registers
from tests.conftest import Site
from tests.vectors.flows.datagrams import SECONDS, Flow
from tests.vectors.flows.spools import flow_datagram, record, write_spool
from traffic.archive.kinds import CLOCK, LEASE, NAT
from traffic.archive.tables import TableArchive
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import collector_paths
from traffic.collectors.spool import closed_files

SENT = datetime.fromtimestamp(SECONDS, UTC)
SENT_MS = SECONDS * 1000
PUBLIC = "198.51.100.7"
SOMCHAI, MALEE = "10.1.2.3", "10.1.2.4"
MAC_OF = {"somchai": "3c22fb010203", "malee": "3c22fb010204"}


def moment(seconds: float) -> str:
    """RFC 3339 of a moment after (or before) the flows were sent."""
    return (SENT + timedelta(seconds=seconds)).isoformat()


def seed(site: Site) -> None:
    """The whole world, received within an hour around SENT."""
    database = Database(site.config.database_url)
    with database.write() as session:
        for process in ("radius", "collector"):
            session.add(
                ServiceRun(
                    process=process,
                    node="node",
                    started_at=SENT - timedelta(hours=12),
                    alive_at=SENT + timedelta(hours=12),
                    stopped_at=SENT + timedelta(hours=12),
                )
            )
        session.add(Role(id=90, name="pupil"))
    add_person(database, 71, "somchai", "สมชาย ใจดี", SOMCHAI)
    add_person(database, 72, "malee", "มาลี รักเรียน", MALEE)
    database.dispose()
    paths = collector_paths(site.config)
    paths.make()
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    flows = [Flow(), Flow(src=MALEE, nat_src_port=50_001), Flow(src_port=40_002, protocol=17)]
    write_spool(paths.spool, 1, record(flow_datagram(flows, 1)))
    archivist.consume(closed_files(paths.spool))
    rows = TableArchive(paths.archive, paths.node)
    rows.append(LEASE, [lease(SOMCHAI, "somchai", -900), lease(MALEE, "malee", -900)])
    rows.append(LEASE, [lease(SOMCHAI, "malee", -7200)])
    rows.append(NAT, [nat(SOMCHAI, 50_000), nat(MALEE, 50_001)])
    rows.append(
        CLOCK,
        [
            {
                "received_at": SENT_MS,
                "source": "time.navy.mi.th",
                "offset_us": -1500,
                "error_us": 900,
                "stratum": 2,
                "state": "synchronised",
            }
        ],
    )


def add_person(database: Database, number: int, name: str, full_name: str, address: str) -> None:
    """An account with one login, and a session from 600 s before SENT to 600 s after."""
    begin, end = SENT - timedelta(seconds=600), SENT + timedelta(seconds=600)
    with database.write() as session:
        session.add(
            Person(
                id=number,
                full_name=full_name,
                proofing_method="roster",
                proofed_by="head",
                proofed_at=begin,
                created_at=begin,
            )
        )
        session.flush()
        session.add(
            Account(
                id=number,
                username=name,
                kind="person",
                person_id=number,
                role_id=90,
                created_at=begin,
            )
        )
        session.add(
            AuthEvent(
                at=begin,
                user_name=name,
                account_id=number,
                method="pap",
                outcome="accept",
                reason="ok",
                calling_station_id=MAC_OF[name],
                session_ref=f"ref-{name}",
            )
        )
        session.add(
            NetworkSession(
                session_key=f"key-{name}",
                nas_client_id=1,
                nas_identity="ap1",
                acct_session_id=f"key-{name}",
                user_name=name,
                account_id=number,
                session_ref=f"ref-{name}",
                calling_station_id=MAC_OF[name],
                started_at=begin,
                last_heard_at=end,
                session_seconds=1200,
                stop_seen=1,
                stop_at=end,
                input_octets=0,
                output_octets=0,
            )
        )
        session.add(
            AddressInterval(
                session_key=f"key-{name}",
                address=address,
                source="radius",
                from_at=begin,
                to_at=end,
            )
        )
        for at, status in ((-600, 1), (-400, 3), (-200, 3), (0, 3), (200, 3), (400, 3), (600, 2)):
            session.add(accounting(name, address, at, status))


def accounting(name: str, address: str, at: int, status: int) -> AccountingEvent:
    received = SENT + timedelta(seconds=at)
    return AccountingEvent(
        received_at=received,
        nas_client_id=1,
        source="10.0.0.2:1646",
        status_type=status,
        session_key=f"key-{name}",
        user_name=name,
        calling_station_id=MAC_OF[name],
        framed_address=address,
        session_seconds=at + 600,
        event_timestamp=received - timedelta(seconds=2),
        octets=b"\x04\x00\xff" + f"{name} {at}".encode(),
    )


def lease(address: str, name: str, at: int) -> dict[str, object]:
    return {
        "received_at": SENT_MS + at * 1000,
        "source": "10.0.0.1",
        "form": "isc-dhcpd",
        "event": "assign",
        "address": address,
        "mac": MAC_OF[name],
        "raw": f"DHCPACK on {address} to {MAC_OF[name]}\xff".encode("latin-1"),
    }


def nat(inside: str, port: int) -> dict[str, object]:
    return {
        "received_at": SENT_MS - 60_000,
        "source": "10.0.0.1",
        "event": "create",
        "protocol": 6,
        "inside_address": inside,
        "inside_port": 40_000,
        "outside_address": PUBLIC,
        "outside_port": port,
        "raw": f"srcnat {inside} -> {PUBLIC}:{port}".encode(),
    }


def official_request(site: Site, about: str = "", *, approved: bool = True) -> str:
    """The number of a request of officials for the minutes around SENT."""
    database = Database(site.config.database_url)
    office = Office.open(site.config, database)
    facts = {
        "office": "สภ.เมือง",
        "officer": "ร.ต.อ. กล้า",
        "officer_id": "12345",
        "basis": "s18-2",
        "document_number": "ตช 1/69",
        "scope": "ผู้ใช้หมายเลขไอพี",
        "from_at": moment(-60),
        "to_at": moment(60),
        "about": about,
    }
    with database.write() as session:
        number = registers.add(session, office, Register.REQUEST, facts, "head").number
        if approved:
            step = registers.Step(action=Action.APPROVED, note="ok")
            registers.take_step(session, office, number, step, "head")
    database.dispose()
    return number
