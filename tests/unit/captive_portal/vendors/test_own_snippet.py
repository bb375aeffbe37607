"""What `yuenyan nas snippet` prints for our own gateway is a configuration that it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from captive_portal.vendors.snippets.facts import Facts
from captive_portal.vendors.snippets.registry import snippet_for
from common import config as configuration


@pytest.mark.parametrize("server", ["radius.office.example", "192.0.2.10", "2001:db8::10"])
@pytest.mark.parametrize("name", ["hall", 'the "old" hall'])
def test_the_section_is_taken_as_it_is_printed(tmp_path: Path, server: str, name: str) -> None:
    facts = Facts(
        name=name,
        vendor="yuenyan",
        portal_url="https://portal.office.example/p/hall/",
        server=server,
        auth_port=1812,
        acct_port=1813,
        login_url="http://10.99.0.1:8090/login",
        secret="of this gateway",
    )
    path = tmp_path / "yuenyan.toml"
    path.write_text(snippet_for(facts).text, encoding="utf-8")
    gateway = configuration.load(path).gateway
    assert gateway.is_configured
    assert (gateway.access, gateway.accounting) == (((server, 1812),), ((server, 1813),))
    assert (gateway.nas_identifier, gateway.public_url) == (name, "http://10.99.0.1:8090")
    assert gateway.portal_url == facts.portal_url
    assert gateway.kernel.portal_hosts == ("portal.office.example",)
