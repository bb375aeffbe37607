"""Fixtures that every kind of test may use: a site, its office, databases of both kinds.

A site is made once per test process and copied, so that a test has its own in milliseconds.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zlib import crc32

import psycopg
import pytest
import structlog

from common import config as configuration
from common.config import Config
from db import engine as engines
from db.engine import Database
from db.migrate import upgrade
from identity.office import Office
from identity.services import people
from tests.argon2_once import Argon2Once
from tests.programs import missing, require_postgresql
from tests.shared_statements import SharedStatements
from yuenyan import cli
from yuenyan.initialise import initialise

ADMIN = "head"
ADMIN_PASSWORD = "correct horse battery"
"""The first administrator of every test site."""

_CONFIGURATION = """\
[site]
name = "Test school"
data_dir = "{data_dir}"
[database]
url = "{url}"
[radius]
auth = ["127.0.0.1:0"]
acct = ["127.0.0.1:0"]
workers = 2
[portal]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[collector]
netflow = ["127.0.0.1:0"]
ipfix = ["127.0.0.1:0"]
syslog = ["127.0.0.1:0"]
exporters = ["any"]
[clock]
servers = []
chronyc = ""
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command came to."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Site:
    """A site that `yuenyan init` has made, with a first administrator."""

    config_file: Path
    config: Config

    @property
    def data_dir(self) -> Path:
        return self.config.data_dir

    def yuenyan(self, *arguments: str, stdin: str = "") -> Result:
        """Run a command in this process, as `main` would."""
        return run_command("--config", str(self.config_file), *arguments, stdin=stdin)


def run_command(*arguments: str, stdin: str = "") -> Result:
    """Run `yuenyan` with these arguments in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    code: Any = 0
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        patch.object(sys, "argv", ["yuenyan", *arguments]),
        patch.object(sys, "stdin", io.StringIO(stdin)),
    ):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
    return Result(code, stdout.getvalue(), stderr.getvalue())


def write_configuration(folder: Path, url: str = "") -> Path:
    """A configuration file in `folder` for a site there; it listens on loopback only."""
    path = folder / "yuenyan.toml"
    path.write_text(_CONFIGURATION.format(data_dir=folder / "var", url=url), encoding="utf-8")
    return path


_BOTH = re.compile("sqlite|postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--without-sites`: only tests that need no site with keys and a database (`make check`)."""
    parser.addoption("--without-sites", action="store_true", help="leave out tests with a site")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave a part of the long lists of cases, the same ones each time, to `make test-all`.

    Of a `matrix` seven eighths; of each `sampled` test half of its cases, but never all; of
    what runs with real programs on both kinds of database one, in turns.
    """
    if config.getoption("--without-sites"):
        _leave_out(config, items, [item for item in items if "_made_site" in _fixtures(item)])
    _keep_together(items)
    if os.environ.get("YUENYAN_TEST_ALL"):
        return
    left = [
        item
        for item in items
        if item.get_closest_marker("matrix") is not None and crc32(item.name.encode()) % 8
    ]
    alike: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sampled") is not None:
            alike.setdefault(item.nodeid.partition("[")[0], []).append(item)
        elif item.path.parent.name in ("integration", "clients"):
            alike.setdefault(_BOTH.sub("", item.nodeid), []).append(item)
    for name, same in alike.items():
        if len(same) > 1:
            left += same[crc32(name.encode()) % 2 :: 2]
    _leave_out(config, items, left)


def _keep_together(items: list[pytest.Item]) -> None:
    """Have one worker run the tests that share something of their module, or each makes it anew."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("xdist_group") is None:
            known = item._fixtureinfo.name2fixturedefs
            if any(one.scope == "module" for made in known.values() for one in made):
                item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_collection_finish() -> None:
    """Python need not look again and again through what was read in: thousands of tests.

    And what a test leaves behind is looked for less often than in a program that runs for days.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


def _leave_out(config: pytest.Config, items: list[pytest.Item], left: list[pytest.Item]) -> None:
    if left:
        config.hook.pytest_deselected(items=left)
        gone = set(left)
        items[:] = [item for item in items if item not in gone]


@pytest.fixture(autouse=True)
def _logs_of_its_own() -> Iterator[None]:
    """A process that a test ran within itself leaves its log behind, into a closed stream."""
    yield
    structlog.reset_defaults()


_ARGON2 = Argon2Once()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """The hashes that a fixture made are its own as long as it is there."""
    with _ARGON2.kept() as made:
        try:
            return (yield)
        finally:
            if made:
                fixturedef.addfinalizer(lambda: _ARGON2.free(made))


@pytest.fixture(scope="session", autouse=True)
def _argon2_once() -> Iterator[None]:
    with _ARGON2.in_place():
        yield


@pytest.fixture(scope="session", autouse=True)
def _shared_statements() -> Iterator[None]:
    with patch.object(engines, "create_engine", SharedStatements().open_engine):
        yield


@pytest.fixture(autouse=True)
def _hashes_of_its_own() -> Iterator[None]:
    """No two hashes of a test are alike; see tests/argon2_once.py."""
    yield
    _ARGON2.end_test()


@pytest.fixture(autouse=True)
def _without_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit tests talk to nobody; what needs a socket belongs into tests/integration."""
    unit = Path(__file__).parent / "unit"
    if not request.path.is_relative_to(unit) or request.node.get_closest_marker("real"):
        return

    def refuse(_socket: socket.socket, address: object) -> None:
        raise RuntimeError(f"a unit test may not use the network ({address!r})")

    for name in ("bind", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own shell reaches a test."""
    for name in ("YUENYAN_CONFIG", "YUENYAN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def _made_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    config = configuration.load(write_configuration(folder))
    initialise(config, ADMIN, ADMIN_PASSWORD)
    return folder


@pytest.fixture
def site(_made_site: Path, tmp_path: Path) -> Site:
    """A site on SQLite with keys, roles and one administrator (`head`)."""
    shutil.copytree(_made_site / "var", tmp_path / "var")
    path = write_configuration(tmp_path)
    return Site(path, configuration.load(path))


@pytest.fixture
def office(site: Site) -> Iterator[Office]:
    """The office of `site`, on SQLite."""
    opened = Office.open(site.config)
    yield opened
    opened.database.dispose()


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """A PostgreSQL cluster of this test process alone."""

    port: int
    _templates: dict[Path, str] = field(default_factory=dict)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run one statement as superuser, outside a transaction."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def create_database(self, template: str = "template1") -> str:
        """The URL of a new database."""
        name = f"test_{secrets.token_hex(6)}"
        # By copying files, which is cheaper than through the log, where nothing waits for a disk.
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(name)

    def create_site_database(self, made_site: Path) -> str:
        """The URL of a new database that `yuenyan init` has filled, with the keys of that site."""
        if made_site not in self._templates:
            url = self.create_database("migrated")
            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(made_site / "var", Path(folder) / "var")
                config = configuration.load(write_configuration(Path(folder), url))
                initialise(config, ADMIN, ADMIN_PASSWORD)
            self._templates[made_site] = url.rpartition("/")[2]
        return self.create_database(self._templates[made_site])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A real PostgreSQL on loopback, stopped and deleted at the end."""
    programs = require_postgresql()
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        try:
            entry = pwd.getpwnam("postgres")
        except KeyError:
            missing("there is no user 'postgres' (apt-get install postgresql)")
        owner = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="yuenyan-postgresql-"))
    if owner:
        os.chown(folder, owner["user"], owner["group"])
    port = free_port()
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-N"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        **owner,
    )
    with (folder / "log").open("wb") as log:
        # Vacuum would visit hundreds of databases that a test has left for good.
        settings = ["fsync=off", "autovacuum=off"]
        settings += ["listen_addresses=127.0.0.1", "max_connections=100"]
        server = subprocess.Popen(
            [
                programs / "postgres",
                *("-D", folder / "data", "-p", str(port), "-k", folder),
                *(part for setting in settings for part in ("-c", setting)),
            ],
            stdout=log,
            stderr=log,
            cwd="/",
            **owner,
        )
    try:
        running = PostgresqlServer(port)
        # pg_isready, because a connection of psycopg that is turned away warns when collected.
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_until(
            lambda: subprocess.run(ready).returncode == 0, 60, "PostgreSQL accepts no connection"
        )
        running.execute('CREATE DATABASE "migrated"')
        migrated = Database(running.url("migrated"))
        upgrade(migrated)
        migrated.dispose()
        yield running
    finally:
        server.send_signal(2)  # SIGINT: fast shutdown
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.create_database()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def site_on(request: pytest.FixtureRequest, site: Site, _made_site: Path, tmp_path: Path) -> Site:
    """Like `site`, once on each kind of database."""
    if request.param == "sqlite":
        return site
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    path = write_configuration(tmp_path, server.create_site_database(_made_site))
    return Site(path, configuration.load(path))


@pytest.fixture
def office_on(site_on: Site) -> Iterator[Office]:
    """Like `office`, once on each kind of database."""
    opened = Office.open(site_on.config)
    yield opened
    opened.database.dispose()


def add_person(office: Office, name: str, password: str = "password of theirs") -> int:
    """The account number of a new student."""
    new = people.NewUser(username=name, password_hash=office.passwords.hash(password))
    with office.database.write() as session:
        return people.add_user(session, office, new, "test").id


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_COUNTS_SECONDS = 1.0


def wait_until(condition: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Return as soon as `condition()` is true; fail with `otherwise` after `seconds`.

    It is asked less and less often, though ten times a second: asking takes the processor from
    what is waited for, and from the tests beside.

    A machine that stood still, or gave this process no turn, gave none to what is waited for
    either: of the time between two questions no more than a second counts.
    """
    left, pause, asked_at = seconds, 0.02, time.monotonic()
    while not condition():
        now = time.monotonic()
        left, asked_at = left - min(now - asked_at, _COUNTS_SECONDS), now
        if left < 0:
            pytest.fail(otherwise)
        time.sleep(pause)
        pause = min(1.2 * pause, 0.1)
