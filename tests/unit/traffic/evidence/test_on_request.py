"""An export on a request of officials gives out what the request allows, and is a step of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from common.errors import NetAccessError, NotFound, Refused
from db.engine import Database
from db.models import Exhibit, RegisterStep
from tests.conftest import Site
from tests.unit.traffic.evidence.seed import moment, official_request
from tests.unit.traffic.evidence.test_export import _without_pdf, audits, make, world

__all__ = ["_without_pdf", "world"]


def test_the_export_is_a_step_of_the_request(world: Site) -> None:
    number = official_request(world, "somchai")
    made = make(world, user="somchai", request=number.lower())
    database = Database(world.config.database_url)
    with database.read() as session:
        steps = session.execute(select(RegisterStep.action, RegisterStep.sha256)).all()
        assert session.scalars(select(Exhibit.request)).one() == number
    database.dispose()
    assert tuple(steps[-1]) == ("exported", made.sha256)


@pytest.mark.parametrize(
    ("about", "approved", "asked", "error", "why"),
    [
        pytest.param(
            None, True, {"request": "REQ-2569-0099"}, NotFound, "0099", id="no-such-request"
        ),
        pytest.param("", False, {"user": "somchai"}, Refused, "is open", id="not-approved"),
        pytest.param(
            "", True, {"user": "somchai", "to": moment(61)}, Refused, "asks for", id="too-long"
        ),
        pytest.param("somchai", True, {"everyone": True}, Refused, "not everyone", id="everyone"),
        pytest.param("somchai", True, {}, Refused, "not everyone", id="nobody-named"),
    ],
)
def test_what_the_request_does_not_allow_is_refused_before_anything_is_read(
    world: Site,
    about: str | None,
    approved: bool,
    asked: dict[str, Any],
    error: type[NetAccessError],
    why: str,
) -> None:
    if about is not None:
        asked = {"request": official_request(world, about, approved=approved), **asked}
    with pytest.raises(error, match=why):
        make(world, **asked)
    assert audits(world, "evidence:") == []
    assert not (world.data_dir / "bundle.zip").exists()


def test_a_request_about_nobody_in_particular_may_be_about_everyone(world: Site) -> None:
    assert make(world, everyone=True, request=official_request(world)).records
