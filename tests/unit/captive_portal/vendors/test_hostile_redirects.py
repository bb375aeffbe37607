"""Hostile values in every parameter that any make knows move nobody anywhere.

Neither the address a browser is sent to, nor the policy of the page, nor a call of our server
follows what a redirect says.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from flask import Flask

from captive_portal.vendors import controller
from captive_portal.vendors.controller import Call, Controller
from captive_portal.vendors.profile import BrowserStep, Entry, Forged, Outcome, ServerStep
from captive_portal.vendors.registry import vendor_called
from captive_portal.web.tokens import Signer, SignIn
from common import config as configuration
from identity.office import Office
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from tests.conftest import add_person, write_configuration
from tests.unit.captive_portal.public.conftest import HERE, Visitor, make_app
from tests.vectors.portal_fixtures import FIXTURES, Told, gateway_in, load, query_in

HOSTILE = {
    "metadata": "http://169.254.169.254/",
    "metadata-host": "169.254.169.254",
    "no-scheme": "//evil.example/x",
    "plain": "https://evil.example/login",
    "script": "javascript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "lines": "x\r\nLocation: https://evil.example/\r\n\r\n",
    "encoded-lines": "%0d%0aSet-Cookie:%20evil.example=1",
    "user": "https://n143.network-auth.com@evil.example/splash/login?mauth=x",
    "backslash": "https:\\\\evil.example\\login",
    "unicode": "https://еvil.example/логин",
    "full-width": "https://evil。example／x",
    "bidi": "\u202eevil.example",
    "nul": "evil.example\0.network-auth.com",
    "path": "../../../evil.example/api",
    "quote": "\"><form action='https://evil.example/'>",
    "policy": "evil.example; form-action *",
    "filter": "') or macAddress.ne('evil.example",
    "long": "evil.example" * 4000,
}


def _one_of_each() -> Mapping[str, Path]:
    """A fixture of each make and mode that hands somebody over."""
    found: dict[str, Path] = {}
    for path in FIXTURES:
        fixture = load(path)
        if "entry" in fixture and not fixture.get("forged"):
            settings = fixture["gateway"]["settings"]
            how = f"{settings.get('mode', '')} {settings.get('login', '')}".strip()
            found.setdefault(f"{path.parent.name} {how}".strip(), path)
    return found


_HANDING_OVER = _one_of_each()
_TARGETS = {
    *("url", "userurl", "redirurl", "link-orig", "link-login-only", "link-login", "login_url"),
    *("base_grant_url", "switch_url", "switchip", "post", "target", "targetPort", "scheme", "sip"),
    *("nbiIP", "uamip", "uamport", "ga_srvr", "action", "site", "zone", "redirect", "continue_url"),
}
_SIGNED = {"coova", "chillispot"}
_SHOWN = {"ssidName"}
"""Name of a network: any text, and sent as one."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where one hand-over leads: a browser's target, or the calls to a controller."""

    places: tuple[tuple[str, ...], ...]
    values: tuple[str, ...]


def way(fixture: Mapping[str, Any], make: str, query: Mapping[str, str], raw: str) -> Way | None:
    """What this redirect comes to; None when it is refused."""
    profile, gateway = vendor_called(make), gateway_in(make, fixture)
    try:
        arrival = profile.read(query, raw, gateway)
    except Forged:
        return None
    kept = replace(arrival, url="", language="", outcome=Outcome.NEW, reason="", from_ip=False)
    step = profile.step(kept, gateway, Entry(**fixture["entry"]))
    if isinstance(step, BrowserStep):
        parts = urlsplit(step.url)
        place = (step.method, parts.scheme, parts.netloc, parts.path)
        return Way((place,), (step.url, *(text for pair in step.fields for text in pair)))
    assert isinstance(step, ServerStep)
    answers = [call["answer"] for call in fixture.get("calls", ())]
    told = Told(answers or [{"status": 500}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controller, "exchange", told.exchange)
        step.run()
    places = tuple((where.url, call.method, urlsplit(call.path).path) for where, call in told.asked)
    return Way(places, tuple(text for _, call in told.asked for text in _texts(call)))


def _texts(call: Call) -> Iterator[str]:
    yield call.path
    yield from call.headers.values()
    if call.headers.get("Content-Type") == "application/json":
        yield from (str(text) for name, text in json.loads(call.body).items() if name not in _SHOWN)
    else:
        yield from (text for name, text in parse_qsl(call.body.decode()) if name not in _SHOWN)


@pytest.mark.parametrize("which", _HANDING_OVER)
def test_no_parameter_moves_a_target_or_a_call(which: str) -> None:
    path = _HANDING_OVER[which]
    make, fixture = path.parent.name, load(path)
    if make in _SIGNED:  # with a signature nothing of it could be changed at all
        settings = {**fixture["gateway"]["settings"], "uamsecret": ""}
        fixture["gateway"] = {**fixture["gateway"], "settings": settings}
    good = query_in(fixture["query"])
    usual = way(fixture, make, good, fixture["query"])
    assert usual is not None
    names, read = sorted({*good, *_TARGETS}), 0
    for kind, value in HOSTILE.items():
        for name in names:
            rest = [pair for pair in fixture["query"].split("&") if pair.partition("=")[0] != name]
            raw = "&".join((*rest, urlencode({name: value})))
            found = way(fixture, make, {**good, name: value}, raw)
            if found is None:
                continue
            read += 1
            # A call less is made where no device is named; never another.
            less = usual.places[: len(found.places)]
            again = make in _SIGNED and found.places[0][2:] == ("10.1.0.1:3990", "/prelogin")
            assert found.places == less or again, (kind, name)
            assert not [text for text in found.values if _is_hostile(text)], (kind, name)
    assert read > len(names) * len(HOSTILE) // 2


def _is_hostile(text: str) -> bool:
    return "evil" in text or "http://169" in text or "alert" in text or "\n" in text


@pytest.fixture(scope="module")
def _shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One portal for the whole module, with a network device of each make."""
    made = request.getfixturevalue("_made_site")
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copytree(made / "var", folder / "var")
    office = Office.open(configuration.load(write_configuration(folder)))
    add_person(office, "somchai")
    with office.database.write() as session:
        for number, path in enumerate(_HANDING_OVER.values(), 1):
            fixture = load(path)
            row = add_nas(
                session, office, f"{path.parent.name}-{path.stem}", f"10.9.{number}.1/32",
                "secret of it", "test", vendor=path.parent.name,
                login_url=fixture["gateway"].get("login_url") or None,
            )  # fmt: skip
            settings = {**fixture["gateway"]["settings"], "uamsecret": ""}
            row.portal_settings_encrypted = seal_portal_settings(office, settings)
    yield make_app(office), office
    office.database.dispose()


@pytest.mark.sampled
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_no_page_is_moved_by_what_all_makes_are_sent(
    _shared: tuple[Flask, Office], value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, office = _shared
    visitor = Visitor(app)
    called: list[Controller] = []

    def exchange(where: Controller, _call: Call) -> controller.Answer:
        called.append(where)
        raise controller.Unreachable("test")

    monkeypatch.setattr(controller, "exchange", exchange)
    signer = Signer.open(office.config.keys_dir / "portal-session.key")
    anybody = SignIn(key="k", account_id=2, since=office.clock(), method="portal")
    pages = 0
    for path in _HANDING_OVER.values():
        fixture, name = load(path), f"{path.parent.name}-{path.stem}"
        query = {known: value[:3000] for known in ("url", "link-orig", "userurl", "post", "sip")}
        query |= {"login_url": value[:3000]} if path.parent.name != "meraki" else {}
        query |= {"target": value[:3000], "switch_url": value[:3000], "nbiIP": value[:3000]}
        query |= {key: text for key, text in query_in(fixture["query"]).items() if key not in query}
        if path.parent.name == "opnsense":
            query["ip"] = HERE
        came = visitor.get(f"/p/{quote(name)}/?{urlencode(query)}", follow_redirects=False)
        assert came.status_code in (302, 400), came.text
        if came.status_code == 400:
            continue
        assert came.location.startswith(("/?visit=", "/status?visit="))
        where = came.location.partition("?")[2]
        with app.test_request_context():
            visit = signer.read_visit(where.partition("visit=")[2].partition("&")[0])
        assert visit is not None
        before = len(called)
        signed_in = signer.sign_in(replace(anybody, nas=visit.nas, mac=visit.mac))
        answer = visitor.get(f"/connect?{where}&s={signed_in}&lang=en")
        pages += 1
        assert "Location" not in answer.headers or answer.location.startswith("/")
        registered = urlsplit(fixture["gateway"].get("login_url", "")).netloc
        policy = re.search("form-action ([^;]*);", answer.headers["Content-Security-Policy"])
        assert policy is not None and "evil" not in policy[1] and "169.254" not in policy[1]
        links = r'(?:form method="post" action|;url|href)="?([^"]+)"'
        for target in re.findall(links, answer.text):
            host = urlsplit(html.unescape(target)).netloc
            allowed = ("", registered, "n143.network-auth.com", "portal.mist.com")
            assert host in (*allowed, "securelogin.arubanetworks.com"), target
        for one in called[before:]:
            assert one.url == fixture["gateway"]["settings"]["controller"]
    # An octet 0 is refused before any make reads it.
    assert pages > len(_HANDING_OVER) // 2 or "\0" in value
