"""deploy/opennds/yuenyan-opennds when things go wrong: against a portal of ours on loopback.

`ndsctl` is a script that tells what the real one would; tests/clients has the real one.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select
from werkzeug.serving import BaseWSGIServer, make_server

from captive_portal.public import create_app
from captive_portal.vendors.opennds import Custom
from db.models import Account, CoaRequest, NasClient, NetworkSession
from identity.office import Office
from identity.services import dynamic, tokens
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from tests.conftest import add_person, wait_until
from tests.programs import require

pytestmark = pytest.mark.real

AGENT = Path(__file__).parents[2] / "deploy" / "opennds" / "yuenyan-opennds"
KEY = "a key 'with' \"odd\" $letters of a router"
MAC, ADDRESS = "3c:22:fb:01:02:03", "10.78.0.100"
REFUSED = "0 0 0 0 0"

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
case "$1 $2" in
  '-f -') cat >"$YUENYAN_TEST/guard" ;;
  'list chains') echo 'chain ndsNET {' ;;
  'list chain') grep -qs "chain $5 {" "$YUENYAN_TEST/guard" ;;
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
      "token":"34e6c5ea",
      "state":"{state}",
      "custom":"{custom}",
      "download_this_session":"2939",
      "download_session_avg":"1.01",
      "upload_this_session":"12",
      "upload_session_avg":"0.00"
    }}
  }}
}}
"""


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

    def asks(self, custom: str, mac: str = MAC) -> subprocess.CompletedProcess[str]:
        """As openNDS calls BinAuth: custom with its padding encoded."""
        carried = custom.replace("=", "%3d").replace("+", "%2b").replace("/", "%2f")
        return self.run("auth_client", mac, "http%3a%2f%2fx", "curl%2f7", ADDRESS, "34e6", carried)

    def lists(self, custom: str | None, state: str = "Authenticated") -> None:
        text = _NOBODY
        if custom is not None:
            text = _ONE.format(
                mac=MAC, address=ADDRESS, state=state, custom=custom,
                started=int(self.office.clock().timestamp()) - 20,
            )  # fmt: skip
        (self.folder / "json").write_text(text)

    def token(self) -> str:
        with self.office.database.write() as session:
            account = session.scalars(select(Account).where(Account.username == "ครูสมชาย")).one()
            made = tokens.mint(session, self.office, account, MAC.replace(":", ""), self.nas.id)
            return Custom(made.token, made.username).encode()

    def session(self) -> NetworkSession:
        with self.office.database.read() as session:
            return session.scalars(select(NetworkSession)).one()


@pytest.fixture
def router(office: Office, tmp_path: Path) -> Iterator[Router]:
    require("curl", "curl")
    add_person(office, "ครูสมชาย")
    with office.database.write() as session:
        nas = add_nas(
            session, office, "gate", "127.0.0.1/32", "secret of gate", "test",
            vendor="opennds", login_url="http://10.78.0.1:2050/opennds_auth/",
        )  # fmt: skip
        nas.portal_settings_encrypted = seal_portal_settings(office, {"faskey": KEY})
    folder = tmp_path / "router"
    (folder / "bin").mkdir(parents=True)
    for name, text in (("ndsctl", _NDSCTL), ("logger", "#!/bin/sh\nexit 0\n"),
                       ("iptables", _IPTABLES), ("nft", _NFT), ("pidof", _PIDOF)):  # fmt: skip
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    made = Router(folder, office, nas)
    made.lists(None)
    made.portal_comes()
    yield made
    made.portal_goes()


def test_the_portal_is_asked_and_its_limits_are_told_to_opennds(router: Router) -> None:
    answer = router.asks(router.token())
    assert (answer.returncode, answer.stdout.strip()) == (0, "28800 0 0 0 0"), answer
    assert router.session().user_name == "ครูสมชาย"
    again = router.run("check")
    assert again.returncode == 0 and "are right" in again.stdout


def test_nobody_is_let_in_while_the_portal_is_away(router: Router) -> None:
    custom = router.token()
    router.portal_goes()
    answer = router.asks(custom)
    assert (answer.returncode, answer.stdout.strip()) == (1, REFUSED)


def test_nobody_is_let_in_by_an_answer_that_is_not_signed_with_our_key(router: Router) -> None:
    custom = router.token()
    router.portal_goes()

    def yes(_environ: object, start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        return [f"time 1795835504\nallow {MAC} 0 0 0 0 0\nsig {'0' * 64}\n".encode()]

    router.answers(yes)
    answer = router.asks(custom)
    assert (answer.returncode, answer.stdout.strip()) == (1, REFUSED)


def test_a_wrong_key_lets_nobody_in_and_check_says_so(router: Router) -> None:
    router.settings(KEY="another")
    assert router.asks(router.token()).returncode == 1
    assert router.run("check").returncode == 1


def test_who_is_refused_here_is_refused_there(router: Router) -> None:
    custom = router.token()
    answer = router.asks(custom, "3c:22:fb:0a:0b:0c")
    assert (answer.returncode, answer.stdout.strip()) == (1, REFUSED)


def test_a_router_whose_clock_is_years_off_sets_it_by_the_portal(router: Router) -> None:
    (router.folder / "bin" / "date").write_text("#!/bin/sh\necho 946684800\n")
    (router.folder / "bin" / "date").chmod(0o755)
    assert router.asks(router.token()).returncode == 0


def test_what_happened_while_the_portal_was_away_is_told_when_it_is_back(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    assert router.run("once").returncode == 0
    row = router.session()
    assert (row.output_octets, row.input_octets) == (2939 * 1024, 12 * 1024)
    router.portal_goes()
    end = int(router.office.clock().timestamp())
    told = router.run("idle_deauth", MAC, "4000000", "0", str(end - 20), str(end), "34e6", custom)
    assert told.stdout.strip() == REFUSED
    router.lists(None)
    assert router.run("once").returncode != 0
    assert router.run("once").returncode != 0
    assert router.session().stop_seen == 0
    router.portal_comes()
    assert router.run("once").returncode == 0
    row = router.session()
    assert (row.stop_seen, row.terminate_cause) == (1, 4)
    assert (row.output_octets, row.input_octets) == (4_000_000, 12 * 1024), "the last it had seen"
    assert list((router.folder / "state").glob("left*")) == []
    assert not (router.folder / "state" / "spool").exists()


def test_who_waits_before_the_login_page_is_no_session(router: Router) -> None:
    router.lists("none", "Preauthenticated")
    assert router.run("once").returncode == 0
    with router.office.database.read() as session:
        assert session.scalars(select(NetworkSession)).all() == []


@pytest.mark.parametrize(
    ("told", "state", "cause"),
    [
        ("Client 10.78.0.100 deauthenticated.", "acked", None),
        ("Client 10.78.0.100 not found.", "nakked", 503),
        ("ndsctl: locked by another process", "queued", None),
    ],
    ids=["done", "unknown", "busy"],
)
def test_an_order_is_carried_out_and_its_outcome_told(
    router: Router, told: str, state: str, cause: int | None
) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    (router.folder / "deauth").write_text(told + "\n")
    with router.office.database.write() as session:
        number = dynamic.disconnect_session(
            session, router.office, router.session().session_key, "head"
        )
    assert router.run("once").returncode == 0
    assert (router.folder / "orders").read_text() == f"deauth {MAC}\n"
    with router.office.database.read() as session:
        request = session.get(CoaRequest, number)
    assert request is not None and (request.state, request.error_cause) == (state, cause)


def test_what_a_killed_agent_had_in_its_hands_is_told_by_the_next(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    now = int(router.office.clock().timestamp())
    state = router.folder / "state"
    (state / "lock").mkdir()
    (state / "sending.999").write_text(
        f"out {MAC} timeout_deauth 34e6 {now - 20} {now} 777 0 {custom}\n"
    )
    running = router.start("run")
    try:
        wait_until(lambda: router.session().stop_seen, 20, "nobody told it")
    finally:
        running.kill()
        running.wait(10)
    assert (router.session().terminate_cause, router.session().output_octets) == (5, 777)


CLOSED, OPEN = (
    '    iifname "inside"  jump refused\n',
    '    iifname "inside" meta nfproto ipv6 jump refused\n',
)


def test_ipv6_which_opennds_does_not_know_is_held_back(router: Router) -> None:
    assert router.run("once").returncode == 0
    assert OPEN in router.guard() and CLOSED not in router.guard()


def test_while_opennds_is_dead_nobody_passes_and_then_again_who_is_signed_in(
    router: Router,
) -> None:
    running = router.start("run")
    try:
        wait_until(lambda: OPEN in router.guard(), 20, "it is not open while openNDS works")
        (router.folder / "dead").touch()
        (router.folder / "json").rename(router.folder / "json-later")
        wait_until(lambda: CLOSED in router.guard(), 20, "openNDS is dead, and everybody passes")
        (router.folder / "json-later").rename(router.folder / "json")
        (router.folder / "dead").unlink()
        wait_until(lambda: OPEN in router.guard(), 20, "openNDS is back, and nobody passes")
    finally:
        running.kill()
        running.wait(10)


def test_a_restart_that_nobody_saw_leaves_nobody_shut_out(router: Router) -> None:
    assert router.run("close").returncode == 0
    running = router.start("run")
    try:
        wait_until(lambda: OPEN in router.guard(), 20, "it is not open while openNDS works")
        # As systemd does around a restart that is over before the agent looks again.
        assert router.run("close").returncode == 0
        assert CLOSED in router.guard()
        wait_until(lambda: OPEN in router.guard(), 20, "openNDS is back, and nobody passes")
    finally:
        running.kill()
        running.wait(10)


def test_what_a_dead_opennds_left_in_the_firewall_is_taken_away(router: Router) -> None:
    (router.folder / "left-mangle").write_text(
        "-P PREROUTING ACCEPT\n-N ndsOUT\n-N theirs\n-A PREROUTING -i inside -j ndsOUT\n"
        "-A PREROUTING -j theirs\n-A ndsOUT -s 10.78.0.100/32 -j MARK --set-xmark 0x30000/0x30000\n"
    )
    assert router.run("close").returncode == 0
    assert not (router.folder / "changes").exists(), "it is running"
    (router.folder / "dead").touch()
    assert router.run("close").returncode == 0
    assert CLOSED in router.guard()
    assert (router.folder / "changes").read_text().splitlines() == [
        "-t mangle -D PREROUTING -i inside -j ndsOUT", "-t mangle -F ndsOUT",
        "-t mangle -X ndsOUT",
    ]  # fmt: skip
