"""What a TEAP peer may not do, and what becomes of it: bindings, TLVs, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from radius_server.eap.server import EapServer
from radius_server.process.questions import CheckPassword
from tests.unit.radius_server.eap.lab import Authority
from tests.unit.radius_server.eap.peer import Site
from tests.unit.radius_server.eap.teap_peer import (
    BINDING,
    EAP_PAYLOAD,
    IDENTITY_TYPE,
    INTERMEDIATE,
    NAK,
    PASSWORD_REQUEST,
    PASSWORD_RESPONSE,
    REQUEST_ACTION,
    RESULT,
    Mschapv2,
    Said,
    TeapPeer,
    Told,
    tlv,
    written,
)
from tests.unit.radius_server.eap.test_teap import certified, context_of, teap_server


@pytest.fixture
def server(authority: Authority) -> EapServer:
    return teap_server(authority)


def changed(kind: int, change: Callable[[bytes], bytes | None]) -> Callable[..., list[Said]]:
    """A twist that changes the value of one TLV, or leaves it out."""

    def twist(said: list[Said]) -> list[Said]:
        made = [
            (number, change(value) if number & 0x3FFF == kind else value) for number, value in said
        ]
        return [(number, value) for number, value in made if value is not None]

    return twist


def flipped(at: int) -> Callable[[bytes], bytes]:
    """A change of one bit of the octet at `at`."""
    return lambda value: value[:at] + bytes((value[at] ^ 1,)) + value[at + 1 :]


@pytest.mark.parametrize(
    ("change", "violation", "error"),
    [
        pytest.param(flipped(75), "binding_msk_wrong", 2005, id="mac"),
        pytest.param(flipped(4), "binding_nonce_wrong", 2003, id="nonce"),
        pytest.param(flipped(35), "binding_nonce_wrong", 2003, id="our own nonce"),
        pytest.param(flipped(1), "binding_version_wrong", 2003, id="version"),
        pytest.param(flipped(2), "binding_version_wrong", 2003, id="downgrade"),
        pytest.param(flipped(3), "binding_version_wrong", 2003, id="request for response"),
        pytest.param(
            lambda value: value[:3] + b"\xf1" + value[4:], "binding_flags_wrong", 2003, id="flags"
        ),
        pytest.param(
            lambda value: value[:3] + b"\x11" + value[4:], "binding_msk_missing", 2004, id="emsk"
        ),
        pytest.param(lambda value: value[:-1], "binding_length_wrong", 2003, id="short"),
        pytest.param(lambda value: None, "binding_missing", 2001, id="none"),
    ],
)
def test_who_cannot_prove_the_same_keys_stays_out(
    authority: Authority,
    server: EapServer,
    change: Callable[[bytes], bytes | None],
    violation: str,
    error: int,
) -> None:
    peer = TeapPeer(context_of(authority), Mschapv2(), twist=changed(BINDING, change))
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP_TEAP)
    assert f"eap:violation={violation}" in ended.trace
    assert peer.results[-2:] == [2, error]
    assert (ended.identity, ended.receive_key) == ("alice", b"")


def test_a_wrong_emsk_mac_keeps_out(authority: Authority, server: EapServer) -> None:
    peer = TeapPeer(
        context_of(authority),
        certified(authority),
        emsk=True,
        twist=changed(BINDING, flipped(40)),
    )
    ended = Site().login(server, peer)
    assert "eap:violation=binding_emsk_wrong" in ended.trace
    assert peer.results[-2:] == [2, 2007]


def instead(when: int, *tlvs: Said) -> Callable[[list[Said]], list[Said]]:
    """A twist: where `when` would be said, these are said instead."""

    def twist(said: list[Said]) -> list[Said]:
        return list(tlvs) if any(kind & 0x3FFF == when for kind, _ in said) else said

    return twist


def added(when: int, *tlvs: Said) -> Callable[[list[Said]], list[Said]]:
    """A twist: where `when` is said, these are said too."""

    def twist(said: list[Said]) -> list[Said]:
        more = tlvs if any(kind & 0x3FFF == when for kind, _ in said) else ()
        return [*said, *more]

    return twist


@pytest.mark.parametrize(
    ("twist", "violation"),
    [
        pytest.param(added(BINDING, tlv(11, b"")), "tlv_unexpected_11", id="pac"),
        pytest.param(added(RESULT, tlv(RESULT, b"\0\1")), "tlv_repeated_3", id="two results"),
        pytest.param(instead(EAP_PAYLOAD, tlv(EAP_PAYLOAD, b"\2")), "tlv_eap_cut_short", id="eap"),
        pytest.param(
            added(EAP_PAYLOAD, tlv(EAP_PAYLOAD, b"\2\0\0\4")), "tlv_repeated_9", id="two of eap"
        ),
        pytest.param(
            added(EAP_PAYLOAD, tlv(PASSWORD_RESPONSE, b"\1a\1b")), "tlv_eap_and_password", id="both"
        ),
        pytest.param(added(RESULT, tlv(99, b"")), "tlv_unknown_99", id="unknown with a result"),
        pytest.param(changed(RESULT, lambda value: b"\0\3"), "tlv_status_unknown", id="status"),
        pytest.param(changed(RESULT, lambda value: b"\0"), "tlv_length_wrong_3", id="length"),
        pytest.param(changed(RESULT, lambda value: None), "result_missing", id="no result"),
        pytest.param(
            changed(INTERMEDIATE, lambda value: None),
            "intermediate_result_missing",
            id="no intermediate result",
        ),
        pytest.param(
            added(EAP_PAYLOAD, tlv(BINDING, bytes(76))), "binding_unexpected", id="too early"
        ),
        pytest.param(
            instead(EAP_PAYLOAD, tlv(IDENTITY_TYPE, b"\0\1")), "no_inner_eap", id="no eap"
        ),
    ],
)
def test_broken_rules_of_tlvs_end_it_with_an_error(
    authority: Authority, server: EapServer, twist: Any, violation: str
) -> None:
    peer = TeapPeer(context_of(authority), Mschapv2(), twist=twist)
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP_TEAP)
    assert f"eap:violation={violation}" in ended.trace
    assert peer.results[-2:] == [2, 2002]


def test_what_must_be_understood_and_is_not_is_answered_with_nak(
    authority: Authority, server: EapServer
) -> None:
    state = {"said": False}

    def twist(said: list[Said]) -> list[Said]:
        if not state["said"] and any(kind & 0x3FFF == EAP_PAYLOAD for kind, _ in said):
            state["said"], state["kept"] = True, said  # type: ignore[assignment]
            return [*said, tlv(7, b"\0\0\x01\x37" + bytes(4))]
        return said

    peer = TeapPeer(context_of(authority), Mschapv2(), twist=twist)
    answers = peer.inside._answers

    def without_it(asked: dict[int, bytes]) -> list[Said]:
        return state["kept"] if NAK in asked else answers(asked)  # type: ignore[return-value]

    peer.inside._answers = without_it  # type: ignore[method-assign]
    ended = Site().login(server, peer)
    assert isinstance(ended.decision, Granted), ended
    assert "teap:unknown_tlv=7" in ended.trace
    (told,) = [asked[NAK] for asked in peer.inside.heard if NAK in asked]
    assert told == b"\0\0\x01\x37" + b"\0\7"


def test_a_peer_that_insists_on_what_is_unknown_is_given_up(
    authority: Authority, server: EapServer
) -> None:
    peer = TeapPeer(context_of(authority), Mschapv2(), twist=lambda said: [tlv(99, b"")])
    ended = Site().login(server, peer)
    assert "eap:violation=tlv_unknown" in ended.trace
    assert len([asked for asked in peer.inside.heard if NAK in asked]) == 3


@pytest.mark.parametrize("kind", [6, 15, 16, 17, 18, 19, 7, 99])
def test_what_need_not_be_understood_is_passed_over(
    authority: Authority, server: EapServer, kind: int
) -> None:
    twist = added(RESULT, tlv(kind, b"\0\0\0\1whatever", mandatory=False))
    peer = TeapPeer(context_of(authority), Mschapv2(), twist=twist)
    assert isinstance(Site().login(server, peer).decision, Granted)


def test_a_peer_that_refuses_is_let_go(authority: Authority, server: EapServer) -> None:
    twist = instead(RESULT, tlv(RESULT, b"\0\2"), tlv(5, b"\0\0\x07\xd1"))
    peer = TeapPeer(context_of(authority), Mschapv2(), twist=twist)
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP_TEAP)
    assert "teap:peer_refused=2001" in ended.trace
    # Nothing more is said to it inside.
    assert peer.results == [1]


@pytest.mark.parametrize(("status", "granted"), [(1, True), (2, False), (7, False)])
def test_an_action_that_is_asked_for_is_not_done(
    authority: Authority, server: EapServer, status: int, granted: bool
) -> None:
    def twist(said: list[Said]) -> list[Said]:
        if not any(kind & 0x3FFF == RESULT for kind, _ in said):
            return said
        kept = [item for item in said if item[0] & 0x3FFF != RESULT]
        return [*kept, tlv(REQUEST_ACTION, bytes((status, 2)))]

    peer = TeapPeer(context_of(authority), Mschapv2(), twist=twist)
    ended = Site().login(server, peer)
    assert isinstance(ended.decision, Granted) is granted


def test_another_version_ends_it(authority: Authority, server: EapServer) -> None:
    def older(octets: bytes) -> bytes:
        return octets[:5] + b"\0" + octets[6:] if octets[4] == 55 else octets

    ended = Site().login(server, TeapPeer(context_of(authority), Mschapv2()), older)
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP_TEAP)
    assert "eap:violation=version_wrong" in ended.trace


def test_a_peer_that_says_nothing_inside_is_given_up(
    authority: Authority, server: EapServer
) -> None:
    peer = TeapPeer(context_of(authority), Mschapv2(), twist=lambda said: [])
    ended = Site().login(server, peer)
    assert "eap:violation=inner_empty" in ended.trace
    assert peer.results == []


_LIKELY = st.lists(
    st.tuples(
        st.integers(1, 20).map(lambda kind: kind | 0x8000),
        st.binary(max_size=80) | st.sampled_from([b"\0\1", b"\0\2", b"\2\0\0\5\1", b"\1a\1b"]),
    ),
    max_size=4,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.binary(min_size=1, max_size=200) | _LIKELY.map(written), after=st.integers(0, 3))
def test_junk_inside_never_lets_in_and_never_breaks_the_server(
    authority: Authority, server: EapServer, junk: bytes, after: int
) -> None:
    peer = TeapPeer(context_of(authority), Mschapv2())
    honest = peer.inside.send

    def send(plain: bytes) -> bytes:
        return honest(plain) if len(peer.inside.heard) < after else junk

    peer.inside.send = send  # type: ignore[method-assign]
    ended = Site().login(server, peer)
    assert isinstance(ended.decision, Denied)
    assert ended.decision.method is not Method.EAP
    assert (ended.eap_message[0], ended.receive_key) == (4, b"")


def test_who_answers_something_else_than_a_password_is_given_up(
    authority: Authority, server: EapServer
) -> None:
    twist = instead(PASSWORD_RESPONSE, tlv(IDENTITY_TYPE, b"\0\1"))
    peer = TeapPeer(context_of(authority), Told(), twist=twist)
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.EAP_PROTOCOL, Method.EAP_TEAP)
    assert "eap:violation=no_password" in ended.trace


def test_who_has_neither_method_nor_password_is_told_so(authority: Authority) -> None:
    server = teap_server(authority, teap_inner=("tls", "password"))
    peer = TeapPeer(context_of(authority), Mschapv2())
    ended = Site().login(server, peer)
    assert ended.decision == Denied(Reason.EAP_NO_METHOD, Method.EAP_TEAP)
    assert any(PASSWORD_REQUEST in asked for asked in peer.inside.heard)
    assert peer.results == [2, 1003]


def test_a_back_end_that_is_down_is_no_refusal(authority: Authority, server: EapServer) -> None:
    class Down(Site):
        def answer(self, question: Any) -> Any:
            if isinstance(question, CheckPassword):
                return Unavailable("database")
            return super().answer(question)

    peer = TeapPeer(context_of(authority), Told())
    with pytest.raises(AssertionError, match="Unavailable"):
        # Nothing is answered at all: the NAS asks again, or another server.
        Down().login(server, peer)
    assert peer.results == []
