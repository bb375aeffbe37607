"""Disconnect- and CoA-Requests over the connection that a NAS has opened, from each worker."""

from __future__ import annotations

import hashlib
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from radius_server.packet.dynamic import DynamicCode
from tests.certificates import Issued
from tests.conftest import wait_until
from tests.integration.das_peer import DasPeer
from tests.integration.radius_packets import ACCESS_ACCEPT, ACCOUNTING_RESPONSE, START, attribute
from tests.integration.radius_site import KINDS
from tests.integration.radsec_site import TLS_SECRET, RadSecClient, RadSecSite, running_radsec

pytestmark = [pytest.mark.real, pytest.mark.timeout(150), pytest.mark.sampled]

PASSWORD = "seven green elephants"
ACCT_SESSION_ID, ACCT_STATUS_TYPE, USER_NAME, MESSAGE_AUTHENTICATOR = 44, 40, 1, 80
ACK, NAK = 1, 2
NAS_SIDE = DasPeer(port=0, secret=TLS_SECRET)


@pytest.fixture(params=KINDS)
def school(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RadSecSite, Issued]]:
    """A site with one person, and the certificate of a NAS that takes requests over RadSec."""
    more = "[database]"
    with running_radsec(request, tmp_path, request.param, more) as (site, _server):
        site.live.add_person("somchai", PASSWORD)
        issued = site.enrol("school-1")
        site.live.yuenyan("nas", "set", "school-1", "--coa-address", "radsec")
        site.live.settle()
        yield site, issued


def connected(
    site: RadSecSite, issued: Issued, session: str = "5A", **more: object
) -> RadSecClient:
    """A client on which somchai has a session."""
    client = site.client(issued, **more)
    client.access("somchai", PASSWORD)
    assert client.receive()[0] == ACCESS_ACCEPT
    client.account(START, session, "somchai")
    assert client.receive()[0] == ACCOUNTING_RESPONSE
    return client


def ask(site: RadSecSite, session: str = "5A") -> str:
    """Ask for the end of a session; its key."""
    ((key,),) = site.live.rows(
        "SELECT session_key FROM network_session WHERE acct_session_id = :name", name=session
    )
    site.live.site.yuenyan("session", "disconnect", key, "--reason", "a test")
    return str(key)


def values(octets: bytes) -> dict[int, bytes]:
    found, at = {}, 20
    while at < len(octets):
        found[octets[at]] = octets[at + 2 : at + octets[at + 1]]
        at += octets[at + 1]
    return found


def outcome(site: RadSecSite) -> list[tuple[str, int | None, int]]:
    return [
        (str(state), cause, attempts)
        for state, cause, attempts in site.live.rows(
            "SELECT state, error_cause, attempts FROM coa_request ORDER BY id"
        )
    ]


def test_every_worker_asks_the_nas_that_it_holds(school: tuple[RadSecSite, Issued]) -> None:
    site, issued = school
    for number in range(4):  # with several workers, the kernel chooses one for each connection
        with connected(site, issued, f"5A-{number}") as client:
            ask(site, f"5A-{number}")
            request = client.receive()
            assert request[0] == DynamicCode.DISCONNECT_REQUEST
            said = values(request)
            assert said[ACCT_SESSION_ID] == f"5A-{number}".encode()
            zeroed = request[:4] + bytes(16) + request[20:]
            assert hashlib.md5(zeroed + TLS_SECRET).digest() == request[4:20]
            assert MESSAGE_AUTHENTICATOR in said
            client.tls.sendall(NAS_SIDE.reply(request, ACK, None))
            wait_until(
                lambda: outcome(site)[-1] == ("acked", None, 1),
                5,
                f"{outcome(site)}",
            )
            # The connection serves its logins as before.
            client.access("somchai", PASSWORD)
            assert client.receive()[0] == ACCESS_ACCEPT
    assert site.live.rows("SELECT close_cause FROM network_session") == [("disconnected",)] * 4


def test_a_refusal_is_on_record_and_nothing_is_sent_twice(
    school: tuple[RadSecSite, Issued],
) -> None:
    site, issued = school
    with connected(site, issued) as client:
        ask(site)
        request = client.receive()
        client.tls.settimeout(4)
        with pytest.raises(TimeoutError):  # over UDP the first copy comes after a second
            client.receive()
        client.tls.settimeout(10)
        client.tls.sendall(NAS_SIDE.reply(request, NAK, 503))
        wait_until(lambda: outcome(site) == [("nakked", 503, 1)], 5, "it is not on record")
    assert site.live.rows("SELECT close_cause FROM network_session") == [("not_on_nas",)]


def test_an_answer_with_another_secret_counts_for_nothing(
    school: tuple[RadSecSite, Issued],
) -> None:
    site, issued = school
    with connected(site, issued) as client:
        ask(site)
        request = client.receive()
        forged = DasPeer(port=0, secret=b"another").reply(request, ACK, None)
        client.tls.sendall(forged)
        wait_until(
            lambda: site.live.counter("dynamic_dropped", reason="bad_response_authenticator") == 1,
            10,
            "it is not counted",
        )
        assert outcome(site) == [("queued", None, 1)]


def test_in_radius_1_1_a_token_brings_the_answer_home(school: tuple[RadSecSite, Issued]) -> None:
    site, issued = school
    connected(site, issued).tls.close()
    with site.client(issued, alpn=("radius/1.1",), version=ssl.TLSVersion.TLSv1_3) as client:
        client.modern(
            4,
            (ACCT_STATUS_TYPE, START.to_bytes(4, "big")),
            (ACCT_SESSION_ID, b"11"),
            (USER_NAME, b"somchai"),
        )
        assert client.receive()[0] == ACCOUNTING_RESPONSE
        ask(site, "11")
        request = client.receive()
        assert request[0] == DynamicCode.DISCONNECT_REQUEST
        assert request[1] == 0 and request[8:20] == bytes(12)
        said = values(request)
        assert said[ACCT_SESSION_ID] == b"11"
        assert MESSAGE_AUTHENTICATOR not in said
        body = attribute(101, (406).to_bytes(4, "big"))
        head = struct.pack("!BBH", DynamicCode.DISCONNECT_NAK, 0, 20 + len(body))
        client.tls.sendall(head + request[4:8] + bytes(12) + body)
        wait_until(lambda: outcome(site) == [("nakked", 406, 1)], 5, f"{outcome(site)}")


def test_whoever_comes_back_is_asked_then(school: tuple[RadSecSite, Issued]) -> None:
    site, issued = school
    connected(site, issued).tls.close()
    log = site.live.site.config_file.with_name("radius.log")
    wait_until(lambda: "the client went" in log.read_text(), 5, "its going is not noticed")
    ask(site)
    assert outcome(site) == [("queued", None, 0)], "it was not there to be asked"
    with site.client(issued) as client:
        client.access("somchai", PASSWORD)
        codes = {client.receive()[0]: 0}
        request = client.receive()
        codes[request[0]] = 0
        assert set(codes) == {ACCESS_ACCEPT, DynamicCode.DISCONNECT_REQUEST}
        client.tls.sendall(NAS_SIDE.reply(request, ACK, None))
        wait_until(lambda: outcome(site) == [("acked", None, 1)], 5, f"{outcome(site)}")


def test_a_nas_that_was_not_said_to_take_requests_gets_none(
    school: tuple[RadSecSite, Issued],
) -> None:
    site, issued = school
    site.live.yuenyan("nas", "set", "school-1", "--coa-address", "source")
    with connected(site, issued) as client:
        ask(site)
        wait_until(lambda: outcome(site) == [("unsupported", None, 1)], 5, f"{outcome(site)}")
        client.tls.settimeout(2)
        with pytest.raises(TimeoutError):
            client.receive()
    site.live.add_nas("gate", "192.0.2.1/32")
    refused = site.live.refused("nas", "set", "gate", "--coa-address", "radsec")
    assert "yuenyan nas radsec" in refused.stderr
