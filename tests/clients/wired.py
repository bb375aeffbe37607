"""A switch port and what is plugged into it: hostapd and wpa_supplicant, each in a namespace.

    device (wpa_supplicant) --- port, switch (hostapd) --- 198.18.x.y --- this machine

The switch speaks RADIUS to this machine over a link of its own, as real equipment does.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.namespaces import inside, ip
from tests.conftest import wait_until
from tests.integration.radius_site import SECRET, LiveSite
from tests.programs import require

PORT_MAC = "02:00:5e:00:00:01"
DEVICE_MAC = "3c:22:fb:00:80:21"
_LIMIT_SECONDS = 20.0

# It accounts each second, whatever the Accept says: a test does not wait for five minutes.
_HOSTAPD = """\
interface=port
driver=wired
ctrl_interface={folder}/switch
ieee8021x=1
use_pae_group_addr=1
eap_reauth_period=0
nas_identifier=switch-1
own_ip_addr={there}
auth_server_addr={here}
auth_server_port={auth_port}
auth_server_shared_secret={secret}
acct_server_addr={here}
acct_server_port={acct_port}
acct_server_shared_secret={secret}
radius_acct_interim_interval=1
radius_das_port=3799
radius_das_client={here} {secret}
radius_das_require_event_timestamp=1
radius_das_require_message_authenticator=1
"""

_SUPPLICANT = """\
ctrl_interface={folder}/device
ap_scan=0
network={{
  key_mgmt=IEEE8021X
  eapol_flags=0
{lines}}}
"""


@dataclass(frozen=True, slots=True)
class Wire:
    """The two namespaces, and the addresses of the link between the switch and this machine."""

    switch: str
    device: str
    here: str
    there: str

    @contextmanager
    def hostapd(self, live: LiveSite, folder: Path, *lines: str) -> Iterator[Switch]:
        """hostapd on the port, with `live` as its RADIUS server and `lines` more of its own."""
        path = folder / "hostapd.conf"
        path.write_text(
            _HOSTAPD.format(
                folder=folder,
                here=self.here,
                there=self.there,
                auth_port=live.auth_port,
                acct_port=live.acct_port,
                secret=SECRET,
            )
            + "".join(f"{line}\n" for line in lines)
        )
        log_file = folder / "hostapd.log"
        program = require("hostapd", "hostapd")
        with _running(self.switch, log_file, program, "-dd", str(path)):
            switch = Switch(folder / "switch", log_file)
            wait_until(
                lambda: "AP-ENABLED" in switch.log(),
                _LIMIT_SECONDS,
                f"hostapd does not start: {switch.log()}",
            )
            yield switch

    @contextmanager
    def supplicant(self, folder: Path, network: dict[str, str]) -> Iterator[Device]:
        """wpa_supplicant on the device, with this network block."""
        path = folder / "supplicant.conf"
        lines = "".join(f"  {key}={value}\n" for key, value in network.items())
        path.write_text(_SUPPLICANT.format(folder=folder, lines=lines), encoding="utf-8")
        with self.supplicant_with(path, folder / "device") as device:
            yield device

    @contextmanager
    def supplicant_with(self, path: Path, control: Path) -> Iterator[Device]:
        """wpa_supplicant on the device, with this file, which puts its sockets into `control`."""
        log_file = path.with_name("supplicant.log")
        program = require("wpa_supplicant", "wpasupplicant")
        with _running(
            self.device, log_file, program, "-dd", "-D", "wired", "-i", "nic", "-c", str(path)
        ):
            yield Device(control, log_file)


@dataclass(frozen=True, slots=True)
class Switch:
    """A running hostapd."""

    control: Path
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def packets(self, kind: str) -> list[dict[str, str]]:
        """The attributes of each RADIUS packet it sent or got: name → value as it prints it."""
        blocks = re.findall(
            rf"^RADIUS message: code=\d+ \({kind}\).*\n((?:   .*\n)*)", self.log(), re.MULTILINE
        )
        return [
            dict(re.findall(r"Attribute \d+ \((.+)\) length=\d+\n +Value: '?(.*?)'?\n", block))
            for block in blocks
        ]

    def accounted(self, status: int) -> list[dict[str, str]]:
        """The Accounting-Requests of this Acct-Status-Type."""
        found = self.packets("Accounting-Request")
        return [one for one in found if one["Acct-Status-Type"] == str(status)]

    def is_open(self) -> bool:
        """Whether it lets the device's frames through."""
        return "[AUTHORIZED]" in self.station().get("flags", "")

    def station(self) -> dict[str, str]:
        """What it holds about the device; empty when it holds nothing."""
        program = require("hostapd_cli", "hostapd")
        return _facts(program, "-p", str(self.control), "-i", "port", "sta", DEVICE_MAC)


@dataclass(frozen=True, slots=True)
class Device:
    """A running wpa_supplicant."""

    control: Path
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def status(self) -> dict[str, str]:
        """Its own view, as `wpa_cli status` prints it."""
        program = require("wpa_cli", "wpasupplicant")
        return _facts(program, "-p", str(self.control), "-i", "nic", "status")

    def is_open(self) -> bool:
        """Whether it takes its own port for authorized."""
        return self.status().get("suppPortStatus") == "Authorized"

    def answer(self, field: str, secret: str) -> None:
        """Give it what it asks for: its `password`, or the `passphrase` of a key."""
        wait_until(
            lambda: f"CTRL-REQ-{field.upper()}-0:" in self.log(),
            _LIMIT_SECONDS,
            f"it does not ask for its {field}: {self.log()[-2000:]}",
        )
        program = require("wpa_cli", "wpasupplicant")
        run = subprocess.run(
            [program, "-p", str(self.control), "-i", "nic", field, "0", secret],
            capture_output=True, text=True, timeout=_LIMIT_SECONDS,
        )  # fmt: skip
        assert run.stdout.strip() == "OK", run

    def ask_again(self) -> None:
        """Make it log in once more, by an EAPOL-Start."""
        program = require("wpa_cli", "wpasupplicant")
        run = subprocess.run(
            [program, "-p", str(self.control), "-i", "nic", "reauthenticate"],
            capture_output=True, text=True, timeout=_LIMIT_SECONDS,
        )  # fmt: skip
        assert run.stdout.strip() == "OK", run


@contextmanager
def wire() -> Iterator[Wire]:
    """A fresh switch with one device plugged in."""
    require("ip", "iproute2")
    tag = secrets.token_hex(3)
    switch, device, link = f"ys-{tag}", f"yd-{tag}", f"yl-{tag}"
    block = f"198.19.{secrets.randbelow(250) + 1}"
    first = secrets.randbelow(60) * 4
    here, there = f"{block}.{first + 1}", f"{block}.{first + 2}"
    try:
        for name in (switch, device):
            ip("netns", "add", name)
            inside(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "nic", "address", DEVICE_MAC, "netns", device, "type", "veth",
           "peer", "name", "port", "address", PORT_MAC, "netns", switch)  # fmt: skip
        ip("link", "add", link, "type", "veth", "peer", "name", "uplink", "netns", switch)
        ip("addr", "add", f"{here}/30", "dev", link)
        ip("link", "set", link, "up")
        ip("-n", switch, "addr", "add", f"{there}/30", "dev", "uplink")
        for name, end in ((switch, "uplink"), (switch, "port"), (device, "nic")):
            ip("-n", name, "link", "set", end, "up")
        yield Wire(switch, device, here, there)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", link)
        for name in (switch, device):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


@contextmanager
def _running(namespace: str, log_file: Path, *command: str) -> Iterator[None]:
    with log_file.open("wb") as log:
        running = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *command], stdout=log, stderr=log, cwd="/"
        )
    try:
        yield
        assert running.poll() is None, log_file.read_text(errors="replace")[-3000:]
    finally:
        running.terminate()
        try:
            running.wait(_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(_LIMIT_SECONDS)


def _facts(*command: str) -> dict[str, str]:
    run = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_SECONDS)
    pairs = (line.partition("=") for line in run.stdout.splitlines())
    return {key: value for key, mark, value in pairs if mark}
