"""Makes, VLAN lists and spellings of addresses: what an office may write."""

from __future__ import annotations

import pytest

from common.errors import UsageError
from common.net import find_mac
from identity.domain.egress import EgressVlan, parse_egress
from identity.domain.stations import StationWords, spellings
from identity.domain.vendors import parse_vendor
from identity.office import Office
from identity.services import nas, roles


def test_a_list_of_vlans_is_tagged_unless_it_says_otherwise() -> None:
    assert parse_egress("20, tagged 30,untagged 40") == (
        EgressVlan(20, True),
        EgressVlan(30, True),
        EgressVlan(40, False),
    )


@pytest.mark.parametrize("text", ["", "0", "4095", "20,", "voice", "u 20", "٣٠", "1," * 60 + "1"])
def test_what_is_no_list_of_vlans_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_egress(text)


def test_every_spelling_is_the_same_address() -> None:
    written = spellings("3c22fb0a0b0c")
    assert {find_mac(spelling) for spelling in written} == {"3c22fb0a0b0c"}
    assert {"3C-22-FB-0A-0B-0C", "3c22.fb0a.0b0c", "3c22fb-0a0b0c"} < set(written)


def test_only_the_suffix_that_was_set_is_taken_off() -> None:
    assert StationWords("@hotspot").without_suffix("aa@hotspot") == "aa"
    assert StationWords("@hotspot").without_suffix("aa@other") == "aa@other"
    assert StationWords().without_suffix("aa@hotspot") == "aa@hotspot"


def test_a_make_that_nobody_knows_is_refused_with_those_there_are() -> None:
    assert parse_vendor(" Aruba ") == "aruba"
    with pytest.raises(UsageError, match="mikrotik"):
        parse_vendor("arubba")


@pytest.mark.parametrize(
    ("field", "text"),
    [("filter_id", ""), ("vendor_role", "a\nb"), ("filter_id", "ก" * 80), ("egress_vlans", "x")],
)
def test_a_text_that_no_equipment_could_be_told_is_refused(
    office: Office, field: str, text: str
) -> None:
    with office.database.write() as session, pytest.raises(UsageError):
        roles.set_role(session, office, "staff", {field: text}, "test")


def test_the_password_for_devices_is_kept_sealed_and_can_be_taken_away(office: Office) -> None:
    with office.database.write() as session:
        nas.add_nas(session, office, "chilli", "10.0.0.1/32", "a long shared secret", "test")
        nas.set_station_words(session, office, "chilli", "test", suffix="@x", password="set there")
        row = nas.get(session, "chilli")
        assert b"set there" not in (row.mab_password_encrypted or b"")
        assert nas.station_words(office, row) == StationWords(
            "@x", ("a long shared secret", "set there")
        )
        nas.set_station_words(session, office, "chilli", "test", suffix="", password="")
        assert nas.station_words(office, row) == StationWords("", ("a long shared secret",))


def test_what_everybody_knows_proves_no_device(office: Office) -> None:
    with office.database.write() as session:
        row = nas.add_nas(session, office, "ap", "radsec:ap.school.example", "", "test")
        assert nas.station_words(office, row) == StationWords()
