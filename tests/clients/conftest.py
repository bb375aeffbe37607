"""A RADIUS server that many tests share, once on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.radclient import Nas
from tests.integration.radius_site import LOOPBACK, LiveSite, running_radius, site_of_kind
from tests.programs import require
from tests.slapd import slapd

__all__ = ["live", "nas", "slapd"]

KINDS = [
    pytest.param("sqlite", marks=pytest.mark.xdist_group("radius-sqlite")),
    pytest.param("postgresql", marks=pytest.mark.xdist_group("radius-postgresql")),
]


@pytest.fixture(scope="session", params=KINDS)
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    """A running server that knows loopback as a NAS; tests share it and name their own people."""
    require("radclient", "freeradius-utils")
    made = site_of_kind(request, tmp_path_factory.mktemp("radius"), request.param)
    made.add_nas("gate", LOOPBACK)
    with running_radius(made):
        yield made


@pytest.fixture
def nas(live: LiveSite) -> Nas:
    """The NAS on 127.0.0.1."""
    return Nas(live)
