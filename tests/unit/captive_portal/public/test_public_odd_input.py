"""What no browser sends: NUL, names of `url_for`, hosts that are none."""

from __future__ import annotations

import re

import pytest

from db.models import AuthEvent, NasClient
from identity.office import Office
from tests.unit.captive_portal.public.conftest import Visitor, make_app

NUL = "\0"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/?u=%00", id="field"),
        pytest.param("/?%00=1", id="name"),
        pytest.param("/p/hall%00/", id="gateway"),
        pytest.param("/registration/ABCD%00", id="reference"),
    ],
)
def test_nul_in_an_address_is_refused(reader: Visitor, path: str) -> None:
    assert reader.get(path).status_code == 400


def test_nul_never_reaches_either_database(office_on: Office) -> None:
    visitor = Visitor(make_app(office_on))
    assert visitor.fill("/", username=f"som{NUL}chai", password="x" * 9).status_code == 400
    assert visitor.fill("/", username="somchai", password=f"xx{NUL}xx").status_code == 400
    assert visitor.fill("/register", full_name=f"A{NUL}B").status_code == 400
    with office_on.database.read() as session:
        assert session.query(AuthEvent).count() == 0


@pytest.mark.parametrize(
    "query",
    ["_scheme=javascript&_external=1", "_anchor=x&_method=POST", "endpoint=status.show"],
)
def test_an_address_cannot_decide_where_our_links_lead(reader: Visitor, query: str) -> None:
    answer = reader.get(f"/voucher?{query}&c=ABCDE")
    assert answer.status_code == 200
    (link,) = re.findall(r'class="lang" href="([^"]+)"', answer.text)
    assert link.startswith("/voucher?") and "c=ABCDE" in link
    assert "javascript" not in link and "#" not in link


def test_an_asked_reference_does_not_replace_the_one_of_the_page(reader: Visitor) -> None:
    answer = reader.get("/registration/ABCDE?reference=FGHJK")
    assert answer.status_code == 404
    assert "FGHJK" not in answer.text


def test_a_host_that_is_none_is_a_strangers(reader: Visitor, nas: NasClient) -> None:
    assert nas.name
    answer = reader.get("/", headers={"Host": "[", "Accept-Language": "en"})
    assert answer.status_code in (200, 302, 400)
