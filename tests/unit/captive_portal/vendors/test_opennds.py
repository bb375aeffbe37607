"""Reading what openNDS sends a browser with, and building the way back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from captive_portal.vendors.opennds import Custom, Opennds, return_hash
from captive_portal.vendors.profile import (
    Arrival,
    BrowserStep,
    Entry,
    FetchStep,
    Forged,
    Gateway,
    Outcome,
)
from captive_portal.vendors.registry import vendor_called
from captive_portal.vendors.settings import check_changes
from common.errors import UsageError

KEY = "c775e7b757ede630cd0aa1113bd102661ab38829ca52a6422ab782862f268646"
"""The example in the sources of openNDS."""

LOGIN = "http://10.78.0.1:2050/opennds_auth/"
HID = "a0216d440975cd905e186379c414850af0eee157100af6f560276bf0e6e37577"
CAPTURED = (
    "fas=aGlkPWEwMjE2ZDQ0MDk3NWNkOTA1ZTE4NjM3OWM0MTQ4NTBhZjBlZWUxNTcxMDBhZjZmNTYwMjc2YmYwZTZl"
    "Mzc1NzcsIGNsaWVudGlwPTEwLjc4LjAuMTAwLCBjbGllbnRtYWM9NTI6OGE6YWM6NTA6ZjQ6ZTQsIGNsaWVudF90"
    "eXBlPWNwZF9jYW4sIGdhdGV3YXluYW1lPUxhYiUyMFNjaG9vbCUyME5vZGUlM2E4YTNjYWM1NGNlZDAlMjAsIGdh"
    "dGV3YXl1cmw9aHR0cCUzYSUyZiUyZnN0YXR1cy5jbGllbnQsIHZlcnNpb249OS4xMC4wLCBnYXRld2F5YWRkcmVz"
    "cz0xMC43OC4wLjE6MjA1MCwgZ2F0ZXdheW1hYz04YTNjYWM1NGNlZDAsIG9yaWdpbnVybD1odHRwJTNhJTJmJTJm"
    "MjAzLjAuMTEzLjEwJTJmLCBjbGllbnRpZj1pbnNpZGUsIHRoZW1lc3BlYz0obnVsbCksIChudWxsKShudWxsKShu"
    "dWxsKShudWxsKQ=="
)
"""Of openNDS 9.10.0 at level 1, as a phone sent it on."""

ARRIVED = Arrival(
    mac="528aac50f4e4", ip="10.78.0.100", url="http://203.0.113.10/", carried={"hid": HID}
)
ENTRY = Entry(username="somchai", token="yt-once", destination="https://portal/status?joined=1")


def gateway(level: str = "1", key: str = KEY, login_url: str = LOGIN) -> Gateway:
    return Gateway(
        id=1, name="lab", vendor="opennds", login_url=login_url,
        settings={"faskey": key, "level": level},
    )  # fmt: skip


def read(raw: str, at: Gateway) -> Arrival:
    query: Mapping[str, str] = dict(parse_qsl(raw))
    return Opennds().read(query, raw, at)


def encrypted(text: str, key: str = KEY, iv: str = "0123456789abcdef") -> str:
    """As PHP's openssl_encrypt and openNDS make it: AES-256-CBC, base64, and base64 again."""
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    made = Cipher(algorithms.AES(key.encode()[:32]), modes.CBC(iv.encode())).encryptor()
    once = base64.b64encode(made.update(padded) + made.finalize())
    return f"fas={base64.b64encode(once).decode()}&iv={iv}"


PLAIN = base64.b64decode(CAPTURED.removeprefix("fas=")).decode()


@pytest.mark.parametrize("level", ["1", "4", ""])
def test_a_captured_redirect_is_read(level: str) -> None:
    assert read(CAPTURED, gateway(level)) == ARRIVED


@pytest.mark.parametrize("level", ["2", "3"])
def test_an_encrypted_redirect_is_read_with_the_routers_key(level: str) -> None:
    text = PLAIN.replace("originurl", "authdir=opennds_auth, originurl")
    assert read(encrypted(text), gateway(level)) == ARRIVED


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        pytest.param("", gateway(), id="nothing"),
        pytest.param("fas=", gateway(), id="empty"),
        pytest.param("fas=!!!", gateway(), id="no base64"),
        pytest.param("fas=" + "A" * 4004, gateway(), id="too long"),
        pytest.param("fas=" + base64.b64encode(b"clientip=10.0.0.1").decode(), gateway(),
                     id="no hid"),
        pytest.param("fas=" + base64.b64encode(PLAIN.replace(HID, HID[:-1] + "X").encode())
                     .decode(), gateway(), id="hid that is no hash"),
        pytest.param(CAPTURED, gateway(login_url="http://10.79.0.1:2050/opennds_auth/"),
                     id="another gateway"),
        pytest.param(CAPTURED, gateway("2"), id="plain where it must be encrypted"),
        pytest.param(CAPTURED + "&iv=0123456789abcdef", gateway("2"), id="plain with an iv"),
        pytest.param(encrypted(PLAIN), gateway("1"), id="encrypted where it is not"),
        pytest.param(encrypted(PLAIN, "another key of thirty-two octets."), gateway("3"),
                     id="another key"),
        pytest.param(encrypted(PLAIN).replace("iv=0", "iv="), gateway("2"), id="short iv"),
        pytest.param(encrypted(PLAIN), gateway("2", key="short"), id="short key"),
        pytest.param(encrypted(PLAIN)[:-40] + "&iv=0123456789abcdef", gateway("2"), id="cut"),
    ],
)  # fmt: skip
def test_what_the_router_did_not_write_is_refused(raw: str, at: Gateway) -> None:
    with pytest.raises(Forged):
        read(raw, at)


def test_a_client_that_is_online_is_sent_to_its_status() -> None:
    back = "tok=9a10a2e1&redir=http%3a%2f%2fx.example%2f&custom=&status=authenticated"
    assert read(back, gateway()).outcome is Outcome.ALREADY


def test_the_return_hash_is_the_published_one() -> None:
    assert return_hash("b" * 64, KEY) == (
        "139dd313d13818a4bfe3648eefaf59cb7b87bd17fa78ff96dafaf99d943dda97"
    )


@pytest.mark.parametrize("level", ["1", "2"])
def test_the_browser_goes_back_to_the_registered_address_with_proof_and_token(level: str) -> None:
    step = Opennds().step(ARRIVED, gateway(level), ENTRY)
    assert isinstance(step, BrowserStep)
    assert (step.method, step.url) == ("get", LOGIN)
    fields = dict(step.fields)
    assert fields["tok"] == return_hash(HID, KEY)
    assert fields["redir"] == ENTRY.destination
    assert Custom.decode(fields["custom"]) == Custom("yt-once", "somchai")


@pytest.mark.parametrize("level", ["3", "4"])
def test_at_the_upper_levels_the_router_fetches_it(level: str) -> None:
    step = Opennds().step(ARRIVED, gateway(level), ENTRY)
    assert step == FetchStep(
        key=return_hash(HID, KEY), carried=Custom("yt-once", "somchai").encode()
    )


def test_the_key_of_the_router_is_in_nothing_that_the_browser_gets() -> None:
    step = Opennds().step(ARRIVED, gateway(), ENTRY)
    assert KEY not in str(step) and KEY[:32] not in str(step)


@pytest.mark.parametrize(
    ("at", "can"),
    [(gateway(), True), (gateway(key=""), False), (gateway(login_url=""), False)],
    ids=["whole", "without its key", "without its address"],
)
def test_a_router_takes_visitors_when_its_address_and_key_are_known(at: Gateway, can: bool) -> None:
    assert Opennds().can_hand_over(at) is can


@pytest.mark.parametrize(
    "text", ["", "none", "bm9uZQ==", "////", quote("ครู"), Custom("yt-once", "so\0m").encode()]
)
def test_what_a_router_carries_of_its_own_is_no_token(text: str) -> None:
    assert Custom.decode(text) is None


def test_a_thai_name_travels() -> None:
    custom = Custom("yt-once", "ครูสมชาย")
    assert Custom.decode(custom.encode()) == custom


def test_the_make_is_known_by_its_name() -> None:
    assert isinstance(vendor_called("opennds"), Opennds)
    assert urlsplit(LOGIN).netloc == "10.78.0.1:2050"


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("level", "9", "level is one of: 1, 2, 3, 4"),
        ("faskey", "12345", "faskey has at least 32 characters"),
        ("faskey", "k" * 31, "openssl rand -hex 24"),
    ],
)
def test_a_level_or_key_that_no_router_can_have_is_refused(
    name: str, text: str, advice: str
) -> None:
    with pytest.raises(UsageError, match=advice):
        check_changes(Opennds(), {name: text})


def test_a_level_and_a_key_of_a_router_are_taken() -> None:
    given = {"level": "4", "faskey": "k" * 32}
    assert check_changes(Opennds(), given) == given
    assert check_changes(Opennds(), {"faskey": ""}) == {"faskey": ""}
