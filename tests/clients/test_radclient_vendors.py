"""What each make of equipment is told, as radclient reads it with the vendors' dictionaries."""

from __future__ import annotations

import re

import pytest

from tests.clients.radclient import Nas
from tests.integration.radius_site import LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PASSWORD = "seven green elephants"
GIGA = 2**32

_EVERY = {
    "User-Name": "lecturer",
    "Acct-Interim-Interval": "300",
    "Idle-Timeout": "900",
    "Session-Timeout": "7200",
    "Tunnel-Type:0": "VLAN",
    "Tunnel-Medium-Type:0": "IEEE-802",
    "Tunnel-Private-Group-Id:0": "30",
    "Egress-VLANID": "0x31000028 0x32000032",
}
_WISPR = {"WISPr-Bandwidth-Max-Up": "2000000", "WISPr-Bandwidth-Max-Down": "8000000"}
_CHILLI = {
    **_WISPR,
    "ChilliSpot-Bandwidth-Max-Up": "2000",
    "ChilliSpot-Bandwidth-Max-Down": "8000",
    "ChilliSpot-Max-Total-Octets": str(5_000_000_000 - GIGA),
    "Attr-26.14559.23": "0x00000001",
    "Attr-26.14559.24": "0x0000001e",
    "Filter-Id": "web-only",
}
_FILTER = {"Filter-Id": "web-only"}

TOLD: dict[str, dict[str, str]] = {
    "generic": {**_WISPR, **_FILTER},
    "hostapd": _FILTER,
    "unifi": {**_WISPR, **_FILTER},
    "omada": {**_WISPR, **_FILTER},
    "coova": _CHILLI,
    "chillispot": _CHILLI,
    "mikrotik": {
        **_FILTER,
        "Mikrotik-Group": "teachers",
        "Mikrotik-Rate-Limit": "2000k/8000k",
        "Mikrotik-Total-Limit": str(5_000_000_000 - GIGA),
        "Mikrotik-Total-Limit-Gigawords": "1",
        "Mikrotik-Wireless-VLANID": "30",
        "Mikrotik-Wireless-VLANID-Type": "802.1q",
    },
    "aruba": {**_WISPR, **_FILTER, "Aruba-User-Role": "teachers"},
    "cisco": {
        **_FILTER,
        "Airespace-ACL-Name": "teachers",
        "Airespace-Data-Bandwidth-Average-Contract": "8000",
        "Airespace-Data-Bandwidth-Average-Contract-Upstream": "2000",
        "Airespace-Data-Bandwidth-Burst-Contract": "8000",
        "Airespace-Data-Bandwidth-Burst-Contract-Upstream": "2000",
    },
    "meraki": {**_FILTER, "Airespace-ACL-Name": "teachers"},
    "ruckus": {**_WISPR, **_FILTER, "Ruckus-User-Groups": "teachers"},
    "fortinet": {**_FILTER, "Fortinet-Group-Name": "teachers"},
    "huawei": {
        **_FILTER,
        "Huawei-Input-Average-Rate": "2000000",
        "Huawei-Output-Average-Rate": "8000000",
        "Huawei-Input-Peak-Rate": "2000000",
        "Huawei-Output-Peak-Rate": "8000000",
    },
    "h3c": {
        **_FILTER,
        "H3C-Input-Average-Rate": "2000000",
        "H3C-Output-Average-Rate": "8000000",
        "H3C-Input-Peak-Rate": "2000000",
        "H3C-Output-Peak-Rate": "8000000",
    },
    "pfsense": {**_WISPR, **_FILTER},  # 5 GB do not fit into its 32 bits
    "opnsense": _FILTER,
    "opennds": {**_WISPR, **_FILTER},
}
_OPAQUE = {"Message-Authenticator", "Class"}


def _told(output: str) -> dict[str, str]:
    """Every attribute of the Accept but those that no two replies share; several in a row."""
    found: dict[str, str] = {}
    _, _, reply = output.partition("Received Access-Accept")
    for name, value in re.findall(r"^\t(\S+) = (.*)$", reply, re.MULTILINE):
        text = value.strip('"')
        if name == "Egress-VLANID" and not text.startswith("0x"):
            text = f"0x{int(text):08x}"
        if name not in _OPAQUE:
            found[name] = f"{found[name]} {text}" if name in found else text
    return found


def test_every_make_reads_its_own_attributes(live: LiveSite) -> None:
    live.yuenyan("role", "set", "lecturers", "--vlan", "30", "--egress-vlans", "40, untagged 50",
                 "--down-kbps", "8000", "--up-kbps", "2000", "--session-seconds", "7200",
                 "--idle-seconds", "900", "--quota-mb-day", "5000", "--filter-id", "web-only",
                 "--vendor-role", "teachers")  # fmt: skip
    live.add_person("lecturer", PASSWORD, "lecturers")
    for number, vendor in enumerate(TOLD, 1):
        live.add_nas(f"make {vendor}", f"127.0.9.{number}/32", "--vendor", vendor)
    live.settle()
    for number, (vendor, own) in enumerate(TOLD.items(), 1):
        answer = Nas(live, source=f"127.0.9.{number}").access("lecturer", PASSWORD)
        assert answer.code == "Access-Accept", (vendor, answer.output)
        assert _told(answer.output) == _EVERY | own, vendor


def test_a_role_goes_as_filter_id_where_the_make_has_nothing_of_its_own(live: LiveSite) -> None:
    live.yuenyan("role", "set", "plain", "--vendor-role", "teachers")
    live.add_person("plain-one", PASSWORD, "plain")
    live.add_nas("plain switch", "127.0.10.1/32")
    live.add_nas("plain controller", "127.0.10.2/32", "--vendor", "aruba")
    live.settle()
    told = _told(Nas(live, source="127.0.10.1").access("plain-one", PASSWORD).output)
    assert told["Filter-Id"] == "teachers"
    told = _told(Nas(live, source="127.0.10.2").access("plain-one", PASSWORD).output)
    assert (told["Aruba-User-Role"], told.get("Filter-Id")) == ("teachers", None)
    live.yuenyan("role", "set", "plain", "--no-limit", "vendor-role")
    live.settle()
    told = _told(Nas(live, source="127.0.10.1").access("plain-one", PASSWORD).output)
    assert "Filter-Id" not in told


def test_the_identity_that_is_charged_is_told_to_who_asks_and_hides_the_user(
    live: LiveSite, nas: Nas
) -> None:
    live.add_person("charged", PASSWORD)
    live.add_person("charged-too", PASSWORD)
    name = "Chargeable-User-Identity"
    assert name not in nas.access("charged", PASSWORD).attributes

    def identity(user: str, **more: str) -> str:
        answer = nas.access(user, PASSWORD, Chargeable_User_Identity="0x00", **more)
        return answer.one(name)

    first = identity("charged")
    assert identity("charged") == first
    assert identity("charged-too") != first
    assert identity("charged", Operator_Name="1school.example") != first
    assert b"charged".hex() not in first


SPELLINGS = {
    "hostapd": ("3c22fb0a0b0c", "3c22fb0a0b0c", "3C-22-FB-0A-0B-0C"),
    "mikrotik": ("3C:22:FB:0A:0B:0C", "", "3C:22:FB:0A:0B:0C"),
    "mikrotik with a type octet": ("1:3c:22:fb:a:b:c", "", "1:3c:22:fb:a:b:c"),
    "coova": ("3C-22-FB-0A-0B-0C", "3C-22-FB-0A-0B-0C", "3C-22-FB-0A-0B-0C"),
    "aruba": ("3c22fb0a0b0c", "3c22fb0a0b0c", "3c22fb0a0b0c"),
    "cisco": ("3c22.fb0a.0b0c", "3c22.fb0a.0b0c", "3c22.fb0a.0b0c"),
    "fortinet": ("3c22fb-0a0b0c", "3c22fb-0a0b0c", "3c-22-fb-0a-0b-0c"),
    "pfsense": ("3c:22:fb:0a:0b:0c", "3c:22:fb:0a:0b:0c", "3c:22:fb:0a:0b:0c"),
    "unifi": ("3C22FB0A0B0C", "3C22FB0A0B0C", "3C-22-FB-0A-0B-0C"),
    "one spelling for the name, another for the password": (
        "3C-22-FB-0A-0B-0C", "3c22.fb0a.0b0c", "3c:22:fb:0a:0b:0c",
    ),
}  # fmt: skip


def test_a_device_comes_in_however_its_address_is_spelt(live: LiveSite, nas: Nas) -> None:
    live.add_person("owner-1", PASSWORD)
    live.yuenyan("device", "add", "3c:22:fb:0a:0b:0c", "--role", "device", "--owner", "owner-1")
    live.settle()
    for make, (name, password, station) in SPELLINGS.items():
        answer = nas.access(name, password, Calling_Station_Id=station)
        assert answer.code == "Access-Accept", (make, answer.output)
        answer = nas.chap(name, password, Calling_Station_Id=station)
        assert answer.code == "Access-Accept", (make, answer.output)
    wrong = nas.access("3c22fb0a0b0c", "guessed", Calling_Station_Id="3C-22-FB-0A-0B-0C")
    assert wrong.code == "Access-Reject"


def test_what_an_officer_has_set_on_the_equipment_is_good_there_alone(
    live: LiveSite, nas: Nas
) -> None:
    live.add_person("owner-2", PASSWORD)
    live.yuenyan("device", "add", "3c:22:fb:0d:0b:0c", "--role", "device", "--owner", "owner-2")
    live.add_nas("set chilli", "127.0.11.1/32", "--vendor", "coova")
    live.add_nas("small cisco", "127.0.11.2/32", "--vendor", "cisco")
    set_words = ("nas", "set", "set chilli", "--mab-suffix", "@hotspot", "--mab-password-stdin")
    live.yuenyan(*set_words, stdin="from the manual\n")
    live.settle()
    mac, station = "3C-22-FB-0D-0B-0C", {"Calling_Station_Id": "3C-22-FB-0D-0B-0C"}
    chilli, cisco = Nas(live, source="127.0.11.1"), Nas(live, source="127.0.11.2")
    assert chilli.access(f"{mac}@hotspot", "from the manual", **station).code == "Access-Accept"
    assert chilli.chap(f"{mac}@hotspot", "from the manual", **station).code == "Access-Accept"
    assert chilli.access(mac, mac, **station).code == "Access-Accept"
    assert cisco.access(mac, "NOPASSWORD", **station).code == "Access-Accept"
    assert cisco.access(mac, cisco.secret, **station).code == "Access-Accept"
    for word in ("from the manual", "NOPASSWORD"):
        assert nas.access(mac, word, **station).code == "Access-Reject"
    # Not a device's name here, and nobody is called so.
    assert nas.access(f"{mac}@hotspot", mac, **station).code == "Access-Reject"
    listed = live.yuenyan("nas", "list", "--json").stdout
    assert '"mab_password_set": true' in listed
    assert "from the manual" not in listed


def test_a_person_never_comes_in_by_an_address(live: LiveSite, nas: Nas) -> None:
    """Whatever a person is called: Call-Check asks for a device."""
    live.add_person("call-checked", PASSWORD)
    assert nas.access("call-checked", PASSWORD).code == "Access-Accept"
    asked = {"Service_Type": "Call-Check", "Calling_Station_Id": "3C-22-FB-0A-0B-0D"}
    assert nas.access("call-checked", PASSWORD, **asked).code == "Access-Reject"
