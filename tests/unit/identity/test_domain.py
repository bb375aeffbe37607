"""identity.domain: refusals, registration states, codes and names, joins of sessions."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Refused, UsageError
from identity.domain.access import AccountSnapshot, Reason, RoleProfile
from identity.domain.admission import (
    ALPHABET,
    RegistrationState,
    advance,
    clean_username,
    find_code,
    format_code,
    new_code,
    new_reference,
)
from identity.domain.sessions import (
    NEIGHBOUR,
    AddressState,
    SessionState,
    address_spans,
    ended_at,
    join_addresses,
    join_sessions,
    session_key,
)

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "expires_at", "reason"),
    [
        ("active", None, None),
        ("active", NOW + timedelta(seconds=1), None),
        ("active", NOW, Reason.EXPIRED),
        ("suspended", NOW - timedelta(1), Reason.SUSPENDED),
        ("expired", None, Reason.EXPIRED),
    ],
)
def test_an_account_is_refused_for_its_state_and_its_time(
    state: str, expires_at: datetime | None, reason: Reason | None
) -> None:
    account = AccountSnapshot(
        account_id=1,
        username="somchai",
        kind="person",
        state=state,
        expires_at=expires_at,
        role=RoleProfile(name="staff"),
        password_hash="$argon2id$secret",
    )
    assert account.refusal(NOW) is reason
    assert "argon2id" not in repr(account)


_ALLOWED = {
    ("draft", "pending"),
    ("draft", "expired"),
    ("draft", "contact_verified"),
    ("draft", "rejected"),
    ("contact_verified", "pending"),
    ("pending", "active"),
    ("pending", "rejected"),
    ("pending", "expired"),
    ("active", "suspended"),
    ("active", "expired"),
    ("suspended", "active"),
    ("suspended", "expired"),
}


@pytest.mark.parametrize("current", list(RegistrationState))
@pytest.mark.parametrize("wanted", list(RegistrationState))
def test_a_registration_takes_only_the_steps_of_the_table(
    current: RegistrationState, wanted: RegistrationState
) -> None:
    if (current.value, wanted.value) in _ALLOWED:
        assert advance(current, wanted) is wanted
    else:
        with pytest.raises(Refused, match="cannot become"):
            advance(current, wanted)


@given(st.randoms(use_true_random=False))
def test_a_code_is_found_however_it_was_typed(chance: random.Random) -> None:
    code = new_code()
    typed = "".join(
        chance.choice(["", "", " ", "-"]) + chance.choice([symbol.lower(), symbol])
        for symbol in code
    )
    assert find_code(typed) == find_code(format_code(code)) == code


def test_thai_digits_in_a_code_are_digits() -> None:
    assert find_code("ABCDE-๒๓๔๕๖") == "ABCDE23456"


@pytest.mark.parametrize(
    "text",
    ["", "ABCDE", "ABCDE-FGHI1", "somchai@school", "A" * 9, "A" * 17, "12345678", "12345678901"],
)
def test_what_is_no_code_is_not_found(text: str) -> None:
    assert find_code(text) is None


def test_codes_and_references_use_symbols_nobody_mixes_up() -> None:
    assert not set("01OIL") & set(ALPHABET)
    assert len({new_code() for _ in range(200)}) == 200
    assert set(new_reference()) <= set(ALPHABET)
    assert len(new_reference()) == 8


def test_a_user_name_is_trimmed_and_case_folded() -> None:
    assert clean_username("  Somchai ") == "somchai"
    assert clean_username("สมชาย") == "สมชาย"
    assert clean_username("คร\u0e49\u0e39") == clean_username("คร\u0e39\u0e49") == "คร\u0e39\u0e49"
    assert clean_username("Jose\u0301") == "jos\u00e9"
    for bad in ("", "  ", "a b", "a\tb", "a\x00b", "x" * 254, "ก" * 85):
        with pytest.raises(UsageError):
            clean_username(bad)


def test_session_keys_differ_in_every_part() -> None:
    parts = ("nas", "id", "user", "station")
    keys = {session_key(*parts)}
    for position in range(4):
        changed = list(parts)
        changed[position] += "x"
        keys.add(session_key(*changed))
    assert len(keys) == 5
    assert session_key("a", "bc", "", "") != session_key("ab", "c", "", "")


_MOMENTS = st.integers(0, 10_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
_TEXTS = st.none() | st.sampled_from(["a", "b", "c"])
_STATES = st.builds(
    SessionState,
    session_key=st.just("k"),
    nas_client_id=st.just(1),
    acct_session_id=st.just("1"),
    user_name=st.just("somchai"),
    account_id=st.none() | st.integers(1, 3),
    session_ref=_TEXTS,
    called_station_id=_TEXTS,
    nas_port=_TEXTS,
    started_at=_MOMENTS,
    last_heard_at=_MOMENTS,
    session_seconds=st.integers(0, 5000),
    stop_seen=st.integers(0, 1),
    stop_at=st.none() | _MOMENTS,
    terminate_cause=st.none() | st.integers(1, 18),
    input_octets=st.integers(0, 1 << 40),
    output_octets=st.integers(0, 1 << 40),
)


@given(st.lists(_STATES, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_session_is_the_same_in_whatever_order_and_how_often_packets_came(
    states: list[SessionState], chance: random.Random
) -> None:
    shuffled = [*states, *chance.choices(states, k=3)]
    chance.shuffle(shuffled)
    assert reduce(join_sessions, shuffled) == reduce(join_sessions, states)


_ADDRESSES = st.builds(
    AddressState,
    session_key=st.just("k"),
    address=st.just("10.0.0.7"),
    from_at=_MOMENTS,
    to_at=_MOMENTS,
    first_offset_seconds=st.none() | st.integers(0, 5000),
    last_offset_seconds=st.none() | st.integers(0, 5000),
)


@given(_ADDRESSES, _ADDRESSES, _ADDRESSES)
def test_an_address_joins_in_any_order(
    first: AddressState, second: AddressState, third: AddressState
) -> None:
    left = join_addresses(join_addresses(first, second), third)
    assert left == join_addresses(third, join_addresses(second, first))
    assert join_addresses(left, second) == left


def _session(**values: object) -> SessionState:
    state = SessionState(
        session_key="k",
        nas_client_id=1,
        acct_session_id="1",
        user_name="somchai",
        started_at=NOW,
        last_heard_at=NOW + timedelta(minutes=10),
    )
    return replace(state, **values)  # type: ignore[arg-type]


def test_a_session_ends_by_stop_by_our_closing_or_not_yet() -> None:
    late = NOW + timedelta(hours=1)
    assert ended_at(_session()) is None
    assert ended_at(_session(), closed_at=late) == late
    assert ended_at(_session(), closed_at=NOW - timedelta(hours=1)) == NOW
    assert ended_at(_session(stop_seen=1, stop_at=late)) == late
    resent = _session(stop_seen=1, stop_at=late, session_seconds=60)
    assert ended_at(resent) == NOW + timedelta(seconds=61)


def test_addresses_reach_back_to_the_start_and_are_cut_by_the_next() -> None:
    minute = timedelta(minutes=1)
    addresses = [
        AddressState(
            session_key="k", address=address, from_at=NOW + seen * minute, to_at=NOW + seen * minute
        )
        for address, seen in (("10.0.0.7", 1), ("10.0.0.8", 5), ("2001:db8::1", 3))
    ]
    spans = {span.address: span for span in address_spans(_session(), addresses)}
    assert (spans["10.0.0.7"].from_at, spans["10.0.0.7"].to_at) == (NOW, NOW + 5 * minute)
    assert (spans["10.0.0.8"].from_at, spans["10.0.0.8"].to_at) == (NOW + 5 * minute, None)
    assert (spans["2001:db8::1"].from_at, spans["2001:db8::1"].to_at) == (NOW, None)
    closed = address_spans(_session(), addresses, closed_at=NOW + 2 * minute)
    assert all(span.to_at is not None and span.to_at <= NOW + 5 * minute for span in closed)


def _held(address: str, first: int, last: int, offset: int | None = None) -> AddressState:
    return AddressState(
        session_key="k",
        address=address,
        from_at=NOW + timedelta(seconds=first),
        to_at=NOW + timedelta(seconds=last),
        first_offset_seconds=offset,
        last_offset_seconds=offset,
    )


def test_an_address_that_came_back_is_held_on() -> None:
    states = [_held("10.0.0.7", 0, 300), _held("10.0.0.8", 100, 200)]
    spans = {span.address: span for span in address_spans(_session(), states)}
    assert spans["10.0.0.7"].to_at is None, "it was seen last"


def test_what_neighbours_tell_is_held_from_the_first_to_soon_after_the_last_report() -> None:
    def told(address: str, first: int, last: int, source: str = NEIGHBOUR) -> AddressState:
        return replace(_held(address, first, last, 0), source=source)

    states = [
        told("10.0.0.7", 0, 600, "report"),
        told("fd77::5", 60, 600),
        told("fd77::6", 60, 300),
        told("fd77::7", 60, 540),
        _held("fd77::8", 60, 300),
    ]
    ended = NOW + timedelta(seconds=610)
    for closed_at in (None, ended):
        spans = {span.address: span for span in address_spans(_session(), states, closed_at)}
        held = {address: (span.from_at, span.to_at) for address, span in spans.items()}
        assert held == {
            "10.0.0.7": (NOW, closed_at),
            "fd77::5": (NOW + timedelta(seconds=60), closed_at),
            "fd77::6": (NOW + timedelta(seconds=60), NOW + timedelta(seconds=420)),
            "fd77::7": (NOW + timedelta(seconds=60), closed_at or NOW + timedelta(seconds=660)),
            "fd77::8": (NOW, closed_at),
        }


def test_an_address_begins_where_any_packet_saw_it_first() -> None:
    # The packet at 100 s had no Acct-Session-Time, the one at 600 s had.
    states = [_held("10.0.0.7", 0, 0, 0), _held("10.0.0.8", 100, 600, 600)]
    spans = {span.address: span for span in address_spans(_session(), states)}
    assert spans["10.0.0.7"].to_at == NOW + timedelta(seconds=100)
    assert spans["10.0.0.8"].from_at == NOW + timedelta(seconds=100)
