"""The Class attribute."""

from __future__ import annotations

from radius_server.process.class_attribute import SessionReference, open_class, seal

KEY = bytes(32)


def test_what_was_sealed_opens() -> None:
    value = seal(KEY, 42, b"\x01" * 8)
    assert len(value) == 26
    assert open_class(KEY, value) == SessionReference(42, "01" * 8)


def test_every_changed_octet_and_every_cut_is_noticed() -> None:
    value = seal(KEY, 42, b"\x01" * 8)
    for at in range(len(value)):
        assert open_class(KEY, value[:at] + bytes((value[at] ^ 1,)) + value[at + 1 :]) is None
        assert open_class(KEY, value[:at]) is None
    assert open_class(b"\x01" * 32, value) is None
