"""Requests that radclient sends with two proofs, or two names, of which each alone is right."""

from __future__ import annotations

import hashlib

import pytest

from identity.domain.recoverable import nt_hash
from radius_server.process.mschap import challenge_response
from tests.clients.radclient import Attributes, Nas
from tests.clients.test_radclient_access import reason_of
from tests.integration.radius_site import LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

PASSWORD = "seven green elephants"
CHALLENGE = bytes(range(16))
ANSWER = b"\5" + hashlib.md5(b"\5" + PASSWORD.encode() + CHALLENGE).digest()
MICROSOFT = b"\5\1" + bytes(24) + challenge_response(CHALLENGE[:8], nt_hash(PASSWORD))
PROOFS: dict[str, Attributes] = {
    "User-Password": {"User-Password": PASSWORD},
    "CHAP-Password": {
        "CHAP-Password": f"0x{ANSWER.hex()}",
        "CHAP-Challenge": f"0x{CHALLENGE.hex()}",
    },
    "MS-CHAP-Response": {
        "MS-CHAP-Challenge": f"0x{CHALLENGE[:8].hex()}",
        "MS-CHAP-Response": f"0x{MICROSOFT.hex()}",
    },
}
"""As octets: beside a User-Password radclient makes no other proof of a password."""


def trace_of(live: LiveSite, name: str) -> str:
    rows = live.rows(
        "SELECT trace FROM auth_event WHERE user_name = :name ORDER BY id DESC LIMIT 1", name=name
    )
    return str(rows[0][0])


def test_each_proof_alone_is_good_and_two_of_them_are_refused(live: LiveSite, nas: Nas) -> None:
    name = "proves-twice"
    live.add_person(name, PASSWORD, recoverable="password")
    for proof in PROOFS.values():
        accepted = nas.login({"User-Name": name, **proof})
        assert accepted.code == "Access-Accept", accepted.output
    said = list(PROOFS.items())
    for first, second in ((0, 1), (0, 2), (1, 2)):
        both = said[first][1] | said[second][1]
        refused = nas.login({"User-Name": name, **both})
        assert refused.code == "Access-Reject", refused.output
        assert reason_of(live, name)[1:] == ("reject", "several_proofs")
        assert trace_of(live, name) == f"request:too_much={said[first][0]}+{said[second][0]}"


def test_eap_beside_a_right_password_is_no_login_and_begins_none(live: LiveSite, nas: Nas) -> None:
    name = "proves-by-eap"
    live.add_person(name, PASSWORD)
    octets = b"\2\1" + (5 + len(name)).to_bytes(2, "big") + b"\1" + name.encode()
    identity: Attributes = {"User-Name": name, "EAP-Message": f"0x{octets.hex()}"}
    assert nas.login(identity).code == "Access-Challenge"
    refused = nas.login({**identity, "User-Password": PASSWORD})
    assert refused.code == "Access-Reject", refused.output
    assert reason_of(live, name) == ("eap", "reject", "several_proofs")


def test_of_two_names_or_two_passwords_none_is_taken(live: LiveSite, nas: Nas) -> None:
    live.add_person("one-of-two", PASSWORD)
    live.add_person("other-of-two", PASSWORD)
    names = ["one-of-two", "other-of-two"]
    refused = nas.login({"User-Name": names, "User-Password": PASSWORD})
    assert refused.code == "Access-Reject", refused.output
    assert reason_of(live, "one-of-two")[1:] == ("reject", "several_proofs")
    refused = nas.login({"User-Name": "one-of-two", "User-Password": [PASSWORD, "another"]})
    assert refused.code == "Access-Reject", refused.output
    assert trace_of(live, "one-of-two") == "request:too_much=User-Password+User-Password"
