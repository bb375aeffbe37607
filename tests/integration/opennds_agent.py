"""A router with deploy/opennds/yuenyan-opennds, and a portal of ours on loopback that it asks.

`ndsctl`, `nft` and `ip` are scripts that tell what the real ones would; tests/clients has those.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from werkzeug.serving import BaseWSGIServer, make_server

from captive_portal.public import create_app
from captive_portal.vendors.opennds import Custom
from db.models import Account, NasClient, NetworkSession
from identity.office import Office
from identity.services import tokens
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from tests.conftest import add_person
from tests.programs import require

AGENT = Path(__file__).parents[2] / "deploy" / "opennds" / "yuenyan-opennds"
KEY = "a key 'with' \"odd\" $letters of a router"
MAC, ADDRESS = "3c:22:fb:01:02:03", "10.78.0.100"
NOTHING = "0 0 0 0 0"
"""What is answered to who does not ask. A refusal is no word at all: version 9.10 lets in whoever
its program fails for, and refuses when that says nothing."""

_NDSCTL = """#!/bin/sh
case $1 in
  json) cat "$YUENYAN_TEST/json" ;;
  deauth)
    echo "$*" >>"$YUENYAN_TEST/orders"
    cat "$YUENYAN_TEST/deauth" ;;
esac
"""

# A firewall with openNDS's chain, until a test takes it away; what is made is kept.
_NFT = """#!/bin/sh
cd "$YUENYAN_TEST"
case "$1 $2" in
  '-f -')
    cat >changed
    if grep -q 'chain refused' changed; then mv changed guard; else mv changed shut; fi ;;
  'list set') cat seen 2>/dev/null ;;
  -f\\ *) cat "$2" >rules; [ ! -x during ] || ./during ;;
  '-t list') cat table 2>/dev/null ;;
  'list chains') echo 'chain ndsNET {' ;;
  'list chain') grep -qs "chain $5 {" guard ;;
esac
"""
_IP = """#!/bin/sh
case "$2 $3 $4 $5" in
  'route show dev inside')
    echo 'fd77::/64 proto kernel metric 256 pref medium'
    echo 'fd78::/56 via fe80::9 proto static metric 1024 pref medium'
    echo 'fe80::/64 proto kernel metric 256 pref medium' ;;
  'neigh show to fd77::/64') cat "$YUENYAN_TEST/neighbours" 2>/dev/null ;;
  *) echo "fd78::5 lladdr 3c:22:fb:01:02:03 router REACHABLE" ;;
esac
"""
_PIDOF = """#!/bin/sh
[ ! -f "$YUENYAN_TEST/dead" ]
"""
_IPTABLES = """#!/bin/sh
case $3 in
  -S) cat "$YUENYAN_TEST/left-$2" 2>/dev/null ;;
  -[DFX]) echo "$*" >>"$YUENYAN_TEST/changes" ;;
  *) exit 1 ;;
esac
"""

_NOBODY = '{\n  "client_list_length":"0",\n  "clients":{\n  }\n}\n'

# As ndsctl of version 9.10 prints it.
_ONE = """{{
  "client_list_length":"1",
  "clients":{{
    "{mac}":{{
      "gatewayname":"School%20Node%3a8a3cac54ced0%20",
      "mac":"{mac}",
      "ip":"{address}",
      "clientif":"inside",
      "session_start":"{started}",
      "token":"{token}",
      "state":"{state}",
      "custom":"{custom}",
      "download_rate_limit_threshold":"null",
      "upload_rate_limit_threshold":"null",
      "download_this_session":"2939",
      "download_session_avg":"1.01",
      "upload_this_session":"12",
      "upload_session_avg":"0.00"
    }}
  }}
}}
"""


_TABLE = """table inet yuenyan_opennds {{
\tcounter down_3c22fb010203_34e6c5ea {{
\t\tpackets 7 bytes {down}
\t}}

\tcounter up_3c22fb010203_34e6c5ea {{
\t\tpackets 5 bytes {up}
\t}}

\tcounter up_3c22fb0a0b0c_00c0ffee {{
\t\tpackets 1 bytes 1
\t}}

\tlimit down_3c22fb010203_1000 {{
\t\trate over 125 kbytes/second burst 65536 bytes
\t}}

\tset admitted {{
\t\ttype ether_addr . ipv6_addr
\t}}
}}
"""
_SEEN = """table inet yuenyan_opennds {
\tset seen {
\t\ttype ether_addr . ipv6_addr
\t\tsize 16384
\t\tflags dynamic,timeout
\t\ttimeout 10m
\t\telements = { %s }
\t}
}
"""
CLOSED, OPEN = (
    '    iifname "inside" jump refused\n',
    '    iifname "inside" meta nfproto ipv6 jump from_inside\n',
)


@dataclass(slots=True)
class Router:
    """The agent on a router, and the portal it is told of."""

    folder: Path
    office: Office
    nas: NasClient
    port: int = 0
    server: BaseWSGIServer | None = None

    def portal_comes(self) -> None:
        self.answers(create_app(self.office))

    def answers(self, app: Callable[..., Iterable[bytes]]) -> None:
        """Let `app` be the portal, at a port that nobody has."""
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.port = self.server.port
        self.settings()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def portal_goes(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def settings(self, **changes: str) -> None:
        values = {
            "PORTAL": f"http://127.0.0.1:{self.port}/opennds/gate", "KEY": KEY,
            "STATE": str(self.folder / "state"), "INTERFACE": "inside", "INTERVAL": "1", **changes,
        }  # fmt: skip
        quoted = {name: value.replace("'", "'\\''") for name, value in values.items()}
        text = "".join(f"{name}='{value}'\n" for name, value in quoted.items())
        (self.folder / "conf").write_text(text)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AGENT, *arguments],
            env=self._environment(), capture_output=True, text=True, timeout=40, check=False,
        )  # fmt: skip

    def run_apart(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script where the network, and so the firewall, is its own."""
        return subprocess.run(
            ["unshare", "-n", "sh", "-c", script],
            env=self._environment() | {"PATH": f"{self.folder / 'bin'}:/usr/sbin:/usr/bin:/bin"},
            capture_output=True, text=True, timeout=40, check=False,
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(
            [AGENT, *arguments], env=self._environment(), stdout=nowhere, stderr=nowhere
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "YUENYAN_OPENNDS_CONF": str(self.folder / "conf"),
            "YUENYAN_TEST": str(self.folder),
        }

    def guard(self) -> str:
        """What the firewall's table of ours was last made of."""
        path = self.folder / "guard"
        return path.read_text() if path.exists() else ""

    def let_in(self) -> str:
        """What the agent told the firewall last of who may pass."""
        path = self.folder / "rules"
        return path.read_text() if path.exists() else ""

    def neighbours(self, *lines: str, sent: Iterable[str] | None = None) -> None:
        """What `ip` shows of the inside from now on.

        Args:
            sent: `MAC . ADDRESS` of what the firewall has seen by the frames; None: all of these.
        """
        (self.folder / "neighbours").write_text("".join(f"{line}\n" for line in lines))
        if sent is None:
            known = (line.split() for line in lines if "lladdr" in line)
            sent = [f"{words[words.index('lladdr') + 1]} . {words[0]}" for words in known]
        elements = ",\n\t\t\t     ".join(f"{one} timeout 10m expires 9m9s" for one in sent)
        (self.folder / "seen").write_text(_SEEN % elements)

    def counts(self, down: int, up: int) -> None:
        """What the firewall has counted of the client by IPv6 from now on."""
        (self.folder / "table").write_text(_TABLE.format(down=down, up=up))

    def once(self) -> None:
        told = self.run("once")
        assert told.returncode == 0, told

    def asks(self, custom: str, mac: str = MAC) -> subprocess.CompletedProcess[str]:
        """As openNDS calls BinAuth: custom with its padding encoded."""
        carried = custom.replace("=", "%3d").replace("+", "%2b").replace("/", "%2f")
        return self.run(
            "auth_client", mac, "http%3a%2f%2fx", "curl%2f7", ADDRESS, "34e6c5ea", carried
        )

    def lists(self, custom: str | None, state: str = "Authenticated", *more: str) -> None:
        """Let `ndsctl json` tell of the client; `more` are whole texts of further ones."""
        text = _NOBODY
        if custom is not None:
            announced = '"client_list_length":"{}"'
            text = self.client(custom, state).replace(
                announced.format(1), announced.format(1 + len(more))
            )
            text += "".join(more)
        (self.folder / "json").write_text(text)

    def client(
        self, custom: str, state: str = "Authenticated", mac: str = MAC, token: str = "34e6c5ea",
        ago: int = 20,
    ) -> str:  # fmt: skip
        return _ONE.format(
            mac=mac, address=ADDRESS, state=state, custom=custom, token=token,
            started=int(self.office.clock().timestamp()) - ago,
        )  # fmt: skip

    def token(self) -> str:
        with self.office.database.write() as session:
            account = session.scalars(select(Account).where(Account.username == "ครูสมชาย")).one()
            made = tokens.mint(session, self.office, account, MAC.replace(":", ""), self.nas.id)
            return Custom(made.token, made.username).encode()

    def grant(self, **limits: int) -> None:
        """Give the person's role these limits."""
        with self.office.database.write() as session:
            account = session.scalars(select(Account).where(Account.username == "ครูสมชาย")).one()
            for name, value in limits.items():
                setattr(account.role, name, value)

    def session(self) -> NetworkSession:
        with self.office.database.read() as session:
            return session.scalars(select(NetworkSession)).one()


@contextmanager
def router_of(office: Office, folder: Path) -> Iterator[Router]:
    """One at which nobody is in yet; the portal answers."""
    require("curl", "curl")
    add_person(office, "ครูสมชาย")
    with office.database.write() as session:
        nas = add_nas(
            session, office, "gate", "127.0.0.1/32", "secret of gate", "test",
            vendor="opennds", login_url="http://10.78.0.1:2050/opennds_auth/",
        )  # fmt: skip
        nas.portal_settings_encrypted = seal_portal_settings(office, {"faskey": KEY})
    (folder / "bin").mkdir(parents=True)
    programs = {
        "ndsctl": _NDSCTL,
        "logger": "#!/bin/sh\nexit 0\n",
        "iptables": _IPTABLES,
        "nft": _NFT,
        "pidof": _PIDOF,
        "ip": _IP,
    }
    for name, text in programs.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    made = Router(folder, office, nas)
    made.lists(None)
    made.portal_comes()
    yield made
    made.portal_goes()
