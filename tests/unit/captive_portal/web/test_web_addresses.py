"""Which address a request comes from: captive_portal.web.client_address."""

from __future__ import annotations

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from captive_portal.web.client_address import TrustedProxies

PROXIES = TrustedProxies.of(("10.0.0.0/30", "fd00::1/128"))


def request(peer: str | None, *forwarded: str, proto: str = "") -> Request:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    if proto:
        headers.append(("X-Forwarded-Proto", proto))
    environ = EnvironBuilder(headers=headers).get_environ()
    if peer is not None:
        environ["REMOTE_ADDR"] = peer
    return Request(environ)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("192.0.2.7", (), "192.0.2.7", id="no-proxy"),
        pytest.param("192.0.2.7", ("198.51.100.1",), "192.0.2.7", id="stranger-is-not-believed"),
        pytest.param("10.0.0.1", ("192.0.2.7",), "192.0.2.7", id="trusted-proxy"),
        pytest.param("10.0.0.1", ("198.51.100.1, 192.0.2.7",), "192.0.2.7", id="forged-first-hop"),
        pytest.param("10.0.0.1", ("198.51.100.1", "192.0.2.7"), "192.0.2.7", id="two-headers"),
        pytest.param("10.0.0.1", ("192.0.2.7, 10.0.0.2",), "192.0.2.7", id="two-trusted-hops"),
        pytest.param("10.0.0.1", ("192.0.2.7, junk",), "10.0.0.1", id="junk-ends-the-walk"),
        pytest.param("10.0.0.1", (), "10.0.0.1", id="proxy-that-says-nothing"),
        pytest.param("::ffff:192.0.2.7", (), "192.0.2.7", id="mapped"),
        pytest.param("fd00::1", ("2001:DB8:0::7",), "2001:db8::7", id="shortest-form"),
        pytest.param(None, ("192.0.2.7",), "", id="no-peer"),
    ],
)
def test_client_address(peer: str | None, forwarded: tuple[str, ...], expected: str) -> None:
    assert PROXIES.client_address(request(peer, *forwarded)) == expected


@pytest.mark.parametrize(
    ("peer", "expected"), [("10.0.0.1", True), ("192.0.2.7", False), (None, False)]
)
def test_forwarded_https_is_believed_from_a_proxy_only(peer: str | None, expected: bool) -> None:
    assert PROXIES.is_https(request(peer, proto="https")) is expected
