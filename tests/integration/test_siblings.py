"""Datagrams handed from one worker to the other."""

from __future__ import annotations

from pathlib import Path

from radius_server.worker.siblings import Siblings


def test_a_datagram_reaches_the_sibling_as_it_came(tmp_path: Path) -> None:
    one, two = Siblings(tmp_path, 0), Siblings(tmp_path, 1)
    try:
        octets = bytes(range(256)) * 16
        assert one.hand_over(1, 2, ("fe80::1", 40_000, 0, 3), octets)
        assert one.hand_over(1, 0, ("192.0.2.1", 1812), b"")
        assert list(two.received()) == [
            (2, ("fe80::1", 40_000, 0, 3), octets),
            (0, ("192.0.2.1", 1812), b""),
        ]
        assert list(one.received()) == []
    finally:
        one.close()
        two.close()
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_can_take_is_not_handed_over(tmp_path: Path) -> None:
    alone, one = Siblings(None, 0), Siblings(tmp_path, 0)
    try:
        assert not alone.hand_over(1, 0, ("192.0.2.1", 1), b"x")
        assert not one.hand_over(0, 0, ("192.0.2.1", 1), b"x"), "to itself"
        assert not one.hand_over(7, 0, ("192.0.2.1", 1), b"x"), "nobody is number seven"
    finally:
        one.close()


def test_a_worker_that_is_started_again_takes_its_old_place(tmp_path: Path) -> None:
    killed = Siblings(tmp_path, 0)
    assert killed.socket is not None
    killed.socket.close()  # its file stays, as after kill -9
    again, other = Siblings(tmp_path, 0), Siblings(tmp_path, 1)
    try:
        assert other.hand_over(0, 0, ("192.0.2.1", 1), b"x")
        assert [octets for _, _, octets in again.received()] == [b"x"]
    finally:
        again.close()
        other.close()
