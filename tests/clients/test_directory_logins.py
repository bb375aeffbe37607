"""Logins of people whom only an LDAP directory knows: radclient and eapol_test against slapd."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.eapol import Supplicant
from tests.clients.radclient import Nas
from tests.conftest import wait_until
from tests.integration.radius_site import (
    KINDS,
    LOOPBACK,
    LiveSite,
    running_radius,
    site_of_kind,
)
from tests.slapd import PASSWORD, TEACHERS, Slapd, dn_of, section

pytestmark = [pytest.mark.real, pytest.mark.timeout(200), pytest.mark.sampled]

MAC = "02:00:00:00:1d:01"
BACK_SECONDS = 15.0
TTLS = {
    "key_mgmt": "WPA-EAP",
    "eap": "TTLS",
    "identity": '"somchai"',
    "anonymous_identity": '"anonymous"',
    "password": f'"{PASSWORD}"',
    "phase2": '"auth=PAP"',
}


def _site(
    request: pytest.FixtureRequest,
    folder: Path,
    kind: str,
    slapd: Slapd,
    *lines: str,
    url: str = "",
    radius: str = "",
) -> LiveSite:
    site_folder = folder / "site"
    site_folder.mkdir()
    changes = {
        "[collector]\n": section(slapd, folder, *lines, url=url) + "[collector]\n",
        "[radius]\n": f"[radius]\n{radius}\n",
    }
    live = site_of_kind(request, site_folder, kind, changes)
    live.add_nas("ap", LOOPBACK)
    return live


def _events(live: LiveSite) -> list[tuple[str, str, str, str]]:
    """(user, outcome, reason, trace) of every login, the oldest first."""
    rows = live.rows("SELECT user_name, outcome, reason, trace FROM auth_event ORDER BY id")
    return [(str(row[0]), str(row[1]), str(row[2]), str(row[3] or "")) for row in rows]


def _account(live: LiveSite, name: str) -> tuple[str, str, str, str]:
    """(state, role, full name, origin) of an account."""
    rows = live.rows(
        "SELECT a.state, r.name, p.full_name, a.origin FROM account a JOIN role r ON r.id ="
        " a.role_id JOIN person p ON p.id = a.person_id WHERE a.username = :name",
        name=name,
    )
    assert len(rows) == 1, (name, rows)
    return tuple(map(str, rows[0]))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_login_makes_an_account_and_the_next_ones_follow_the_directory(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, slapd: Slapd
) -> None:
    live = _site(request, tmp_path, kind, slapd, "remember_seconds = 0")
    with running_radius(live):
        nas = Nas(live)
        assert nas.access("somchai", "wrong password").code == "Access-Reject"
        assert nas.access("nobody", PASSWORD).code == "Access-Reject"
        assert nas.access("twin", PASSWORD).code == "Access-Reject"
        assert nas.access("nida", PASSWORD).code == "Access-Reject"
        assert live.rows("SELECT id FROM account WHERE origin IS NOT NULL") == []
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        assert nas.access("wipa", PASSWORD).code == "Access-Accept"
        origin = "directory:school"
        assert _account(live, "somchai") == ("active", "staff", "สมชาย ใจดี", origin)
        assert _account(live, "wipa") == ("active", "student", "วิภา เรียนดี", origin)
        assert nas.access("somchai", "wrong password").code == "Access-Reject"
        assert nas.access("Somchai ", PASSWORD).code == "Access-Accept"

        slapd.modify(
            f"dn: {dn_of('wipa')}\nchangetype: modify\nreplace: displayName\n"
            f"displayName: Wipa Riandee\n\ndn: {TEACHERS}\nchangetype: modify\nadd: member\n"
            f"member: {dn_of('wipa')}\n"
        )
        assert nas.access("wipa", PASSWORD).code == "Access-Accept"
        assert _account(live, "wipa")[:3] == ("active", "staff", "Wipa Riandee")

        slapd.lock("wipa")
        assert nas.access("wipa", PASSWORD).code == "Access-Reject"
        assert _account(live, "wipa")[0] == "suspended"
        assert nas.access("wipa", "wrong password").code == "Access-Reject"
        slapd.unlock("wipa")
        assert nas.access("wipa", PASSWORD).code == "Access-Accept"
        assert _account(live, "wipa")[0] == "active"
        slapd.delete(dn_of("somchai"))
        assert nas.access("somchai", PASSWORD).code == "Access-Reject"
    told = [(user, outcome, reason, trace) for user, outcome, reason, trace in _events(live)]
    assert told == [
        ("somchai", "reject", "wrong_password", "directory:wrong_password=school"),
        ("nobody", "reject", "unknown_account", "directory:not_found=school"),
        ("twin", "reject", "directory_ambiguous", "directory:found_twice=school"),
        ("nida", "reject", "directory_no_role", "directory:no_role=school"),
        ("somchai", "accept", "ok", "directory:proven=school"),
        ("wipa", "accept", "ok", "directory:proven=school"),
        ("somchai", "reject", "wrong_password", "directory:wrong_password=school"),
        ("Somchai ", "accept", "ok", "directory:proven=school"),
        ("wipa", "accept", "ok", "directory:proven=school"),
        ("wipa", "reject", "directory_disabled", "directory:disabled=school"),
        ("wipa", "reject", "wrong_password", "directory:wrong_password=school"),
        ("wipa", "accept", "ok", "directory:proven=school"),
        ("somchai", "reject", "directory_entry_gone", "directory:gone=school"),
    ]


def test_a_local_account_wins_over_an_entry_of_the_same_name(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd
) -> None:
    live = _site(request, tmp_path, "sqlite", slapd)
    live.add_person("somchai", "a password of here")
    with running_radius(live):
        assert Nas(live).access("somchai", PASSWORD).code == "Access-Reject"
        assert Nas(live).access("somchai", "a password of here").code == "Access-Accept"
    assert [event[2:] for event in _events(live)] == [("wrong_password", ""), ("ok", "")]


def test_a_method_without_the_password_is_refused_with_the_reason(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd
) -> None:
    live = _site(request, tmp_path, "sqlite", slapd)
    with running_radius(live):
        nas = Nas(live)
        assert nas.chap("somchai", PASSWORD).code == "Access-Reject"
        assert nas.chap("nobody", PASSWORD).code == "Access-Reject"
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        assert nas.chap("somchai", PASSWORD).code == "Access-Reject"
    why = ("method_needs_recoverable_secret", "directory:keeps_password=school")
    told = [event[2:] for event in _events(live)]
    assert told == [why, ("unknown_account", ""), ("ok", "directory:proven=school"), why]


def test_an_old_password_works_no_longer_than_it_is_remembered(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd
) -> None:
    live = _site(request, tmp_path, "sqlite", slapd, "remember_seconds = 3")
    with running_radius(live):
        nas = Nas(live)
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        proven = time.monotonic()
        slapd.set_password("somchai", "sticky rice again")
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        assert time.monotonic() < proven + 3.0, "too slow to say anything"
        wait_until(
            lambda: nas.access("somchai", PASSWORD).code == "Access-Reject",
            proven + 6.0 - time.monotonic(),
            "it works longer than it is remembered",
        )
        assert nas.access("somchai", "sticky rice again").code == "Access-Accept"


@pytest.mark.parametrize("way", ["silence", "reject"])
def test_while_the_directory_is_down_nobody_gets_in_and_then_everybody_again(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd, way: str
) -> None:
    live = _site(
        request,
        tmp_path,
        "sqlite",
        slapd,
        *("remember_seconds = 0", "timeout_seconds = 1"),
        radius=f'backend_failure = "{way}"',
    )
    live.add_person("local", "a password of here")
    with running_radius(live):
        nas = Nas(live)
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        slapd.stop()
        expected = "" if way == "silence" else "Access-Reject"
        assert nas.access("somchai", PASSWORD).code == expected
        assert nas.access("wipa", PASSWORD).code == expected
        assert nas.access("local", "a password of here").code == "Access-Accept"
        slapd.start()
        wait_until(
            lambda: nas.access("wipa", PASSWORD).code == "Access-Accept",
            BACK_SECONDS,
            "it does not come back by itself",
        )
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        slapd.freeze()
        assert nas.access("somchai", PASSWORD).code == expected
        assert nas.access("local", "a password of here").code == "Access-Accept"
        slapd.thaw()
        wait_until(
            lambda: nas.access("somchai", PASSWORD).code == "Access-Accept",
            BACK_SECONDS,
            "it does not come back after it hung",
        )
    told = _events(live)
    assert ("wipa", "reject", "backend_unavailable", "directory:unreachable=school") in told
    why = live.yuenyan("login", "list", "--user", "wipa", "--refused", "--language", "en")
    assert "directory did not answer" in why.stdout


def test_a_directory_that_hangs_keeps_nobody_of_here_waiting(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd
) -> None:
    live = _site(request, tmp_path, "sqlite", slapd, "timeout_seconds = 3")
    live.add_person("local", "a password of here")
    with running_radius(live):
        slapd.freeze()
        with ThreadPoolExecutor(8) as pool:
            hanging = [pool.submit(Nas(live).access, "somchai", PASSWORD) for _ in range(8)]
            time.sleep(0.5)  # they hang in a directory that says nothing: nobody can tell
            began = time.monotonic()
            answer = Nas(live, tries=1).access("local", "a password of here")
            assert answer.code == "Access-Accept"
            assert time.monotonic() - began < 1.0
            assert {one.result().code for one in hanging} == {""}


def test_who_was_proven_lately_gets_in_from_memory_while_the_directory_is_down(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd
) -> None:
    live = _site(
        request,
        tmp_path,
        "sqlite",
        slapd,
        *("remember_seconds = 0", "timeout_seconds = 1", "offline_days = 2"),
    )
    with running_radius(live):
        nas = Nas(live)
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        slapd.stop()
        assert nas.access("somchai", PASSWORD).code == "Access-Accept"
        assert nas.access("somchai", "wrong password").code == "Access-Reject"
        assert nas.access("wipa", PASSWORD).code == "", "it was never proven"
        slapd.start()
        slapd.set_password("somchai", "sticky rice again")
        wait_until(
            lambda: nas.access("somchai", PASSWORD).code == "Access-Reject",
            BACK_SECONDS,
            "it does not come back by itself",
        )
        slapd.stop()
        assert nas.access("somchai", PASSWORD).code != "Access-Accept", "refused, so forgotten"
    steps = [event[3] for event in _events(live)]
    assert steps[:3] == [
        "directory:proven=school",
        "directory:from_memory=school",
        "directory:not_from_memory=school",
    ]
    (row,) = live.rows("SELECT verifier FROM directory_entry")
    assert row[0] is None


def test_a_device_that_guesses_waits_before_the_directory_is_asked(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd
) -> None:
    live = _site(request, tmp_path, "sqlite", slapd, radius="throttle_account_failures = 3")
    with running_radius(live):
        nas = Nas(live)
        for number in range(6):
            answer = nas.access("somchai", f"guess {number}", Calling_Station_Id=MAC)
            assert answer.code == "Access-Reject"
        slapd.freeze()  # whoever asked it now would hear nothing and stay silent
        answer = nas.access("somchai", "guess 7", Calling_Station_Id=MAC)
        assert answer.code == "Access-Reject"
    assert _events(live)[-1][2] == "too_many_attempts"


@pytest.mark.parametrize(
    ("eap", "phase2"),
    [("TTLS", "auth=PAP"), ("TTLS", "autheap=GTC"), ("PEAP", "auth=GTC")],
)
def test_a_phone_logs_in_through_a_tunnel(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd, eap: str, phase2: str
) -> None:
    live = _site(request, tmp_path, "sqlite", slapd, "remember_seconds = 0")
    with running_radius(live):
        phone = Supplicant(live, tmp_path, MAC)
        network = {**TTLS, "eap": eap, "phase2": f'"{phase2}"'}
        ended = phone.login(network, "-r", "1")
        assert ended.success and ended.keys_equal == 2, ended.output[-2000:]
        wrong = phone.login({**network, "password": '"wrong password"'})
        assert not wrong.success
        slapd.set_password("somchai", "sticky rice again")
        assert not phone.login(network).success, "no tunnel of before may be taken up"
    told = phone.decisions()
    assert [row[2] for row in told] == ["accept", "accept", "reject", "reject"]
    assert "directory:proven=school" in told[0][4]
    assert not any("tls:resumed" in row[4] for row in told)


def test_two_devices_of_a_new_person_at_once_make_one_account(
    request: pytest.FixtureRequest, tmp_path: Path, slapd: Slapd
) -> None:
    live = _site(request, tmp_path, "postgresql", slapd, "remember_seconds = 0")
    with running_radius(live):
        nas = Nas(live)
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: nas.access("somchai", PASSWORD).code, range(6)))
    assert answers == ["Access-Accept"] * 6
    assert len(live.rows("SELECT id FROM account WHERE origin IS NOT NULL")) == 1
