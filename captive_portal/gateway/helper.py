"""The way to the privileged half: one line to its Unix socket, one line back."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Protocol

from captive_portal.gateway.verbs import MAXIMUM_LINE, Answer, Verb, read_answer, write_verb
from common.errors import BackendUnavailable, UsageError

NAME = "the gateway's helper"
_SECONDS = 10.0
"""It changes nftables and tc; that takes milliseconds, and a second on a very small box."""


class Kernel(Protocol):
    """Whoever lets devices through."""

    def ask(self, verb: Verb) -> Answer:
        """Do it; BackendUnavailable when it was not done."""
        ...


class HelperSocket:
    """The helper behind the socket at `path`; a connection for each verb, so it may restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, verb: Verb) -> Answer:
        """The helper's answer.

        Raises:
            BackendUnavailable: it does not answer, or says that it could not do it.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
                channel.settimeout(_SECONDS)
                channel.connect(str(self._path))
                channel.sendall(write_verb(verb))
                with channel.makefile("rb") as lines:
                    answer = read_answer(lines.readline(MAXIMUM_LINE + 1))
        except (OSError, UsageError) as error:
            raise BackendUnavailable(NAME, f"{self._path}: {error}") from error
        if answer.error:
            raise BackendUnavailable(NAME, answer.error)
        return answer
