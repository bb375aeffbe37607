"""When a home server is held for dead, and when for back."""

from __future__ import annotations

from radius_server.proxy.liveness import Liveness, Patience, State

PATIENCE = Patience(answer=4, probe=10, revive=100)


def state(home: Liveness) -> State:
    return home.state


def test_one_request_without_an_answer_kills_nobody_who_answers_others() -> None:
    home = Liveness(PATIENCE, takes_status=True)
    home.answered(3.0)
    assert not home.timed_out(asked_at=1.0, now=5.0)
    assert state(home) is State.ALIVE


def test_a_silent_server_is_asked_for_its_status_before_it_is_dead() -> None:
    home = Liveness(PATIENCE, takes_status=True)
    home.timed_out(asked_at=0.0, now=4.0)
    assert state(home) is State.SUSPECT and home.wants_probe(4.0)
    home.probed(4.0)
    assert not home.wants_probe(5.0)
    assert not home.tick(7.9)
    assert home.tick(8.0)
    assert state(home) is State.DEAD


def test_a_suspect_that_answers_its_status_was_alive_all_along() -> None:
    home = Liveness(PATIENCE, takes_status=True)
    home.timed_out(asked_at=0.0, now=4.0)
    home.probed(4.0)
    assert home.answered(4.1)
    assert state(home) is State.ALIVE and not home.wants_probe(100.0)


def test_a_dead_server_is_probed_until_it_answers() -> None:
    home = Liveness(PATIENCE, takes_status=True)
    assert home.failed(0.0)
    assert not home.failed(0.0)
    assert not home.wants_probe(9.0)
    assert home.wants_probe(10.0)
    home.probed(10.0)
    assert not home.tick(14.0) and state(home) is State.DEAD
    assert home.wants_probe(20.0)
    assert home.answered(21.0)


def test_a_server_that_takes_no_status_is_tried_again_after_a_while() -> None:
    home = Liveness(PATIENCE, takes_status=False)
    assert home.timed_out(asked_at=0.0, now=4.0)
    assert state(home) is State.DEAD and not home.wants_probe(50.0)
    home.tick(103.0)
    assert state(home) is State.DEAD
    home.tick(104.0)
    assert state(home) is State.ALIVE
