"""How many tries at one account there are, however its name is spelled."""

from __future__ import annotations

from captive_portal.admin.attempts import PER_ACCOUNT, SignInAttempts


def test_marks_in_another_order_give_no_further_tries() -> None:
    attempts = SignInAttempts()
    spellings = ("คร\u0e39\u0e49", "คร\u0e49\u0e39")
    taken = [
        attempts.admit(spellings[number % 2], f"192.0.2.{number}")
        for number in range(PER_ACCOUNT.rate.amount + 1)
    ]
    assert taken == [True] * PER_ACCOUNT.rate.amount + [False]
