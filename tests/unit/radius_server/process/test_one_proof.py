"""What an Access-Request may carry once, and what it may not carry beside."""

from __future__ import annotations

import struct

import pytest

from identity.domain.access import Denied, Method, Reason
from radius_server.packet.packet import Packet, decode
from radius_server.process.one_proof import too_much
from tests.integration.radius_packets import attribute
from tests.unit.radius_server.process.script import Script, request

USER_NAME, USER_PASSWORD, CHAP_PASSWORD, STATE, VENDOR = 1, 2, 3, 24, 26
STATION, PROXY_STATE, CHAP_CHALLENGE, ARAP_PASSWORD, EAP = 31, 33, 60, 70, 79
CHALLENGE, RESPONSE, RESPONSE_2, CHANGE_1, CHANGE_2, CHANGE = 11, 1, 25, 3, 4, 27


def packet(*attributes: tuple[int, bytes]) -> Packet:
    body = b"".join(attribute(kind, value) for kind, value in attributes)
    return decode(struct.pack("!BBH", 1, 9, 20 + len(body)) + bytes(16) + body)


def microsoft(*kinds: int, vendor: int = 311) -> tuple[int, bytes]:
    inner = b"".join(attribute(kind, bytes(16)) for kind in kinds)
    return VENDOR, vendor.to_bytes(4, "big") + inner


NAME = (USER_NAME, b"alice")
PAP, CHAP, ARAP = (USER_PASSWORD, bytes(16)), (CHAP_PASSWORD, bytes(17)), (ARAP_PASSWORD, bytes(16))
MESSAGE = (EAP, b"\2\1\0\5\1")


@pytest.mark.parametrize(
    ("attributes", "surplus"),
    [
        pytest.param((NAME, PAP, CHAP), "User-Password+CHAP-Password", id="pap-chap"),
        pytest.param((NAME, PAP, MESSAGE), "User-Password+EAP-Message", id="pap-eap"),
        pytest.param((NAME, CHAP, MESSAGE), "CHAP-Password+EAP-Message", id="chap-eap"),
        pytest.param((NAME, PAP, ARAP), "User-Password+ARAP-Password", id="pap-arap"),
        pytest.param(
            (NAME, CHAP, microsoft(CHALLENGE, RESPONSE)),
            "CHAP-Password+MS-CHAP-Response",
            id="chap-mschap",
        ),
        pytest.param(
            (NAME, PAP, microsoft(CHALLENGE), microsoft(RESPONSE_2)),
            "User-Password+MS-CHAP2-Response",
            id="pap-mschapv2",
        ),
        pytest.param(
            (NAME, microsoft(CHALLENGE, RESPONSE, RESPONSE_2)),
            "MS-CHAP-Response+MS-CHAP2-Response",
            id="mschap-mschapv2",
        ),
        pytest.param(
            (NAME, microsoft(CHALLENGE, RESPONSE_2), microsoft(CHANGE)),
            "MS-CHAP2-Response+MS-CHAP2-CPW",
            id="mschapv2-change",
        ),
        pytest.param(
            (NAME, microsoft(RESPONSE, CHANGE_1, CHANGE_2)),
            "MS-CHAP-Response+MS-CHAP-CPW-1+MS-CHAP-CPW-2",
            id="mschap-changes",
        ),
        pytest.param((NAME, PAP, (USER_NAME, b"bob")), "User-Name+User-Name", id="names"),
        pytest.param((NAME, PAP, PAP), "User-Password+User-Password", id="passwords"),
        pytest.param((NAME, CHAP, CHAP), "CHAP-Password+CHAP-Password", id="chaps"),
        pytest.param(
            (NAME, CHAP, (CHAP_CHALLENGE, b"1"), (CHAP_CHALLENGE, b"2")),
            "CHAP-Challenge+CHAP-Challenge",
            id="challenges",
        ),
        pytest.param((NAME, MESSAGE, (STATE, b"1"), (STATE, b"2")), "State+State", id="states"),
        pytest.param(
            (NAME, PAP, (STATION, b"3C-22-FB-01-02-03"), (STATION, b"3C-22-FB-01-02-04")),
            "Calling-Station-Id+Calling-Station-Id",
            id="stations",
        ),
        pytest.param(
            (NAME, microsoft(CHALLENGE, RESPONSE_2), microsoft(RESPONSE_2)),
            "MS-CHAP2-Response+MS-CHAP2-Response",
            id="responses",
        ),
        pytest.param(
            (NAME, microsoft(CHALLENGE, CHALLENGE, RESPONSE_2)),
            "MS-CHAP-Challenge+MS-CHAP-Challenge",
            id="microsoft-challenges",
        ),
    ],
)
def test_two_proofs_or_names_are_told(
    attributes: tuple[tuple[int, bytes], ...], surplus: str
) -> None:
    assert too_much(packet(*attributes)) == surplus


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param((NAME,), id="nothing"),
        pytest.param((NAME, PAP), id="pap"),
        pytest.param((NAME, CHAP, (CHAP_CHALLENGE, bytes(16))), id="chap"),
        pytest.param((NAME, MESSAGE, MESSAGE, (STATE, b"1")), id="eap-in-pieces"),
        pytest.param((NAME, microsoft(CHALLENGE, RESPONSE_2)), id="mschapv2"),
        pytest.param((NAME, microsoft(CHALLENGE, CHANGE)), id="change-alone"),
        pytest.param((NAME, PAP, microsoft(10)), id="a-domain-of-microsoft"),
        pytest.param((NAME, PAP, microsoft(RESPONSE, vendor=9)), id="another-vendor"),
        pytest.param((NAME, PAP, (PROXY_STATE, b"1"), (PROXY_STATE, b"2")), id="proxy-states"),
    ],
)
def test_one_proof_of_one_person_is_not_too_much(attributes: tuple[tuple[int, bytes], ...]) -> None:
    assert too_much(packet(*attributes)) == ""


@pytest.mark.parametrize(
    ("surplus", "method"),
    [("User-Password+CHAP-Password", Method.PAP), ("User-Password+EAP-Message", Method.EAP)],
)
def test_too_much_is_refused_before_anything_is_asked(surplus: str, method: Method) -> None:
    step = f"request:too_much={surplus}"
    Script(request(too_much=surplus)).decides(Denied(Reason.SEVERAL_PROOFS, method, step=step))
