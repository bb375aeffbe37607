"""The way to the gateway's helper: real Unix sockets with helpers that do not do their work."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from captive_portal.gateway.helper import HelperSocket
from captive_portal.gateway.verbs import Answer, Remove, Usage, read_verb, write_answer
from common.errors import BackendUnavailable


@contextmanager
def helper(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """A helper that says `answer` to the first line of one connection, and what it heard."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            wire, _ = listener.accept()
            with wire, wire.makefile("rb") as lines:
                heard.append(lines.readline())
                with suppress(OSError):  # the other side has heard enough
                    wire.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield heard
        finally:
            thread.join(10)


def test_a_verb_crosses_and_its_answer_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "helper.sock"
    neighbours = (("10.77.0.20", "3c22fb010203"),)
    with helper(path, write_answer(Answer(neighbours=neighbours))) as heard:
        assert HelperSocket(path).ask(Usage()).neighbours == neighbours
    assert read_verb(heard[0]) == Usage()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(write_answer(Answer(error="no room")), "no room", id="it says no"),
        pytest.param(b"", "is no JSON", id="it hangs up"),
        pytest.param(b"nonsense\n", "is no JSON", id="nonsense"),
        pytest.param(b'{"error": ""}\n', "cannot be read", id="half an answer"),
        pytest.param(b"x" * (2 << 20), "too long", id="endless"),
    ],
)
def test_what_was_not_done_is_never_taken_for_done(
    tmp_path: Path, answer: bytes, message: str
) -> None:
    path = tmp_path / "helper.sock"
    with (
        helper(path, answer),
        pytest.raises(BackendUnavailable, match=message),
    ):
        HelperSocket(path).ask(Remove(mac="3c22fb010203"))


def test_a_helper_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="helper"):
        HelperSocket(tmp_path / "nobody.sock").ask(Usage())
