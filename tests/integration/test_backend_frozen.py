"""A database that hangs without a word: nobody is let in, and all goes on by itself after.

A process that is stopped still holds its connections, so nothing fails: the hard case.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from db.service_run import EVERY_SECONDS
from tests.clients.eapol import Supplicant
from tests.clients.radclient import Nas
from tests.conftest import wait_until
from tests.integration.radius_site import (
    LOOPBACK,
    LiveSite,
    descendants_of,
    running_radius,
    site_of_kind,
    words_of,
)
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(200), pytest.mark.sampled]

PASSWORD = "seven green elephants"
REJECTS = {"[radius]\n": '[radius]\nbackend_failure = "reject"\n'}
TTLS = {
    "key_mgmt": "WPA-EAP",
    "eap": "TTLS",
    "identity": '"ananda"',
    "password": f'"{PASSWORD}"',
    "phase2": '"auth=PAP"',
}
BACK_SECONDS = 25.0


@contextmanager
def frozen(live: LiveSite) -> Iterator[None]:
    """The site's database hangs while the block runs."""
    url = live.site.config.database_url
    if url.startswith("sqlite"):
        holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            holder.execute("ROLLBACK")
            holder.close()
        return
    family = _postgres_of(url.rpartition(":")[2].partition("/")[0])
    for number in family:
        os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        for number in family:
            os.kill(number, signal.SIGCONT)


def _postgres_of(port: str) -> list[int]:
    """The processes of the cluster that listens on `port`, its first one first."""
    for path in Path("/proc").glob("[0-9]*"):
        words = words_of(int(path.name))
        if words and words[0].endswith("/postgres") and port in words:
            return [int(path.name), *descendants_of(int(path.name))]
    raise AssertionError("the cluster of this test is not running")


@pytest.mark.parametrize("failure", ["silence", "reject"])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nobody_gets_in_while_the_database_hangs_and_everybody_after(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, failure: str
) -> None:
    require("radclient", "freeradius-utils")
    folder = tmp_path / "site"
    folder.mkdir()
    live = site_of_kind(request, folder, kind, REJECTS if failure == "reject" else None)
    live.add_nas("gate", LOOPBACK)
    for name in ("ananda", "malee"):
        live.add_person(name, PASSWORD)
    nas = Nas(live, tries=1)
    patient = Nas(live, tries=25 if failure == "reject" else 4)
    phone = Supplicant(live, tmp_path, "3c:22:fb:77:00:01")
    with running_radius(live) as server:
        assert nas.access("ananda", PASSWORD).code == "Access-Accept"
        assert phone.login(TTLS).success
        workers = descendants_of(server.process.pid)
        with frozen(live):
            # Known to nobody, known to memory, and a conversation that ends in a commit.
            answers = {nas.access(name, PASSWORD).code for name in ("malee", "ananda")}
            assert "Access-Accept" not in answers
            assert not phone.login(TTLS).success
            told = patient.access("ananda", PASSWORD).code
            assert told == ("Access-Reject" if failure == "reject" else "")
        wait_until(
            lambda: (
                nas.access("ananda", PASSWORD).code == "Access-Accept"
                and nas.access("malee", PASSWORD).code == "Access-Accept"
                # Each worker notices by itself, and a phone's packets may meet another one.
                and phone.login(TTLS).success
            ),
            BACK_SECONDS,
            "logins do not go on",
        )
        assert descendants_of(server.process.pid) == workers, "a worker was started anew"


def test_a_refusal_comes_at_once_when_the_database_has_hung_for_a_while(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Nobody asks until what each worker writes by itself has come due."""
    require("radclient", "freeradius-utils")
    live = site_of_kind(request, tmp_path, "postgresql", REJECTS)
    live.add_nas("gate", LOOPBACK)
    live.add_person("ananda", PASSWORD)
    nas = Nas(live, tries=3)
    with running_radius(live):
        assert nas.access("ananda", PASSWORD).code == "Access-Accept"
        with frozen(live):
            time.sleep(EVERY_SECONDS + 1)
            # Enough for each worker to get some: the kernel chooses by the sender's port.
            answers = [nas.access("ananda", PASSWORD).code for _ in range(8)]
        assert answers == ["Access-Reject"] * 8
