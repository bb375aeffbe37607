"""A question that hangs is cut; one that was answered is not."""

from __future__ import annotations

import socket
import time

import pytest

from identity.stores.patience import Patience


def test_a_question_that_hangs_is_cut() -> None:
    patience = Patience(0.1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        patience.begin(ours.fileno())
        assert ours.recv(1) == b""
        assert patience.end()
        assert not patience.end()
    patience.stop()


def test_a_question_that_was_answered_leaves_its_connection_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("identity.stores.patience._LOOK_SECONDS", 0.02)
    patience = Patience(0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        patience.begin(ours.fileno())
        assert not patience.end()
        time.sleep(0.2)  # it looks several times, and cuts nothing
        theirs.send(b"x")
        assert ours.recv(1) == b"x"
    patience.stop()
