"""Options that contradict each other are refused: none is left unheard in silence."""

from __future__ import annotations

import pytest

from tests.conftest import Site

_ASKED = "--case 1 --reason test"
_FLOWS = f"flows --address 10.0.0.1 --from 2026-05-16 --to 2026-05-17 {_ASKED}"
_LOOKUP = f"lookup --address 10.0.0.1 --at 2026-05-16T10:00:00+07:00 {_ASKED}"
_CONSENT = (
    "consent add --user somchai --guardian G --relation mother --how paper --given-on 2026-05-16"
    " --text-version 1 --document 1"
)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (f"{_FLOWS} --json --csv", "--json and --csv"),
        (f"{_FLOWS} --csv --ask-approval", "--ask-approval and --csv"),
        (f"{_FLOWS} --approval 1 --ask-approval", "--ask-approval and --approval"),
        (f"{_LOOKUP} --approval 1 --ask-approval", "--ask-approval and --approval"),
        (f"{_LOOKUP} --approval 1 --pseudonyms", "--approval and --pseudonyms"),
        (f"{_LOOKUP} --ask-approval --pseudonyms", "--ask-approval and --pseudonyms"),
        ("incident affected B-2569-1 --csv --json", "--json and --csv"),
        ("voucher revoke 1 --code ABCDE-FGHJK", "the number of a sheet and --code"),
        ("voucher extend 1 --code ABCDE-FGHJK --minutes 5", "the number of a sheet and --code"),
        ("request deliver R-2569-1 --file {file} --sha256 00", "--file and --sha256"),
        (f"{_CONSENT} --person-code 7", "--user and --person-code"),
        (f"{_CONSENT} --org 1001", "--user and --org"),
    ],
)
def test_of_two_options_that_exclude_each_other_none_is_taken(
    site: Site, command: str, named: str
) -> None:
    refused = site.yuenyan(*command.format(file=site.config_file).split())
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"{named} do not go together" in refused.stderr


def test_json_of_what_shows_is_not_given_to_what_changes(site: Site) -> None:
    for words in ("nas portal hall --set mode=a", "role registration guest --way closed"):
        refused = site.yuenyan(*words.split(), "--json")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "leave it out" in refused.stderr


def test_a_setting_of_equipment_that_is_given_twice_is_refused(site: Site) -> None:
    added = site.yuenyan(
        "nas", "add", "hall", "10.0.0.1/32", "--secret-stdin", stdin="a long shared secret\n"
    )
    assert added.exit_code == 0, added
    refused = site.yuenyan("nas", "portal", "hall", "--set", "mode=a", "--unset", "mode")
    assert refused.exit_code == 2
    assert "mode is given twice" in refused.stderr
