"""A controller's refusal, or an answer of another shape, is no list on which nobody stands."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from captive_portal.vendors import controller
from captive_portal.vendors.control import Control
from captive_portal.vendors.controller import Answer, Call, Controller, Declined
from captive_portal.vendors.omada_control import OmadaControl
from captive_portal.vendors.profile import Gateway
from captive_portal.vendors.unifi_control import UnifiControl

DEVICE = "3c22fb010203"
_ACCOUNT = {"username": "portal", "password": "of it"}
_MAKES: Mapping[str, tuple[Control, Mapping[str, str]]] = {
    "unifi-legacy": (UnifiControl(), {"mode": "legacy", **_ACCOUNT}),
    "unifi": (UnifiControl(), {"mode": "api", "api_key": "key", "site_id": "s"}),
    "omada": (
        OmadaControl(),
        {"omadac_id": "c", "site": "s", "operator": "o", "operator_password": "of it"},
    ),
}


def look(monkeypatch: pytest.MonkeyPatch, make: str, status: int, told: object) -> object:
    def exchange(_where: Controller, call: Call) -> Answer:
        if call.path.endswith("/login"):
            sign_in = {"errorCode": 0, "result": {"token": "csrf"}}
            return Answer(status=200, body=json.dumps(sign_in).encode(), cookies={"TOKEN": "x"})
        return Answer(status=status, body=json.dumps(told).encode())

    monkeypatch.setattr(controller, "exchange", exchange)
    control, settings = _MAKES[make]
    gateway = Gateway(
        id=1, name="hall", vendor=make.partition("-")[0], login_url="",
        settings={"controller": "https://10.0.0.2", **settings}, controller_networks=(),
    )  # fmt: skip
    return control.look(gateway, [DEVICE])


@pytest.mark.parametrize(
    ("make", "status", "told"),
    [
        ("unifi-legacy", 401, {"meta": {"rc": "error", "msg": "api.err.LoginRequired"}}),
        ("unifi-legacy", 403, {"meta": {"rc": "error", "msg": "api.err.NoPermission"}, "data": []}),
        ("unifi-legacy", 200, {"meta": {"rc": "ok"}}),
        ("unifi-legacy", 200, {"data": []}),
        ("unifi", 200, {}),
        ("unifi", 200, {"data": None}),
        ("unifi", 200, {"data": {"items": []}}),
        ("omada", 200, {"errorCode": 0}),
        ("omada", 200, {"errorCode": 0, "result": {"data": None}}),
    ],
)
def test_what_is_no_list_says_of_nobody_that_they_left(
    monkeypatch: pytest.MonkeyPatch, make: str, status: int, told: object
) -> None:
    with pytest.raises(Declined):
        look(monkeypatch, make, status, told)


@pytest.mark.parametrize(
    ("make", "status", "told"),
    [
        (
            "unifi-legacy",
            400,
            {"meta": {"rc": "error", "msg": "api.err.UnknownStation"}, "data": []},
        ),
        ("unifi-legacy", 200, {"meta": {"rc": "ok"}, "data": []}),
        ("unifi", 200, {"data": []}),
        ("omada", 200, {"errorCode": 0, "result": {"data": []}}),
    ],
)
def test_an_empty_list_says_that_the_device_is_not_on(
    monkeypatch: pytest.MonkeyPatch, make: str, status: int, told: object
) -> None:
    assert look(monkeypatch, make, status, told) == {}
