"""Does the RADIUS server that holds our ports really answer?"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from common.config import Config
from common.errors import NetAccessError
from common.net import parse_address, parse_listen
from db.engine import Database
from identity.office import Office
from identity.services import nas
from radius_server.pyrad_adapter import is_alive
from yuenyan.checkup.finding import Finding, error, ok
from yuenyan.checkup.ports import find_holder
from yuenyan.lost import has_database


def check_answers(config: Config) -> Iterator[Finding]:
    """Each RADIUS port that is held answers Status-Server (RFC 5997).

    Needs a NAS that this machine is to itself (a prefix that holds the loopback address);
    without one there is no secret to ask with, and nothing is said.
    """
    for kind, listens in (("auth", config.radius.auth), ("acct", config.radius.acct)):
        for listen in listens:
            host, port = parse_listen(listen)
            address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared
            if ":" in address or not find_holder(port, "udp"):
                continue
            secret = _secret_for(config, address)
            if secret is None:
                continue
            check = f"radius.{kind} {listen}"
            if is_alive(address, port, secret, accounting=kind == "acct"):
                yield ok(check, "answers Status-Server")
            else:
                yield error(
                    check, "held, but no answer to Status-Server", "look at the log of radius"
                )


def _secret_for(config: Config, address: str) -> bytes | None:
    """The secret of the NAS that a packet from this machine to `address` would come from."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            source = parse_address(probe.getsockname()[0])
    except OSError:
        return None
    if not has_database(config):
        return None
    database = Database(config.database_url)
    try:
        office = Office.open(config, database)
        with database.read() as session:
            for client in nas.list_nas(session):
                network = client.network
                if network is None:
                    continue
                if network.version == source.version and source in network:
                    return nas.secret_of(office, client)
    except (NetAccessError, SQLAlchemyError):
        # check_database tells what is wrong with it.
        return None
    finally:
        database.dispose()
    return None
