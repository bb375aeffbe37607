"""Doctor on who may send flows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Site
from yuenyan.checkup.site import check_exporters


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"netflow": ("0.0.0.0:2055",), "ipfix": ()}, ["0.0.0.0:2055"]),
        ({"netflow": ("127.0.0.1:2055",), "ipfix": ("[::]:4739",)}, ["[::]:4739"]),
        ({"netflow": ("127.0.0.1:2055",), "ipfix": ("[::1]:4739",)}, []),
        ({"netflow": ("0.0.0.0:2055",), "exporters": ("10.0.0.0/8",)}, []),
    ],
)
def test_a_port_for_flows_that_is_open_to_anybody_is_told_with_what_to_do(
    site: Site, change: dict[str, Any], told: list[str]
) -> None:
    collector = site.config.collector.model_copy(update=change)
    config = site.config.model_copy(update={"collector": collector})
    found = list(check_exporters(config))
    assert [one.check for one in found] == ["collector.exporters"] * len(told)
    for finding, listen in zip(found, told, strict=True):
        assert listen in finding.what and "exporters = [" in finding.todo
