"""Datagrams handed from one worker to the other."""

from __future__ import annotations

from pathlib import Path

from radius_server.worker.siblings import MAXIMUM_LENT, Siblings


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


class Connection:
    """Takes the replies to what was lent."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, object]] = []

    def sendto(self, reply: bytes, source: object) -> None:
        self.sent.append((reply, source))


def test_a_packet_that_was_lent_is_answered_where_its_connection_is(tmp_path: Path) -> None:
    one, two = Siblings(tmp_path, 0), Siblings(tmp_path, 1)
    connection, source = Connection(), ("192.0.2.1", 40_000, 7, b"token", b"authenticator")
    try:
        assert one.lend(1, "ap.example", source, b"request", connection)
        assert list(two.received()) == []
        (lent,) = two.borrowed
        assert (lent.nas, lent.source, lent.octets) == (
            "ap.example",
            ("192.0.2.1", 40_000, 0),
            b"request",
        )
        lent.sender.sendto(b"reply", lent.source)
        lent.sender.sendto(b"another", lent.source)
        assert list(one.received()) == []
        assert connection.sent == [(b"reply", source)]
        assert not one.lend(7, "ap.example", source, b"request", connection)
    finally:
        one.close()
        two.close()


def test_what_is_lent_and_never_given_back_is_forgotten_in_time(tmp_path: Path) -> None:
    one, two = Siblings(tmp_path, 0), Siblings(tmp_path, 1)
    try:
        for _ in range(MAXIMUM_LENT + 10):
            assert one.lend(1, "ap.example", ("192.0.2.1", 1), b"request", Connection())
            list(two.received())
        assert len(one._lent) == MAXIMUM_LENT
    finally:
        one.close()
        two.close()


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
