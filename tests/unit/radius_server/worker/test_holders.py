"""Where a station logged in last, as the workers tell each other."""

from __future__ import annotations

from radius_server.worker.holders import HOLDERS_OCTETS, Holders

PHONE, LAPTOP = "3c22fb010203", "3c22fb010204"


def test_workers_that_share_the_table_know_where_a_station_was() -> None:
    table = bytearray(HOLDERS_OCTETS)
    one, two = Holders(b"key", table), Holders(b"key", table)
    assert two.find(PHONE) is None
    one.note(PHONE, 3)
    assert two.find(PHONE) == 3
    assert two.find(LAPTOP) is None
    two.note(PHONE, 0)
    assert one.find(PHONE) == 0


def test_another_start_knows_nothing_of_what_was_left() -> None:
    table = bytearray(HOLDERS_OCTETS)
    Holders(b"key", table).note(PHONE, 3)
    assert Holders(b"another", table).find(PHONE) is None


def test_a_device_without_an_address_is_nowhere() -> None:
    holders = Holders(b"key")
    holders.note(None, 3)
    assert holders.find(None) is None
