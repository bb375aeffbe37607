"""What the commands that are asked most have to load before they can answer."""

from __future__ import annotations

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
