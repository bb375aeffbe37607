"""A Samba domain controller, which is an Active Directory, in a network namespace of its own.

    LAB.TEST at 192.0.2.10 and 127.0.0.1   somchai (in Teachers, which is in AllStaff), wipa

Everything that talks to it runs in the namespace too: `inside` is the start of its command.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import Authority
from tests.clients.namespaces import ip
from tests.conftest import wait_until
from tests.programs import missing, require, require_root

NAME, ADDRESS = "dc1.lab.test", "192.0.2.10"
BASE = "DC=lab,DC=test"
PASSWORD, READER_PASSWORD = "Mango-sticky-rice1", "Reads-and-nothing-else1"
_LIMIT_SECONDS = 60
_ASK_SECONDS = 10
_START_SECONDS = 180
"""How long it may start while other tests have the processors; over a minute was seen."""

_SERVICES = "rpc, ldap, winbindd"
"""What the tests ask. Each of the others would be processes that start as well, sixty in all."""


@dataclass(frozen=True, slots=True)
class DomainController:
    """The folder of a running one, its namespace, and who has issued its certificate."""

    folder: Path
    namespace: str
    ca: Path

    @property
    def configuration(self) -> Path:
        return self.folder / "dc/etc/smb.conf"

    @property
    def ntlm_auth(self) -> str:
        """The helper program as the configuration of a directory wants it."""
        program = require("ntlm_auth", "winbind")
        return f"{program} --configfile={self.configuration} --domain=LAB"

    @property
    def inside(self) -> list[str]:
        return ["ip", "netns", "exec", self.namespace]

    def tool(self, *arguments: str) -> None:
        """`samba-tool` on the controller's own database."""
        database = self.folder / "dc/private/sam.ldb"
        _run("samba-tool", *arguments, "-H", str(database), "-s", str(self.configuration))


def require_samba() -> None:
    """Skip but in `make test-all`, which installs Samba: it takes half a minute."""
    require_root()
    if not os.environ.get("YUENYAN_TEST_ALL"):
        # Not `missing`: a run in CI without it is whole, too.
        import pytest

        pytest.skip("make test-all installs Samba and tests with it")
    require("samba", "samba-ad-dc")
    if not Path("/usr/share/samba/setup").is_dir():
        missing("samba-ad-provision is not installed")


@contextmanager
def domain_controller(folder: Path) -> Iterator[DomainController]:
    """A controller with three people, up and answering."""
    namespace = f"yad-{secrets.token_hex(3)}"
    issued = Authority(folder, "Lab CA").issue(NAME, [NAME])
    made = DomainController(folder, namespace, folder / "Lab-CA.pem")
    issued.key.chmod(0o600)
    ip("netns", "add", namespace)
    running: subprocess.Popen[bytes] | None = None
    try:
        ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", namespace, "link", "add", "ad0", "type", "veth", "peer", "name", "ad1")
        ip("-n", namespace, "addr", "add", f"{ADDRESS}/24", "dev", "ad0")
        for device in ("ad0", "ad1"):
            ip("-n", namespace, "link", "set", device, "up")
        options = {
            "interfaces": f"127.0.0.1 {ADDRESS}",
            "bind interfaces only": "yes",
            "ntlm auth": "mschapv2-and-ntlmv2-only",
            "server services": _SERVICES,
            "tls certfile": str(issued.chain),
            "tls keyfile": str(issued.key),
            "tls cafile": str(made.ca),
        }
        _run(
            *(*made.inside, "samba-tool", "domain", "provision", "--realm=LAB.TEST"),
            *("--domain=LAB", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1"),
            *(f"--host-ip={ADDRESS}", f"--targetdir={folder / 'dc'}"),
            *(f"--adminpass={secrets.token_hex(8)}-A1",),
            *(f"--option={name}={value}" for name, value in options.items()),
        )
        for name in ("somchai", "wipa"):
            made.tool("user", "create", name, PASSWORD, "--given-name", name, "--surname", "Lab")
        made.tool("user", "create", "reader", READER_PASSWORD)
        for group, member in (("Teachers", "somchai"), ("AllStaff", "Teachers")):
            made.tool("group", "add", group)
            made.tool("group", "addmembers", group, member)
        with (folder / "samba.log").open("wb") as log:
            running = subprocess.Popen(
                [
                    *(*made.inside, "samba", "-F", "-M", "single", "--no-process-group"),
                    *("-s", made.configuration),
                ],
                stdout=log,
                stderr=log,
                process_group=0,
            )
        _wait_for(made, running)
        yield made
    finally:
        if running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait(20)
        pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True)
        for number in pids.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", namespace)


def _wait_for(made: DomainController, running: subprocess.Popen[bytes]) -> None:
    """Return when what the tests will ask has been answered once, by LDAP and by winbind."""
    questions = [
        (
            *("ldapsearch", "-LLL", "-x", "-H", f"ldaps://{ADDRESS}", "-b", BASE, "-s", "base"),
            *("-D", f"CN=reader,CN=Users,{BASE}", "-w", READER_PASSWORD, "dn"),
        ),
        # Over /run/samba, where its clients look; somebody else's may have left a socket there.
        (*made.ntlm_auth.split(), "--username=somchai", f"--password={PASSWORD}"),
    ]

    def answered() -> bool:
        assert running.poll() is None, (made.folder / "samba.log").read_text(errors="replace")
        while questions and _is_answered(made, questions[0]):
            del questions[0]
        return not questions

    wait_until(answered, _START_SECONDS, "the controller does not start")


def _is_answered(made: DomainController, question: Sequence[str]) -> bool:
    environment = {**os.environ, "LDAPTLS_CACERT": str(made.ca), "LDAPTLS_REQCERT": "allow"}
    try:
        asked = subprocess.run(
            [*made.inside, *question], capture_output=True, timeout=_ASK_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_SECONDS)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
