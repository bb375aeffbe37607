"""A real OpenLDAP server on loopback with a small school in it, started and ended by the test.

    dc=school,dc=test
      ou=people   somchai (teacher by groupOfNames), wipa (pupil by posixGroup),
                  nida (in no group), twin in two branches, uid=long name's password is Thai
      ou=groups   cn=teachers (groupOfNames, memberOf), cn=pupils (posixGroup), cn=bosses
      cn=reader   the search account; nobody else may search

TLS is there on its own port and by StartTLS, with a certificate of `Authority`.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.conftest import free_port, wait_until
from tests.programs import require

BASE = "dc=school,dc=test"
READER = f"cn=reader,{BASE}"
READER_PASSWORD = "reads and nothing else"
ROOT = f"cn=root,{BASE}"
ROOT_PASSWORD = "may change all"
TEACHERS, PUPILS = f"cn=teachers,ou=groups,{BASE}", f"cn=pupils,ou=groups,{BASE}"
PASSWORD = "mango sticky rice"
START_SECONDS = 15.0
_TRUSTING = {"LDAPTLS_REQCERT": "never"}
"""For the test's own commands: what the server shows is not what they are about."""

_CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
{security}
database mdb
suffix "{base}"
rootdn "{root}"
rootpw "{root_password}"
directory {folder}/data
dbnosync
maxsize 16777216
overlay memberof
overlay ppolicy
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by anonymous auth by * none
"""

_SCHOOL = """\
dn: {base}
objectClass: dcObject
objectClass: organization
dc: school
o: Test school

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: ou=old,{base}
objectClass: organizationalUnit
ou: old

dn: ou=groups,{base}
objectClass: organizationalUnit
ou: groups

dn: {reader}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {reader_password}
"""


class Slapd:
    """One server; its data stays when it is stopped, and goes with `folder`."""

    def __init__(self, folder: Path, authority: Authority, security: str = "") -> None:
        """Make it, filled and not started. `security` is a line of its configuration."""
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.ca = authority.ca
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir(parents=True)
        issued = authority.issue("localhost", ["localhost"])
        self._configuration = folder / "slapd.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                folder=folder,
                ca=authority.ca,
                certificate=issued.chain,
                key=issued.key,
                base=BASE,
                root=ROOT,
                root_password=ROOT_PASSWORD,
                reader=READER,
                security=security,
            ),
            encoding="utf-8",
        )
        self.start()
        self.modify(
            _SCHOOL.format(base=BASE, reader=READER, reader_password=READER_PASSWORD)
            + person("somchai", "สมชาย ใจดี")
            + person("wipa", "วิภา เรียนดี", gid=700)
            + person("nida", "Nida Nogroup")
            + person("twin", "First Twin")
            + person("twin", "Second Twin", branch="old")
            + f"\ndn: {TEACHERS}\nobjectClass: groupOfNames\ncn: teachers\n"
            + f"member: {dn_of('somchai')}\nmember: {dn_of('twin')}\n"
            + f"\ndn: {PUPILS}\nobjectClass: posixGroup\ncn: pupils\ngidNumber: 600\n"
            + "memberUid: wipa\n",
            add=True,
        )

    @property
    def url(self) -> str:
        return f"ldap://localhost:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    def start(self) -> None:
        """Start it; returns once it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(require("slapd", "slapd"), "-f", str(self._configuration), "-d", "0"),
                    *("-h", f"{self.url}/ {self.tls_url}/"),
                ],
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._answers, START_SECONDS, "slapd does not start")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """SIGTERM, if it runs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None

    def freeze(self) -> None:
        """SIGSTOP: connections are taken by the kernel, and nobody answers on them."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        wait_until(lambda: " T " in stat.read_text(), 5.0, "slapd does not stop")

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def modify(self, ldif: str, *, add: bool = False) -> None:
        """Apply LDIF as the one who may change all."""
        subprocess.run(
            [
                *(require("ldapmodify", "ldap-utils"), "-x", "-H", self.tls_url, "-D", ROOT),
                *("-w", ROOT_PASSWORD, *(("-a",) if add else ())),
            ],
            input=ldif.encode(),
            check=True,
            capture_output=True,
            env=_TRUSTING,
        )

    def set_password(self, name: str, password: str) -> None:
        self.modify(
            f"dn: {dn_of(name)}\nchangetype: modify\nreplace: userPassword\n"
            f"userPassword: {password}\n"
        )

    def lock(self, name: str) -> None:
        """Lock an entry for ever, as an administrator does with ppolicy."""
        self.modify(
            f"dn: {dn_of(name)}\nchangetype: modify\nadd: pwdAccountLockedTime\n"
            "pwdAccountLockedTime: 000001010000Z\n"
        )

    def unlock(self, name: str) -> None:
        self.modify(f"dn: {dn_of(name)}\nchangetype: modify\ndelete: pwdAccountLockedTime\n")

    def delete(self, dn: str) -> None:
        self.modify(f"dn: {dn}\nchangetype: delete\n")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        asked = [*(require("ldapwhoami", "ldap-utils"), "-x", "-H", self.tls_url, "-D", ROOT)]
        done = subprocess.run([*asked, "-w", ROOT_PASSWORD], capture_output=True, env=_TRUSTING)
        return done.returncode == 0


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    """An OpenLDAP server of this test alone, running."""
    folder = tmp_path / "slapd"
    folder.mkdir()
    server = Slapd(folder, Authority(tmp_path))
    try:
        yield server
    finally:
        server.stop()


def dn_of(name: str, branch: str = "people") -> str:
    return f"uid={name},ou={branch},{BASE}"


def person(name: str, full_name: str, *, gid: int = 500, branch: str = "people") -> str:
    """The entry of a person, as LDIF."""
    return (
        f"\ndn: {dn_of(name, branch)}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\n"
        f"uid: {name}\ncn: {name}\nsn: {name}\ndisplayName: {full_name}\n"
        f"uidNumber: 5000\ngidNumber: {gid}\nhomeDirectory: /home/{name}\n"
        f"userPassword: {PASSWORD}\n"
    )


def password_file(folder: Path, password: str = READER_PASSWORD) -> Path:
    """A file with the search account's password, as the configuration wants it."""
    path = folder / "reader.password"
    path.write_text(password + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def section(slapd: Slapd, folder: Path, *lines: str, url: str = "", name: str = "school") -> str:
    """`[directory.school]` for this server: teachers are staff, pupils are students."""
    return "\n".join(
        (
            f"\n[directory.{name}]",
            f"url = {url}" if url.startswith("[") else f'url = "{url or slapd.tls_url}"',
            f'base_dn = "{BASE}"',
            f'bind_dn = "{READER}"',
            f'bind_password_file = "{password_file(folder)}"',
            f'ca = "{slapd.ca}"',
            *lines,
            f"[directory.{name}.groups]",
            f'"{TEACHERS}" = "staff"',
            f'"{PUPILS}" = "student"',
            "",
        )
    )
