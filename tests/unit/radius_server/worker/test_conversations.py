"""Conversations found again by State."""

from __future__ import annotations

from radius_server.worker.conversations import Conversations, holder


def test_a_state_is_good_for_one_request() -> None:
    conversations: Conversations[str] = Conversations(3)
    state = conversations.put("alice", 0.0)
    assert holder(state) == 3
    assert conversations.take(state, 1.0) == "alice"
    assert conversations.take(state, 1.0) is None


def test_states_do_not_repeat() -> None:
    conversations: Conversations[int] = Conversations(0)
    assert len({conversations.put(number, 0.0) for number in range(100)}) == 100


def test_a_conversation_nobody_goes_on_with_is_given_up() -> None:
    conversations: Conversations[str] = Conversations(0, lifetime=60.0)
    state = conversations.put("alice", 0.0)
    assert conversations.take(state, 60.0) is None
    conversations.put("bob", 0.0)
    conversations.put("carol", 61.0)
    assert len(conversations) == 1


def test_the_oldest_makes_room() -> None:
    conversations: Conversations[int] = Conversations(0, maximum=2)
    first, second, third = (conversations.put(number, float(number)) for number in range(3))
    assert conversations.take(first, 3.0) is None
    assert conversations.take(second, 3.0) == 1
    assert conversations.take(third, 3.0) == 2


def test_a_strange_state_belongs_to_nobody() -> None:
    assert holder(b"") is None
    assert holder(b"\x00short") is None
    assert holder(bytes(18)) is None
