"""Debian's `radclient` as the NAS: attributes in, the verified answer out.

radclient checks the Response Authenticator and Message-Authenticator of every answer itself
and takes a wrong one for no answer.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.integration.radius_site import SECRET, LiveSite
from tests.programs import require

_RECEIVED = re.compile(r"^Received (?P<code>[A-Za-z-]+) Id \d+ ", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^\t(?P<name>[A-Za-z0-9-]+)(?::\d+)? = (?P<value>.*)$", re.MULTILINE)
_LIMIT_SECONDS = 30.0

Attributes = dict[str, str | int | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What radclient received; `code` is empty when nothing came."""

    code: str
    attributes: dict[str, list[str]] = field(default_factory=dict)
    output: str = ""

    def one(self, name: str) -> str:
        """The only value of an attribute, without quotes."""
        values = self.attributes.get(name, [])
        assert len(values) == 1, (name, values, self.output)
        return values[0]


@dataclass(frozen=True, slots=True)
class Nas:
    """A NAS on loopback that speaks through radclient.

    `source` may be any address of 127.0.0.0/8, or ::1. `tries` of one second each are made;
    an answer is normally there in milliseconds.
    """

    live: LiveSite
    secret: str = SECRET
    source: str = "127.0.0.1"
    message_authenticator: bool = True
    tries: int = 2

    def access(self, name: str, password: str, **more: str | int | Sequence[str]) -> Answer:
        """An Access-Request by PAP."""
        return self.login({"User-Name": name, "User-Password": password}, **more)

    def chap(self, name: str, password: str, **more: str | int | Sequence[str]) -> Answer:
        """An Access-Request by CHAP."""
        return self.login({"User-Name": name, "CHAP-Password": password}, **more)

    def login(self, attributes: Attributes, **more: str | int | Sequence[str]) -> Answer:
        """An Access-Request; underscores in keywords stand for hyphens."""
        asked: Attributes = {**attributes, **_hyphened(more)}
        if self.message_authenticator:
            asked["Message-Authenticator"] = "0x00"
        return self._send("auth", asked)

    def account(self, status: str, session: str, **more: str | int | Sequence[str]) -> Answer:
        """An Accounting-Request."""
        asked: Attributes = {"Acct-Status-Type": status, "Acct-Session-Id": session}
        return self._send("acct", {**asked, **_hyphened(more)})

    def status(self, *, accounting: bool = False) -> Answer:
        """A Status-Server to either port."""
        return self._send("status", {"Message-Authenticator": "0x00"}, accounting=accounting)

    def _send(self, kind: str, attributes: Attributes, *, accounting: bool = False) -> Answer:
        accounting = accounting or kind == "acct"
        port = self.live.acct_port if accounting else self.live.auth_port
        version = 6 if ":" in self.source else 4
        host = f"[::1]:{port}" if version == 6 else f"127.0.0.1:{port}"
        if version == 4:
            attributes = {**attributes, "Packet-Src-IP-Address": self.source}
        run = subprocess.run(
            [
                *(require("radclient", "freeradius-utils"), "-x", f"-{version}"),
                *("-t", "1", "-r", str(self.tries), host, kind, self.secret),
            ],
            input=_lines(attributes),
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
        )
        output = run.stdout + run.stderr
        received = _RECEIVED.search(output)
        if received is None:
            assert "No reply" in output or "verification failed" in output, output
            return Answer("", output=output)
        found: dict[str, list[str]] = {}
        for match in _ATTRIBUTE.finditer(output, received.end()):
            found.setdefault(match["name"], []).append(match["value"].strip('"'))
        return Answer(received["code"], found, output)


def _hyphened(more: dict[str, str | int | Sequence[str]]) -> Attributes:
    return {name.replace("_", "-"): value for name, value in more.items()}


def _lines(attributes: Attributes) -> str:
    lines = []
    for name, value in attributes.items():
        for one in [value] if isinstance(value, str | int) else value:
            quoted = one if isinstance(one, int) or one.startswith("0x") else f'"{one}"'
            lines.append(f"{name} = {quoted}")
    return "\n".join(lines) + "\n"
