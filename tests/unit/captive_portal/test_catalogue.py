"""Whether the walks through all pages know all pages."""

from __future__ import annotations

from captive_portal.admin.app import create_app as create_admin
from captive_portal.public.app import create_app as create_public
from identity.office import Office
from tests.browser import catalogue


def test_every_page_is_in_the_catalogue_or_has_a_reason_why_not(office: Office) -> None:
    known = catalogue.endpoints()
    there = {
        rule.endpoint
        for make in (create_public, create_admin)
        for rule in make(office).url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.endpoint.startswith("detection.probe_")
    }
    assert there - known == set(), "add the new page to tests/browser/catalogue.py"
    assert known - there == set(), "these pages are gone from the portals"
