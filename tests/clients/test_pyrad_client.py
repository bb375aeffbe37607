"""pyrad as a second, independent client: what radclient cannot do, octet by octet."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator

import pytest
from pyrad import packet as pyrad
from pyrad.dictionary import Dictionary

from identity.office import Office
from identity.services import people, tokens
from tests.integration.radius_site import SECRET, LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

PASSWORD = "seven green elephants"
ANSWER_SECONDS = 5.0
SILENCE_SECONDS = 0.7

_DICTIONARY = """\
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 octets
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE Class 25 octets
ATTRIBUTE Vendor-Specific 26 octets
ATTRIBUTE Session-Timeout 27 integer
ATTRIBUTE Acct-Status-Type 40 integer
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE Acct-Interim-Interval 85 integer
"""


@pytest.fixture(scope="module")
def words() -> Dictionary:
    return Dictionary(io.StringIO(_DICTIONARY))


@pytest.fixture
def wire() -> Iterator[socket.socket]:
    """One NAS socket: its source port stays the same, as a retransmission needs it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened


def access_request(words: Dictionary, name: str, password: str) -> pyrad.AuthPacket:
    made = pyrad.AuthPacket(
        code=pyrad.AccessRequest,
        secret=SECRET.encode(),
        authenticator=pyrad.Packet.CreateAuthenticator(),
        dict=words,
    )
    made["User-Name"] = name
    made["User-Password"] = made.PwCrypt(password)
    made.add_message_authenticator()
    return made


def exchange(wire: socket.socket, octets: bytes, port: int) -> bytes:
    wire.settimeout(ANSWER_SECONDS)
    wire.sendto(octets, ("127.0.0.1", port))
    return wire.recv(4096)


def token_of(live: LiveSite, name: str) -> str:
    office = Office.open(live.site.config)
    try:
        with office.database.write() as session:
            return tokens.mint(session, office, people.get(session, name)).token
    finally:
        office.database.dispose()


def test_a_retransmission_gets_the_same_octets_and_spends_nothing_twice(
    live: LiveSite, wire: socket.socket, words: Dictionary
) -> None:
    live.add_person("again", PASSWORD)
    token = token_of(live, "again")
    request = access_request(words, "again", token)
    octets = request.RequestPacket()

    first = exchange(wire, octets, live.auth_port)
    second = exchange(wire, octets, live.auth_port)
    assert first == second
    reply = pyrad.Packet(packet=first, dict=words, secret=SECRET.encode())
    assert reply.code == pyrad.AccessAccept
    assert request.VerifyReply(reply, first, enforce_ma=True)
    assert first[20:22] == bytes((80, 18)), "Message-Authenticator comes first"
    assert len(live.rows("SELECT id FROM auth_event WHERE user_name = 'again'")) == 1

    # The same token in a new request is a second use, even from the same NAS and port.
    new = access_request(words, "again", token)
    refused = exchange(wire, new.RequestPacket(), live.auth_port)
    assert refused[0] == pyrad.AccessReject
    verified = pyrad.Packet(packet=refused, dict=words, secret=SECRET.encode())
    assert new.VerifyReply(verified, refused, enforce_ma=True)
    assert exchange(wire, new.RequestPacket(), live.auth_port) == refused


def test_a_retransmitted_accounting_request_is_stored_once(
    live: LiveSite, wire: socket.socket, words: Dictionary
) -> None:
    request = pyrad.AcctPacket(code=pyrad.AccountingRequest, secret=SECRET.encode(), dict=words)
    request["User-Name"] = "counted"
    request["Acct-Status-Type"] = 1
    request["Acct-Session-Id"] = "counted-1"
    octets = request.RequestPacket()
    answers = {exchange(wire, octets, live.acct_port) for _ in range(3)}
    assert len(answers) == 1
    answer = answers.pop()
    reply = pyrad.Packet(packet=answer, dict=words, secret=SECRET.encode())
    assert reply.code == pyrad.AccountingResponse
    assert request.VerifyReply(reply, answer)
    stored = live.rows("SELECT octets FROM accounting_event WHERE user_name = 'counted'")
    assert [bytes(row[0]) for row in stored] == [octets]


def test_each_port_answers_its_own_codes_only(
    live: LiveSite, wire: socket.socket, words: Dictionary
) -> None:
    live.add_person("wrong-port", PASSWORD)
    request = access_request(words, "wrong-port", PASSWORD).RequestPacket()
    wire.settimeout(SILENCE_SECONDS)
    wire.sendto(request, ("127.0.0.1", live.acct_port))
    with pytest.raises(TimeoutError):
        wire.recv(4096)
    assert exchange(wire, request, live.auth_port)[0] == pyrad.AccessAccept
