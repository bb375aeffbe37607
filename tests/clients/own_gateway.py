"""Our own gateway's helper in a namespace, with two devices inside and a far side outside.

    one   10.77.0.5 fd77::5 ---.
                                inside (gate) outside --- 198.51.100.1 far 203.0.113.10
    other 10.77.0.6 fd77::6 ---'                                           2001:db8:113::10

`within` makes sockets of a namespace from the test itself, which stays where it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from captive_portal.gateway.verbs import Answer, Verb, read_answer, write_verb
from tests.clients.namespaces import inside, ip
from tests.conftest import wait_until
from tests.programs import require, require_root

FAR4, FAR6 = "203.0.113.10", "2001:db8:113::10"
OUTSIDE4, OUTSIDE6 = "198.51.100.7", "2001:db8:51::7"
BEYOND4, BEYOND6 = "198.51.100.1", "2001:db8:51::1"
OWN4, OWN6 = "10.77.0.1", "fd77::1"
CAPTURE_PORT = 8090

ONE, OTHER = "02aa00000005", "02aa00000006"
ONE4, ONE6 = "10.77.0.5", "fd77::5"
OTHER4, OTHER6 = "10.77.0.6", "fd77::6"

_CLONE_NEWNET = 0x40000000
_LIMIT_SECONDS = 30
_UNITS = Path(__file__).parents[2] / "deploy" / "systemd"

CONFIGURATION = """\
[gateway.kernel]
inside = ["inside"]
outside = ["outside"]
addresses = ["10.77.0.1/24", "fd77::1/64"]
portal_hosts = ["198.51.100.1", "portal.school.example"]
garden = ["203.0.113.99", "moodle.school.example"]
own_names = ["login.school.example"]
api_url = "https://portal.school.example/captive-portal/api"
capture_port = 8090
open_ports = [80, 443]
socket = "{runtime}/helper.sock"
socket_user = "{user}"
{more}
"""


@dataclass
class Lab:
    """The namespaces, and the helper in the middle one."""

    folder: Path
    one: str
    other: str
    gate: str
    far: str
    runtime: Path
    """Where others than root can reach its socket, as below /run."""
    helper: subprocess.Popen[bytes] | None = None
    _servers: list[socket.socket] = field(default_factory=list)

    @property
    def socket_path(self) -> Path:
        return self.runtime / "helper.sock"

    def log(self) -> str:
        return (self.folder / "helper.log").read_text(encoding="utf-8", errors="replace")

    def configure(self, more: str = "") -> Path:
        """Write the configuration; where it is."""
        path = self.folder / "yuenyan.toml"
        path.write_text(
            CONFIGURATION.format(runtime=self.runtime, user="daemon", more=more), encoding="utf-8"
        )
        return path

    def start_helper(self) -> None:
        """Run `yuenyan gateway-helper` in the gateway and wait until it listens."""
        with (self.folder / "helper.log").open("ab") as log:
            self.helper = subprocess.Popen(
                ["ip", "netns", "exec", self.gate, *as_its_unit_allows("helper"),
                 sys.executable, "-P", "-m", "yuenyan.cli",
                 "--config", str(self.folder / "yuenyan.toml"), "gateway-helper"],
                stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        wait_until(self._listening, _LIMIT_SECONDS, self.log())

    def kill_helper(self) -> None:
        """SIGKILL: it tidies up nothing."""
        assert self.helper is not None
        self.helper.kill()
        self.helper.wait(_LIMIT_SECONDS)
        self.helper = None

    def _listening(self) -> bool:
        assert self.helper is not None and self.helper.poll() is None, self.log()
        with contextlib.suppress(OSError), self.connect():
            return True
        return False

    def connect(self) -> socket.socket:
        """A connection to the helper."""
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(_LIMIT_SECONDS)
        try:
            wire.connect(str(self.socket_path))
        except OSError:
            wire.close()
            raise
        return wire

    def ask(self, verb: Verb) -> Answer:
        """What the helper answers."""
        with self.connect() as wire:
            wire.sendall(write_verb(verb))
            return read_answer(read_line(wire))

    def do(self, verb: Verb) -> Answer:
        """Have the helper do it."""
        answer = self.ask(verb)
        assert answer.error == "", (answer, self.log())
        return answer

    def serve(self, namespace: str, port: int, answer: Callable[[socket.socket], None]) -> None:
        """A TCP server on both families of a namespace, with a thread for each connection."""
        with within(namespace):
            listener = socket.create_server(("::", port), family=socket.AF_INET6,
                                            dualstack_ipv6=True)  # fmt: skip
        self._servers.append(listener)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    wire, _ = listener.accept()
                    threading.Thread(target=_answered, args=(wire, answer), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def echo(self, namespace: str, address: str, port: int) -> None:
        """A UDP server that sends back what it gets."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with within(namespace):
            wire = socket.socket(family, socket.SOCK_DGRAM)
            wire.bind((address, port))
        self._servers.append(wire)

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    octets, peer = wire.recvfrom(65_535)
                    if not octets:
                        return
                    wire.sendto(octets, peer)

        threading.Thread(target=answer, daemon=True).start()

    def close(self) -> None:
        for one in self._servers:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        if self.helper is not None:
            self.helper.terminate()
            self.helper.wait(_LIMIT_SECONDS)


def as_its_unit_allows(name: str) -> list[str]:
    """What runs a program with the capabilities of its systemd unit."""
    unit = _UNITS / f"yuenyan-gateway-{name}.service"
    allowed = next(
        line.partition("=")[2].split()
        for line in unit.read_text(encoding="utf-8").splitlines()
        if line.startswith("CapabilityBoundingSet=")
    )
    kept = "".join(f",+{one.removeprefix('CAP_').lower()}" for one in allowed)
    return [require("setpriv", "util-linux"), f"--bounding-set=-all{kept}", "--inh-caps=-all"]


def _answered(wire: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    with wire, contextlib.suppress(OSError):
        answer(wire)


def read_line(wire: socket.socket) -> bytes:
    """One line of the helper's; empty when it hung up."""
    octets = b""
    while not octets.endswith(b"\n"):
        more = wire.recv(65_536)
        if not more:
            break
        octets += more
    return octets


@contextmanager
def within(namespace: str) -> Iterator[None]:
    """This thread in a network namespace: sockets made meanwhile stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        Path("/proc/thread-self/ns/net").open("rb") as here,
        Path(f"/run/netns/{namespace}").open("rb") as there,
    ):
        assert libc.setns(there.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(here.fileno(), _CLONE_NEWNET) == 0


def connect(namespace: str, address: str, port: int, seconds: float = 5) -> socket.socket:
    """A TCP connection from a namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with within(namespace):
        wire = socket.socket(family)
    wire.settimeout(seconds)
    try:
        wire.connect((address, port))
    except OSError:
        wire.close()
        raise
    return wire


def said(namespace: str, address: str, port: int, seconds: float = 5) -> bytes:
    """What a TCP server says to a namespace until it hangs up."""
    with connect(namespace, address, port, seconds) as wire:
        octets = b""
        while more := wire.recv(65_536):
            octets += more
        return octets


def echoed(
    namespace: str, address: str, port: int, octets: bytes, times: int = 1, seconds: float = 3
) -> int:
    """How often a UDP server answers; OSError, and no TimeoutError, when ICMP refuses."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with within(namespace):
        wire = socket.socket(family, socket.SOCK_DGRAM)
    with wire:
        wire.settimeout(seconds)
        wire.connect((address, port))
        for _ in range(times):
            wire.send(octets)
            assert wire.recv(65_535) == octets
    return times


@contextmanager
def own_gateway(folder: Path) -> Iterator[Lab]:
    """The namespaces, cabled; the helper is not started yet."""
    require_root()
    for program, package in (("nft", "nftables"), ("tc", "iproute2"), ("ip", "iproute2")):
        require(program, package)
    tag = secrets.token_hex(3)
    runtime = Path(tempfile.mkdtemp(prefix="yuenyan-gateway-"))
    runtime.chmod(0o755)
    lab = Lab(folder, f"yo-{tag}", f"yO-{tag}", f"yg-{tag}", f"yf-{tag}", runtime)
    names = (lab.one, lab.other, lab.gate, lab.far)
    try:
        for name in names:
            ip("netns", "add", name)
            inside(name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0",
                   "net.ipv6.conf.default.accept_ra=0")  # fmt: skip
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", lab.gate, "link", "add", "inside", "type", "bridge")
        ip("-n", lab.gate, "link", "set", "inside", "up")
        for name, mac, addresses in (
            (lab.one, ONE, (ONE4, ONE6)), (lab.other, OTHER, (OTHER4, OTHER6)),
        ):  # fmt: skip
            port = f"port-{name[1]}"
            ip("link", "add", "wlan", "netns", name, "type", "veth",
               "peer", "name", port, "netns", lab.gate)  # fmt: skip
            ip("-n", name, "link", "set", "wlan", "address",
               ":".join(mac[at : at + 2] for at in range(0, 12, 2)), "up")  # fmt: skip
            ip("-n", lab.gate, "link", "set", port, "master", "inside", "up")
            _address(name, "wlan", [f"{addresses[0]}/24", f"{addresses[1]}/64"])
        ip("link", "add", "outside", "netns", lab.gate, "type", "veth",
           "peer", "name", "wan", "netns", lab.far)  # fmt: skip
        for name, device in ((lab.gate, "outside"), (lab.far, "wan")):
            ip("-n", name, "link", "set", device, "up")
        _address(lab.gate, "inside", [f"{OWN4}/24", f"{OWN6}/64"])
        _address(lab.gate, "outside", [f"{OUTSIDE4}/24", f"{OUTSIDE6}/64"])
        _address(lab.far, "wan", [f"{BEYOND4}/24", f"{BEYOND6}/64"])
        _address(lab.far, "lo", [f"{FAR4}/32", f"{FAR6}/128", "203.0.113.99/32"])
        for name in (lab.one, lab.other):
            ip("-n", name, "route", "add", "default", "via", OWN4)
            ip("-n", name, "-6", "route", "add", "default", "via", OWN6)
        ip("-n", lab.gate, "route", "add", "default", "via", BEYOND4)
        ip("-n", lab.gate, "-6", "route", "add", "default", "via", BEYOND6)
        ip("-n", lab.far, "-6", "route", "add", "fd77::/64", "via", OUTSIDE6)
        lab.configure()
        yield lab
    finally:
        lab.close()
        shutil.rmtree(runtime)
        for name in names:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


def _address(namespace: str, device: str, addresses: Sequence[str]) -> None:
    for address in addresses:
        more = ("nodad",) if ":" in address else ()
        ip("-n", namespace, "addr", "add", address, "dev", device, *more)
