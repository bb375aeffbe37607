"""What stands in for argon2 in tests says what argon2 says."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, low_level
from argon2.exceptions import VerificationError, VerifyMismatchError

from tests.argon2_once import Argon2Once

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_two_hashes_of_a_test_differ_and_the_next_test_gets_the_same_ones() -> None:
    with Argon2Once().in_place() as once:
        first = [CHEAP.hash("elephant"), CHEAP.hash("elephant"), CHEAP.hash("mouse")]
        once.end_test()
        second = [CHEAP.hash("elephant"), CHEAP.hash("elephant"), CHEAP.hash("mouse")]
    assert len(set(first)) == 3
    assert first == second
    for text, password in zip(first, ("elephant", "elephant", "mouse"), strict=True):
        assert low_level.verify_secret(text.encode(), password.encode(), low_level.Type.ID)


@pytest.fixture(scope="module")
def of_a_fixture() -> str:
    return CHEAP.hash("tiger")


@pytest.mark.parametrize("turn", [1, 2])
def test_no_hash_of_a_test_is_one_that_a_fixture_made_before(of_a_fixture: str, turn: int) -> None:
    hashes = {of_a_fixture, CHEAP.hash("tiger"), CHEAP.hash("tiger")}
    assert len(hashes) == 3, turn


def test_the_hashes_of_a_fixture_are_free_when_it_is_over() -> None:
    with Argon2Once().in_place() as once:
        with once.kept() as made:
            first = CHEAP.hash("elephant")
        once.end_test()
        other = CHEAP.hash("elephant")
        once.free(made)
        assert CHEAP.hash("elephant") == first != other


def test_other_costs_are_another_hash() -> None:
    with Argon2Once().in_place() as once:
        cheap = CHEAP.hash("elephant")
        once.end_test()
        dear = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("elephant")
    assert ("t=1" in cheap, "t=2" in dear) == (True, True)


def test_right_wrong_and_broken_stay_so_when_asked_again() -> None:
    with Argon2Once().in_place():
        stored = CHEAP.hash("elephant")
        for _ in range(2):
            assert CHEAP.verify(stored, "elephant")
            with pytest.raises(VerifyMismatchError):
                CHEAP.verify(stored, "mouse")
            with pytest.raises(VerificationError) as broken:
                CHEAP.verify(stored[:-4] + "****", "elephant")
            assert not isinstance(broken.value, VerifyMismatchError)
