"""An export on a request of officials gives out what the request allows, and is a step of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from common.errors import NetAccessError, NotFound, Refused
from db.engine import Database
from db.models import Exhibit, RegisterStep
from tests.conftest import Site
from tests.unit.traffic.evidence.seed import PUBLIC, moment, official_request
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
        pytest.param("somchai", True, {"user": "malee"}, Refused, "malee does not", id="another"),
        pytest.param(
            "สมชาย ใจดีมาก", True, {"user": "somchai"}, Refused, "somchai does", id="a-longer-name"
        ),
        pytest.param(
            "10.1.2.3",
            True,
            {"address": "10.1.2.4"},
            Refused,
            "10.1.2.4 does",
            id="another-address",
        ),
        pytest.param(
            "198.51.100.7:50000",
            True,
            {"user": "somchai"},
            Refused,
            "somchai does",
            id="whoever-is-behind-the-address",
        ),
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


@pytest.mark.parametrize(
    ("about", "asked"),
    [
        pytest.param("SOMCHAI", {"user": "somchai"}, id="name"),
        pytest.param("นายสมชาย  ใจดี ชั้น ม.3", {"user": "somchai"}, id="full-name-in-a-sentence"),
        pytest.param("198.51.100.7:50000 tcp", {"address": PUBLIC, "port": 50_000}, id="port"),
        pytest.param("::ffff:198.51.100.7", {"address": PUBLIC}, id="mapped"),
        pytest.param("10.1.2.0/24", {"address": "10.1.2.3"}, id="prefix"),
        pytest.param("3C-22-FB-01-02-03", {"mac": "3c:22:fb:01:02:03"}, id="device"),
        pytest.param("malee\nsomchai", {"user": "somchai"}, id="one-of-two"),
        pytest.param(PUBLIC, {"address": PUBLIC, "user": "somchai"}, id="narrower"),
    ],
)
def test_what_a_request_names_leaves_on_it_however_it_is_written(
    world: Site, about: str, asked: dict[str, Any]
) -> None:
    assert make(world, request=official_request(world, about), **asked).records


def test_a_session_leaves_on_a_request_that_names_whose_it_was(world: Site) -> None:
    asked = ("--session", "key-somchai", "--case", "12/2569", "--reason", "x")
    assert world.yuenyan("flows", *asked).exit_code == 0
    assert make(world, "one.zip", request=official_request(world, "somchai")).records
    with pytest.raises(Refused, match="key-somchai does not"):
        make(world, "two.zip", request=official_request(world, "malee"))


def test_a_request_about_nobody_in_particular_may_be_about_everyone(world: Site) -> None:
    assert make(world, everyone=True, request=official_request(world)).records
