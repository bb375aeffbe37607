"""CHAP, MS-CHAP and MS-CHAPv2 over RADIUS, with what accounts keep, tokens and vouchers.

radclient speaks CHAP and MS-CHAP; MS-CHAPv2 it does not, so its packets are made here from
the RFCs, with the arithmetic that tests/vectors proves.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import struct

import pytest

from identity.domain.recoverable import hash_nt_hash, nt_hash
from radius_server.packet.packet import Packet, decode, sub_attributes
from radius_server.process.mschap import (
    Response2,
    authenticator_response,
    nt_response,
    session_keys,
)
from tests.clients.radclient import Answer, Nas
from tests.clients.test_radclient_access import mint, reason_of, vouchers
from tests.integration.radius_packets import attribute
from tests.integration.radius_site import SECRET, LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

PASSWORD = "ลูกช้าง seven elephants"
MICROSOFT = 311
_MESSAGE_AUTHENTICATOR, _USER_NAME, _VENDOR = 80, 1, 26


def mschap(nas: Nas, name: str, password: str) -> Answer:
    return nas.login({"User-Name": name, "MS-CHAP-Password": password})


def microsoft(kind: int, value: bytes) -> bytes:
    inner = bytes((kind, len(value) + 2)) + value
    return attribute(_VENDOR, MICROSOFT.to_bytes(4, "big") + inner)


class Mschap2:
    """One login by MS-CHAPv2, as a NAS sends it for its peer."""

    def __init__(
        self, live: LiveSite, name: str, password: str, hashed: str = "", more: bytes = b""
    ) -> None:
        self.hash = nt_hash(password)
        self.hashed = (hashed or name).encode()
        self.challenge, self.peer_challenge = secrets.token_bytes(16), secrets.token_bytes(16)
        self.answer = nt_response(self.challenge, self.peer_challenge, self.hashed, self.hash)
        value = bytes((5, 0)) + self.peer_challenge + bytes(8) + self.answer
        self.authenticator = secrets.token_bytes(16)
        body = (
            attribute(_MESSAGE_AUTHENTICATOR, bytes(16))
            + attribute(_USER_NAME, name.encode())
            + microsoft(11, self.challenge)
            + microsoft(25, value)
            + more
        )
        head = struct.pack("!BBH", 1, 77, 20 + len(body)) + self.authenticator
        signature = hmac.digest(SECRET.encode(), head + body, "md5")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nas:
            nas.settimeout(5)
            nas.sendto(head + body[:2] + signature + body[18:], ("127.0.0.1", live.auth_port))
            self.reply: Packet = decode(nas.recv(4096))

    def told(self, kind: int) -> bytes:
        """The one Microsoft attribute of this kind in the reply; empty when there is none."""
        for value in self.reply.all(_VENDOR):
            for vendor, found, content in sub_attributes(value) or ():
                if (vendor, found) == (MICROSOFT, kind):
                    return content
        return b""

    def key(self, kind: int) -> bytes:
        """An MPPE key of the reply in the clear. RFC 2548 section 2.4.2."""
        value = self.told(kind)
        clear, previous = b"", self.authenticator + value[:2]
        for at in range(2, len(value), 16):
            block = value[at : at + 16]
            stream = hashlib.md5(SECRET.encode() + previous).digest()
            clear += bytes(a ^ b for a, b in zip(block, stream, strict=True))
            previous = block
        return clear[1 : 1 + clear[0]]

    @property
    def accepted(self) -> bool:
        return self.reply.code == 2


@pytest.mark.parametrize("kind", ["nt-hash", "password"])
def test_mschap_of_radclient_with_a_kept_secret(live: LiveSite, nas: Nas, kind: str) -> None:
    name = f"mschap-{kind}"
    live.add_person(name, PASSWORD, recoverable=kind)
    accepted = mschap(nas, name, PASSWORD)
    assert accepted.code == "Access-Accept", accepted.output
    keys = bytes.fromhex(accepted.one("MS-CHAP-MPPE-Keys").removeprefix("0x"))
    assert keys[:24] == bytes(8) + hash_nt_hash(nt_hash(PASSWORD))
    assert reason_of(live, name) == ("mschap", "accept", "ok")

    refused = mschap(nas, name, "another")
    assert refused.code == "Access-Reject"
    assert "E=691 R=0" in refused.one("MS-CHAP-Error")
    assert reason_of(live, name) == ("mschap", "reject", "wrong_password")


@pytest.mark.parametrize("kind", ["nt-hash", "password"])
def test_mschapv2_proves_both_sides_and_makes_keys(live: LiveSite, kind: str) -> None:
    name = f"mschap2-{kind}"
    live.add_person(name, PASSWORD, recoverable=kind)
    login = Mschap2(live, name, PASSWORD)
    assert login.accepted
    response = Response2(login.peer_challenge, login.answer)
    expected = authenticator_response(response, login.challenge, login.hashed, login.hash)
    assert login.told(26) == bytes((5,)) + expected.encode()
    assert (login.key(17), login.key(16)) == session_keys(login.hash, login.answer)
    assert reason_of(live, name) == ("mschapv2", "accept", "ok")

    refused = Mschap2(live, name, "another")
    assert not refused.accepted
    assert refused.told(2).startswith(b"\x05E=691 R=0 C=")
    assert refused.told(2).endswith(b" V=3")
    assert refused.told(26) == refused.told(16) == b""


def test_a_secret_that_is_not_kept_is_the_reason(live: LiveSite, nas: Nas) -> None:
    live.add_person("unkept", PASSWORD)
    live.add_person("hash-only", PASSWORD, recoverable="nt-hash")
    assert not Mschap2(live, "unkept", PASSWORD).accepted
    assert reason_of(live, "unkept") == ("mschapv2", "reject", "method_needs_recoverable_secret")
    assert mschap(nas, "unkept", PASSWORD).code == "Access-Reject"
    assert reason_of(live, "unkept") == ("mschap", "reject", "method_needs_recoverable_secret")
    # CHAP needs the password itself.
    assert nas.chap("hash-only", PASSWORD).code == "Access-Reject"
    assert reason_of(live, "hash-only") == ("chap", "reject", "method_needs_recoverable_secret")


def test_chap_with_a_kept_password(live: LiveSite, nas: Nas) -> None:
    live.add_person("chapped", PASSWORD, recoverable="password")
    assert nas.chap("chapped", PASSWORD).code == "Access-Accept"
    assert reason_of(live, "chapped") == ("chap", "accept", "ok")
    assert nas.chap("chapped", "another").code == "Access-Reject"
    assert reason_of(live, "chapped") == ("chap", "reject", "wrong_password")


def test_mschap_follows_a_changed_password_and_an_opt_out(live: LiveSite, nas: Nas) -> None:
    live.add_person("changer", PASSWORD, recoverable="nt-hash")
    assert Mschap2(live, "changer", PASSWORD).accepted
    live.yuenyan("user", "password", "changer", "--password-stdin", stdin="another elephant\n")
    live.settle()
    assert Mschap2(live, "changer", "another elephant").accepted
    assert not Mschap2(live, "changer", PASSWORD).accepted
    live.yuenyan("user", "recoverable", "changer", "none")
    live.settle()
    assert not Mschap2(live, "changer", "another elephant").accepted
    assert nas.access("changer", "another elephant").code == "Access-Accept"


def test_a_suspended_account_is_told_so_to_who_knows_its_password(live: LiveSite) -> None:
    live.add_person("away", PASSWORD, recoverable="nt-hash")
    live.yuenyan("user", "disable", "away")
    assert Mschap2(live, "away", PASSWORD).told(2).startswith(b"\x05E=647 ")
    assert Mschap2(live, "away", "another").told(2).startswith(b"\x05E=691 ")


def test_a_domain_before_the_name_is_not_hashed(live: LiveSite) -> None:
    live.add_person("domestic", PASSWORD, recoverable="nt-hash")
    assert Mschap2(live, "domestic", PASSWORD, hashed="SCHOOL\\domestic").accepted


def test_tokens_and_vouchers_work_with_mschap(live: LiveSite, nas: Nas) -> None:
    live.add_person("token-mschap", PASSWORD)
    first, second = mint(live, "token-mschap"), mint(live, "token-mschap")
    assert Mschap2(live, "token-mschap", first).accepted
    assert reason_of(live, "token-mschap") == ("token", "accept", "ok")
    assert not Mschap2(live, "token-mschap", first).accepted
    assert mschap(nas, "token-mschap", second).code == "Access-Accept"

    code, other = vouchers(live, 2)
    assert Mschap2(live, code, code).accepted
    assert mschap(nas, other, other.replace("-", "")).code == "Access-Accept"
    assert not Mschap2(live, other, "another").accepted


def test_a_device_that_proves_its_address_by_mschap(live: LiveSite, nas: Nas) -> None:
    live.yuenyan("device", "add", "3c:22:fb:77:02:03", "--role", "device", "--owner", "head")
    station = "3C-22-FB-77-02-03"
    for password, code in (("3c22fb770203", "Access-Accept"), ("another", "Access-Reject")):
        answer = nas.login(
            {"User-Name": "3c22fb770203", "MS-CHAP-Password": password},
            Calling_Station_Id=station,
        )
        assert answer.code == code, answer.output


def test_attributes_of_a_wrong_size_are_refused(live: LiveSite, nas: Nas) -> None:
    live.add_person("sized", PASSWORD, recoverable="nt-hash")
    for more in (
        {"MS-CHAP-Challenge": "0x0102030405060708", "MS-CHAP-Response": "0x" + "01" * 49},
        {"MS-CHAP-Challenge": "0x01", "MS-CHAP-Response": "0x" + "01" * 50},
        {"MS-CHAP-Challenge": "0x" + "01" * 240, "MS-CHAP2-Response": "0x" + "01" * 50},
        {"MS-CHAP-Challenge": "0x" + "01" * 8, "MS-CHAP2-Response": "0x" + "01" * 50},
    ):
        assert nas.login({"User-Name": "sized", **more}).code == "Access-Reject"
        assert reason_of(live, "sized")[1:] == ("reject", "bad_request")


@pytest.mark.parametrize(
    ("change", "octets"), [("MS-CHAP-CPW-1", 70), ("MS-CHAP-CPW-2", 84), ("MS-CHAP2-CPW", 68)]
)
def test_a_change_of_password_is_refused_and_changes_nothing(
    live: LiveSite, nas: Nas, change: str, octets: int
) -> None:
    name = f"wishes.{octets}.octets"
    live.add_person(name, PASSWORD, recoverable="nt-hash")
    asked = {"MS-CHAP-Challenge": "0x" + "01" * 16, change: "0x" + "07" * octets}
    assert nas.login({"User-Name": name, **asked}).code == "Access-Reject"
    assert reason_of(live, name)[1:] == ("reject", "bad_request")
    assert Mschap2(live, name, PASSWORD).accepted


def test_a_change_of_password_beside_a_right_answer_is_refused_aloud(live: LiveSite) -> None:
    """Told of a success, the peer would take its new password for the valid one."""
    name = "wishes-beside"
    live.add_person(name, PASSWORD, recoverable="nt-hash")
    for kind, octets in ((3, 70), (4, 84), (27, 68)):
        login = Mschap2(live, name, PASSWORD, more=microsoft(kind, bytes(octets)))
        assert not login.accepted
        assert login.told(26) == login.told(16) == b""
        assert reason_of(live, name)[1:] == ("reject", "several_proofs")
    assert Mschap2(live, name, PASSWORD).accepted
