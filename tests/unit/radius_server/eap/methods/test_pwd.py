"""EAP-pwd against a peer of our own whose arithmetic is written here, in affine coordinates.

RFC 5931 has no examples; hostapd's implementation is the other witness (tests/clients).
"""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.errors import EapViolation
from identity.domain.access import Denied, Granted, Method, Reason
from identity.domain.recoverable import hash_nt_hash, nt_hash
from radius_server.eap.methods.pwd import SERVER_NAME, pwd
from radius_server.eap.methods.pwd_element import (
    GROUPS,
    Group,
    decode_commit,
    encode_element,
    password_element,
    stretch,
)
from tests.unit.radius_server.eap.methods.play import PASSWORD, World, account, play, request

Affine = tuple[int, int] | None
_LENGTH, _MORE = 0x80, 0x40


def add(group: Group, one: Affine, other: Affine) -> Affine:
    """The sum of two points; None is infinity."""
    if one is None or other is None:
        return one or other
    p = group.prime
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % p == 0:
        return None
    if one == other:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, p)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, p)
    x = (slope * slope - x1 - x2) % p
    return x, (slope * (x1 - x) - y1) % p


def multiply(group: Group, number: int, point: Affine) -> Affine:
    result: Affine = None
    while number:
        if number & 1:
            result = add(group, result, point)
        point = add(group, point, point)
        number >>= 1
    return result


def h(*parts: bytes) -> bytes:
    return hmac.new(bytes(32), b"".join(parts), hashlib.sha256).digest()


class Peer:
    """A client of RFC 5931 that knows `password`, prepared as the server says."""

    private, mask = 123456789, 987654321

    def __init__(self, password: str, identity: bytes = b"Alice", fragment: int = 1000) -> None:
        self.password = password
        self.identity = identity
        self.fragment = fragment
        self.preparation = -1
        self.msk = b""
        self.confirmed = False
        self._inbox = b""
        self._outbox = b""
        self._exchange = 0

    def __call__(self, type_data: bytes) -> bytes:
        exchange = type_data[0] & 0x3F
        data = type_data[1:]
        if type_data[0] & _LENGTH:
            data = data[2:]
        if self._outbox:
            assert not data and exchange == self._exchange
            return self._next_fragment(exchange)
        self._inbox += data
        if type_data[0] & _MORE:
            return bytes((exchange,))
        message, self._inbox = self._inbox, b""
        answer = {1: self._identify, 2: self._commit, 3: self._confirm}[exchange](message)
        if len(answer) <= self.fragment:
            return bytes((exchange,)) + answer
        self._exchange = exchange
        head = bytes((exchange | _LENGTH | _MORE,)) + len(answer).to_bytes(2, "big")
        self._outbox = answer[self.fragment :]
        return head + answer[: self.fragment]

    def _next_fragment(self, exchange: int) -> bytes:
        part, self._outbox = self._outbox[: self.fragment], self._outbox[self.fragment :]
        return bytes((exchange | (_MORE if self._outbox else 0),)) + part

    def _identify(self, message: bytes) -> bytes:
        self.group = GROUPS[int.from_bytes(message[:2], "big")]
        assert message[2:4] == b"\x01\x01"
        token, self.preparation, server = message[4:8], message[8], message[9:]
        assert server == SERVER_NAME
        password = self.password.encode()
        if self.preparation == 1:
            password = hash_nt_hash(nt_hash(self.password))
        self.element = self._hunt(token, server, password)
        return message[:9] + self.identity

    def _hunt(self, token: bytes, server: bytes, password: bytes) -> Affine:
        p, size = self.group.prime, self.group.prime.bit_length()
        for counter in range(1, 256):
            seed = h(token, self.identity, server, password, bytes((counter,)))
            octets = stretch(seed, b"EAP-pwd Hunting And Pecking", size)
            x = int.from_bytes(octets, "big") >> (len(octets) * 8 - size)
            square = (x**3 - 3 * x + self.group.b) % p
            if x < p and pow(square, (p - 1) // 2, p) in (0, 1):
                y = pow(square, (p + 1) // 4, p)
                return x, y if y & 1 == seed[-1] & 1 else p - y
        raise AssertionError("no element")

    def _commit(self, message: bytes) -> bytes:
        size = self.group.prime_octets
        self.theirs = message
        self.their_element = (
            int.from_bytes(message[:size], "big"),
            int.from_bytes(message[size : 2 * size], "big"),
        )
        self.their_scalar = int.from_bytes(message[2 * size :], "big")
        self.scalar = (self.private + self.mask) % self.group.order
        x, y = multiply(self.group, self.mask, self.element) or (0, 0)
        self.ours = (
            x.to_bytes(size, "big")
            + (self.group.prime - y).to_bytes(size, "big")
            + self.scalar.to_bytes(self.group.order_octets, "big")
        )
        return self.ours

    def _confirm(self, message: bytes) -> bytes:
        group, suite = self.group, self.group.ciphersuite
        inner = add(group, multiply(group, self.their_scalar, self.element), self.their_element)
        shared = multiply(group, self.private, inner)
        assert shared is not None
        k = shared[0].to_bytes(group.prime_octets, "big")
        self.confirmed = message == h(k, self.theirs, self.ours, suite)
        confirm = h(k, self.ours, self.theirs, suite)
        size = group.order_octets
        session = h(
            suite, self.scalar.to_bytes(size, "big"), self.their_scalar.to_bytes(size, "big")
        )
        self.msk = stretch(h(k, confirm, message), bytes((52,)) + session, 1024)[:64]
        return confirm


@pytest.mark.parametrize("group", [19, 20, 21])
@pytest.mark.parametrize(("kind", "preparation"), [("password", 0), ("nt-hash", 1)])
def test_both_sides_come_to_the_same_keys(group: int, kind: str, preparation: int) -> None:
    peer, known = Peer(PASSWORD), account(recoverable=kind)
    result, sent = play(pwd(request(), "Alice", group=group), peer, World(known))
    assert result.decision == Granted(account=known, method=Method.EAP_PWD)
    assert peer.confirmed
    assert peer.preparation == preparation
    assert result.msk == peer.msk
    assert result.identity == "Alice"
    assert len(sent) == 3


@settings(max_examples=15, deadline=None)
@given(octets=st.integers(40, 300), fragment=st.integers(1, 200))
def test_fragments_of_any_size_both_ways(octets: int, fragment: int) -> None:
    peer = Peer(PASSWORD, fragment=max(fragment, 3))
    result, sent = play(pwd(request(), "Alice", octets=octets), peer, World())
    assert isinstance(result.decision, Granted)
    assert result.msk == peer.msk
    assert all(5 + len(type_data) <= octets for type_data in sent)


def test_a_wrong_password_is_found_out_by_both_sides() -> None:
    peer = Peer("another")
    result, _ = play(pwd(request(), "Alice"), peer, World())
    assert result.decision == Denied(Reason.WRONG_PASSWORD, Method.EAP_PWD, 1)
    assert result.msk == b""
    assert not peer.confirmed


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        pytest.param(World(None), Reason.UNKNOWN_ACCOUNT, id="unknown"),
        pytest.param(World(account(recoverable="none")), Reason.NOT_RECOVERABLE, id="not-kept"),
        pytest.param(World(account(kind="device")), Reason.NOT_A_LOGIN, id="device"),
        pytest.param(World(account(state="suspended")), Reason.SUSPENDED, id="suspended"),
        pytest.param(
            World(later=account(password_hash="$new"), looks=2), Reason.WRONG_PASSWORD, id="changed"
        ),
    ],
)
def test_refusals(world: World, reason: Reason) -> None:
    result, _ = play(pwd(request(), "Alice"), Peer(PASSWORD), world)
    assert isinstance(result.decision, Denied)
    assert result.decision.reason is reason


def test_an_anonymous_identity_outside_does_not_matter() -> None:
    result, _ = play(pwd(request("anonymous"), "anonymous"), Peer(PASSWORD), World())
    assert isinstance(result.decision, Granted)
    assert result.identity == "Alice"


def test_other_parameters_than_ours_end_it() -> None:
    def peer(type_data: bytes) -> bytes:
        return type_data[:1] + b"\0\x14" + type_data[3:]

    with pytest.raises(EapViolation, match="pwd_parameters_differ"):
        play(pwd(request(), "Alice"), peer, World())


def _commit_with(made: bytes | None) -> EapViolation:
    """What becomes of a peer that commits to `made`; None reflects our own commit."""
    honest = Peer(PASSWORD)

    def peer(type_data: bytes) -> bytes:
        if type_data[0] == 2:
            return type_data if made is None else bytes((2,)) + made
        return honest(type_data)

    with pytest.raises(EapViolation) as caught:
        play(pwd(request(), "Alice"), peer, World())
    return caught.value


def test_a_reflected_commit_ends_it() -> None:
    assert _commit_with(None).reason == "pwd_commit_reflected"


G = GROUPS[19]
GENERATOR = bytes.fromhex(
    "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
    "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"
)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(bytes(64) + (5).to_bytes(32, "big"), id="infinity"),
        pytest.param((1).to_bytes(32, "big") * 2 + (5).to_bytes(32, "big"), id="off-the-curve"),
        pytest.param(GENERATOR + bytes(32), id="scalar-0"),
        pytest.param(GENERATOR + (1).to_bytes(32, "big"), id="scalar-1"),
        pytest.param(GENERATOR + G.order.to_bytes(32, "big"), id="scalar-order"),
        pytest.param(
            GENERATOR[:32] + G.prime.to_bytes(32, "big") + (5).to_bytes(32, "big"), id="y-prime"
        ),
        pytest.param(GENERATOR, id="short"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_commit_that_may_not_be_used_ends_it(made: bytes) -> None:
    assert decode_commit(G, made) is None
    assert _commit_with(made).reason == "pwd_commit_not_valid"


def test_the_invalid_key_of_a_chosen_commit_does_not_let_in() -> None:
    """scalar·PWE + Element at infinity would be a key that needs no password."""
    honest = Peer(PASSWORD)
    made = b""

    def peer(type_data: bytes) -> bytes:
        nonlocal made
        if type_data[0] == 2:
            x, y = multiply(G, 5, honest.element) or (0, 0)
            made = x.to_bytes(32, "big") + (G.prime - y).to_bytes(32, "big")
            return bytes((2,)) + made + (5).to_bytes(32, "big")
        return honest(type_data)

    with pytest.raises(EapViolation, match="pwd_key_at_infinity"):
        play(pwd(request(), "Alice"), peer, World())


@pytest.mark.parametrize("number", [19, 20, 21])
def test_the_curves_are_what_their_names_say(number: int) -> None:
    group = GROUPS[number]
    element = password_element(group, b"1234", b"peer", b"server", b"password")
    assert int(element.y) ** 2 % group.prime == (
        (int(element.x) ** 3 - 3 * int(element.x) + group.b) % group.prime
    )
    assert (element * group.order).is_point_at_infinity()
    assert group.prime % 4 == 3
    octets = encode_element(group, element) + (7).to_bytes(group.order_octets, "big")
    assert decode_commit(group, octets) == (7, element)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
@example(b"A\x00")  # one octet at a time, and always more to come
def test_junk_is_a_violation_or_a_refusal(junk: bytes) -> None:
    try:
        result, _ = play(pwd(request(), "Alice"), lambda _: junk, World())
    except EapViolation:
        return
    assert isinstance(result.decision, Denied)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6))
def test_junk_after_a_good_beginning_is_a_violation_or_a_refusal(junk: list[bytes]) -> None:
    honest, left = Peer(PASSWORD), list(junk)

    def peer(type_data: bytes) -> bytes:
        if type_data[0] & 0x3F == 1:
            return honest(type_data)
        return bytes((type_data[0] & 0x3F | _MORE,)) + left.pop() if left else b"\x02"

    try:
        result, _ = play(pwd(request(), "Alice"), peer, World())
    except EapViolation:
        return
    assert isinstance(result.decision, Denied)
