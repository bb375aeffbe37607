"""Places under way, shared out."""

from __future__ import annotations

from radius_server.proxy.shares import Shares


def test_one_owner_alone_has_every_place_and_of_two_each_has_half() -> None:
    alone = Shares(4, ["a"])
    assert [alone.take("a") for _ in range(5)] == [True] * 4 + [False]
    two = Shares(4, ["a", "b"])
    assert [two.take("a") for _ in range(3)] == [True, True, False]
    assert two.take("b") and two.taken == 3
    two.give_back("a")
    assert two.take("a") and not two.take("a")


def test_everybody_has_a_place_however_many_they_are() -> None:
    many = Shares(2, range(5))
    assert all(many.take(owner) for owner in range(5))
