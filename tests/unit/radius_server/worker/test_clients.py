"""Which NAS an address belongs to."""

from __future__ import annotations

import pytest

from common.net import parse_prefix
from identity.stores.sql import NasFacts
from radius_server.worker.clients import NasTable


def _nas(number: int, prefix: str) -> NasFacts:
    return NasFacts(
        nas_client_id=number,
        name=f"nas-{number}",
        network=parse_prefix(prefix),
        vendor="generic",
        require_message_authenticator=True,
        secret=b"secret",
    )


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("10.1.2.3", 3),
        ("10.1.2.4", 2),
        ("10.9.9.9", 1),
        ("::ffff:10.1.2.3", 3),
        ("11.0.0.1", None),
        ("2001:db8::1", 4),
        ("fe80::1%eth0", 5),
        ("2001:db9::1", None),
        ("::a01:203", None),
    ],
)
def test_the_longest_prefix_that_holds_the_address(address: str, number: int | None) -> None:
    prefixes = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32", "fe80::1/128")
    table = NasTable([_nas(at, prefix) for at, prefix in enumerate(prefixes, 1)])
    for _ in range(2):  # found, then remembered
        client = table.find(address)
        assert (client and client.facts.nas_client_id) == number
