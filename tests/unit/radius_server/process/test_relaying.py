"""What a request and its reply carry from hop to hop."""

from __future__ import annotations

import pytest

from radius_server.packet.authenticator import SharedSecret, encode_all, encode_vendor
from radius_server.packet.codes import Code
from radius_server.packet.forming import form_request
from radius_server.packet.hiding import Hop, Pair, carry, walk
from radius_server.packet.packet import Packet, decode
from radius_server.process.class_attribute import seal, seal_foreign
from radius_server.process.relaying import (
    Refusal,
    Terms,
    delayed,
    notes,
    outgoing,
    refusal,
    returned,
)

NAS = Hop(b"secret of the NAS", bytes(range(16)))
HOME = Hop(b"secret of home", bytes(range(50, 66)))
CLASS_KEY = b"k" * 32
TERMS = Terms(mark=b"our-mark", class_key=CLASS_KEY, operator_name="school.example", maximum_hops=3)
KEY = bytes(32)


def _asked(*pairs: Pair, code: Code = Code.ACCESS_REQUEST) -> Packet:
    return decode(form_request(code, 7, NAS, pairs))


def _replied(*pairs: Pair, code: Code = Code.ACCESS_ACCEPT) -> Packet:
    request = decode(form_request(1, 7, HOME, []))
    return decode(SharedSecret(HOME.secret).reply(request, code, encode_all(pairs)))


def _returned(reply: Packet, vlan: int | None = None) -> bytes:
    return returned(reply, HOME, NAS, TERMS, vlan=vlan, named=lambda name: name)


def test_home_is_told_who_asks_and_the_proxy_states_stay_in_order() -> None:
    packet = _asked((1, b"bob@x"), (33, b"first"), (33, b"second"))
    pairs = outgoing(packet, NAS, HOME, TERMS)
    kinds = [kind for kind, _ in pairs]
    assert 80 not in kinds
    assert dict(pairs)[126] == b"1school.example"
    assert dict(pairs)[89] == b"\0"
    states = [value for kind, value in pairs if kind == 33]
    assert states[:2] == [b"first", b"second"]
    assert states[2].startswith(b"our-mark") and len(states) == 3


def test_what_the_nas_says_itself_is_not_said_twice() -> None:
    packet = _asked((126, b"1other.example"), (89, b"cui"))
    pairs = outgoing(packet, NAS, HOME, TERMS)
    assert [value for kind, value in pairs if kind in (126, 89)] == [b"1other.example", b"cui"]


def test_chap_keeps_its_challenge() -> None:
    pairs = dict(outgoing(_asked((3, bytes(17))), NAS, HOME, TERMS))
    assert pairs[60] == NAS.authenticator
    kept = dict(outgoing(_asked((3, bytes(17)), (60, b"challenge")), NAS, HOME, TERMS))
    assert kept[60] == b"challenge"


def test_accounting_asks_for_no_chargeable_user() -> None:
    packet = _asked((40, bytes(4)), code=Code.ACCOUNTING_REQUEST)
    assert 89 not in dict(outgoing(packet, NAS, HOME, TERMS))


def test_a_visitor_gets_keys_and_times_and_nothing_that_configures_this_network() -> None:
    key = encode_vendor(311, 16, SharedSecret(HOME.secret).hide_key(KEY, HOME.authenticator))[2:]
    reply = _replied(
        (1, b"bob@x"),
        (27, bytes((0, 0, 1, 0))),
        (64, bytes((0, 0, 0, 13))),
        (65, bytes((0, 0, 0, 6))),
        (81, b"99"),
        (11, b"open-everything"),
        (8, bytes((10, 0, 0, 1))),
        (6, bytes((0, 0, 0, 6))),
        (26, encode_vendor(9, 1, b"shell:priv-lvl=15")[2:]),
        (26, key),
        (33, b"of-the-way"),
        (89, b"cui"),
    )
    attributes = _returned(reply, None)
    answer = decode(SharedSecret(NAS.secret).reply(_asked(), Code.ACCESS_ACCEPT, attributes))
    assert [kind for kind, _ in walk(answer)] == [80, 1, 27, 26, 89]
    assert dict(carry(walk(answer), NAS, None))[26][6:] == KEY

    placed = _returned(reply, 60)
    answer = decode(SharedSecret(NAS.secret).reply(_asked(), Code.ACCESS_ACCEPT, placed))
    assert answer.values[81] == b"60"
    refused = _replied((18, b"no"), code=Code.ACCESS_REJECT)
    assert _returned(refused, 60) == bytes((18, 4)) + b"no"


@pytest.mark.parametrize(
    ("pairs", "from_home", "found"),
    [
        pytest.param([], False, None, id="fresh"),
        pytest.param([(33, b"a"), (33, b"b")], False, None, id="two hops of three"),
        pytest.param([(33, b"a")] * 3, False, Refusal.HOPS, id="three hops"),
        pytest.param([(33, b"a"), (33, b"our-mark123")], False, Refusal.LOOP, id="our mark"),
        pytest.param([(126, b"1School.example")], True, Refusal.LOOP, id="our name from home"),
        pytest.param([(126, b"1School.example")], False, None, id="our name from our NAS"),
        pytest.param([(126, b"1other.example")], True, None, id="another's name"),
    ],
)
def test_what_goes_in_circles_is_noticed(
    pairs: list[Pair], from_home: bool, found: Refusal | None
) -> None:
    assert refusal(_asked(*pairs), TERMS, from_home) is found


def test_accounting_that_waited_says_so() -> None:
    assert delayed([(44, b"x")], 0) == [(44, b"x")]
    assert delayed([(44, b"x")], 7) == [(44, b"x"), (41, bytes((0, 0, 0, 7)))]
    assert delayed([(41, bytes((0, 0, 0, 5)))], 7) == [(41, bytes((0, 0, 0, 12)))]


def test_the_trace_notes_who_home_says_it_was() -> None:
    reply = _replied((1, b"bob@x\n"), (89, b"abc"))
    assert notes(reply) == ["proxy:name=bob@x\\x0a", "proxy:cui=abc"]
    assert notes(_replied((89, b"\0"))) == []


def test_a_class_of_ours_is_told_to_nobody_and_believed_from_nobody() -> None:
    ours = (25, seal(CLASS_KEY, 7, bytes(8)))
    foreign = (25, seal_foreign(CLASS_KEY, "x", bytes(8)))
    theirs = (25, b"Y1 of their own")
    packet = _asked(ours, theirs, foreign, code=Code.ACCOUNTING_REQUEST)
    pairs = outgoing(packet, NAS, HOME, TERMS)
    assert [pair for pair in pairs if pair[0] == 25] == [theirs]
    assert _returned(_replied(ours, foreign, theirs)) == encode_all([theirs])


def test_the_name_from_home_is_made_fit_or_left_out() -> None:
    def named(name: str) -> str | None:
        return {"somchai": "somchai@x", "long": "a" * 254}.get(name)

    def given(name: bytes) -> bytes:
        return returned(_replied((1, name)), HOME, NAS, TERMS, vlan=None, named=named)

    assert given(b"somchai") == encode_all([(1, b"somchai@x")])
    assert given(b"other") == given(b"long") == given(b"\xff\xfe") == b""
