"""Both implementations of MD5 give the same octets."""

from __future__ import annotations

import hashlib

import pytest

from radius_server.packet import digest

_LENGTHS = (0, 1, 16, 55, 56, 63, 64, 65, 119, 120, 4096)


@pytest.mark.parametrize("length", _LENGTHS)
def test_the_quick_digest_is_the_one_of_hashlib(length: int) -> None:
    octets = bytes(range(256)) * 16
    begun = digest.md5(octets[:length])
    branch = begun.copy()
    branch.update(octets[:7])
    assert begun.digest() == hashlib.md5(octets[:length], usedforsecurity=False).digest()
    both = octets[:length] + octets[:7]
    assert branch.digest() == hashlib.md5(both, usedforsecurity=False).digest()


def test_without_the_interpreters_own_hashlib_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(digest, "import_module", absent)
    assert digest._fastest()(b"abc").digest().hex() == "900150983cd24fb0d6963f7d28e17f72"
