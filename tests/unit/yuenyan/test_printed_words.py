"""What the console prints reads as a person would write it."""

from __future__ import annotations

import pytest

from tests.conftest import Site
from yuenyan.commands.tables import counted


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 segments"), (1, "1 segment"), (2, "2 segments")]
)
def test_one_of_a_kind_has_no_plural(count: int, text: str) -> None:
    assert counted(count, "segment") == text


@pytest.mark.parametrize("number", ["abc", "0", "99999999999"])
def test_what_is_no_number_of_a_list_is_told_in_a_sentence(site: Site, number: str) -> None:
    refused = site.yuenyan("token", "revoke", number)
    assert refused.exit_code == 2
    assert f"'{number}' is no number of a list; it is a whole number from 1" in refused.stderr
