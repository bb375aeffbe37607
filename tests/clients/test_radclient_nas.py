"""Which equipment is heard: secrets, Message-Authenticator, strangers, and how soon."""

from __future__ import annotations

import json

import pytest

from tests.clients.radclient import Nas
from tests.conftest import wait_until
from tests.integration.radius_site import LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

PASSWORD = "seven green elephants"
METRICS_SECONDS = 10.0
"""Counters are written every five seconds."""


def test_a_wrong_secret_gets_silence(live: LiveSite, nas: Nas) -> None:
    live.add_person("quiet", PASSWORD)
    assert nas.access("quiet", PASSWORD).code == "Access-Accept"
    wrong = Nas(live, secret="some other secret", tries=1)
    before = live.counter("radius_dropped", reason="bad_message_authenticator")
    assert wrong.access("quiet", PASSWORD).code == ""
    assert wrong.account("Start", "wrong-secret", User_Name="quiet").code == ""
    assert live.rows("SELECT id FROM auth_event WHERE user_name = 'quiet'") != []
    assert len(live.rows("SELECT id FROM auth_event WHERE user_name = 'quiet'")) == 1
    assert live.rows("SELECT id FROM accounting_event WHERE user_name = 'quiet'") == []
    wait_until(
        lambda: live.counter("radius_dropped", reason="bad_message_authenticator") > before,
        METRICS_SECONDS,
        "the counter of bad authenticators did not move",
    )


def test_a_request_without_message_authenticator_gets_silence_unless_it_is_allowed(
    live: LiveSite, nas: Nas
) -> None:
    live.add_person("unsigned", PASSWORD)
    assert nas.access("unsigned", PASSWORD).code == "Access-Accept"
    bare = Nas(live, message_authenticator=False, tries=1)
    assert bare.access("unsigned", PASSWORD).code == ""

    live.add_nas("old switch", "127.0.0.21/32", "--allow-missing-message-authenticator")
    live.settle()
    old = Nas(live, source="127.0.0.21", message_authenticator=False)
    assert old.access("unsigned", PASSWORD).code == "Access-Accept"
    # A Message-Authenticator that is there must be right all the same.
    forged = Nas(live, source="127.0.0.21", secret="not the secret", tries=1)
    assert forged.access("unsigned", PASSWORD).code == ""


def test_the_policy_of_a_nas_counts_within_a_second_and_what_it_sends_is_listed(
    live: LiveSite,
) -> None:
    live.add_person("policy", PASSWORD)
    live.add_nas("mended", "127.0.0.51/32")
    bare = Nas(live, source="127.0.0.51", message_authenticator=False, tries=1)
    signing = Nas(live, source="127.0.0.51")
    live.settle()

    def sends() -> str:
        rows = json.loads(live.yuenyan("nas", "list", "--json").stdout)
        return str(next(row for row in rows if row["name"] == "mended")[_SENDS])

    assert bare.access("policy", PASSWORD).code == ""
    # What is dropped for it is noted all the same: it explains the silence.
    wait_until(lambda: sends() == "never", 8, "the unsigned request was not noted")
    live.yuenyan("nas", "set", "mended", "--allow-missing-message-authenticator")
    live.settle()
    assert bare.access("policy", PASSWORD).code == "Access-Accept"
    assert signing.access("policy", PASSWORD).code == "Access-Accept"
    wait_until(lambda: sends() == "sometimes", 8, "the signed request was not noted")
    live.yuenyan("nas", "set", "mended", "--require-message-authenticator")
    live.settle()
    assert bare.access("policy", PASSWORD).code == ""
    assert signing.access("policy", PASSWORD).code == "Access-Accept"


_SENDS = "sends_message_authenticator"


def test_a_stranger_gets_silence_and_is_listed_until_it_is_registered(live: LiveSite) -> None:
    live.add_person("visitor", PASSWORD)
    stranger = Nas(live, source="127.0.0.31", tries=1)
    before = live.counter("radius_dropped", reason="unknown_nas")
    assert stranger.access("visitor", PASSWORD).code == ""
    assert stranger.status().code == ""

    def listed() -> dict[str, int]:
        rows = json.loads(live.yuenyan("nas", "list", "--unknown", "--json").stdout)
        return {row["address"]: row["datagrams"] for row in rows}

    wait_until(lambda: "127.0.0.31" in listed(), 5, "the stranger is not listed")
    wait_until(
        lambda: live.counter("radius_dropped", reason="unknown_nas") > before,
        METRICS_SECONDS,
        "the counter of strangers did not move",
    )

    live.add_nas("new gate", "127.0.0.31/32")
    live.settle()
    assert stranger.access("visitor", PASSWORD).code == "Access-Accept"
    live.yuenyan("nas", "remove", "new gate")
    live.settle()
    assert stranger.access("visitor", PASSWORD).code == ""


def test_a_changed_secret_counts_within_a_second(live: LiveSite) -> None:
    live.add_nas("changing", "127.0.0.41/32")
    live.settle()
    assert Nas(live, source="127.0.0.41").status().code == "Access-Accept"
    live.yuenyan("nas", "secret", "changing", "--secret-stdin", stdin="a new long secret\n")
    live.settle()
    assert Nas(live, source="127.0.0.41", tries=1).status().code == ""
    renewed = Nas(live, source="127.0.0.41", secret="a new long secret")
    assert renewed.status().code == "Access-Accept"


def test_the_longest_prefix_that_holds_the_address_decides(live: LiveSite) -> None:
    live.add_nas("a whole building", "127.0.5.0/24", secret="the secret of the building")
    live.add_nas("one room", "127.0.5.7/32", secret="the secret of the room")
    live.settle()
    building = Nas(live, source="127.0.5.6", secret="the secret of the building")
    assert building.status().code == "Access-Accept"
    room = Nas(live, source="127.0.5.7", secret="the secret of the room")
    assert room.status().code == "Access-Accept"


def test_status_server_is_answered_on_both_ports(nas: Nas) -> None:
    assert nas.status().code == "Access-Accept"
    assert nas.status(accounting=True).code == "Accounting-Response"
