"""FreeRADIUS as a home server behind us, and as a proxy in front of us."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import free_port, wait_until
from tests.programs import require

_CONFIGURATION = """\
prefix = /usr
logdir = {folder}
run_dir = {folder}
pidfile = {folder}/pid
libdir = /usr/lib/freeradius
name = {name}
max_request_time = 10
proxy_requests = yes
security {{
  status_server = yes
}}
log {{
  destination = stdout
}}
thread pool {{
  start_servers = 1
  max_servers = 2
  min_spare_servers = 0
  max_spare_servers = 2
}}
client everybody {{
  ipaddr = 127.0.0.0/8
  secret = "{secret}"
  require_message_authenticator = yes
}}
modules {{
  always reject {{
    rcode = reject
  }}
  always ok {{
    rcode = ok
  }}
  pap {{
  }}
  chap {{
  }}
}}
{more}
server default {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {auth}
  }}
  listen {{
    type = acct
    ipaddr = 127.0.0.1
    port = {acct}
  }}
  authorize {{
{authorize}
    pap
    chap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
    Auth-Type CHAP {{
      chap
    }}
  }}
  preacct {{
{preacct}
    ok
  }}
  accounting {{
    ok
  }}
}}
"""
_HOME_AUTHORIZE = """\
    if (&User-Name == "{user}") {{
      update control {{
        Cleartext-Password := "{password}"
      }}
      update reply {{
        Message-Authenticator := 0x00
        Reply-Message := "from {name}"
        Session-Timeout := 1234
        Tunnel-Type := VLAN
        Tunnel-Medium-Type := IEEE-802
        Tunnel-Private-Group-Id := "99"
        Filter-Id := "everything"
        MS-MPPE-Send-Key := 0x{send_key}
        MS-MPPE-Recv-Key := 0x{receive_key}
        Chargeable-User-Identity := 0x637569
{more_reply}
      }}
    }}
    else {{
      update reply {{
        Message-Authenticator := 0x00
      }}
      reject
    }}
"""
_PROXY_MORE = """\
proxy server {{
  default_fallback = no
}}
home_server yuenyan {{
  type = auth
  ipaddr = 127.0.0.1
  port = {port}
  secret = "{secret}"
  response_window = 6
  status_check = status-server
}}
home_server yuenyan-acct {{
  type = acct
  ipaddr = 127.0.0.1
  port = {acct}
  secret = "{secret}"
}}
home_server_pool yuenyan {{
  home_server = yuenyan
}}
home_server_pool yuenyan-acct {{
  home_server = yuenyan-acct
}}
realm yuenyan {{
  auth_pool = yuenyan
  acct_pool = yuenyan-acct
}}
"""
_TO_PROXY = """\
    update control {
      Proxy-To-Realm := "yuenyan"
    }
"""


@dataclass(slots=True)
class FreeRadius:
    """One FreeRADIUS on loopback."""

    auth_port: int
    acct_port: int
    log_file: Path
    running: subprocess.Popen[bytes]

    def requests(self, code: str = "Access-Request") -> list[dict[str, list[str]]]:
        """The attributes of each request it has received, as it read them."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        found = []
        for block in re.findall(rf"Received {code} Id.*?(?=# Exec|\n\n|Received)", text, re.S):
            named: dict[str, list[str]] = {}
            for name, value in re.findall(r"\)   ([A-Za-z-]+) = \"?([^\"\n]*)", block):
                named.setdefault(name, []).append(value)
            found.append(named)
        return found

    def identifiers(self) -> list[str]:
        """The identifier of every Access-Request received, retransmissions too."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return re.findall(r"Received Access-Request Id (\d+)", text)

    def stop(self) -> None:
        self.running.kill()
        self.running.wait(10)


@contextmanager
def _running(
    folder: Path,
    name: str,
    secret: str,
    *,
    more: str = "",
    authorize: str = "",
    preacct: str = "",
    auth: int = 0,
    acct: int = 0,
) -> Iterator[FreeRadius]:
    folder.mkdir(parents=True, exist_ok=True)
    auth = auth or free_port(socket.SOCK_DGRAM)
    acct = acct or free_port(socket.SOCK_DGRAM)
    (folder / "radiusd.conf").write_text(
        _CONFIGURATION.format(
            folder=folder,
            name=name,
            secret=secret,
            more=more,
            auth=auth,
            acct=acct,
            authorize=authorize,
            preacct=preacct,
        )
    )
    log_file = folder / "log"
    with log_file.open("wb") as log:
        program = require("freeradius", "freeradius")
        running = subprocess.Popen(
            [program, "-d", folder, "-n", "radiusd", "-X"], stdout=log, stderr=log
        )
    try:
        wait_until(
            lambda: b"Ready to process requests" in log_file.read_bytes(),
            20,
            log_file.read_text(errors="replace")[-2000:],
        )
        yield FreeRadius(auth, acct, log_file, running)
    finally:
        if running.poll() is None:
            running.kill()
            running.wait(10)


@contextmanager
def home_server(
    folder: Path,
    name: str,
    secret: str,
    user: str,
    password: str,
    keys: tuple[bytes, bytes],
    *,
    auth: int = 0,
    acct: int = 0,
    more_reply: str = "",
) -> Iterator[FreeRadius]:
    """A home server that knows one user and would put them in VLAN 99."""
    authorize = _HOME_AUTHORIZE.format(
        user=user,
        password=password,
        name=name,
        send_key=keys[0].hex(),
        receive_key=keys[1].hex(),
        more_reply=more_reply,
    )
    with _running(folder, name, secret, authorize=authorize, auth=auth, acct=acct) as running:
        yield running


@contextmanager
def proxy(folder: Path, secret: str, port: int, acct: int) -> Iterator[FreeRadius]:
    """A proxy that sends everything to us."""
    more = _PROXY_MORE.format(port=port, acct=acct, secret=secret)
    with _running(
        folder, "front", secret, more=more, authorize=_TO_PROXY, preacct=_TO_PROXY
    ) as running:
        yield running
