"""A client, a gateway and their link as network namespaces; a real exporter on the link.

    client 10.77.0.0/24 --- gateway (203.0.113.10 behind it) --- 198.18.x.y --- this machine

`translated` puts the server into a namespace of its own, and has the gateway translate every
client to one public address on the way there:

    client 10.77.0.0/24 --- gateway 198.51.100.7 --- server 203.0.113.10
                               `--- 198.18.x.y --- this machine

Everything is deleted by name at the end, and every process ended by number.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.conftest import wait_until
from tests.programs import require

SERVER = "203.0.113.10"
PUBLIC = "198.51.100.7"
"""What clients of `translated` are seen as."""

BEYOND = "198.51.100.1"
_NETLINK_NETFILTER = 12
_LIMIT_SECONDS = 20
_READY = "ready\n"

_LISTEN = """
import selectors, socket, sys
server, port = sys.argv[1], int(sys.argv[2])
tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
tcp.bind((server, port)); udp.bind((server, port)); tcp.listen(64)
waiting = selectors.DefaultSelector()
waiting.register(tcp, 1); waiting.register(udp, 1); waiting.register(sys.stdin, 1)
print("ready", flush=True)
while True:
    for key, _ in waiting.select():
        if key.fileobj is sys.stdin:
            sys.exit(0)
        if key.fileobj is udp:
            udp.recv(2048)
            continue
        peer, _ = tcp.accept()
        with peer:
            while peer.recv(65536):
                pass
            peer.sendall(b"x" * 5000)
"""

_TALK = """
import socket, sys
client, server, port, tcp, udp = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
for _ in range(tcp):
    with socket.create_connection((server, port), 10, source_address=(client, 0)) as one:
        one.sendall(b"y" * 20000)
        one.shutdown(socket.SHUT_WR)
        while one.recv(65536):
            pass
for _ in range(udp):
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.bind((client, 0))
        one.sendto(b"z" * 100, (server, port))
"""

_PMACCTD = """\
daemonize: false
pcap_interface: {interface}
pcap_filter: host {client}
aggregate: src_host, dst_host, src_port, dst_port, proto, tos
plugins: nfprobe
nfprobe_receiver: {receiver}
nfprobe_version: {version}
nfprobe_timeouts: expint=1:tcp=2:tcp.fin=1:tcp.rst=1:udp=1:general=1:maxlife=5
"""


_CHAIN = "add chain ip nat post { type nat hook postrouting priority 100; }"
_RULE = (
    "add rule ip nat post oifname public {whose}meta l4proto {{ tcp, udp }} "
    f"snat to {PUBLIC}:{{first}}-{{last}}"
)


@dataclass(frozen=True, slots=True)
class Network:
    """The names of the namespaces, and this machine's address towards the gateway."""

    client: str
    gateway: str
    here: str
    server: str
    """Where the server's address is: the gateway itself, unless it translates."""
    link: str
    """This machine's device towards the gateway."""

    def talk(self, client: str, port: int, tcp: int, udp: int) -> None:
        """Make `tcp` connections and send `udp` datagrams from `client` to the server."""
        with self._listening(port):
            inside(self.client, sys.executable, "-c", _TALK, client, SERVER, str(port),
                    str(tcp), str(udp))  # fmt: skip

    def forget_connections(self) -> None:
        """Have the gateway's kernel end every connection it tracks, and tell of it.

        It looks for those whose time is over once a minute at times, whatever their time is.
        """
        inside(self.gateway, require("conntrack", "conntrack"), "-F")

    @contextmanager
    def exporting(self, client: str, port: int, version: int, folder: Path) -> Iterator[None]:
        """pmacctd on the gateway, sending the flows of `client` here; it flushes at the end."""
        program = require("pmacctd", "pmacct")
        path = folder / f"pmacctd-{version}.conf"
        path.write_text(
            _PMACCTD.format(
                interface="inside", client=client, version=version, receiver=f"{self.here}:{port}"
            )
        )
        log = path.with_suffix(".log")
        with log.open("wb") as stream:
            running = subprocess.Popen(
                ["ip", "netns", "exec", self.gateway, program, "-f", str(path)],
                stdout=stream, stderr=stream, cwd="/", process_group=0,
            )  # fmt: skip
        try:
            wait_until(
                lambda: running.poll() is not None or b"link type is" in log.read_bytes(),
                _LIMIT_SECONDS,
                f"pmacctd does not start: {log.read_text()}",
            )
            assert running.poll() is None, log.read_text()
            yield
            running.send_signal(signal.SIGINT)  # it sends what it still holds
            running.wait(_LIMIT_SECONDS)
        finally:
            # The plugin is a process of its own and outlives a pmacctd that was killed.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait(_LIMIT_SECONDS)

    @contextmanager
    def _listening(self, port: int) -> Iterator[None]:
        running = subprocess.Popen(
            ["ip", "netns", "exec", self.server,
             sys.executable, "-c", _LISTEN, SERVER, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stdin is not None and running.stdout is not None
        try:
            assert running.stdout.readline() == _READY
            yield
            running.stdin.close()
            assert running.wait(_LIMIT_SECONDS) == 0
        finally:
            running.kill()
            running.wait(_LIMIT_SECONDS)
            running.stdout.close()


@contextmanager
def network(clients: Sequence[str]) -> Iterator[Network]:
    """A fresh network whose client namespace has all of `clients` as its addresses."""
    require("ip", "iproute2")
    tag = secrets.token_hex(3)
    client, gateway, link = f"yc-{tag}", f"yg-{tag}", f"yl-{tag}"
    block = f"198.18.{secrets.randbelow(250) + 1}"
    first = secrets.randbelow(60) * 4
    here, there = f"{block}.{first + 1}", f"{block}.{first + 2}"
    try:
        for name in (client, gateway):
            ip("netns", "add", name)
            inside(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "outside", "netns", client, "type", "veth",
            "peer", "name", "inside", "netns", gateway)  # fmt: skip
        ip("link", "add", link, "type", "veth", "peer", "name", "uplink", "netns", gateway)
        ip("addr", "add", f"{here}/30", "dev", link)
        ip("link", "set", link, "up")
        for address, device in (("10.77.0.1/24", "inside"), (f"{there}/30", "uplink"),
                                (f"{SERVER}/32", "lo")):  # fmt: skip
            ip("-n", gateway, "addr", "add", address, "dev", device)
        for address in clients:
            ip("-n", client, "addr", "add", f"{address}/24", "dev", "outside")
        for name, device in ((gateway, "inside"), (gateway, "uplink"), (client, "outside")):
            ip("-n", name, "link", "set", device, "up")
        ip("-n", client, "route", "add", "default", "via", "10.77.0.1")
        yield Network(client, gateway, here, gateway, link)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", link)
        for name in (client, gateway):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


@contextmanager
def translated(
    clients: Sequence[str], blocks: Mapping[str, tuple[int, int]] | None = None
) -> Iterator[Network]:
    """As `network`, with a gateway that translates the clients to PUBLIC by nftables.

    With `blocks` each client gets the ports of its own block.
    """
    nft = require("nft", "nftables")
    with network(clients) as net:
        server = net.client.replace("yc-", "ys-")
        try:
            ip("netns", "add", server)
            inside(server, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            ip("-n", net.gateway, "addr", "del", f"{SERVER}/32", "dev", "lo")
            ip("link", "add", "public", "netns", net.gateway, "type", "veth",
                "peer", "name", "wan", "netns", server)  # fmt: skip
            ip("-n", net.gateway, "addr", "add", f"{PUBLIC}/24", "dev", "public")
            ip("-n", server, "addr", "add", f"{BEYOND}/24", "dev", "wan")
            ip("-n", server, "addr", "add", f"{SERVER}/32", "dev", "lo")
            for name, device in ((net.gateway, "public"), (server, "wan"), (server, "lo")):
                ip("-n", name, "link", "set", device, "up")
            ip("-n", net.gateway, "route", "add", f"{SERVER}/32", "via", BEYOND)
            inside(net.gateway, "sysctl", "-qw", "net.ipv4.ip_forward=1",
                "net.netfilter.nf_conntrack_acct=1",
                "net.netfilter.nf_conntrack_timestamp=1",
                "net.netfilter.nf_conntrack_udp_timeout=1",
                "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1")  # fmt: skip
            inside(net.gateway, nft, "add table ip nat")
            inside(net.gateway, nft, _CHAIN)
            ports = {"": (20_000, 40_000)} if blocks is None else blocks
            for client, (first, last) in ports.items():
                whose = f"ip saddr {client} " if client else ""
                inside(net.gateway, nft, _RULE.format(whose=whose, first=first, last=last))
            yield replace(net, server=server)
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", server)


def ip(*arguments: str) -> None:
    _run("ip", *arguments)


def inside(namespace: str, *command: str) -> str:
    return _run("ip", "netns", "exec", namespace, *command)


def is_listening(namespace: str) -> bool:
    """Whether a program in there hears packets, or what the kernel tells of connections."""
    told = inside(namespace, "cat", "/proc/net/packet", "/proc/net/netlink").splitlines()
    begin = next(at for at, line in enumerate(told) if line.split()[1] == "Eth")
    subscribed = [
        groups
        for _, protocol, _, groups, *_ in (line.split() for line in told[begin + 1 :])
        if int(protocol) == _NETLINK_NETFILTER and int(groups, 16)
    ]
    return begin > 1 or bool(subscribed)


def _run(*command: str) -> str:
    done = subprocess.run(
        command, check=True, timeout=_LIMIT_SECONDS, capture_output=True, text=True
    )
    return done.stdout
