"""How gunicorn is set up: captive_portal.web.server."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from gunicorn.app.base import BaseApplication

from captive_portal.web import server
from captive_portal.web.worker import DeadlineWorker


def test_the_settings_given_reach_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run(application: Any) -> None:
        seen.update({name: setting.get() for name, setting in application.cfg.settings.items()})
        seen["app"] = application.load()
        raise SystemExit(0)

    monkeypatch.setattr(BaseApplication, "run", run)
    app = Flask("test")
    assert server.serve(lambda: app, "127.0.0.1:8080", 2, 3, "portal") == 0
    assert seen["app"] is app
    assert seen["bind"] == ["127.0.0.1:8080"]
    assert (seen["workers"], seen["threads"], seen["worker_class"]) == (2, 3, DeadlineWorker)
    assert seen["secure_scheme_headers"] == {}
    assert seen["forwarded_allow_ips"] == []


def test_the_exit_code_of_gunicorn_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_application: Any) -> None:
        raise SystemExit("cannot bind")

    monkeypatch.setattr(BaseApplication, "run", run)
    assert server.serve(lambda: Flask("test"), "127.0.0.1:8080", 1, 1, "portal") == 1


def test_a_worker_that_ends_does_not_go_on_as_the_master(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_application: Any) -> None:
        monkeypatch.setattr("os.getpid", lambda: -1)
        raise SystemExit(0)

    monkeypatch.setattr(BaseApplication, "run", run)
    with pytest.raises(SystemExit):
        server.serve(lambda: Flask("test"), "127.0.0.1:8080", 1, 1, "portal")
