"""What the gateway says of a caught browser, and that nobody else can say it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.gateway.redirects import LONGEST_URL, Caught, read_redirect, write_redirect
from captive_portal.vendors.profile import BrowserStep, Entry, Forged, Gateway, Outcome
from captive_portal.vendors.registry import vendor_called
from common.errors import NotAuthentic
from tests.unit.captive_portal.gateway.lab import KEY, PHONE, V4

CAUGHT = Caught(mac=PHONE, ip=V4, nas="hall", url="http://example.com/a?b=ค&sig=1#")


def _gateway(key: bytes = KEY) -> Gateway:
    return Gateway(
        id=1,
        name="hall",
        vendor="yuenyan",
        login_url="http://10.77.0.1:8090/login",
        settings={"key": key.decode()},
    )


def test_what_was_written_is_read() -> None:
    assert read_redirect(write_redirect(CAUGHT, KEY), KEY) == CAUGHT


def test_a_language_behind_the_signature_changes_nothing() -> None:
    assert read_redirect(write_redirect(CAUGHT, KEY) + "&lang=en&mac=other", KEY) == CAUGHT


def test_an_address_that_is_too_long_is_left_out() -> None:
    long = replace(CAUGHT, url="http://example.com/" + "x" * LONGEST_URL)
    assert read_redirect(write_redirect(long, KEY), KEY).url == ""


@given(at=st.integers(min_value=0), octet=st.integers(0x21, 0x7E))
def test_one_other_character_is_no_redirect_of_this_gateway(at: int, octet: int) -> None:
    query = write_redirect(CAUGHT, KEY)
    at %= len(query)
    forged = query[:at] + chr(octet) + query[at + 1 :]
    if forged == query:
        return
    with pytest.raises(NotAuthentic):
        read_redirect(forged, KEY)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("res=notyet&mac=3c22fb010203", id="unsigned"),
        pytest.param(write_redirect(CAUGHT, b"the key of another gateway....."), id="another's"),
        pytest.param("&sig=", id="empty"),
        pytest.param("mac=3c22fb010203&sig=ค", id="no hex"),
    ],
)
def test_the_portal_refuses_a_redirect_without_this_signature(query: str) -> None:
    values = {name: found[0] for name, found in parse_qs(query).items()}
    with pytest.raises(Forged):
        vendor_called("yuenyan").read(values, query, _gateway())


def test_a_short_key_proves_nothing() -> None:
    with pytest.raises(NotAuthentic):
        read_redirect(write_redirect(CAUGHT, b"short"), b"short")


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("notyet", Outcome.NEW),
        ("already", Outcome.ALREADY),
        ("failed", Outcome.REFUSED),
        ("logoff", Outcome.LEFT),
    ],
)
def test_the_portal_takes_the_signed_device_and_outcome(result: str, outcome: Outcome) -> None:
    query = write_redirect(replace(CAUGHT, result=result, reason="reject"), KEY)
    arrival = vendor_called("yuenyan").read({"mac": "020000000001"}, query, _gateway())
    assert (arrival.mac, arrival.ip, arrival.outcome) == (PHONE, V4, outcome)
    assert (arrival.url, arrival.reason) == (CAUGHT.url, "reject")


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("timeout", Outcome.SILENT),
        ("gateway", Outcome.SILENT),
        ("busy", Outcome.SILENT),
        ("token", Outcome.REFUSED),
        ("E-LIMIT", Outcome.REFUSED),
    ],
)
def test_a_failure_that_nobody_decided_is_no_refusal(reason: str, outcome: Outcome) -> None:
    query = write_redirect(replace(CAUGHT, result="failed", reason=reason), KEY)
    assert vendor_called("yuenyan").read({}, query, _gateway()).outcome is outcome


@pytest.mark.parametrize("change", [{"mac": ""}, {"mac": "x"}, {"result": "maybe"}])
def test_signed_nonsense_is_refused(change: dict[str, str]) -> None:
    query = write_redirect(replace(CAUGHT, **change), KEY)
    with pytest.raises(Forged):
        vendor_called("yuenyan").read({}, query, _gateway())


def test_the_token_goes_to_the_registered_address() -> None:
    vendor, gateway = vendor_called("yuenyan"), _gateway()
    arrival = vendor.read({}, write_redirect(CAUGHT, KEY), gateway)
    entry = Entry(username="somchai", token="yt-x", destination="https://portal.example/status")
    step = vendor.step(arrival, gateway, entry)
    assert isinstance(step, BrowserStep)
    assert (step.method, step.url) == ("post", "http://10.77.0.1:8090/login")
    assert dict(step.fields) == {
        "username": "somchai", "password": "yt-x", "dst": "https://portal.example/status",
    }  # fmt: skip


def test_nobody_is_handed_over_without_a_key() -> None:
    vendor = vendor_called("yuenyan")
    assert vendor.can_hand_over(_gateway())
    assert not vendor.can_hand_over(_gateway(b""))
