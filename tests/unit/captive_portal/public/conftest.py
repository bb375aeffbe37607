"""A visitor without cookies and without scripts, in front of the public portal."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from captive_portal.public import create_app
from common import config as configuration
from db.models import AddressInterval, NasClient, NetworkSession
from identity.office import Office
from identity.services.nas import add_nas
from tests.conftest import write_configuration
from tests.unit.captive_portal.compiled import COMPILED

HERE = "192.0.2.7"
MAC = "3c22fb010203"
LOGIN_URL = "http://10.5.50.1/login"


def make_app(office: Office) -> Flask:
    """The portal of `office`."""
    made = create_app(office)
    made.jinja_env.bytecode_cache = COMPILED
    return made


@dataclass(slots=True)
class Visitor:
    """Somebody at one address who keeps no cookies."""

    app: Flask
    address: str = HERE

    def get(self, path: str, **options: Any) -> TestResponse:
        return self._client().get(path, environ_base={"REMOTE_ADDR": self.address}, **options)

    def post(self, path: str, **fields: str) -> TestResponse:
        """Send fields exactly as given."""
        return self._client().post(path, data=fields, environ_base={"REMOTE_ADDR": self.address})

    def fill(self, path: str, action: str = "", **fields: str) -> TestResponse:
        """Open the form at `path` and send it with `fields`; hidden fields go along."""
        opened = self.get(path).text
        forms = re.findall(r"<form.*?</form>", opened, re.S)
        form = next(form for form in forms if action in form)
        target = re.search(r'action="([^"]+)"', form)
        assert target is not None
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        fields = {key: html.unescape(value) for key, value in hidden.items()} | fields
        return self.post(html.unescape(target[1]), **fields)

    def follow(self, answer: TestResponse) -> TestResponse:
        """Open where a redirect leads."""
        assert answer.status_code in (302, 303)
        return self.get(answer.location)

    def _client(self) -> FlaskClient:
        return self.app.test_client(use_cookies=False)


@pytest.fixture
def app(office: Office) -> Flask:
    return make_app(office)


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture(scope="session")
def reader(_made_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A visitor of one portal that tests share who only look; it costs no new site."""
    folder = tmp_path_factory.mktemp("shared-portal")
    shutil.copytree(_made_site / "var", folder / "var")
    office = Office.open(configuration.load(write_configuration(folder)))
    yield Visitor(make_app(office))
    office.database.dispose()


@pytest.fixture
def make_visitor(office: Office) -> Callable[..., Visitor]:
    """A visitor of a portal whose [portal] section has other values."""

    def make(**values: Any) -> Visitor:
        portal = office.config.portal.model_copy(update=values)
        config = office.config.model_copy(update={"portal": portal})
        return Visitor(make_app(replace(office, config=config)))

    return make


@pytest.fixture
def nas(office: Office) -> NasClient:
    """A gateway called `hall` that takes one-time tokens."""
    with office.database.write() as session:
        return add_nas(
            session, office, "hall", "10.5.50.1/32", "secret of hall", "test", login_url=LOGIN_URL
        )


def open_session(
    office: Office, account_id: int | None, address: str = HERE, minutes_ago: int = 10
) -> NetworkSession:
    """An open session with one address, as accounting would have written it."""
    now = office.clock()
    started = now - timedelta(minutes=minutes_ago)
    row = NetworkSession(
        session_key=f"key {address}",
        nas_client_id=1,
        nas_identity="10.5.50.1",
        acct_session_id="1",
        user_name="somchai",
        account_id=account_id,
        calling_station_id=MAC,
        started_at=started,
        last_heard_at=now,
        session_seconds=minutes_ago * 60,
        stop_seen=0,
        input_octets=3_000_000,
        output_octets=4_000_000,
    )
    interval = AddressInterval(
        session_key=row.session_key,
        address=address,
        source="radius",
        from_at=started,
        to_at=now,
        first_offset_seconds=0,
        last_offset_seconds=minutes_ago * 60,
    )
    with office.database.write() as session:
        session.add_all([row, interval])
    return row
