"""The terms of vouchers as a NAS meets them: Debian's radclient against a running server."""

from __future__ import annotations

import json

import pytest

from tests.clients.radclient import Nas
from tests.conftest import wait_until
from tests.integration.radius_site import LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

ONE, TWO = "3C-22-FB-00-0A-01", "3C-22-FB-00-0A-02"


def issue(live: LiveSite, *options: str) -> str:
    made = live.yuenyan("voucher", "create", "--count", "1", *options, "--json")
    code: str = json.loads(made.stdout)["codes"][0]
    return code


def newest(live: LiveSite) -> tuple[str, str]:
    """Reason and outcome of the newest voucher login."""
    rows = live.rows(
        "SELECT reason, outcome FROM auth_event WHERE method = 'voucher' ORDER BY id DESC LIMIT 1"
    )
    return str(rows[0][0]), str(rows[0][1])


def wait_for(live: LiveSite, query: str, wanted: object) -> None:
    wait_until(lambda: live.rows(query) == [wanted], 20, f"{query} does not come to {wanted}")


def test_minutes_of_use_are_what_is_left_and_then_nothing(live: LiveSite, nas: Nas) -> None:
    code = issue(live, "--valid", "minutes_of_use", "--minutes", "60", "--idle-seconds", "120")
    first = nas.access(code, code, Calling_Station_Id=ONE)
    assert first.code == "Access-Accept"
    assert 3590 <= int(first.one("Session-Timeout")) <= 3600
    assert first.one("Idle-Timeout") == "120"

    def report(status: str, seconds: int) -> None:
        nas.account(
            status, "voucher-minutes", User_Name=first.one("User-Name"), Class=first.one("Class"),
            Calling_Station_Id=ONE, Acct_Session_Time=seconds,
        )  # fmt: skip

    # Other tests may have used this site.
    own = f"(SELECT id FROM account WHERE username = '{first.one('User-Name')}')"
    report("Start", 0)
    report("Interim-Update", 1800)
    wait_for(live, f"SELECT SUM(seconds) FROM usage_day WHERE account_id = {own}", (1800,))
    again = nas.access(code, code, Calling_Station_Id=ONE)
    assert 1790 <= int(again.one("Session-Timeout")) <= 1800
    report("Interim-Update", 3600)
    # The live session is asked to end, and the voucher is marked.
    asked = f"SELECT reason FROM coa_request WHERE kind = 'disconnect' AND account_id = {own}"
    wait_for(live, asked, ("over_quota",))
    marked = f"SELECT state, exhausted_by FROM voucher WHERE account_id = {own}"
    wait_for(live, marked, ("exhausted", "time"))
    assert nas.access(code, code, Calling_Station_Id=ONE).code == "Access-Reject"
    assert newest(live) == ("voucher_used_up", "reject")


def test_a_voucher_for_one_wifi_is_good_there_alone(live: LiveSite, nas: Nas) -> None:
    code = issue(live, "--ssid", "Guests", "--digits")
    elsewhere = nas.access(
        code, code, Calling_Station_Id=ONE, Called_Station_Id="00-10-A4-23-19-C0:Staff"
    )
    assert elsewhere.code == "Access-Reject"
    assert newest(live) == ("voucher_for_another_place", "reject")
    assert nas.access(code, code, Calling_Station_Id=ONE).code == "Access-Reject"
    here = nas.access(
        code, code, Calling_Station_Id=ONE, Called_Station_Id="00-10-A4-23-19-C0:Guests"
    )
    assert here.code == "Access-Accept"


def test_guesses_by_radius_and_by_portal_are_one_count(live: LiveSite, nas: Nas) -> None:
    short = issue(live, "--length", "8")
    for _ in range(5):
        assert nas.access("ABCD-EFGH", "ABCD-EFGH", Calling_Station_Id=TWO).code == "Access-Reject"
    assert nas.access(short, short, Calling_Station_Id=TWO).code == "Access-Reject"
    assert newest(live) == ("too_many_attempts", "reject")
    # Another device is not held back, and has not been told anything by the other's attempts.
    assert nas.access(short, short, Calling_Station_Id=ONE).code == "Access-Accept"
