"""Accounting that Debian's radclient sends, and the sessions that come of it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.clients.radclient import Nas
from tests.integration.radius_site import LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

PASSWORD = "seven green elephants"
STATION = "3C-22-FB-00-0A-01"


def sessions_of(live: LiveSite, name: str, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        live.yuenyan("session", "list", "--user", name, *options, "--json").stdout
    )
    return found


def test_a_session_from_start_to_stop_has_its_sums_and_all_its_addresses(
    live: LiveSite, nas: Nas
) -> None:
    live.add_person("malee-sums", PASSWORD, **{"full-name": "มาลี ดีงาม"})
    accepted = nas.access("malee-sums", PASSWORD, Calling_Station_Id=STATION)
    common = {
        "User_Name": "malee-sums",
        "Calling_Station_Id": STATION,
        "Called_Station_Id": "02-00-00-00-00-01:School Wi-Fi",
        "NAS_Identifier": "ap-1",
        "Class": accepted.one("Class"),
    }

    def account(status: str, **more: str | int) -> None:
        answer = nas.account(status, "malee-sums-1", **common, **more)
        assert answer.code == "Accounting-Response", answer.output

    account("Start", Framed_IP_Address="10.20.30.40")
    account(
        "Interim-Update",
        Framed_IP_Address="10.20.30.40",
        Framed_IPv6_Address="2001:db8:5::a",
        Framed_IPv6_Prefix="2001:db8:5::/64",
        Acct_Session_Time=300,
        Acct_Input_Octets=4294967295,
        Acct_Output_Octets=5,
        Acct_Input_Gigawords=0,
        Acct_Output_Gigawords=2,
    )
    now = sessions_of(live, "malee-sums", "--active")
    assert [session["active"] for session in now] == [True]

    account(
        "Interim-Update",
        Framed_IP_Address="10.20.30.41",
        Delegated_IPv6_Prefix="2001:db8:77::/56",
        Acct_Session_Time=600,
        Acct_Input_Octets=17,
        Acct_Input_Gigawords=1,
        Acct_Output_Octets=10,
        Acct_Output_Gigawords=2,
    )
    account(
        "Stop",
        Framed_IP_Address="10.20.30.41",
        Acct_Session_Time=900,
        Acct_Input_Octets=1000,
        Acct_Input_Gigawords=3,
        Acct_Output_Octets=2000,
        Acct_Output_Gigawords=4,
        Acct_Terminate_Cause="User-Request",
    )

    assert sessions_of(live, "malee-sums", "--active") == []
    (session,) = sessions_of(live, "malee-sums")
    assert session["account"] == "malee-sums"
    assert session["full_name"] == "มาลี ดีงาม"
    assert session["mac"] == "3c:22:fb:00:0a:01"
    assert session["nas"] == "gate"
    assert session["called_station_id"] == "02-00-00-00-00-01:School Wi-Fi"
    assert session["session_seconds"] == 900
    assert session["input_octets"] == 3 * 2**32 + 1000
    assert session["output_octets"] == 4 * 2**32 + 2000
    assert session["terminate_cause"] == 1
    assert {span["address"] for span in session["addresses"]} == {
        "10.20.30.40",
        "10.20.30.41",
        "2001:db8:5::a",
        "2001:db8:5::/64",
        "2001:db8:77::/56",
    }
    began = datetime.fromisoformat(session["from"])
    assert abs(datetime.now(UTC) - timedelta(seconds=900) - began) < timedelta(seconds=30)
    kept = live.rows(
        "SELECT status_type, octets FROM accounting_event"
        " WHERE user_name = 'malee-sums' ORDER BY id"
    )
    assert [row[0] for row in kept] == [1, 3, 3, 2]
    assert all(bytes(row[1])[0] == 4 and len(bytes(row[1])) > 20 for row in kept)


def test_class_ties_a_session_to_the_account_whatever_name_is_sent(
    live: LiveSite, nas: Nas
) -> None:
    live.add_person("hidden", PASSWORD)
    accepted = nas.access("hidden", PASSWORD)
    answer = nas.account(
        "Start", "outer-1", User_Name="anonymous", Class=accepted.one("Class"),
        Framed_IP_Address="10.20.31.1",
    )  # fmt: skip
    assert answer.code == "Accounting-Response"
    assert [session["account"] for session in sessions_of(live, "hidden")] == ["hidden"]
    # A Class that nobody here made ties it to nobody.
    forged = "0x5931" + "00" * 7 + "01" + "00" * 16
    answer = nas.account("Start", "outer-2", User_Name="nemo", Class=forged)
    assert answer.code == "Accounting-Response"
    assert [session["account"] for session in sessions_of(live, "nemo")] == [None]


def test_a_restarted_nas_closes_its_own_sessions_and_no_others(live: LiveSite, nas: Nas) -> None:
    live.add_person("roamer", PASSWORD)
    for ap in ("ap-on", "ap-off", "ap-stays"):
        answer = nas.account("Start", f"at-{ap}", User_Name="roamer", NAS_Identifier=ap)
        assert answer.code == "Accounting-Response"
    time.sleep(0.01)  # a session that begins in the same microsecond is not an older one
    assert nas.account("Accounting-On", "boot", NAS_Identifier="ap-on").code != ""
    assert nas.account("Accounting-Off", "boot", NAS_Identifier="ap-off").code != ""

    closed = live.rows(
        "SELECT nas_identity, close_cause FROM network_session WHERE user_name = 'roamer'"
        " AND closed_at IS NOT NULL ORDER BY nas_identity"
    )
    assert closed == [("ap-off", "nas_restarted"), ("ap-on", "nas_restarted")]
    assert len(sessions_of(live, "roamer", "--active")) == 1
    boots = live.rows("SELECT nas_identity, status_type FROM nas_boot ORDER BY nas_identity")
    assert boots == [("ap-off", 8), ("ap-on", 7)]


def test_packets_in_any_order_make_the_same_session(live: LiveSite, nas: Nas) -> None:
    live.add_person("late", PASSWORD)
    common = {"User_Name": "late", "Framed_IP_Address": "10.20.32.1"}
    nas.account("Stop", "late-1", Acct_Session_Time=120, Acct_Input_Octets=900, **common)
    nas.account("Interim-Update", "late-1", Acct_Session_Time=60, Acct_Input_Octets=400, **common)
    nas.account("Start", "late-1", Acct_Delay_Time=120, **common)
    (session,) = sessions_of(live, "late")
    assert not session["active"]
    assert session["session_seconds"] == 120
    assert session["input_octets"] == 900
    assert [span["address"] for span in session["addresses"]] == ["10.20.32.1"]
