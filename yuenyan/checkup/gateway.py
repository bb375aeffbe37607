"""Our own gateway without its privileged half: keys, servers, the helper, what waits to be told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from captive_portal.gateway.helper import HelperSocket
from captive_portal.gateway.store import Store
from captive_portal.gateway.times import Times
from captive_portal.gateway.verbs import Usage
from common.config import Config
from common.counting import counted
from common.errors import NetAccessError
from common.net import parse_listen
from common.secret import read_secret_file
from yuenyan.checkup.finding import Finding, error, ok, warn

PATIENCE = timedelta(minutes=15)
"""A server that restarts is back before."""

_SETUP = "see docs/gateway-setup.md"


def check_gateway(config: Config) -> Iterator[Finding]:
    """Nothing where [gateway] is not configured."""
    if not config.gateway.is_configured:
        return
    yield from _check_keys(config)
    yield from _check_addresses(config)
    yield _check_helper(config)
    yield from _check_records(config)


def _check_keys(config: Config) -> Iterator[Finding]:
    for name in ("secret_file", "key_file"):
        path = getattr(config.gateway, name)
        try:
            read_secret_file(path, _SETUP)
        except NetAccessError as problem:
            yield error(f"gateway.{name}", str(problem), _SETUP)
        else:
            yield ok(f"gateway.{name}", str(path))


def _check_addresses(config: Config) -> Iterator[Finding]:
    settings = config.gateway
    for host, port in {*settings.access, *settings.accounting}:
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError as problem:
            yield error(
                "gateway.radius_servers",
                f"{host} has no address: {problem}",
                "correct the name, or name the server by its address",
            )
    port = settings.kernel.capture_port
    if port not in {parse_listen(listen)[1] for listen in settings.listen}:
        yield error(
            "gateway.listen",
            f"caught browsers are sent to port {port}, where nobody listens",
            "let [gateway] listen and [gateway.kernel] capture_port name the same port",
        )
    own = {str(one.ip) for one in settings.kernel.own} | set(settings.kernel.own_names)
    host = urlsplit(settings.public_url).hostname or ""
    if own and host not in own:
        yield warn(
            "gateway.public_url",
            f"{host} is neither an address of this gateway nor one of its own_names",
            "devices that have not signed in reach nothing else; name one of them",
        )


def _check_helper(config: Config) -> Finding:
    path = config.gateway.kernel.socket
    try:
        admitted = len(HelperSocket(path).ask(Usage()).counters)
    except NetAccessError as problem:
        todo = "start yuenyan gateway-helper; ask as root or as the user of its socket"
        return error("gateway helper", str(problem), todo)
    return ok("gateway helper", f"answers; {counted(admitted, 'device')} admitted")


def _check_records(config: Config) -> Iterator[Finding]:
    path = config.gateway_state
    if not path.exists():
        yield ok("gateway accounting", "no session yet")
        return
    store = Store(path)
    try:
        store.open()
        oldest, waiting = store.oldest(), store.count_waiting()
    except NetAccessError as problem:
        yield error("gateway accounting", str(problem), f"who may read {path}? {_SETUP}")
        return
    finally:
        store.close()
    if oldest is None:
        yield ok("gateway accounting", "everything has been told")
        return
    seconds = Times().since(oldest.boot, oldest.up_seconds, oldest.at_seconds)
    wait = counted(waiting, "record waits", "records wait")
    what = f"{wait} to be told, the oldest for {int(max(0, seconds))} s"
    if seconds >= PATIENCE.total_seconds():
        yield warn(
            "gateway accounting",
            what,
            "is the server up, does the firewall let its accounting port through, is the secret"
            " right? Nothing is lost meanwhile",
        )
    else:
        yield ok("gateway accounting", what)
