"""A school with our own gateway, for a phone to join: `yuenyan serve` and the helper."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import config as configuration
from identity.office import Office
from identity.services.nas import get as get_nas
from identity.services.people import get as get_person
from identity.services.tokens import mint
from tests.clients.own_gateway import FAR4, FAR6, ONE, OWN4, Lab, connect, own_gateway
from tests.conftest import Site, wait_until
from tests.integration.radius_site import descendants_of, words_of

PASSWORD, SECRET, KEY = "password of theirs", "a shared secret of some length", "k" * 40
SLOW_KBPS = 1000

PORTAL, GATEWAY = f"http://{OWN4}:8080", f"http://{OWN4}:8090"

_SITE = """\
[site]
name = "โรงเรียนบ้านหนองน้ำใส"
data_dir = "{folder}/var"
[radius]
auth = ["127.0.0.1:1812"]
acct = ["127.0.0.1:1813"]
[portal]
listen = "0.0.0.0:8080"
public_url = "{portal}"
[collector]
netflow = ["127.0.0.1:2055"]
ipfix = ["127.0.0.1:4739"]
syslog = ["127.0.0.1:5514"]
[clock]
servers = []
chronyc = ""
[gateway]
radius_servers = ["127.0.0.1:1812"]
secret_file = "{folder}/gateway.secret"
key_file = "{folder}/gateway.key"
nas_identifier = "hall"
portal_url = "{portal}/p/hall/"
public_url = "{gateway}"
coa = ["127.0.0.1:3799"]
tick_seconds = 0.5
[gateway.kernel]
inside = ["inside"]
outside = ["outside"]
addresses = ["10.77.0.1/24", "fd77::1/64"]
capture_port = 8090
open_ports = [8080]
socket = "{runtime}/helper.sock"
socket_user = "root"
"""


@dataclass
class School:
    """The site in the gateway's namespace, and the phone before it."""

    lab: Lab
    site: Site
    server: subprocess.Popen[bytes]

    def log(self) -> str:
        return (self.lab.folder / "serve.log").read_text(encoding="utf-8", errors="replace")

    def sessions(self, user: str) -> list[dict[str, Any]]:
        """Sessions of a person, newest first, as an officer lists them."""
        done = self.site.yuenyan("session", "list", "--user", user, "--json")
        assert done.exit_code == 0, done
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def token_of(self, user: str) -> str:
        """A token that the portal would hand the phone for this person."""
        office = Office.open(self.site.config)
        with office.database.write() as session:
            account, nas = get_person(session, user), get_nas(session, "hall")
            token = mint(session, office, account, ONE, nas.id).token
        office.database.dispose()
        return token

    def is_captive(self) -> bool:
        """What the phone's system is told by RFC 8908."""
        answer = fetch(
            self.lab.one, OWN4, 8080, "/captive-portal/api", "Accept: application/captive+json"
        )
        found: bool = json.loads(answer.partition(b"\r\n\r\n")[2])["captive"]
        return found

    def seconds_for(self, octets: int) -> float:
        """How long the phone waits for so much."""
        began = time.monotonic()
        assert len(fetch(self.lab.one, FAR4, 80, f"/{octets}")) > octets
        return time.monotonic() - began

    def voucher(self, *options: str) -> str:
        """The code of a new slip."""
        done = self.site.yuenyan("voucher", "create", "--count", "1", "--json", *options)
        assert done.exit_code == 0, done
        code: str = json.loads(done.stdout)["codes"][0]
        return code

    def change(self, *what: str) -> None:
        """An officer changes the phone's session."""
        self._of_officer("change", *what)

    def throw_out(self) -> None:
        """An officer ends the phone's session."""
        self._of_officer("disconnect", "--reason", "test")
        wait_until(lambda: is_caught(self), 15, "the admin's wish does not reach the gateway")

    def _of_officer(self, verb: str, *options: str) -> None:
        (mine,) = json.loads(self.site.yuenyan("session", "list", "--active", "--json").stdout)
        done = self.site.yuenyan("session", verb, mine["session_id"], *options)
        assert done.exit_code == 0, done

    def gateway_processes(self) -> list[int]:
        """The gateway's own, which the supervisor has started."""
        return [one for one in descendants_of(self.server.pid) if words_of(one)[-1:] == ["gateway"]]


def fetch(namespace: str, host: str, port: int, path: str, *headers: str) -> bytes:
    """A whole answer to a GET, headers and body."""
    lines = [f"GET {path} HTTP/1.0", f"Host: {host}:{port}", *headers, "", ""]
    with connect(namespace, host, port) as wire:
        wire.sendall("\r\n".join(lines).encode())
        octets = b""
        while more := wire.recv(65_536):
            octets += more
    return octets


def post(namespace: str, form: str) -> bytes:
    """The gateway's answer to a form, as a browser of this namespace would send it."""
    head = (
        f"POST /login HTTP/1.0\r\nHost: {OWN4}:8090\r\nContent-Length: {len(form)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    with connect(namespace, OWN4, 8090) as wire:
        wire.sendall((head + form).encode())
        return wire.recv(65_536)


def far_page(wire: socket.socket) -> None:
    """The far side: says whom it sees; a path of digits is answered with so many octets."""
    asked = b""
    while b"\r\n\r\n" not in asked:
        more = wire.recv(4096)
        if not more:
            return
        asked += more
    digits = re.match(rb"GET /(\d+) ", asked)
    peer = wire.getpeername()[0].removeprefix("::ffff:").encode()
    body = b"x" * int(digits[1]) if digits else b"<h1>far side</h1><p>" + peer + b"</p>"
    wire.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + body)


@contextmanager
def open_school(folder: Path, template: Path) -> Iterator[School]:
    """The site running in `folder`, a copy of `template`."""
    with own_gateway(folder) as lab:
        shutil.copytree(template / "var", folder / "var")
        path = folder / "yuenyan.toml"
        path.write_text(
            _SITE.format(folder=folder, runtime=lab.runtime, portal=PORTAL, gateway=GATEWAY)
        )
        for name, text in (("secret", SECRET), ("key", KEY)):
            (folder / f"gateway.{name}").write_text(text + "\n")
            (folder / f"gateway.{name}").chmod(0o600)
        site = Site(path, configuration.load(path))
        register(site)
        lab.serve(lab.far, 80, far_page)
        lab.start_helper()
        with serving(lab, path) as server:
            made = School(lab, site, server)
            wait_until(
                lambda: "gateway_ready" in made.log() and b"200" in _shown(lab),
                60,
                "yuenyan serve does not get ready in its namespace",
            )
            yield made
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0, made.log()


def register(site: Site) -> None:
    """What an officer does for a new gateway, a person and a slip."""
    for arguments, text in (
        (("user", "add", "somchai", "--role", "student", "--password-stdin"), PASSWORD),
        (
            ("nas", "add", "hall", "127.0.0.1/32", "--vendor", "yuenyan",
             "--login-url", f"{GATEWAY}/login", "--secret-stdin"),
            SECRET,
        ),
        (("nas", "portal", "hall", "--secret-stdin", "key"), KEY),
        (("role", "set", "guest", "--down-kbps", str(SLOW_KBPS)), ""),
    ):  # fmt: skip
        done = site.yuenyan(*arguments, stdin=text + "\n")
        assert done.exit_code == 0, done


def _shown(lab: Lab) -> bytes:
    try:
        return fetch(lab.one, OWN4, 8080, "/healthz")[:16]
    except OSError:
        return b""


@contextmanager
def serving(lab: Lab, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`yuenyan serve` in the gateway's namespace; what is left of it at the end is killed."""
    with (lab.folder / "serve.log").open("ab") as log:
        server = subprocess.Popen(
            ["ip", "netns", "exec", lab.gate, sys.executable, "-P", "-m", "yuenyan.cli",
             "--config", str(path), "serve"],
            stdout=log, stderr=log, cwd="/",
        )  # fmt: skip
    try:
        yield server
    finally:
        for number in [server.pid, *descendants_of(server.pid)]:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        server.wait(20)


def is_caught(school: School) -> bool:
    """Whether the far side is out of the phone's reach, whichever family it tries."""
    v4, v6 = (fetch(school.lab.one, far, 80, "/") for far in (FAR4, FAR6))
    return b"302" in v4[:16] and b"302" in v6[:16]
