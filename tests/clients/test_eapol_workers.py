"""Logins whose packets come from ever other ports, so that the kernel spreads them over workers."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.eapol import Supplicant
from tests.integration.radius_site import LOOPBACK, LiveSite, running_radius, site_of_kind
from tests.programs import require

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(150),
    pytest.mark.xdist_group("eapol-workers"),
]

PASSWORD = "seven green elephants"
AGAIN = 8
"""Logins after the first; that all fall to one of two workers by chance is one in 256."""


@contextmanager
def restless(port: int) -> Iterator[int]:
    """A port whose packets reach `port` of loopback from a new port each."""
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", 0))
    stop, stopped = socket.socketpair()

    def run() -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(front, selectors.EVENT_READ)
            selector.register(stopped, selectors.EVENT_READ)
            back: list[socket.socket] = []
            client = None
            while True:
                for key, _ in selector.select():
                    if key.fileobj is stopped:
                        for item in back:
                            item.close()
                        return
                    if key.fileobj is front:
                        octets, client = front.recvfrom(4096)
                        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                        one.connect(("127.0.0.1", port))
                        one.send(octets)
                        selector.register(one, selectors.EVENT_READ)
                        back.append(one)
                    elif isinstance(key.fileobj, socket.socket) and client is not None:
                        front.sendto(key.fileobj.recv(4096), client)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield front.getsockname()[1]
    finally:
        stop.close()
        thread.join(10)
        stopped.close()
        front.close()


@pytest.fixture(scope="module")
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    """Two workers."""
    require("eapol_test", "eapoltest")
    made = site_of_kind(
        request,
        tmp_path_factory.mktemp("workers"),
        "postgresql",
    )
    made.add_nas("gate", LOOPBACK)
    made.add_person("somchai", PASSWORD, recoverable="nt-hash")
    with running_radius(made):
        yield made


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("method", ["TTLS", "PEAP"])
def test_a_session_is_resumed_whichever_worker_the_device_comes_back_to(
    live: LiveSite, tmp_path: Path, method: str, tls: str
) -> None:
    mac = f"3c:22:fb:0d:{ord(method[0]):02x}:{tls[-1]:0>2}"
    network = {
        "key_mgmt": "WPA-EAP",
        "eap": method,
        "anonymous_identity": '"anonymous"',
        "identity": '"somchai"',
        "password": f'"{PASSWORD}"',
        "phase2": '"auth=MSCHAPV2"',
    }
    if tls == "1.3":
        network["phase1"] = '"tls_disable_tlsv1_3=0"'
    with restless(live.auth_port) as port:
        peer = Supplicant(replace(live, auth_port=port), tmp_path, mac)
        ended = peer.login(network, "-r", str(AGAIN))
    assert ended.success
    assert (ended.keys_equal, ended.keys_different) == (AGAIN + 1, 0)
    traces = [trace for _, _, outcome, _, trace in peer.decisions() if outcome == "accept"]
    assert len(traces) == AGAIN + 1
    assert ["tls:resumed" in trace for trace in traces] == [False] + [True] * AGAIN
