"""Redirects and hand-overs of each make as JSON files, and a controller that answers by them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import MultiDict

from captive_portal.vendors.controller import Answer, Call, Controller
from captive_portal.vendors.profile import Arrival, Entry, Gateway, Outcome

FOLDER = Path(__file__).parent / "portal"
FIXTURES = sorted(FOLDER.glob("*/*.json"))


def load(path: Path) -> dict[str, Any]:
    """One fixture; `source` says where it comes from."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert found["source"]
    return found


def gateway_in(make: str, fixture: Mapping[str, Any]) -> Gateway:
    """The registered network device of a fixture."""
    values = {"login_url": "", "settings": {}, "portal_url": "", **fixture["gateway"]}
    return Gateway(id=1, name="hall", vendor=make, **values)


def query_in(text: str) -> dict[str, str]:
    """The first of each name, as the portal reads it."""
    return dict(MultiDict(parse_qsl(text, keep_blank_values=True)).items())


def arrival_in(fixture: Mapping[str, Any]) -> Arrival:
    """What the fixture says is read."""
    values = dict(fixture["arrival"])
    return Arrival(**values | {"outcome": Outcome(values.get("outcome", "new"))})


def entry_in(fixture: Mapping[str, Any]) -> Entry:
    """Whom the fixture lets in."""
    return Entry(**fixture["entry"])


@dataclass(slots=True)
class Told:
    """Answers what a fixture says, and keeps what was asked."""

    answers: Sequence[Mapping[str, Any]]
    asked: list[tuple[Controller, Call]] = field(default_factory=list)

    def exchange(self, controller: Controller, call: Call) -> Answer:
        """Takes the place of the real call."""
        self.asked.append((controller, call))
        told = self.answers[len(self.asked) - 1]
        return Answer(
            status=told["status"],
            headers=told.get("headers", {}),
            cookies=told.get("cookies", {}),
            body=json.dumps(told["json"]).encode() if "json" in told else b"",
        )
