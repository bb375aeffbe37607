"""RADIUS over TLS against a running server: who is let in, both versions, and every end."""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import os
import re
import secrets
import select
import signal
import ssl
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.certificates import Authority, Issued
from tests.conftest import wait_until
from tests.integration.radius_packets import ACCOUNTING_RESPONSE, START, reply_fits
from tests.integration.radius_site import KINDS, Server, words_of
from tests.integration.radsec_site import TLS_SECRET, RadSecClient, RadSecSite, running_radsec
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PASSWORD = "seven green elephants"

ACCEPT, REJECT = 2, 3
VERSIONS = [
    pytest.param(ssl.TLSVersion.TLSv1_2, id="tls1.2"),
    pytest.param(ssl.TLSVersion.TLSv1_3, id="tls1.3"),
]


@pytest.fixture(scope="module")
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RadSecSite, Server]]:
    """A server that the tests of this file share."""
    with running_radsec(request, tmp_path_factory.mktemp("radsec"), "sqlite") as running:
        running[0].live.add_person("somchai", PASSWORD)
        yield running


@pytest.fixture
def site(served: tuple[RadSecSite, Server]) -> RadSecSite:
    return served[0]


@pytest.fixture(scope="module")
def school(served: tuple[RadSecSite, Server]) -> Issued:
    """The certificate of a NAS without fixed addresses."""
    issued = served[0].enrol("school-1")
    served[0].live.settle()
    return issued


@pytest.mark.parametrize("version", VERSIONS)
def test_a_login_over_tls(site: RadSecSite, school: Issued, version: ssl.TLSVersion) -> None:
    with site.client(school, version=version) as client:
        for password, code in ((PASSWORD, ACCEPT), ("another", REJECT)):
            asked = client.access("somchai", password)
            reply = client.receive()
            assert reply[0] == code
            assert reply_fits(asked, reply, TLS_SECRET)
    rows = site.live.rows(
        "SELECT n.name FROM auth_event e JOIN nas_client n ON n.id = e.nas_client_id"
        " WHERE e.user_name = 'somchai' ORDER BY e.id DESC LIMIT 1"
    )
    assert rows == [("school-1",)]


def test_accounting_and_status_server_over_the_same_connection(
    site: RadSecSite, school: Issued
) -> None:
    with site.client(school) as client:
        asked = client.account(START, "tls-1", "somchai")
        reply = client.receive()
        assert reply[0] == ACCOUNTING_RESPONSE and reply_fits(asked, reply, TLS_SECRET)
    assert site.live.rows(
        "SELECT user_name FROM network_session WHERE acct_session_id = 'tls-1'"
    ) == [("somchai",)]


def test_many_requests_at_once_are_all_answered(site: RadSecSite, school: Issued) -> None:
    with site.client(school) as client:
        asked = {
            octets[1]: octets
            for octets in (client.account(START, f"many-{n}", "somchai") for n in range(200))
        }
        for _ in range(200):
            reply = client.receive()
            assert reply_fits(asked.pop(reply[1]), reply, TLS_SECRET)


def test_radius_1_1_has_tokens_and_nothing_of_md5(site: RadSecSite, school: Issued) -> None:
    with site.client(school, alpn=("radius/1.1", "radius/1.0")) as client:
        assert client.application == "radius/1.1"
        first = client.modern(1, (1, b"somchai"), (2, PASSWORD.encode()))
        second = client.modern(1, (1, b"somchai"), (2, b"another"))
        third = client.modern(12)
        replies = {reply[4:8]: reply for reply in (client.receive() for _ in range(3))}
        assert [replies[token][0] for token in (first, second, third)] == [ACCEPT, REJECT, ACCEPT]
        for reply in replies.values():
            assert reply[1] == 0 and reply[8:20] == bytes(12)
            assert 80 not in kinds(reply)
        assert {1, 25} <= kinds(replies[first])


def kinds(packet: bytes) -> set[int]:
    found, at = set(), 20
    while at < len(packet):
        found.add(packet[at])
        at += packet[at + 1]
    return found


def test_radius_1_1_wants_tls_1_3_and_falls_back(site: RadSecSite, school: Issued) -> None:
    both = ("radius/1.1", "radius/1.0")
    with site.client(school, alpn=both, version=ssl.TLSVersion.TLSv1_2) as client:
        assert client.application == "radius/1.0"
        asked = client.access("somchai", PASSWORD)
        assert reply_fits(asked, client.receive(), TLS_SECRET)
    # RFC 9765 section 3.3: the TLS alert no_application_protocol (120).
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        site.client(school, alpn=("http/1.1",))
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        site.client(school, alpn=("radius/1.1",), version=ssl.TLSVersion.TLSv1_2)
    with site.client(school) as client:
        assert client.application is None
        asked = client.access("somchai", PASSWORD)
        assert reply_fits(asked, client.receive(), TLS_SECRET)


def refused(site: RadSecSite, issued: Issued | None, *options: str) -> str:
    """What openssl s_client says about a connection that must not come about."""
    certificate = ["-cert", str(issued.chain), "-key", str(issued.key)] if issued else []
    run = subprocess.run(
        [
            *(require("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{site.port}"),
            *(*certificate, *options),
        ],
        input=b"",
        capture_output=True,
        timeout=20,
    )
    return (run.stdout + run.stderr).decode(errors="replace")


def test_a_certificate_that_is_not_good_is_refused_and_the_log_says_why(
    site: RadSecSite,
    school: Issued,
    served: tuple[RadSecSite, Server],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "Another CA")
    names = ["ap.school-1.example"]
    cases = {
        "unknown issuer": (stranger.issue("school-1", names), "unknown ca"),
        "certificate has expired": (
            site.authority.issue("school-1", names, expired=True),
            "certificate expired",
        ),
        "certificate is not for this purpose": (
            site.authority.issue("school-1", names, usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
            "unsupported certificate",
        ),
        "peer did not return a certificate": (None, "certificate required"),
    }
    for reason, (issued, alert) in cases.items():
        said = refused(site, issued, "-ign_eof")
        assert alert in said, said
        assert_logged(served[1], reason)


def assert_logged(server: Server, words: str) -> None:
    wait_until(lambda: words in server.log(), 5, f"the log does not say: {words}")


def test_a_good_certificate_of_nobody_is_turned_away(
    site: RadSecSite, served: tuple[RadSecSite, Server]
) -> None:
    issued = site.authority.issue("lost", ["ap.nowhere.example"])
    with site.client(issued) as client:
        client.access("somchai", PASSWORD)
        assert client.receive() == b""
    assert_logged(served[1], "ap.nowhere.example")


def test_what_is_no_radius_ends_the_connection(site: RadSecSite, school: Issued) -> None:
    for octets in (
        b"\x01\x00\x00\x05",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x01\x00\x00\x16" + bytes(16) + b"\x01\x09",
    ):
        with site.client(school) as client:
            client.tls.sendall(octets)
            assert client.receive() == b""


def test_a_coa_request_to_the_server_is_refused_as_such(site: RadSecSite, school: Issued) -> None:
    with site.client(school) as client:
        client.tls.sendall(b"\x2b\x07\x00\x14" + bytes(16))
        reply = client.receive()
        assert reply[:2] == b"\x2d\x07"
        assert (101).to_bytes(1, "big") + b"\x06" + (406).to_bytes(4, "big") in reply


def test_a_nas_that_is_removed_loses_its_connection_within_two_seconds(site: RadSecSite) -> None:
    issued = site.enrol("leaving", "ap.leaving.example")
    site.live.settle()
    with site.client(issued) as client:
        client.access("somchai", PASSWORD)
        assert client.receive()[0] == ACCEPT
        began = time.monotonic()
        site.live.yuenyan("nas", "remove", "leaving")
        assert client.receive() == b""
        assert time.monotonic() - began < 3.0
    with site.client(issued) as client:
        assert client.receive() == b""


def test_a_certificate_that_is_revoked_loses_its_connection_and_cannot_come_back(
    site: RadSecSite,
) -> None:
    issued = site.enrol("revoked", "ap.revoked.example")
    site.live.settle()
    with site.client(issued) as client:
        client.access("somchai", PASSWORD)
        assert client.receive()[0] == ACCEPT
        site.authority.revoke(issued)
        site.authority.write_list(site.revoked)
        assert client.receive() == b""
    assert "certificate revoked" in refused(site, issued, "-ign_eof")
    fresh = site.authority.issue("revoked", ["ap.revoked.example"])
    with site.client(fresh) as client:
        client.access("somchai", PASSWORD)
        assert client.receive()[0] == ACCEPT


def test_a_session_is_never_resumed(site: RadSecSite, school: Issued) -> None:
    said = refused(site, school, "-reconnect", "-tls1_2")
    assert "Reused" not in said and said.count("New, TLSv1.2") >= 2, said


KEY = "a pre-shared key of some length"


def by_key(site: RadSecSite, identity: str, key: str, *options: str) -> tuple[bytes, str]:
    """What comes back to a Status-Server, or nothing, and what openssl s_client says."""
    run = subprocess.Popen(
        [
            *(require("openssl", "openssl"), "s_client", "-connect", f"127.0.0.1:{site.port}"),
            *("-quiet", "-psk_identity", identity, "-psk", key.encode().hex(), *options),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdin is not None and run.stdout is not None
    run.stdin.write(signed_status(b"\x0c\x01\x00\x26"))
    run.stdin.flush()
    try:
        # A packet, or the end: whoever is refused is let go.
        readable, _, _ = select.select([run.stdout], [], [], 20)
        assert readable, "the server neither answers nor closes"
    finally:
        run.terminate()
    octets, said = run.communicate(timeout=10)
    return octets, said.decode(errors="replace")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("-tls1_3",), id="tls1.3"),
        pytest.param(("-tls1_2", "-cipher", "ECDHE-PSK-CHACHA20-POLY1305"), id="tls1.2"),
    ],
)
def test_a_pre_shared_key_instead_of_a_certificate(
    site: RadSecSite, served: tuple[RadSecSite, Server], options: tuple[str, ...]
) -> None:
    name = f"keyed{options[0]}"
    identity = f"{name}.example"
    site.live.yuenyan("nas", "add", name, f"radsec:{identity}", "--secret-stdin", stdin=KEY + "\n")
    site.live.yuenyan("nas", "add", f"{name}-other", f"radsec:other.{identity}")
    site.live.settle()
    octets, said = by_key(site, identity.upper(), KEY, *options)
    assert octets[:2] == b"\x02\x01", (said, served[1].log()[-2000:])
    for wrong in (
        (identity, "another key of some length"),
        (f"other.{identity}", "radsec"),
        ("nobody.example", KEY),
    ):
        assert by_key(site, *wrong, *options)[0] == b""
    site.live.yuenyan("nas", "remove", name)
    site.live.settle()
    assert by_key(site, identity, KEY, *options)[0] == b""


def test_a_key_without_an_ephemeral_exchange_is_refused(site: RadSecSite) -> None:
    site.live.yuenyan(
        "nas", "add", "bare", "radsec:bare.example", "--secret-stdin", stdin=KEY + "\n"
    )
    site.live.settle()
    for cipher in ("PSK-AES256-GCM-SHA384", "RSA-PSK-AES256-GCM-SHA384"):
        assert by_key(site, "bare.example", KEY, "-tls1_2", "-cipher", cipher)[0] == b""


def test_a_client_that_does_not_read_is_let_go_and_holds_nobody_up(
    site: RadSecSite, school: Issued, served: tuple[RadSecSite, Server]
) -> None:
    with site.client(school, receive_octets=4096) as slow, site.client(school) as other:
        slow.tls.settimeout(2)
        status = b"\x0c\x01\x00\x26"
        with pytest.raises((TimeoutError, OSError)):
            for _ in range(4000):
                slow.tls.sendall(b"".join(signed_status(status) for _ in range(100)))
        other.access("somchai", PASSWORD)
        assert other.receive()[0] == ACCEPT
    wait_until(lambda: "reads too slowly" in served[1].log(), 10, served[1].log())


def signed_status(head: bytes) -> bytes:
    start = head + secrets.token_bytes(16) + b"\x50\x12"
    return start + hmac.digest(TLS_SECRET, start + bytes(16), "md5")


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_answers_what_has_come_and_says_goodbye(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    with (
        running_radsec(request, tmp_path_factory.mktemp("drain"), kind) as (site, server),
        contextlib.ExitStack() as connected,
    ):
        site.live.add_person("somchai", PASSWORD)
        issued = site.enrol("school-1")
        site.live.settle()
        clients = [connected.enter_context(site.client(issued)) for _ in range(8)]
        for client in clients:
            client.tls.sendall(signed_status(b"\x0c\xff\x00\x26"))
            assert client.receive()[:2] == b"\x02\xff"
        asked: list[set[int]] = []
        with frozen(server):
            # All of it is in the server's sockets before it can read a word, or hear of SIGTERM.
            for at, client in enumerate(clients):
                asked.append(
                    {client.account(START, f"s-{at}-{n}", "somchai")[1] for n in range(50)}
                )
            asked[0].add(clients[0].access("somchai", PASSWORD)[1])  # for argon2 to work on
            wait_until(lambda: not any(map(on_the_way, clients)), 10, "it does not arrive")
        for client, owed in zip(clients, asked, strict=True):
            answered = set()
            while reply := client.receive():
                answered.add(reply[1])
            assert answered == owed
        assert server.process.wait(20) == 0, server.log()
    assert site.live.rows("SELECT count(*) FROM network_session") == [(400,)]
    assert not re.search(r"Traceback|radsec_turn_failed", server.log()), server.log()


def on_the_way(client: RadSecClient) -> int:
    """Octets that the other end's kernel has not acknowledged, tcp(7)."""
    return int.from_bytes(fcntl.ioctl(client.tls, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


@contextlib.contextmanager
def frozen(server: Server) -> Iterator[None]:
    """What serves is stopped meanwhile, and is told to end before it goes on."""
    workers = [one for one in server.children() if "spawn_main" in " ".join(words_of(one))]
    workers = workers or [server.process.pid]
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: all(said(worker, "State") == "T" for worker in workers), 10, "it goes on")
    try:
        yield
        server.process.terminate()
        told = 1 << (signal.SIGTERM - 1)
        wait_until(
            lambda: all(int(said(worker, "ShdPnd"), 16) & told for worker in workers),
            10,
            "the workers are not told to end",
        )
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)


def said(process: int, name: str) -> str:
    """What the kernel says of a process, proc(5)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(rf"^{name}:\s*(\S+)", lines, re.MULTILINE)
    return found.group(1) if found else ""
