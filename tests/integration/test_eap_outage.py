"""A database that hangs in the middle of an EAP login: the packet sent again goes on with it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from radius_server.packet.packet import decode
from tests.conftest import wait_until
from tests.integration.radius_site import KINDS, LOOPBACK, running_radius, site_of_kind
from tests.integration.test_backend_frozen import frozen
from tests.integration.test_eap_hand_over import (
    ACCEPT,
    CHALLENGE,
    GTC,
    IDENTITY,
    KEY,
    PASSWORD,
    ask,
    eap_request,
    eap_response,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(150), pytest.mark.sampled]

GTC_ALONE = {"[radius]\n": '[eap]\nmethods = ["gtc"]\n[radius]\n'}
REJECT = 3
BACK_SECONDS = 30.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("password", [PASSWORD, b"a guess of theirs"], ids=["right", "wrong"])
def test_a_login_that_met_a_hanging_database_is_decided_when_it_is_back(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, password: bytes
) -> None:
    live = site_of_kind(request, tmp_path, kind, GTC_ALONE)
    live.add_nas("ap", LOOPBACK)
    live.add_person("walker", PASSWORD.decode(), role="device")
    with running_radius(live):
        code, values = ask(live.auth_port, 1, eap_response(1, IDENTITY, b"walker"))
        assert code == CHALLENGE
        answer = eap_response(values[79][1], GTC, password)
        packet = eap_request(2, answer, values[24], KEY)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nas:
            nas.connect(("127.0.0.1", live.auth_port))
            with frozen(live):
                for seconds in (1, 3, 5):
                    nas.send(packet)
                    nas.settimeout(seconds)
                    with pytest.raises(TimeoutError):
                        nas.recv(4096)
            nas.settimeout(1)
            told: list[int] = []

            def answered() -> bool:
                nas.send(packet)
                try:
                    told.append(decode(nas.recv(4096)).code)
                except TimeoutError:
                    return False
                return True

            wait_until(answered, BACK_SECONDS, "the login does not go on")
        assert told == [ACCEPT if password == PASSWORD else REJECT]
    rows = live.rows("SELECT reason FROM auth_event")
    assert rows == [("ok" if password == PASSWORD else "wrong_password",)]
