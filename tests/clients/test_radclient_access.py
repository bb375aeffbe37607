"""Logins that Debian's radclient sends, decided by a running server on both databases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from identity.office import Office
from identity.services import people, tokens
from tests.clients.radclient import Answer, Nas
from tests.conftest import wait_until
from tests.integration.radius_site import LiveSite

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

PASSWORD = "ลูกช้าง seven elephants"

Login = Callable[..., Answer]


def reason_of(live: LiveSite, name: str) -> tuple[str, str, str]:
    """(method, outcome, reason) of the newest decision on `name`."""
    rows = live.rows(
        "SELECT method, outcome, reason FROM auth_event WHERE user_name = :name"
        " ORDER BY id DESC LIMIT 1",
        name=name,
    )
    method, outcome, reason = rows[0]
    return str(method), str(outcome), str(reason)


def mint(live: LiveSite, name: str, client_mac: str | None = None) -> str:
    """A one-time token, as the portal makes it for somebody it has proven."""
    office = Office.open(live.site.config)
    try:
        with office.database.write() as session:
            return tokens.mint(session, office, people.get(session, name), client_mac).token
    finally:
        office.database.dispose()


def vouchers(live: LiveSite, count: int, *options: str) -> list[str]:
    """Fresh codes, as a sheet prints them."""
    made = live.yuenyan("voucher", "create", "--count", str(count), *options, "--json")
    codes: list[str] = json.loads(made.stdout)["codes"]
    return codes


def test_pap_accepts_the_right_password_and_rejects_a_wrong_one(live: LiveSite, nas: Nas) -> None:
    live.add_person("somchai", PASSWORD)
    accepted = nas.access("somchai", PASSWORD)
    assert accepted.code == "Access-Accept"
    assert accepted.one("User-Name") == "somchai"
    assert reason_of(live, "somchai") == ("pap", "accept", "ok")
    assert nas.access("SomChai", PASSWORD).one("User-Name") == "somchai"

    refused = nas.access("somchai", "another one")
    assert refused.code == "Access-Reject"
    assert refused.one("Reply-Message") == "Login refused"
    assert "Class" not in refused.attributes
    assert reason_of(live, "somchai") == ("pap", "reject", "wrong_password")

    assert nas.access("nobody", PASSWORD).code == "Access-Reject"
    assert reason_of(live, "nobody") == ("pap", "reject", "unknown_account")


def test_chap_with_an_ordinary_password_is_refused_and_says_why(live: LiveSite, nas: Nas) -> None:
    live.add_person("chap-only", PASSWORD)
    assert nas.chap("chap-only", PASSWORD).code == "Access-Reject"
    assert reason_of(live, "chap-only") == ("chap", "reject", "method_needs_recoverable_secret")
    assert nas.access("chap-only", PASSWORD).code == "Access-Accept"


@pytest.mark.parametrize("method", ["access", "chap"], ids=["pap", "chap"])
def test_a_portal_token_works_once(live: LiveSite, nas: Nas, method: str) -> None:
    name = f"token-{method}"
    live.add_person(name, PASSWORD)
    login: Login = getattr(nas, method)
    token, other = mint(live, name), mint(live, name)

    assert login(name, token[:-1] + "?").code == "Access-Reject"
    assert login(name, token).code == "Access-Accept"
    assert reason_of(live, name) == ("token", "accept", "ok")
    assert login(name, token).code == "Access-Reject"
    assert reason_of(live, name) == ("token", "reject", "token_spent")
    assert login(name, other).code == "Access-Accept"


def test_a_portal_token_works_only_for_the_device_it_was_made_for(live: LiveSite, nas: Nas) -> None:
    live.add_person("bound", PASSWORD)
    token = mint(live, "bound", "3c22fb0a0b0c")
    stolen = nas.access("bound", token, Calling_Station_Id="3C-22-FB-0A-0B-0D")
    assert stolen.code == "Access-Reject"
    assert reason_of(live, "bound")[2] == "token_for_another_device_or_nas"
    own = nas.access("bound", token, Calling_Station_Id="3C-22-FB-0A-0B-0C")
    assert own.code == "Access-Accept"


@pytest.mark.parametrize("method", ["access", "chap"], ids=["pap", "chap"])
def test_a_voucher_lets_its_devices_in_and_no_more(live: LiveSite, nas: Nas, method: str) -> None:
    code = vouchers(live, 1, "--minutes", "30", "--devices", "1")[0]
    login: Login = getattr(nas, method)
    plain = code.replace("-", "").lower()
    typed = {"access": (plain, plain), "chap": (plain, code)}[method]

    first = login(*typed, Calling_Station_Id="3C-22-FB-00-00-01")
    assert first.code == "Access-Accept"
    assert 0 < int(first.one("Session-Timeout")) <= 30 * 60
    again = login(code, code, Calling_Station_Id="3c:22:fb:00:00:01")
    assert again.code == "Access-Accept"
    assert again.one("User-Name") == first.one("User-Name")
    second = login(code, code, Calling_Station_Id="3C-22-FB-00-00-02")
    assert second.code == "Access-Reject"

    shown = f"voucher …{typed[0][-3:]}"
    # Of three digits both spellings are shown alike, the refused one too.
    first_of = "SELECT method, outcome FROM auth_event WHERE user_name = :name ORDER BY id LIMIT 1"
    assert live.rows(first_of, name=shown)[0] == ("voucher", "accept")
    logged = live.rows("SELECT user_name FROM auth_event WHERE method = 'voucher'")
    assert all(len(row[0]) < 14 and code not in row[0] for row in logged)
    reasons = live.rows("SELECT reason FROM auth_event WHERE method = 'voucher' ORDER BY id DESC")
    assert reasons[0] == ("voucher_device_limit",)


def test_a_voucher_that_was_never_issued_or_was_revoked_is_refused(
    live: LiveSite, nas: Nas
) -> None:
    assert nas.access("ABCDE-FGHJK", "ABCDE-FGHJK").code == "Access-Reject"
    made = json.loads(live.yuenyan("voucher", "create", "--count", "2", "--json").stdout)
    used, unused = made["codes"]
    assert nas.access(used, used).code == "Access-Accept"
    live.yuenyan("voucher", "revoke", str(made["batch"]))
    assert nas.access(used, used).code == "Access-Reject"
    assert nas.access(unused, unused).code == "Access-Reject"


SPELLINGS = {
    "3c22fb010203": {"User-Password": "3c22fb010203"},
    "3C-22-FB-01-02-03": {"User-Password": "3C-22-FB-01-02-03"},
    "3c:22:fb:01:02:03": {"User-Password": "3c:22:fb:01:02:03"},
    "3C22.FB01.0203": {"User-Password": "3C22.FB01.0203"},
    "3c22fb-010203": {"CHAP-Password": "3c22fb-010203"},
    "3C22FB010203": {"Service-Type": "Call-Check"},
}


def test_a_device_is_known_by_its_address_in_every_spelling(live: LiveSite, nas: Nas) -> None:
    live.yuenyan("device", "add", "3c:22:fb:01:02:03", "--role", "device", "--owner", "head")
    for spelling, proof in SPELLINGS.items():
        accepted = nas.login({"User-Name": spelling, **proof}, Calling_Station_Id=spelling)
        assert accepted.code == "Access-Accept", accepted.output
        assert reason_of(live, spelling) == ("mac", "accept", "ok")

    other = "3c-22-fb-99-99-99"
    assert nas.access(other, other, Calling_Station_Id=other).code == "Access-Reject"
    assert reason_of(live, other) == ("mac", "reject", "unknown_device")
    # Whoever merely types the address of a printer is not that printer.
    typed = "3c-22-fb-01-02-03"
    assert nas.access(typed, typed, Calling_Station_Id=other).code == "Access-Reject"
    assert reason_of(live, typed) == ("mac", "reject", "mac_mismatch")
    assert nas.access(typed, typed).code == "Access-Reject"
    assert reason_of(live, typed) == ("mac", "reject", "no_calling_station_id")


def test_a_role_comes_back_as_attributes_for_the_vendor_of_the_nas(
    live: LiveSite, nas: Nas
) -> None:
    limits = {"vlan": 42, "session-seconds": 3600, "idle-seconds": 600}
    rates = {"down-kbps": 8000, "up-kbps": 2000}
    options = [part for key, n in {**limits, **rates}.items() for part in (f"--{key}", str(n))]
    live.yuenyan("role", "set", "laboratory", *options)
    live.add_person("student-lab", PASSWORD, role="laboratory")
    live.add_nas("router", "::1/128", "--vendor", "mikrotik")

    live.settle()
    answer = nas.access("student-lab", PASSWORD)
    assert answer.code == "Access-Accept"
    assert answer.one("Tunnel-Type") == "VLAN"
    assert answer.one("Tunnel-Medium-Type") == "IEEE-802"
    assert answer.one("Tunnel-Private-Group-Id") == "42"
    assert answer.one("Session-Timeout") == "3600"
    assert answer.one("Idle-Timeout") == "600"
    assert answer.one("Acct-Interim-Interval") == "300"
    assert answer.one("WISPr-Bandwidth-Max-Down") == "8000000"
    assert answer.one("WISPr-Bandwidth-Max-Up") == "2000000"
    assert answer.one("Class").startswith("0x")
    assert "Message-Authenticator" in answer.attributes

    router = Nas(live, source="::1").access("student-lab", PASSWORD)
    assert router.code == "Access-Accept"
    assert router.one("Mikrotik-Rate-Limit") == "2000k/8000k"
    assert router.one("Class") != answer.one("Class")


def test_proxy_state_comes_back_in_order(live: LiveSite, nas: Nas) -> None:
    live.add_person("proxied", PASSWORD)
    answer = nas.access("proxied", PASSWORD, Proxy_State=["0x0a0b", "0x0c"])
    assert answer.attributes["Proxy-State"] == ["0x0a0b", "0x0c"]


def test_a_disabled_account_is_refused_within_a_second(live: LiveSite, nas: Nas) -> None:
    live.add_person("leaver", PASSWORD)
    assert nas.access("leaver", PASSWORD).code == "Access-Accept"
    live.yuenyan("user", "disable", "leaver")
    live.settle()
    assert nas.access("leaver", PASSWORD).code == "Access-Reject"
    assert reason_of(live, "leaver") == ("pap", "reject", "suspended")
    live.yuenyan("user", "enable", "leaver")
    live.settle()
    assert nas.access("leaver", PASSWORD).code == "Access-Accept"


def test_a_role_for_one_device_holds_the_second_off_until_the_first_has_gone(
    live: LiveSite, nas: Nas
) -> None:
    live.yuenyan("role", "set", "single", "--simultaneous", "1")
    live.add_person("sharer", PASSWORD, role="single")
    phone, tablet = "3C-22-FB-0C-00-01", "3C-22-FB-0C-00-02"
    session = {"User_Name": "sharer", "Calling_Station_Id": phone}
    assert nas.access("sharer", PASSWORD, Calling_Station_Id=phone).code == "Access-Accept"
    assert nas.account("Start", "sharing-1", **session).code == "Accounting-Response"

    def tries(wanted: str) -> bool:
        return nas.access("sharer", PASSWORD, Calling_Station_Id=tablet).code == wanted

    # What is on line is remembered for a second, and a little longer where asking is slow.
    wait_until(lambda: tries("Access-Reject"), 8, "the second device is let in")
    assert reason_of(live, "sharer") == ("pap", "reject", "simultaneous_limit")
    assert nas.access("sharer", PASSWORD, Calling_Station_Id=phone).code == "Access-Accept"

    assert nas.account("Stop", "sharing-1", **session).code == "Accounting-Response"
    wait_until(lambda: tries("Access-Accept"), 8, "the second device is held off")


def test_hours_and_quotas_of_a_role_are_held_at_the_login(live: LiveSite, nas: Nas) -> None:
    day = time.strftime("%a", time.gmtime(time.time() + 3 * 86400)).lower()
    live.yuenyan("role", "set", "other-day", "--hours", f"{day} 07:00-08:00")
    live.add_person("too-early", PASSWORD, "other-day")
    assert nas.access("too-early", PASSWORD).code == "Access-Reject"
    assert reason_of(live, "too-early") == ("pap", "reject", "outside_hours")

    live.yuenyan("role", "set", "an-hour", "--quota-minutes-day", "60")
    live.add_person("fresh", PASSWORD, "an-hour")
    accepted = nas.access("fresh", PASSWORD)
    assert accepted.code == "Access-Accept"
    left = int(accepted.one("Session-Timeout"))
    # At midnight there and here the day's hour begins anew, and lasts for the next day.
    to_midnight = 24 * 3600 - (time.time() + 7 * 3600) % (24 * 3600)
    most = 3600 if to_midnight > 3600 else to_midnight + 3600
    assert most - 10 <= left <= most + 10
