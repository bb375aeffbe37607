"""What is entered into equipment: all that it needs, of every make and mode, and no secret."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from babel.messages import Message
from babel.messages.pofile import read_po

from captive_portal.admin import language
from captive_portal.vendors.profile import Tested as Mark
from captive_portal.vendors.registry import every_vendor, vendor_called
from captive_portal.vendors.snippets.facts import Facts
from captive_portal.vendors.snippets.registry import mark_of, snippet_for
from identity.domain.vendors import VENDORS

ROOT = Path(__file__).parents[4]
WITHOUT_RADIUS = {
    *("unifi api", "unifi legacy", "omada portal", "opnsense", "mist", "meraki click-through"),
    "opennds",
    # The dashboard asks for it under its own name, on the page of the WLAN.
}


def ways() -> list[str]:
    """Every make with every mode it has."""
    found = []
    for name in VENDORS:
        modes = [one.choices for one in vendor_called(name).settings if one.name == "mode"]
        is_own = vendor_called(name).name == name
        found += [f"{name} {mode}" for mode in modes[0]] if modes and is_own else [name]
    return found


def facts(way: str, **more: str) -> Facts:
    name, _, mode = way.partition(" ")
    return Facts(
        name="hall",
        vendor=name,
        portal_url="https://login.school.example/p/hall/",
        server="10.7.0.1",
        auth_port=1812,
        acct_port=1813,
        settings={"mode": mode, "api_key": "KEY-OF-IT", "uamsecret": "KEY-OF-IT"},
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("way", ways())
def test_every_make_and_mode_is_told_where_portal_and_radius_are(way: str) -> None:
    snippet = snippet_for(facts(way, secret="OUR-SECRET"))
    everything = "\n".join((snippet.text, *snippet.files.values()))
    assert "login.school.example" in everything
    assert "KEY-OF-IT" not in everything
    if way not in WITHOUT_RADIUS:
        assert "10.7.0.1" in snippet.text and "OUR-SECRET" in snippet.text
        assert "1812" in snippet.text and "1813" in snippet.text
    assert max(len(line) for line in snippet.text.splitlines()) <= 100


def test_modes_of_one_make_differ() -> None:
    texts = {way: snippet_for(facts(way)).text for way in ways() if " " in way}
    assert len(set(texts.values())) == len(texts)


@pytest.mark.parametrize("way", ["mikrotik", "pfsense", "opnsense"])
def test_pages_for_equipment_need_no_script_and_load_nothing(way: str) -> None:
    files = snippet_for(facts(way)).files
    assert files
    for page in files.values():
        assert 'http-equiv="refresh"' in page and "<a href=" in page
        assert not re.search("<script|<link|<img|src=", page)


def test_the_coa_port_is_the_registered_one() -> None:
    assert "coaport 3799" in snippet_for(facts("coova")).text
    other = snippet_for(facts("coova", coa_port=3800)).text  # type: ignore[arg-type]
    assert "coaport 3800" in other
    assert " port 1700" in snippet_for(facts("cisco 9800")).text


def _lines(text: str) -> dict[str, str]:
    """The lines of a configuration by what they set, without comments and quotes."""
    found = {}
    for line in text.replace("\t", " ").splitlines():
        words = line.split("#")[0].replace("'", "").removeprefix(" option").strip()
        name, _, value = words.partition("=" if re.match("[A-Z]+=", words) else " ")
        if words:
            found[words if name in ("list", "FirewallRule") else name] = value
    return found


@pytest.mark.parametrize("file", ["opennds.conf", "opennds.uci", "yuenyan-opennds.conf"])
def test_opennds_is_told_what_its_examples_tell_with_this_router_in_them(file: str) -> None:
    router = facts("opennds", login_url="http://10.5.0.1:2050/opennds_auth/")
    made = _lines(snippet_for(router).files[file])
    example = (ROOT / "deploy/opennds" / file).read_text(encoding="utf-8")
    for ours, theirs in (
        ("PORTAL-ADDRESS", "203.0.113.20"), ("login.school.example", "portal.school.example"),
        ("hall", "GATE"), ("FASKEY", "KEY"), ("INSIDE", "br-lan"),
    ):  # fmt: skip
        made = {
            name.replace(ours, theirs): value.replace(ours, theirs) for name, value in made.items()
        }
    assert made == _lines(example.replace("gatewayinterface INSIDE", "gatewayinterface br-lan"))


def test_opennds_is_told_its_level_and_the_port_of_its_own_web_server() -> None:
    router = replace(
        facts("opennds", login_url="http://10.5.0.1:8888/opennds_auth/"),
        portal_url="https://192.0.2.7:8443/p/hall/",
        settings={"level": "3", "faskey": "k" * 32},
    )
    snippet = snippet_for(router)
    lines = snippet.files["opennds.conf"].splitlines()
    assert {"fas_secure_enabled 3", "fasport 443", "fasremoteip 192.0.2.7"} <= set(lines)
    assert (
        "gatewayport 8888" in lines and "  FirewallRule allow tcp port 8443 to 192.0.2.7" in lines
    )
    agent = snippet.files["yuenyan-opennds.conf"]
    assert "PORTAL=https://192.0.2.7:8443/opennds/hall\n" in agent
    assert "k" * 32 not in snippet.text + "".join(snippet.files.values())
    assert "--set level=3 " in snippet.text
    assert "--login-url http://10.5.0.1:8888/opennds_auth/ " in snippet.text


def test_secrets_do_not_break_out_of_their_place() -> None:
    secret = 'a" ; /system reset-configuration ; "$x\\'
    text = snippet_for(facts("mikrotik", secret=secret)).text
    assert r'secret="a\" ; /system reset-configuration ; \"\$x\\"' in text


def test_the_table_of_makes_tells_how_each_is_proven() -> None:
    page = (ROOT / "docs/gateways.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([a-z, ]+) \|.*\| ([a-z ]+) \|$", page, re.MULTILINE))
    marks = {name: mark for names, mark in rows.items() for name in names.split(", ")}
    words = {Mark.FIXTURE: "fixture", Mark.PROGRAM: "program", Mark.UNTESTED: "untested"}
    for vendor in every_vendor():
        assert marks.get(vendor.name) == words[vendor.tested], vendor.name
        assert mark_of(vendor.name)


def test_the_help_of_every_setting_has_a_thai_text() -> None:
    catalogue: dict[Any, Message] = {}
    for name in ("gateways.po", "makes.po"):
        path = Path(language.__file__).parent / "translations/th/LC_MESSAGES" / name
        with path.open("rb") as stream:
            catalogue |= {message.id: message for message in read_po(stream, locale="th")}
    helps = {one.help for vendor in every_vendor() for one in vendor.settings if one.help}
    assert len(helps) >= 30
    for text in helps:
        assert text in catalogue and re.search("[ก-๙]", str(catalogue[text].string)), text


def test_central_web_authentication_has_its_redirect_list_and_listens_to_the_portal() -> None:
    way = facts("cisco cwa")
    text = snippet_for(
        replace(way, settings={**way.settings, "redirect_acl": "CAUGHT", "ssids": "Hall"})
    ).text
    assert "ip access-list extended CAUGHT" in text and "permit tcp any any eq www" in text
    assert "dynamic-author" in text and "port 1700" in text
    assert "mac-filtering" in text and " nac\n" in text
    assert "ap-macaddress-ssid" in text and ": Hall. On any other" in text
