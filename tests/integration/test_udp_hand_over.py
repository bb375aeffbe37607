"""A wildcard socket that has one address yet answers what a sibling, which has two, hands over."""

from __future__ import annotations

import socket

import pytest

from radius_server import udp

pytestmark = pytest.mark.timeout(30)


@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        pytest.param("0.0.0.0:0", "127.0.0.2", id="IPv4"),
        pytest.param("[::]:0", "::1", id="IPv6"),
    ],
)
def test_a_plain_socket_answers_a_source_in_the_longer_form(
    monkeypatch: pytest.MonkeyPatch, listen: str, asked: str
) -> None:
    monkeypatch.setattr(udp, "local_addresses", lambda _family: {"127.0.0.1"})
    bound = udp.bind(listen)
    family = bound.family
    with bound, socket.socket(family, socket.SOCK_DGRAM) as nas:
        bound.setblocking(True)
        bound.settimeout(5)
        nas.settimeout(5)
        nas.sendto(b"asked", (asked, bound.getsockname()[1]))
        _, source = bound.recvfrom(4096)
        assert len(source) == (4 if family == socket.AF_INET6 else 2), "it is a plain one"
        bound.sendto(b"handed over", (*source, asked))
        answer, answers = nas.recvfrom(4096)
        assert (answer, answers[0]) == (b"handed over", asked)
        bound.sendto(b"its own", source)
        assert nas.recvfrom(4096)[0] == b"its own"
