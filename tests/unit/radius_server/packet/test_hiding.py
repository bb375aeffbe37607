"""Hidden values revealed and hidden again, and packets of RADIUS/1.1 both ways."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import MalformedPacket, NotAuthentic
from radius_server.packet.authenticator import SharedSecret, encode_vendor
from radius_server.packet.codes import Code
from radius_server.packet.forming import (
    classic_of,
    form_request,
    modern_of,
    read_reply,
    token_of,
)
from radius_server.packet.hiding import TUNNEL_PASSWORD, Hop, carry, walk
from radius_server.packet.packet import decode

NAS = Hop(b"the secret of the NAS", bytes(range(16)))
HOME = Hop(b"the secret of home", bytes(range(16, 32)))
KEY = bytes(range(100, 132))


def _mppe(hop: Hop, kind: int) -> tuple[int, bytes]:
    hidden = SharedSecret(hop.secret).hide_key(KEY, hop.authenticator, kind & 1)
    return 26, encode_vendor(311, kind, hidden)[2:]


@given(st.binary(max_size=128).filter(lambda clear: not clear.endswith(b"\0")))
def test_a_password_is_what_it_was_on_every_hop(clear: bytes) -> None:
    ((_, hidden),) = carry([(2, clear)], None, NAS)
    assert len(hidden) % 16 == 0 and len(hidden) >= 16
    assert SharedSecret(NAS.secret).reveal_password(hidden, NAS.authenticator) == clear
    ((_, again),) = carry([(2, hidden)], NAS, HOME)
    assert SharedSecret(HOME.secret).reveal_password(again, HOME.authenticator) == clear
    assert list(carry([(2, again)], HOME, None)) == [(2, clear)]


def test_keys_reach_the_nas_under_its_own_secret() -> None:
    pairs = [_mppe(HOME, 16), _mppe(HOME, 17), (18, b"welcome")]
    carried = list(carry(pairs, HOME, NAS))
    assert carried[2] == (18, b"welcome")
    salts = {value[6:8] for _, value in carried[:2]}
    assert len(salts) == 2 and all(salt[0] & 0x80 for salt in salts)
    clear = list(carry(carried, NAS, None))
    assert [value[6:] for _, value in clear[:2]] == [KEY, KEY]
    assert [value for _, value in carry(pairs, HOME, None)] == [value for _, value in clear]


def test_a_tunnel_password_keeps_its_tag() -> None:
    (hidden,) = carry([(TUNNEL_PASSWORD, b"\x07swordfish")], None, HOME)
    (again,) = carry([hidden], HOME, NAS)
    assert again[1][:1] == b"\x07"
    assert list(carry([again], NAS, None)) == [(TUNNEL_PASSWORD, b"\x07swordfish")]


def test_ms_chap_keys_are_hidden_without_a_salt() -> None:
    value = (311).to_bytes(4, "big") + bytes((12, 26)) + bytes(range(24))
    (hidden,) = carry([(26, value)], None, HOME)
    assert len(hidden[1]) == 4 + 2 + 32
    assert list(carry(carry([hidden], HOME, NAS), NAS, None)) == [(26, value)]


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param((2, b"short"), id="password of no whole block"),
        pytest.param((2, b""), id="no password"),
        pytest.param((TUNNEL_PASSWORD, b"\0\x80\0" + bytes(15)), id="cut off"),
        pytest.param((TUNNEL_PASSWORD, b""), id="nothing"),
    ],
)
def test_an_impossible_hidden_value_is_malformed(pair: tuple[int, bytes]) -> None:
    with pytest.raises(MalformedPacket):
        list(carry([pair], HOME, NAS))


def test_a_key_under_another_secret_is_malformed_or_garbage_but_nothing_else() -> None:
    other = Hop(b"another", HOME.authenticator)
    for number in range(64):
        pair = _mppe(Hop(HOME.secret, bytes([number]) * 16), 16)
        try:
            list(carry([pair], other, NAS))
        except MalformedPacket:
            continue


def test_a_modern_request_becomes_a_classic_one_and_its_reply_goes_back() -> None:
    attributes = bytes((1, 5)) + b"bob" + bytes((2, 7)) + b"hello" + bytes((80, 18)) + bytes(16)
    head = bytes((1, 0)) + (20 + len(attributes)).to_bytes(2, "big")
    modern = head + b"\x01\x02\x03\x04" + bytes(12) + attributes
    assert token_of(modern) == b"\x01\x02\x03\x04"

    secret = SharedSecret(NAS.secret)
    classic = decode(classic_of(modern, NAS))
    assert secret.message_authenticator_fits(classic)
    assert classic.authenticator == NAS.authenticator
    assert secret.reveal_password(classic.values[2], NAS.authenticator) == b"hello"

    keys = b"".join(bytes((kind, len(value) + 2)) + value for kind, value in [_mppe(NAS, 16)])
    reply = secret.reply(classic, Code.ACCESS_ACCEPT, bytes((18, 4)) + b"ok" + keys)
    back = modern_of(reply, b"\x01\x02\x03\x04", NAS)
    assert back[:2] == bytes((2, 0)) and back[4:20] == b"\x01\x02\x03\x04" + bytes(12)
    pairs = list(walk(decode(back)))
    assert pairs[0] == (18, b"ok") and pairs[1][1][6:] == KEY and len(pairs) == 2


def test_a_modern_accounting_request_is_signed_as_accounting() -> None:
    attributes = bytes((40, 6, 0, 0, 0, 1, 44, 4)) + b"ab"
    modern = bytes((4, 0)) + (20 + len(attributes)).to_bytes(2, "big") + bytes(16) + attributes
    classic = decode(classic_of(modern, NAS))
    assert SharedSecret(NAS.secret).accounting_authenticator_fits(classic)


def test_a_reply_is_believed_only_when_it_is_signed_for_this_request() -> None:
    request = form_request(1, 9, HOME, [(1, b"bob")])
    secret = SharedSecret(HOME.secret)
    reply = secret.reply(decode(request), Code.ACCESS_ACCEPT, bytes((18, 4)) + b"ok")
    assert read_reply(reply, request, HOME.secret, True).code == 2

    with pytest.raises(NotAuthentic):
        read_reply(reply, request, b"another", True)
    with pytest.raises(NotAuthentic):
        read_reply(reply, form_request(1, 9, NAS, [(1, b"bob")]), HOME.secret, True)
    with pytest.raises(MalformedPacket):
        read_reply(reply, form_request(1, 8, HOME, [(1, b"bob")]), HOME.secret, True)
    unsigned = bytes((2, 9, 0, 20)) + HOME.authenticator
    digest = hashlib.md5(unsigned + HOME.secret).digest()
    with pytest.raises(NotAuthentic, match="no_message_authenticator"):
        read_reply(unsigned[:4] + digest, request, HOME.secret, True)
    assert read_reply(unsigned[:4] + digest, request, HOME.secret, False).code == 2


def test_what_does_not_fit_any_more_is_malformed() -> None:
    with pytest.raises(MalformedPacket):
        form_request(1, 1, HOME, [(33, bytes(253))] * 17)
