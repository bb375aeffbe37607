"""EAP-pwd (type 52), RFC 5931: a password proves both sides, and nobody can guess offline.

ID, Commit, Confirm, each a request and its response, in fragments of its own. Needs a
recoverable secret: the password, or the NT hash with password preparation 1.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from common.errors import EapViolation
from identity.domain.access import (
    AccountSnapshot,
    Decision,
    Denied,
    Granted,
    Method,
    Reason,
    Unavailable,
)
from identity.domain.recoverable import hash_nt_hash
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.methods.pwd_element import (
    GROUPS,
    Commitment,
    Group,
    Point,
    Random,
    commit,
    decode_commit,
    encode_scalar,
    password_element,
    prf,
    shared_key,
    stretch,
)
from radius_server.eap.packet import OVERHEAD_OCTETS, Type, peer_identity
from radius_server.process.known_secrets import as_of_now, if_active, nt_hash_of
from radius_server.process.questions import (
    AccessRequest,
    AskDirectory,
    Compute,
    FindAccount,
    Question,
    RecoveredSecret,
    RecoverSecret,
)

SERVER_NAME = b"yuenyan"
DEFAULT_GROUP = 19
DEFAULT_OCTETS = 1020
"""Of an EAP packet of ours; RFC 5931 section 3.3."""

_LENGTH, _MORE, _EXCHANGE = 0x80, 0x40, 0x3F
_LENGTH_OCTETS = 2
_MOST_FRAGMENTS = 32
"""Of one message; the longest there is needs half of them at 40 octets each."""

_LONGEST = 2048
"""Longer than any Commit of any group."""

_TOKEN_OCTETS = 4
_MSK_OCTETS = 64


class Exchange(IntEnum):
    """PWD-Exch, RFC 5931 section 3.1."""

    ID = 1
    COMMIT = 2
    CONFIRM = 3


class Preparation(IntEnum):
    """What is done to the password before it is hashed. RFC 5931 section 3.2.1."""

    NONE = 0
    RFC2759 = 1
    """MD4 of the NT hash."""


@dataclass(frozen=True, slots=True)
class _Course:
    """What an open conversation is about."""

    group: Group
    octets: int
    random: Random


@dataclass(frozen=True, slots=True)
class _Own:
    """Our side of one conversation, once we know whose password it is about."""

    element: Point = field(repr=False)
    commitment: Commitment = field(repr=False)


_Known = Generator[Question | Send, Any, tuple[AccountSnapshot, bytes] | Decision]


def pwd(
    request: AccessRequest,
    identity: str,
    octets: int = DEFAULT_OCTETS,
    group: int = DEFAULT_GROUP,
    random: Random = secrets.token_bytes,
) -> EapMethod:
    """The method from our ID request on.

    Args:
        octets: the longest EAP packet to send.
        group: 19, 20 or 21.

    Raises:
        EapViolation: the peer breaks a rule of RFC 5931.
    """
    course = _Course(GROUPS[group], octets, random)
    proposed = yield from _preparation(identity)
    if isinstance(proposed, Unavailable):
        return MethodResult(proposed)
    token = random(_TOKEN_OCTETS)
    peer = yield from _identify(course, token, proposed)
    name = peer_identity(peer)
    known = yield from _secret(replace(request, user_name=name), proposed)
    if not isinstance(known, tuple):
        return MethodResult(known, identity=name)
    account, password = known

    def commit_ourselves() -> _Own:
        element = password_element(course.group, token, peer, SERVER_NAME, password)
        return _Own(element, commit(course.group, element, random))

    own = yield Compute(commit_ourselves)
    if isinstance(own, Unavailable):
        return MethodResult(own)
    denied = Denied(Reason.WRONG_PASSWORD, Method.EAP_PWD, account.account_id)
    msk = yield from _agree(course, own, denied)
    if isinstance(msk, Unavailable):
        return MethodResult(msk)
    if msk is None:
        return MethodResult(denied, identity=name)
    decision = if_active(request, account, Method.EAP_PWD)
    if isinstance(decision, Granted):
        decision = yield from as_of_now(request, decision)
    return MethodResult(decision, msk=msk, identity=name)


def _preparation(identity: str) -> Generator[Question | Send, Any, Preparation | Unavailable]:
    """What the peer's password must be prepared by; it depends on what its account keeps."""
    account = yield FindAccount(identity.strip().casefold())
    if isinstance(account, Unavailable):
        return account
    if account is not None and account.recoverable == "nt-hash":
        return Preparation.RFC2759
    return Preparation.NONE


def _identify(
    course: _Course, token: bytes, preparation: Preparation
) -> Generator[Question | Send, Any, bytes]:
    """The peer's identity, after it has agreed to our parameters. RFC 5931 section 2.8.5.1."""
    proposal = course.group.ciphersuite + token + bytes((preparation,))
    answer = yield from _exchange(course, Exchange.ID, proposal + SERVER_NAME)
    if answer[: len(proposal)] != proposal:
        raise EapViolation("pwd_parameters_differ")
    return answer[len(proposal) :]


def _secret(request: AccessRequest, preparation: Preparation) -> _Known:
    """The account and its password as it is prepared; or why there is none."""
    account = yield FindAccount(request.user_name.strip().casefold())
    if isinstance(account, Unavailable):
        return account
    if account is None or account.origin:
        told = yield AskDirectory(account, request)
        if isinstance(told, Unavailable):
            return told
        if isinstance(told, Denied):
            return replace(told, method=Method.EAP_PWD)
    if account is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, Method.EAP_PWD)
    if account.kind == "device":
        return Denied(Reason.NOT_A_LOGIN, Method.EAP_PWD, account.account_id)
    secret = (yield RecoverSecret(account, request)) if account.recoverable != "none" else None
    if isinstance(secret, Unavailable):
        return secret
    if isinstance(secret, Denied):
        return replace(secret, method=Method.EAP_PWD)
    password = None if secret is None else _prepared(secret, preparation)
    if password is None:
        return Denied(Reason.NOT_RECOVERABLE, Method.EAP_PWD, account.account_id)
    return account, password


def _prepared(secret: RecoveredSecret, preparation: Preparation) -> bytes | None:
    if preparation is Preparation.RFC2759:
        return hash_nt_hash(nt_hash_of(secret))
    return secret.password


def _agree(
    course: _Course, own: _Own, if_abandoned: Denied
) -> Generator[Question | Send, Any, bytes | Unavailable | None]:
    """Commit and Confirm: the MSK, or None when the peer has another password.

    Our Confirm tells the peer whether its password was right; one that was wrong goes away.
    """
    group = course.group
    ours = own.commitment.octets(group)
    answer = yield from _exchange(course, Exchange.COMMIT, ours)
    theirs = decode_commit(group, answer)
    if theirs is None:
        raise EapViolation("pwd_commit_not_valid")
    scalar, element = theirs
    if scalar == own.commitment.scalar or element == own.commitment.element:
        # Our own words come back; the key would be one the sender need not know.
        raise EapViolation("pwd_commit_reflected")

    def key() -> bytes | None:
        return shared_key(group, own.element, own.commitment, scalar, element)

    shared = yield Compute(key)
    if isinstance(shared, Unavailable):
        return shared
    if shared is None:
        raise EapViolation("pwd_key_at_infinity")
    confirm = prf(shared, ours, answer, group.ciphersuite)
    expected = prf(shared, answer, ours, group.ciphersuite)
    confirmed = yield from _exchange(course, Exchange.CONFIRM, confirm, if_abandoned)
    if not hmac.compare_digest(confirmed, expected):
        return None
    session = prf(
        group.ciphersuite,
        encode_scalar(group, scalar),
        encode_scalar(group, own.commitment.scalar),
    )
    master = prf(shared, expected, confirm)
    return stretch(master, bytes((Type.PWD,)) + session, 1024)[:_MSK_OCTETS]


def _exchange(
    course: _Course, exchange: Exchange, payload: bytes, if_abandoned: Denied | None = None
) -> Generator[Question | Send, Any, bytes]:
    """Send `payload` in as many fragments as it takes; the peer's whole answer. Section 3.3."""
    room = course.octets - OVERHEAD_OCTETS - 1
    if len(payload) <= room:
        return (
            yield from _receive(exchange, (yield Send(bytes((exchange,)) + payload, if_abandoned)))
        )
    at = room - _LENGTH_OCTETS
    head = bytes((exchange | _LENGTH | _MORE,)) + len(payload).to_bytes(_LENGTH_OCTETS, "big")
    answer = yield Send(head + payload[:at], is_fragment=True)
    while at < len(payload):
        if answer[:1] != bytes((exchange,)) or len(answer) > 1:
            raise EapViolation("pwd_fragment_not_acknowledged")
        upto = at + room
        more = _MORE if upto < len(payload) else 0
        piece = bytes((exchange | more,)) + payload[at:upto]
        answer = yield Send(piece, if_abandoned, is_fragment=bool(more))
        at = upto
    return (yield from _receive(exchange, answer))


def _receive(exchange: Exchange, type_data: bytes) -> Generator[Question | Send, Any, bytes]:
    flags, message = _split(exchange, type_data, 0)
    announced = int.from_bytes(type_data[1:3], "big") if flags & _LENGTH else None
    fragments = 1
    while flags & _MORE:
        if fragments == _MOST_FRAGMENTS:
            raise EapViolation("pwd_too_many_fragments")
        flags, part = _split(exchange, (yield Send(bytes((exchange,)))), len(message))
        if not part:
            raise EapViolation("pwd_fragment_empty")
        fragments += 1
        message += part
    if announced is not None and announced != len(message):
        raise EapViolation("pwd_length_wrong")
    return message


def _split(exchange: Exchange, type_data: bytes, so_far: int) -> tuple[int, bytes]:
    """Flags and data of one fragment."""
    flags = type_data[0] if type_data else 0
    if flags & _EXCHANGE != exchange:
        raise EapViolation("pwd_exchange_wrong")
    data = type_data[1 + (_LENGTH_OCTETS if flags & _LENGTH else 0) :]
    if so_far + len(data) > _LONGEST:
        raise EapViolation("pwd_message_too_long")
    return flags, data
