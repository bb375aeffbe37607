"""Every make reads the redirect of its fixtures as written, and hands the visitor back so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from captive_portal.vendors import controller, mist, profile
from captive_portal.vendors.controller import Call, Controller
from captive_portal.vendors.profile import BrowserStep, Forged, Outcome, ServerStep
from captive_portal.vendors.registry import every_vendor, vendor_called
from tests.vectors.portal_fixtures import (
    FIXTURES,
    FOLDER,
    Told,
    arrival_in,
    entry_in,
    gateway_in,
    load,
    query_in,
)


def test_every_make_has_fixtures() -> None:
    with_fixtures = {path.name for path in FOLDER.iterdir()}
    makes = {vendor.name for vendor in every_vendor()}
    assert {name for name in makes if vendor_called(name).tested is not profile.Tested.PROGRAM} <= (
        with_fixtures
    )
    assert with_fixtures <= makes


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_redirect_is_read_and_the_visitor_handed_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture, make = load(path), vendor_called(path.parent.name)
    assert make.name == path.parent.name
    gateway = gateway_in(make.name, fixture)
    query = query_in(fixture["query"])
    if fixture.get("forged"):
        with pytest.raises(Forged):
            make.read(query, fixture["query"], gateway)
        return
    arrival = make.read(query, fixture["query"], gateway)
    assert arrival == arrival_in(fixture)
    if "entry" not in fixture:
        assert arrival.outcome is not Outcome.NEW
        return
    assert make.can_hand_over(gateway)
    told = Told([call["answer"] for call in fixture.get("calls", ())])
    monkeypatch.setattr(controller, "exchange", told.exchange)
    monkeypatch.setattr(mist, "unix_milliseconds", lambda: fixture.get("now", 0) * 1000)
    # As it comes back from the signed visit: without what only the first page needs.
    kept = replace(arrival, url="", language="", outcome=Outcome.NEW, reason="", from_ip=False)
    step = make.step(kept, gateway, entry_in(fixture))
    if isinstance(step, BrowserStep):
        assert fixture["step"] == {
            "method": step.method,
            "url": step.url,
            "fields": [list(pair) for pair in step.fields],
        }
        return
    assert isinstance(step, ServerStep)
    assert step.run() == fixture["completion"]
    assert [as_written(*asked) for asked in told.asked] == [
        without_answer(call) for call in fixture["calls"]
    ]


def as_written(where: Controller, call: Call) -> dict[str, Any]:
    """A call as a fixture writes it."""
    headers = {name: text for name, text in call.headers.items() if name != "Content-Type"}
    written: dict[str, Any] = {"method": call.method, "url": where.url + call.path}
    written["headers"] = headers
    if call.headers.get("Content-Type") == "application/json":
        written["json"] = json.loads(call.body)
    elif call.body:
        written["form"] = [list(pair) for pair in parse_qsl(call.body.decode(), True)]
    return written


def without_answer(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"headers": {}} | {name: value for name, value in call.items() if name != "answer"}
