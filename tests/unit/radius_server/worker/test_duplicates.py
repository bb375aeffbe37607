"""The duplicate cache."""

from __future__ import annotations

from radius_server.worker.duplicates import DuplicateCache


def test_a_copy_is_silent_while_the_first_is_worked_on_then_gets_its_octets() -> None:
    cache = DuplicateCache()
    assert cache.begin("k", 0.0) == (True, None)
    assert cache.begin("k", 1.0) == (False, None)
    cache.finish("k", b"reply")
    assert cache.begin("k", 2.0) == (False, b"reply")


def test_a_forgotten_request_is_new_again() -> None:
    cache = DuplicateCache()
    cache.begin("k", 0.0)
    cache.forget("k")
    assert cache.begin("k", 0.1) == (True, None)


def test_entries_end_after_their_lifetime() -> None:
    cache = DuplicateCache(lifetime=30)
    cache.begin("k", 0.0)
    cache.finish("k", b"reply")
    assert cache.begin("k", 29.9) == (False, b"reply")
    assert cache.begin("k", 30.0) == (True, None)
    cache.begin("other", 45.0)
    assert len(cache) == 2
    cache.begin("third", 61.0)
    assert len(cache) == 2, "the first is gone, with its memory"


def test_a_request_begun_anew_outlives_its_first_entry() -> None:
    cache = DuplicateCache(lifetime=30)
    cache.begin("k", 0.0)
    cache.forget("k")
    cache.begin("k", 20.0)
    cache.finish("k", b"reply")
    cache.begin("other", 31.0)
    assert cache.begin("k", 32.0) == (False, b"reply")


def test_memory_is_bounded() -> None:
    cache = DuplicateCache(maximum=10)
    for number in range(100):
        cache.begin(number, 0.0)
    assert len(cache) == 10
    assert cache.begin(99, 0.0) == (False, None)
    assert cache.begin(0, 0.0) == (True, None)
