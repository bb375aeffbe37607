"""The Class attribute."""

from __future__ import annotations

from radius_server.process.class_attribute import (
    ForeignReference,
    SessionReference,
    is_ours,
    open_class,
    open_foreign,
    seal,
    seal_foreign,
)

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


def test_a_foreign_login_has_a_class_that_is_no_accounts() -> None:
    value = seal_foreign(KEY, "partner.example", b"\x02" * 8)
    assert open_foreign(KEY, value) == ForeignReference("partner.example", "02" * 8)
    assert open_class(KEY, value) is None
    assert is_ours(KEY, value) and is_ours(KEY, seal(KEY, 1, bytes(8)))
    assert not is_ours(KEY, b"") and not is_ours(KEY, b"Y2")
    for at in range(len(value)):
        assert open_foreign(KEY, value[:at] + bytes((value[at] ^ 1,)) + value[at + 1 :]) is None
        assert open_foreign(KEY, value[:at]) is None
    assert len(seal_foreign(KEY, "a" * 253, bytes(8))) == 253
