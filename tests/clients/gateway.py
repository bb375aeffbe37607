"""A school's gateway of real programs: nftables NAT, a DHCP server, conntrack, and a syslog sender.

It runs in the gateway's namespace of tests.clients.namespaces, with a /dev of its own, so that
the programs' log socket is its own too. Everything ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.clients.namespaces import Network, inside, ip
from tests.programs import require

OUTSIDE_PORTS = (40_000, 59_999)
_LIMIT_SECONDS = 30
_DHCP_PACKAGES = {
    "dnsmasq": "dnsmasq-base",
    "kea-dhcp4": "kea-dhcp4-server",
    "dhcpd": "isc-dhcp-server",
}
_READY = b"ready\n"

_SCRIPT = """
set -eu
D=$1
mount -t tmpfs none "$D/dev"
for node in null zero full random urandom tty; do
  touch "$D/dev/$node"
  mount --bind "/dev/$node" "$D/dev/$node"
done
# Its own folder may lie in /dev/shm.
mkdir "$D/dev/shm"
mount --rbind /dev/shm "$D/dev/shm"
mount --rbind "$D/dev" /dev
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1 || true
nft -f "$D/nat.nft"
rsyslogd -n -f "$D/rsyslog.conf" -i "$D/rsyslog.pid" &
for _ in $(seq 200); do [ -S /dev/log ] && break; sleep 0.05; done
if [ "$2" = ulogd ]; then
  ulogd -c "$D/ulogd.conf" &
else
  conntrack -E -e NEW,DESTROY -o timestamp 2>/dev/null | logger -t conntrack &
fi
touch "$D/leases"
case $3 in
dnsmasq)
  dnsmasq -k --conf-file=/dev/null --user=root --interface=inside --bind-interfaces --port=0 \
    --dhcp-range=10.77.0.100,10.77.0.150,1h --dhcp-leasefile="$D/leases" --dhcp-authoritative \
    --no-ping --pid-file="$D/dhcp.pid" & ;;
kea-dhcp4)
  KEA_PIDFILE_DIR="$D" KEA_LOCKFILE_DIR="$D" kea-dhcp4 -c "$D/kea.json" & ;;
dhcpd)
  dhcpd -f -4 -q -cf "$D/dhcpd.conf" -lf "$D/leases" -pf "$D/dhcp.pid" inside & ;;
esac
logger -t notes 'a page: http://www.secret.example/path?password=hunter2'
echo ready
read -r _ || true
"""

_NAT = r"""
table ip nat {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "uplink" ip saddr 10.77.0.0/24 meta l4proto {{ tcp, udp }} \
      masquerade to :{first}-{last} random
  }}
}}
"""

_RSYSLOG = """
global(workDirectory="{folder}"{more})
module(load="imuxsock" SysSock.Name="/dev/log" SysSock.RateLimit.Interval="0")
action(type="omfwd" target="{host}" port="{port}" {how})
"""

_ULOGD = """
[global]
logfile="{folder}/ulogd.log"
loglevel=5
stack=ct1:NFCT,ip2str1:IP2STR,print1:PRINTFLOW,sys1:SYSLOG
[ct1]
event_mask=0x00000005
hash_enable=0
[sys1]
facility=LOG_LOCAL2
"""

_KEA = {
    "interfaces-config": {"interfaces": ["inside"]},
    "lease-database": {"type": "memfile", "persist": False},
    "valid-lifetime": 3600,
    "subnet4": [
        {"id": 1, "subnet": "10.77.0.0/24", "pools": [{"pool": "10.77.0.100 - 10.77.0.150"}]}
    ],
    "loggers": [
        {
            "name": "kea-dhcp4",
            "severity": "INFO",
            "output_options": [{"output": "syslog:kea-dhcp4"}],
        }
    ],
}

_DHCPD = """
default-lease-time 3600;
authoritative;
ping-check false;
subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.100 10.77.0.150; }
"""

_FORWARD = {
    "udp": 'protocol="udp" template="RSYSLOG_TraditionalForwardFormat"',
    "tcp": 'protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"',
    "tls": 'protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format" '
    'StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid"',
}

_LEASED = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr flush dev "$interface"
ip addr add "$ip/24" dev "$interface"
ip route replace default via 10.77.0.1
"""


@contextmanager
def gateway(
    net: Network, folder: Path, transport: str, port: int, ca: Path, teller: str, dhcp: str
) -> Iterator[None]:
    """The gateway of `net`, sending its log here by `transport` to `port`.

    Args:
        teller: who tells of translations, conntrack or ulogd.
        dhcp: which server gives addresses, dnsmasq, kea-dhcp4 or dhcpd.
    """
    for program, package in (
        ("nft", "nftables"), ("rsyslogd", "rsyslog"), ("logger", "bsdutils"),
    ):  # fmt: skip
        require(program, package)
    require(teller, {"conntrack": "conntrack", "ulogd": "ulogd2"}[teller])
    require(dhcp, _DHCP_PACKAGES[dhcp])
    (folder / "dev").mkdir(parents=True)
    (folder / "kea.json").write_text(json.dumps({"Dhcp4": _KEA}))
    (folder / "dhcpd.conf").write_text(_DHCPD)
    (folder / "ulogd.conf").write_text(_ULOGD.format(folder=folder))
    (folder / "nat.nft").write_text(_NAT.format(first=OUTSIDE_PORTS[0], last=OUTSIDE_PORTS[1]))
    more = f' defaultNetstreamDriverCAFile="{ca}"' if transport == "tls" else ""
    (folder / "rsyslog.conf").write_text(
        _RSYSLOG.format(folder=folder, more=more, host=net.here, port=port, how=_FORWARD[transport])
    )
    log = (folder / "gateway.log").open("wb")
    running = subprocess.Popen(
        ["ip", "netns", "exec", net.gateway, "sh", "-c", _SCRIPT, "gateway", str(folder),
         teller, dhcp],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd="/", process_group=0,
    )  # fmt: skip
    assert running.stdin is not None and running.stdout is not None
    try:
        assert running.stdout.readline() == _READY, (folder / "gateway.log").read_text()
        yield
    finally:
        # The whole group was started here: the shell and what it has in the background.
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            running.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait(_LIMIT_SECONDS)
        running.stdin.close()
        running.stdout.close()
        log.close()


def take_lease(net: Network, mac: str, folder: Path) -> str:
    """Become the device `mac` and get an address by DHCP, as a phone does; the address."""
    client = require("udhcpc", "udhcpc")
    ip("-n", net.client, "link", "set", "outside", "down")
    ip("-n", net.client, "addr", "flush", "dev", "outside")
    ip("-n", net.client, "link", "set", "outside", "address", mac, "up")
    script = folder / "leased.sh"
    script.write_text(_LEASED)
    script.chmod(0o755)
    inside(net.client, client, "-i", "outside", "-n", "-q", "-f", "-t", "10", "-s", str(script))
    shown = subprocess.run(
        ["ip", "-n", net.client, "-o", "-4", "addr", "show", "dev", "outside"],
        check=True, capture_output=True, text=True, timeout=_LIMIT_SECONDS,
    ).stdout  # fmt: skip
    return shown.split()[3].partition("/")[0]
