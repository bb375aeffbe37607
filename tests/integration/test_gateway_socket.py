"""The socket of the gateway's privileged half, without a kernel behind it."""

from __future__ import annotations

import os
import pwd
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from captive_portal.gateway.admissions import Admissions
from captive_portal.gateway.verb_server import LONGEST_LINE, VerbServer
from captive_portal.gateway.verbs import Answer, Usage, Verb, read_answer, write_verb
from common.config_gateway import GatewayKernel
from common.errors import ConfigError

US = pwd.getpwuid(os.geteuid()).pw_name


class Quiet(Admissions):
    """Answers and changes nothing; fails when it is told to."""

    def __init__(self, settings: GatewayKernel) -> None:
        self.fails = False
        self.watched = threading.Event()

    def answer(self, verb: Verb) -> Answer:
        if self.fails:
            raise RuntimeError("what nobody thought of")
        return Answer(error=type(verb).__name__)

    def watch(self) -> None:
        self.watched.set()


def settings_at(folder: Path, **changes: str) -> GatewayKernel:
    return GatewayKernel.model_validate(
        {"socket": folder / "run" / "helper.sock", "socket_user": US, **changes}
    )


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[[float], tuple[Quiet, Path]]]:
    """Starts a server whose clock goes so many times as fast."""
    running: list[tuple[VerbServer, threading.Thread]] = []

    def start(hurry: float = 1) -> tuple[Quiet, Path]:
        settings = settings_at(tmp_path)
        quiet = Quiet(settings)
        server = VerbServer(settings, quiet, lambda: time.monotonic() * hurry)
        server.start()
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return quiet, settings.socket

    yield start
    for server, thread in running:
        server.stop()
        thread.join(10)
        server.close()


def connected(path: Path) -> socket.socket:
    wire = socket.socket(socket.AF_UNIX)
    wire.settimeout(10)
    wire.connect(str(path))
    return wire


def line(wire: socket.socket) -> bytes:
    octets = b""
    while not octets.endswith(b"\n"):
        more = wire.recv(65_536)
        if not more:
            break
        octets += more
    return octets


def test_only_its_user_can_open_the_socket_and_it_goes_with_the_server(
    tmp_path: Path, serving: Callable[[], tuple[Quiet, Path]]
) -> None:
    _, path = serving()
    status = path.stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o660, os.geteuid())
    with pytest.raises(ConfigError, match="another helper"):
        VerbServer(settings_at(tmp_path), Quiet(settings_at(tmp_path))).start()
    with connected(path) as wire:
        wire.sendall(write_verb(Usage()))
        assert read_answer(line(wire)).error == "Usage"


def test_half_a_line_is_not_waited_for_for_ever(
    serving: Callable[[float], tuple[Quiet, Path]],
) -> None:
    _, path = serving(50)
    with connected(path) as wire:
        wire.sendall(b'{"verb":')
        assert line(wire) == b""
    with connected(path) as wire:
        time.sleep(0.5)
        wire.sendall(write_verb(Usage()))
        assert read_answer(line(wire)).error == "Usage"


def test_lines_may_come_in_pieces_and_several_at_once(
    serving: Callable[[], tuple[Quiet, Path]],
) -> None:
    _, path = serving()
    with connected(path) as wire:
        for octet in write_verb(Usage()):
            wire.sendall(bytes([octet]))
        assert line(wire)
        wire.sendall(write_verb(Usage()) * 3)
        octets = b""
        while octets.count(b"\n") < 3:
            octets += wire.recv(65_536)


@pytest.mark.parametrize("length", [LONGEST_LINE + 1, 5 * LONGEST_LINE])
def test_a_line_that_is_too_long_is_the_last(
    serving: Callable[[], tuple[Quiet, Path]], length: int
) -> None:
    _, path = serving()
    with connected(path) as wire:
        wire.sendall(b"x" * length)
        assert "too long" in read_answer(line(wire)).error
        with pytest.raises((ConnectionError, AssertionError)):
            wire.sendall(write_verb(Usage()) * 1000)
            assert line(wire)


def test_who_talks_nonsense_again_and_again_is_hung_up_on(
    serving: Callable[[], tuple[Quiet, Path]],
) -> None:
    _, path = serving()
    with connected(path) as wire:
        answers = 0
        while True:
            try:
                wire.sendall(b"nonsense\n")
                if not line(wire):
                    break
            except ConnectionError:
                break
            answers += 1
        assert answers == 8


def test_a_failure_of_ours_is_said_and_survived(
    serving: Callable[[], tuple[Quiet, Path]],
) -> None:
    quiet, path = serving()
    quiet.fails = True
    with connected(path) as wire:
        wire.sendall(write_verb(Usage()))
        assert "its log says why" in read_answer(line(wire)).error
        quiet.fails = False
        wire.sendall(write_verb(Usage()))
        assert read_answer(line(wire)).error == "Usage"
    assert quiet.watched.wait(5)


def test_a_user_that_is_not_there_is_a_wrong_configuration(tmp_path: Path) -> None:
    for changes in ({"socket_user": "nobody-has-this-name"}, {"socket_group": "nor-this"}):
        settings = settings_at(tmp_path, **changes)
        with pytest.raises(ConfigError, match="create it"):
            VerbServer(settings, Quiet(settings)).start()
