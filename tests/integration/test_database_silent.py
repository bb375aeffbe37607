"""A PostgreSQL whose machine is gone without a word: its packets are dropped, none is refused."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from common import config as configuration
from tests.conftest import (
    ADMIN,
    ADMIN_PASSWORD,
    PostgresqlServer,
    write_configuration,
)
from tests.programs import require, require_root
from yuenyan.initialise import initialise

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(240)]

_PORT = 5433

_VISIT = """
import json, socket, subprocess, sys, threading, time
from pathlib import Path
from captive_portal.public import create_app
from common import config as configuration
from identity.office import Office

file, server, port, nft = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

def carry(one, other):
    try:
        while octets := one.recv(65536):
            other.sendall(octets)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def relay():
    while True:
        near, _ = listening.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(server)
        for pair in ((near, far), (far, near)):
            threading.Thread(target=carry, args=pair, daemon=True).start()

listening = socket.create_server(("127.0.0.1", port))
threading.Thread(target=relay, daemon=True).start()

client = create_app(Office.open(configuration.load(Path(file)))).test_client()

def visit(path="/healthz"):
    began = time.monotonic()
    status = client.get(path).status_code
    return [status, round(time.monotonic() - began, 1)]

told = [visit()]
rule = "add table ip dark; add chain ip dark in { type filter hook input priority 0; }"
subprocess.run([nft, rule], check=True)
subprocess.run([nft, f"add rule ip dark in tcp dport {port} drop"], check=True)
subprocess.run([nft, f"add rule ip dark in tcp sport {port} drop"], check=True)
told += [visit(), visit(), visit("/")]
subprocess.run([nft, "delete table ip dark"], check=True)
told.append(visit())
print(json.dumps(told))
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    require_root()
    name = f"yd-{secrets.token_hex(3)}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=20)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, timeout=20)
        yield name
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["ip", "netns", "del", name], check=True, timeout=20)


def test_a_visitor_is_told_within_seconds_and_the_next_one_after_it_is_back_is_served(
    namespace: str, postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    url = postgresql.create_database("migrated")
    file = write_configuration(tmp_path, url)
    initialise(configuration.load(file), ADMIN, ADMIN_PASSWORD)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute("SHOW unix_socket_directories").fetchone()
    assert row is not None
    write_configuration(tmp_path, url.replace(f":{postgresql.port}/", f":{_PORT}/"))
    socket_path = f"{row[0]}/.s.PGSQL.{postgresql.port}"
    nft = require("nft", "nftables")
    words = [sys.executable, "-c", _VISIT, str(file), socket_path, str(_PORT), nft]
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *words],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, dark, darker, page, after = json.loads(done.stdout.splitlines()[-1])
    assert before[0] == 200
    assert dark[0] == 503 and 4 < dark[1] < 8, "the idle connection is given up"
    assert darker[0] == 503 and 2 < darker[1] < 6, "a new one is not waited for any longer"
    assert page[0] in (200, 503) and page[1] < 8, "whatever a page asks for"
    assert after[0] == 200 and after[1] < 4
