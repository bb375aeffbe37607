"""The admin portal over a fresh site, and officers of each level at it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from captive_portal.admin import create_app
from common import config as configuration
from identity.office import Office
from tests.conftest import ADMIN, ADMIN_PASSWORD, write_configuration
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.compiled import COMPILED
from yuenyan.initialise import initialise

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Officer:
    """Somebody at a browser: carries the form token of the last page into each post."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, headers={"Accept-Language": "en"}, **more)

    def post(self, path: str, token_from: str = "/", **fields: Any) -> TestResponse:
        """Post a form with the token of the page at `token_from`."""
        found = _TOKEN.search(self.get(token_from).text)
        assert found is not None, f"{token_from} has no form"
        return self.client.post(
            path,
            data={**fields, "csrf_token": found[1]},
            headers={"Accept-Language": "en"},
        )

    def follow(self, path: str, token_from: str = "/", **fields: Any) -> str:
        """The text of the page a post leads to."""
        response = self.post(path, token_from, **fields)
        assert response.status_code == 302, response.text
        return self.get(response.location).text

    def sign_in(self, username: str, password: str) -> TestResponse:
        return self.post("/sign-in", "/sign-in", username=username, password=password)


@pytest.fixture(scope="session")
def _made_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As everywhere, with one officer of each level in it already."""
    folder = tmp_path_factory.mktemp("site")
    config = configuration.load(write_configuration(folder))
    initialise(config, ADMIN, ADMIN_PASSWORD)
    made = Office.open(config)
    seed.add_officers(made)
    made.database.dispose()
    return folder


@pytest.fixture
def app(office: Office) -> Iterator[Flask]:
    """The admin portal of `office`, which has one officer of each level."""
    made = create_app(office)
    made.jinja_env.bytecode_cache = COMPILED
    made.testing = True
    yield made


@pytest.fixture
def signed_in(app: Flask) -> Callable[[str], Officer]:
    """Signs an officer in: `signed_in("head")`."""

    def make(username: str) -> Officer:
        officer = Officer(app)
        password = ADMIN_PASSWORD if username == ADMIN else seed.OFFICER_PASSWORD
        assert officer.sign_in(username, password).status_code == 302
        return officer

    return make


@pytest.fixture
def admin(signed_in: Callable[[str], Officer]) -> Officer:
    """The administrator, signed in."""
    return signed_in("head")
