"""What the tests of EAP have in common."""

from __future__ import annotations

import pytest

from tests.unit.radius_server.eap.lab import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with a server's certificate and alice's; some modules have a richer one."""
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.server()
    made.issue("alice", "alice")
    return made
