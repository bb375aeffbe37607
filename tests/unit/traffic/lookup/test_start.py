"""What the commands that are asked most have to load before they can answer."""

from __future__ import annotations

import gc
import subprocess
import sys

from tests.conftest import Site
from tests.unit.traffic.lookup.test_service import archive_flows
from tests.vectors.flows.datagrams import Flow

_REPORT = (
    "import sys\n"
    "from yuenyan.cli import main\n"
    "try:\n    main()\n"
    "finally:\n    print(sorted({'sqlalchemy', 'structlog'} & set(sys.modules)))\n"
)


def test_flows_of_an_address_on_sqlite_are_found_without_loading_the_database_layer(
    site: Site,
) -> None:
    archive_flows(site, Flow())
    asked = ["flows", "--address", "10.1.2.3", "--from", "2026-05-16T00:00:00Z"]
    asked += ["--to", "2026-05-17T00:00:00Z", "--case", "c", "--reason", "r", "--json"]
    ran = subprocess.run(
        [sys.executable, "-c", _REPORT, "--config", str(site.config_file), *asked],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "[]"
    assert '"outcome"' in ran.stdout or '"flows"' in ran.stdout


_LAST_REPORT = (
    "import gc, os, sys\n"
    "def report(code):\n"
    "    heavy = {'structlog', 'numpy', 'Crypto', 'cryptography', 'argon2', 'alembic', 'psycopg',"
    " 'identity.office', 'identity.services.registers'}\n"
    "    print(code, gc.isenabled(), sorted(heavy & set(sys.modules)))\n"
    "    raise SystemExit\n"
    "os._exit = report\n"
    "from yuenyan.cli import main\n"
    "main(is_last=True)\n"
)


def test_a_look_up_loads_what_it_asks_and_ends_without_taking_itself_apart(site: Site) -> None:
    archive_flows(site, Flow())
    asked = ["lookup", "--address", "10.1.2.3", "--at", "2026-05-16T00:00:00Z"]
    asked += ["--case", "c", "--reason", "r"]
    ran = subprocess.run(
        [sys.executable, "-c", _LAST_REPORT, "--config", str(site.config_file), *asked],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "0 False []"
    assert "10.1.2.3" in ran.stdout


def test_a_look_up_that_is_refused_or_cannot_be_printed_ends_with_its_code(site: Site) -> None:
    command = [sys.executable, "-m", "yuenyan.cli", "--config", str(site.config_file), "lookup"]
    command += ["--address", "10.1.2.3", "--at", "2026-05-16T00:00:00Z", "--case", "c"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert (refused.returncode, "reason" in refused.stderr) == (2, True)
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        lost = subprocess.run([*command, "--reason", "r"], stdout=full, stderr=subprocess.PIPE)
    assert (lost.returncode, b"No space left" in lost.stderr) == (3, True)
    closed = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command, "--reason", "r"]
    assert subprocess.run(closed).returncode == 0, "on record alone, as before"


def test_within_a_process_that_goes_on_a_look_up_leaves_garbage_collection_as_it_was(
    site: Site,
) -> None:
    archive_flows(site, Flow())
    asked = ["--address", "10.1.2.3", "--at", "2026-05-16T00:00:00Z", "--case", "c"]
    assert site.yuenyan("lookup", *asked, "--reason", "r").exit_code == 0
    assert gc.isenabled()


def test_a_command_that_goes_on_collects_its_garbage(site: Site) -> None:
    listed = (
        "import gc\n"
        "from unittest.mock import patch\n"
        "from yuenyan.cli import main\n"
        "from yuenyan.context import Context\n"
        "with patch.object(Context, '__init__', lambda *_, **__: print(gc.isenabled())):\n"
        "    main(is_last=True)\n"
    )
    command = [sys.executable, "-c", listed, "--config", str(site.config_file), "user", "list"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.stdout.splitlines()[0] == "True", ran.stderr
