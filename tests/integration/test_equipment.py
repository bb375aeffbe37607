"""`doctor` on equipment: unsigned requests and poor secrets, each with its cure."""

from __future__ import annotations

import json
from datetime import timedelta

from common.clock import utc_now
from identity.office import Office
from identity.services import nas
from tests.conftest import Site

STRONG = "q7Zr2mXp9Lw4Tn8vKd5Bs3Hc6Jf1Gy0A"


def _add(office: Office, name: str, secret: str, *, requires: bool = True, **moments: int) -> None:
    """A NAS; `moments` are days since it last signed, did not sign, or was given its secret."""
    with office.database.write() as session:
        number = len(nas.list_nas(session)) + 1
        row = nas.add_nas(
            session, office, name, f"10.0.0.{number}/32", secret, "test",
            require_message_authenticator=requires,
        )  # fmt: skip
        for column, days in moments.items():
            setattr(row, column, utc_now() - timedelta(days=days))


def _warnings(site: Site) -> dict[str, str]:
    """What was found about equipment, and the cure of each."""
    found = json.loads(site.yuenyan("doctor", "--json").stdout)["findings"]
    return {
        one["what"]: one["todo"]
        for one in found
        if one["check"] in ("equipment", "shared secrets") and one["level"] == "warn"
    }


def test_good_equipment_is_not_complained_about(site: Site, office: Office) -> None:
    _add(office, "good", STRONG, last_with_message_authenticator_at=0)
    assert _warnings(site) == {}


def test_each_weakness_is_named_with_its_cure(site: Site, office: Office) -> None:
    _add(office, "manual", "testing123")
    _add(office, "twin 1", STRONG)
    _add(office, "twin 2", STRONG)
    _add(office, "aged", STRONG[::-1], secret_set_at=900)
    _add(office, "lax", STRONG + "1", requires=False, last_without_message_authenticator_at=1)
    _add(office, "mended", STRONG + "2", requires=False, last_with_message_authenticator_at=1)
    _add(office, "mute", STRONG + "3", last_without_message_authenticator_at=1)
    found = _warnings(site)
    texts = "\n".join(found)
    assert "can be guessed: manual (known)" in texts
    assert "in several places: twin 1, twin 2" in texts
    assert "older than two years: aged" in texts
    assert "without Message-Authenticator: lax;" in texts
    assert "always do: mended" in texts
    assert "get no answer, because Message-Authenticator is missing: mute" in texts
    assert len(found) == 6
    assert all("yuenyan" in cure or "each its own" in cure for cure in found.values())


def test_the_list_says_the_same(site: Site, office: Office) -> None:
    _add(office, "manual", "testing123", last_without_message_authenticator_at=1)
    _add(office, "twin", "testing123", last_with_message_authenticator_at=0)
    rows = {row["name"]: row for row in json.loads(site.yuenyan("nas", "list", "--json").stdout)}
    manual = rows["manual"]
    assert manual["sends_message_authenticator"] == "never"
    assert manual["secret_strength"] == "known"
    assert manual["secret_age_days"] == 0
    assert manual["secret_shared_with"] == ["twin"]
    assert manual["transport"] == "udp"
    assert rows["twin"]["sends_message_authenticator"] == "always"
    assert "known, shared by 2" in site.yuenyan("nas", "list").stdout


def test_the_policy_of_one_nas_is_changed(site: Site, office: Office) -> None:
    _add(office, "old", STRONG)

    def required() -> bool:
        with office.database.read() as session:
            return nas.get(session, "old").require_message_authenticator

    allowed = site.yuenyan("nas", "set", "old", "--allow-missing-message-authenticator")
    assert (allowed.exit_code, allowed.stdout, required()) == (0, "set old\n", False)
    assert site.yuenyan("nas", "set", "old", "--require-message-authenticator").exit_code == 0
    assert required()
    assert site.yuenyan("nas", "set", "old").exit_code == 2
    assert site.yuenyan("nas", "set", "gone", "--require-message-authenticator").exit_code == 1
