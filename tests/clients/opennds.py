"""A school's router with the real openNDS, a phone behind it, and a server beyond.

    phone (DHCP) --- router 10.77.0.1, openNDS, dnsmasq --- server: our portal, the far side

Three network namespaces. The router has namespaces of its own for files and processes too:
openNDS writes into /etc and /tmp, and ends by name whatever is called like its helpers.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import Issued
from tests.clients.namespaces import inside, ip
from tests.clients.own_gateway import connect
from tests.conftest import wait_until
from tests.programs import require

_DEPLOY = Path(__file__).parents[2] / "deploy" / "opennds"
AGENT, CONFIGURATION = _DEPLOY / "yuenyan-opennds", _DEPLOY / "opennds.conf"
FASKEY = "0123456789abcdef0123456789abcdef0123456789abcdef"
ROUTER, ROUTER_PORT = "10.77.0.1", 2050
UPLINK = "198.51.100.7"
"""From which address the portal sees the router."""

PORTAL = "203.0.113.20:8080"
FAR_SIDE = "203.0.113.10"
FAR_SIDE6 = "2001:db8:113::10"
PHONE_MAC = "3c:22:fb:01:02:03"
PHONE6, ROUTER6 = "fd77::5", "fd77::1"
_START_SECONDS = 90
_LIMIT_SECONDS = 20

# /mnt is this gateway's own folder: /tmp and /etc become private.
_SCRIPT = """
set -eu
mount --bind "$1" /mnt
mount --bind /mnt/etc /etc
mount -t tmpfs none /tmp
mount -t tmpfs none /run
mkdir -p /run/tmpfiles.d /var/lib/misc
mount -t tmpfs none /var/lib/misc
export PATH=/mnt/bin:$PATH YUENYAN_OPENNDS_CONF=/mnt/yuenyan-opennds.conf SSL_CERT_FILE=/mnt/ca.pem
dnsmasq -k --conf-file=/dev/null --user=root --interface=inside --bind-interfaces --port=0 \\
  --dhcp-range=10.77.0.100,10.77.0.150,1h --dhcp-authoritative --no-ping \\
  --pid-file=/run/dnsmasq.pid &
# As systemd starts them again, by opennds-guard.conf and yuenyan-opennds.service.
set +e
while :; do yuenyan-opennds close; opennds -f -d 1 -c /etc/opennds/opennds.conf; sleep 2; done &
while :; do yuenyan-opennds run; sleep 2; done &
read -r _ || true
"""

_LEASED = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip -4 addr flush dev "$interface"
ip addr add "$ip/24" dev "$interface"
ip route replace default via 10.77.0.1
"""

_FAR_SIDE = """
import http.server, socket, sys, threading
had = [0]
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {"/big": bytes(2_000_000), "/had": b"%d" % had[0]}.get(self.path, b"far side")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left > 0:
            came = len(self.rfile.read1(65536))
            if not came:
                return
            left -= came
            had[0] += came
        self.do_GET()
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
for address in sys.argv[1:]:
    server = Server((address if ":" in address else "::ffff:" + address, 80), Page)
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
"""

_TLS = """
import http.client, http.server, ssl, sys
address, certificate, key, behind = sys.argv[1:]
class Proxy(http.server.BaseHTTPRequestHandler):
    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items()}
        headers.update({"X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": "https"})
        link = http.client.HTTPConnection(behind, timeout=30)
        link.request(self.command, self.path, body, headers)
        answer = link.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = pass_on
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer((address, 443), Proxy)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
"""

_APPLETS = (
    "awk", "cat", "cp", "cut", "date", "find", "grep", "head", "ip", "mkdir", "mv", "od", "rm",
    "rmdir", "pidof", "sed", "sh", "sha256sum", "sleep", "sort", "tr",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class School:
    """The names of the namespaces."""

    phone: str
    router: str
    server: str

    def fetch(self, *arguments: str) -> str:
        """What curl on the phone gets."""
        return self.told(self.phone, require("curl", "curl"), "-s", "-m", "5", *arguments)

    def is_caught(self) -> bool:
        """Whether the phone is sent to the portal instead of the far side."""
        told = self.fetch("-o", "/dev/null", "-w", "%{redirect_url}", f"http://{FAR_SIDE}/")
        return "/p/gate/?fas=" in told

    def is_through(self, address: str = FAR_SIDE, own: str = "outside") -> bool:
        """Whether the phone reaches the far side, from this address or interface of its own."""
        return self.fetch("--interface", own, f"http://{_bracketed(address)}/") == "far side"

    def download(self, address: str) -> None:
        """Have the phone get two megabytes."""
        size = self.fetch("-o", "/dev/null", "-w", "%{size_download}",
                          f"http://{_bracketed(address)}/big")  # fmt: skip
        assert size == "2000000", size

    def upload(self, address: str, path: Path) -> None:
        """Have the phone send a file."""
        told = self.fetch("--data-binary", f"@{path}", f"http://{_bracketed(address)}/")
        assert told == "far side", told

    def rates(self, seconds: int, folder: Path) -> tuple[int, int, float]:
        """Octets that come down and that go up, by both families at once, and in which time."""
        essay = folder / "long-essay"
        essay.write_bytes(bytes(3_000_000))
        before, begun = self._had(), time.monotonic()
        running = [
            subprocess.Popen(
                ["ip", "netns", "exec", self.phone, "curl", "-s", "-m", str(seconds),
                 "-o", "/dev/null", "-w", "%{size_download}", *what,
                 f"http://{_bracketed(address)}/{'' if what else 'big'}"],
                stdout=subprocess.PIPE, text=True,
            )
            for address in (FAR_SIDE, FAR_SIDE6)
            for what in ([], ["-H", "Expect:", "--data-binary", f"@{essay}"])
        ]  # fmt: skip
        down = sum(int(one.communicate(timeout=_LIMIT_SECONDS)[0]) for one in running)
        return down, self._had() - before, time.monotonic() - begun

    def _had(self) -> int:
        """Octets that the far side has been sent."""
        return int(self.told(self.server, "curl", "-s", f"http://{FAR_SIDE}/had"))

    def take_lease(self, folder: Path) -> str:
        """Get an address by DHCP, as a phone does."""
        script = folder / "leased.sh"
        script.write_text(_LEASED)
        script.chmod(0o755)
        inside(
            self.phone, require("udhcpc", "udhcpc"),
            "-i", "outside", "-n", "-q", "-f", "-t", "10", "-s", str(script),
        )  # fmt: skip
        shown = self.told(self.phone, "ip", "-o", "-4", "addr", "show", "dev", "outside")
        return shown.split()[3].partition("/")[0]

    def reaches(self, address: str, port: int) -> bool:
        """Whether a TCP connection from the phone comes about."""
        try:
            connect(self.phone, address, port, 2).close()
        except OSError:
            return False
        return True

    def chromium(self, folder: Path) -> Path:
        """A program that runs Debian's Chromium on the phone."""
        program = folder / "chromium-on-the-phone"
        program.write_text(
            f'#!/bin/sh\nexec ip netns exec {self.phone} {require("chromium", "chromium")} "$@"\n'
        )
        program.chmod(0o755)
        return program

    def told(self, namespace: str, *command: str) -> str:
        """What a command there prints."""
        return subprocess.run(
            ["ip", "netns", "exec", namespace, *command],
            capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False,
        ).stdout  # fmt: skip


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@contextmanager
def school() -> Iterator[School]:
    """The three namespaces with their links, without programs; the phone has no address."""
    require("ip", "iproute2")
    tag = secrets.token_hex(3)
    made = School(f"op-{tag}", f"or-{tag}", f"os-{tag}")
    try:
        for name in (made.phone, made.router, made.server):
            ip("netns", "add", name)
            inside(name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0",
                   "net.ipv6.conf.default.accept_ra=0")  # fmt: skip
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "outside", "netns", made.phone, "address", PHONE_MAC, "type", "veth",
            "peer", "name", "inside", "netns", made.router)  # fmt: skip
        ip("link", "add", "uplink", "netns", made.router, "type", "veth",
            "peer", "name", "wan", "netns", made.server)  # fmt: skip
        for name, address, device in (
            (made.router, f"{ROUTER}/24", "inside"), (made.router, f"{UPLINK}/24", "uplink"),
            (made.server, "198.51.100.1/24", "wan"), (made.server, f"{FAR_SIDE}/32", "lo"),
            (made.server, f"{PORTAL.partition(':')[0]}/32", "lo"),
            # A school's router routes IPv6 as soon as its line has it.
            (made.phone, f"{PHONE6}/64", "outside"), (made.router, f"{ROUTER6}/64", "inside"),
            (made.router, "2001:db8:51::7/64", "uplink"), (made.server, "2001:db8:51::1/64", "wan"),
            (made.server, f"{FAR_SIDE6}/128", "lo"),
        ):  # fmt: skip
            ip("-n", name, "addr", "add", address, "dev", device)
        for name, device in (
            (made.phone, "outside"), (made.router, "inside"), (made.router, "uplink"),
            (made.server, "wan"),
        ):  # fmt: skip
            ip("-n", name, "link", "set", device, "up")
        for name, device in ((made.phone, "outside"), (made.server, "wan")):
            # openNDS limits packets: they are to be of the size that a cable has.
            ip("-n", name, "link", "set", "dev", device, "gso_max_segs", "1")
        ip("-n", made.router, "route", "add", "default", "via", "198.51.100.1")
        ip("-n", made.server, "route", "add", "10.77.0.0/24", "via", UPLINK)
        ip("-n", made.phone, "-6", "route", "add", "default", "via", ROUTER6)
        ip("-n", made.router, "-6", "route", "add", "default", "via", "2001:db8:51::1")
        ip("-n", made.server, "-6", "route", "add", "fd77::/64", "via", "2001:db8:51::7")
        inside(made.router, "sysctl", "-qw", "net.ipv4.ip_forward=1",
               "net.ipv6.conf.all.forwarding=1")  # fmt: skip
        yield made
    finally:
        for name in (made.phone, made.router, made.server):
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


@contextmanager
def far_side(net: School) -> Iterator[None]:
    """A web server of somebody else's."""
    with _serving(net, _FAR_SIDE, FAR_SIDE, FAR_SIDE6):
        yield


@contextmanager
def encrypted(net: School, issued: Issued) -> Iterator[None]:
    """What stands before the portal and speaks TLS, on port 443."""
    address = PORTAL.partition(":")[0]
    with _serving(net, _TLS, address, str(issued.chain), str(issued.key), PORTAL):
        yield


@contextmanager
def _serving(net: School, script: str, *arguments: str) -> Iterator[None]:
    running = subprocess.Popen(
        ["ip", "netns", "exec", net.server, sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE, text=True, cwd="/",
    )  # fmt: skip
    assert running.stdout is not None
    try:
        assert running.stdout.readline() == "ready\n"
        yield
    finally:
        running.kill()
        running.wait(_LIMIT_SECONDS)
        running.stdout.close()


@dataclass(frozen=True, slots=True)
class Router:
    """What runs on the router, in namespaces of its own."""

    first: str
    """The first process in there."""

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the router."""
        return subprocess.run(
            ["nsenter", "-t", self.first, "-m", "-n", "-p", *command],
            capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False,
        )  # fmt: skip

    def known(self, mac: str) -> dict[str, str]:
        """What openNDS knows of a client."""
        for _ in range(20):  # the agent may be asking at the moment: one at a time
            told = self.run("ndsctl", "json", mac)
            if told.returncode == 0:
                found: dict[str, str] = json.loads(told.stdout)
                return found
            time.sleep(0.3)
        raise AssertionError(told)

    def die(self, pattern: str) -> None:
        """Kill a program on the router, at once; what looks after it starts it again."""
        found = self.run("pgrep", "-f", pattern).stdout.split()
        assert found, pattern
        self.run("kill", "-9", *found)


@contextmanager
def router(
    net: School, folder: Path, *, level: int = 1, host: str = "", ca: Path | None = None
) -> Iterator[Router]:
    """openNDS and our agent on the router, until the block ends.

    Args:
        host: the portal's name, where it speaks TLS on port 443.
        ca: who vouches for it. The agent then has nothing but busybox, as on OpenWrt.
    """
    require("opennds", "opennds")
    legacy = require("iptables-legacy", "iptables")
    require("dnsmasq", "dnsmasq-base")
    address, _, port = PORTAL.partition(":")
    (folder / "etc").mkdir(parents=True)
    (folder / "bin").mkdir()
    for name in (
        "passwd",
        "group",
        "nsswitch.conf",
        "ld.so.cache",
        "opennds",
        "php",
        "alternatives",
    ):
        source = Path("/etc") / name
        if source.is_dir():
            shutil.copytree(source, folder / "etc" / name, symlinks=True)
        elif source.exists():
            shutil.copy(source, folder / "etc" / name)
    (folder / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n{address} {host}\n")
    (folder / "etc" / "opennds" / "opennds.conf").write_text(
        _configuration(level, host or address, "443" if host else port)
    )
    settings = f"PORTAL=http://{PORTAL}/opennds/gate\nKEY={FASKEY}\nSTATE=/mnt/state\nINTERVAL=1\n"
    agent = AGENT.read_text()
    if ca is not None:
        shutil.copy(ca, folder / "ca.pem")
        _only_busybox(folder)
        agent = agent.replace("#!/bin/sh", "#!/mnt/busybox/sh", 1)
        settings += "PATH=/mnt/bin:/mnt/busybox\n"
    (folder / "yuenyan-opennds.conf").write_text(settings)
    # This kernel need not have what iptables-nft makes REJECT of.
    (folder / "bin" / "iptables").symlink_to(legacy)
    (folder / "bin" / "ip6tables").symlink_to(legacy.replace("iptables", "ip6tables"))
    programs = {
        "yuenyan-opennds": agent,
        # There is neither systemd nor a system log.
        "systemctl": "#!/bin/sh\nexit 0\n",
        "logger": '#!/bin/sh\necho "$*" >>/mnt/router.log\n',
    }
    for name, text in programs.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    log = folder / "router.log"
    with log.open("ab") as stream:
        running = subprocess.Popen(
            ["ip", "netns", "exec", net.router,
             "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", "-c", _SCRIPT, "router", str(folder)],
            stdin=subprocess.PIPE, stdout=stream, stderr=stream, cwd="/", process_group=0,
        )  # fmt: skip
    assert running.stdin is not None
    try:
        net.take_lease(folder)
        wait_until(
            # The agent opens the way to the portal once openNDS works.
            lambda: (
                running.poll() is not None
                or (net.is_caught() and b"openNDS works" in log.read_bytes())
            ),
            _START_SECONDS,
            f"openNDS catches nobody: {log.read_text(errors='replace')}",
        )
        assert running.poll() is None, log.read_text(errors="replace")
        # `ip netns exec` has become unshare, whose one child is the first process in there.
        first = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()[0]

        yield Router(first)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait(_LIMIT_SECONDS)
        running.stdin.close()


def _configuration(level: int, host: str, port: str) -> str:
    """deploy/opennds/opennds.conf, with what a school has to change."""
    changes = {
        "gatewayinterface INSIDE": "gatewayinterface inside",
        "fas_secure_enabled 1": f"fas_secure_enabled {level}",
        "fasport 80": f"fasport {port}",
        "fasremotefqdn portal.school.example": f"fasremotefqdn {host}",
        "faspath /p/GATE/": "faspath /p/gate/",
        "faskey KEY": f"faskey {FASKEY}",
        "binauth /usr/local/sbin/": "binauth /mnt/bin/",
    }
    text = CONFIGURATION.read_text()
    for old, new in changes.items():
        assert f"\n{old}" in text, old
        text = text.replace(f"\n{old}", f"\n{new}")
    # authmon asks every ten seconds. The daemon of version 9.10 knows no option for that, but
    # authmon looks for it in every line.
    return f"{text}\n# nat_traversal_poll_interval 1\n"


def _only_busybox(folder: Path) -> None:
    program = require("busybox", "busybox")
    (folder / "busybox").mkdir()
    for name in _APPLETS:
        (folder / "busybox" / name).symlink_to(program)
    # That of Debian 12's busybox ends with a fault when it is to post.
    (folder / "busybox" / "wget").symlink_to(require("wget", "wget"))
    (folder / "busybox" / "ndsctl").symlink_to(require("ndsctl", "opennds"))
    (folder / "busybox" / "nft").symlink_to(require("nft", "nftables"))
