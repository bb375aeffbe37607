"""From decisions and accounting packets to the rows of a batch and the replies that wait on it.

Replies leave only after the batch is committed: `Outcome` holds both together.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from common.net import find_mac
from db.ledger import Batch
from db.models.base import to_micros
from identity.domain.access import Decision, Granted, Method, Reason, Unavailable
from identity.domain.admission import find_usual_code
from identity.domain.sessions import (
    AddressState,
    Owner,
    SessionState,
    ended_at,
    join_addresses,
    join_owners,
    join_sessions,
)
from radius_server.packet.authenticator import encode, encode_all, encode_vendor
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.packet import Packet
from radius_server.process import class_attribute
from radius_server.process.accounting import AccountingRecord
from radius_server.process.chargeable import (
    CHARGEABLE_USER_IDENTITY,
    OPERATOR_NAME,
    chargeable_identity,
)
from radius_server.process.policy import reply_attributes
from radius_server.process.questions import Answered
from radius_server.worker.exchange import Exchange

_REFERENCE_OCTETS = 8
_REFERENCES_AT_ONCE = 32
_CALLING_STATION_ID = int(Attribute.CALLING_STATION_ID)
_CALLED_STATION_ID = int(Attribute.CALLED_STATION_ID)
_EAP_FAILURE = 4
_DIRECTORY = "directory:"
_VALUE_OCTETS = 253
_MICROSOFT = 311
_MS_CHAP_MPPE_KEYS = 12  # RFC 2548 section 2.4.1
_MPPE_SEND_KEY, _MPPE_RECV_KEY = 16, 17  # RFC 2548 sections 2.4.2, 2.4.3

REFUSAL_TEXT = "Login refused"
"""One sentence for every refusal: the reason is in auth_event, not on the air."""


class Outcome:
    """What one turn of a worker will commit, and whom it will then answer."""

    def __init__(self, class_key: bytes) -> None:
        self._class_key = class_key
        self.batch = Batch()
        self.exchanges: list[Exchange] = []
        self.is_unclear = False
        """One key stands for two sessions in it: it cannot be committed before `placed`."""
        self._entries: list[tuple[Any, ...]] = []
        """For `noted` (2), `decided` (3), `accounted` (5) and `relayed` (6), to do them again."""
        self._undecided: list[tuple[Any, ...]] = []
        """The rows of `unanswered`: nobody waits for them, and nothing of them is made anew."""
        self._references = b""
        self._moment: datetime | None = None
        self._moment_micros = 0
        self._sessions: dict[str, SessionState] = {}
        self._owners: dict[str, Owner] = {}
        self._addresses: dict[tuple[str, str, str], AddressState] = {}

    def decided(self, exchange: Exchange, decision: Decision | Answered, user_name: str) -> None:
        """Add the row and the reply of an access decision; not for Unavailable."""
        told = None
        concluded = decision
        if isinstance(decision, Answered):
            told, decision = decision, decision.decision
            user_name = told.identity or user_name
        assert not isinstance(decision, Unavailable)
        packet, facts = exchange.packet, exchange.nas.facts
        reference = None
        trace = told.trace if told is not None else ()
        if decision.step:
            trace = (*trace, decision.step)
        if isinstance(decision, Granted):
            octets = self._new_reference()
            reference = octets.hex()
            number = decision.account.account_id
            account_id: int | None = number
            class_value = class_attribute.seal(self._class_key, number, octets)
            attributes = reply_attributes(decision, exchange.received_at, facts.vendor, class_value)
            if CHARGEABLE_USER_IDENTITY in packet.values:
                operator = packet.values.get(OPERATOR_NAME, b"")
                attributes += chargeable_identity(self._class_key, number, operator)
            if told is not None:
                attributes += protocol_attributes(exchange, told)
            exchange.reply = exchange.nas.secret.reply(packet, Code.ACCESS_ACCEPT, attributes)
            outcome, reason = "accept", Reason.OK
        else:
            account_id = decision.account_id
            exchange.reply = reject(exchange, told)
            outcome, reason = "reject", decision.reason
        shown = user_name
        if decision.method is Method.VOUCHER or (
            account_id is None and find_usual_code(user_name) is not None
        ):
            shown = _masked(user_name)
        station = packet.text(_CALLING_STATION_ID)
        self.batch.auth_events.append(
            (
                self._micros(exchange.received_at),
                facts.nas_client_id,
                shown,
                account_id,
                decision.method,
                outcome,
                reason,
                None if station is None else find_mac(station) or station,
                packet.text(_CALLED_STATION_ID),
                reference,
                "\n".join(trace) if trace else None,
            )
        )
        # Last: when a reply cannot be made, nothing of this decision is left behind.
        self._entries.append((exchange, concluded, user_name))
        self.exchanges.append(exchange)

    def noted(self, exchange: Exchange, refusal: Answered, user_name: str) -> None:
        """Add the row of a refusal that the peer is being told; its reply, a challenge, is made."""
        reply = exchange.reply
        self.decided(exchange, refusal, user_name)
        exchange.reply = reply
        self._entries[-1] = (exchange, (refusal, user_name))

    def unanswered(self, exchange: Exchange, decision: Decision | Answered, user_name: str) -> None:
        """Add the row of a login that a directory could not decide; there is no reply to it."""
        trace: tuple[str, ...] = ()
        if isinstance(decision, Answered):
            trace, user_name = decision.trace, decision.identity or user_name
            decision = decision.decision
        if not isinstance(decision, Unavailable) or not decision.backend.startswith(_DIRECTORY):
            return  # without the database there is nowhere to write it
        step = f"{_DIRECTORY}unreachable={decision.backend.removeprefix(_DIRECTORY)}"
        station = exchange.packet.text(_CALLING_STATION_ID)
        self._add_undecided(
            (
                self._micros(exchange.received_at),
                exchange.nas.facts.nas_client_id,
                user_name if find_usual_code(user_name) is None else _masked(user_name),
                None,
                Method.EAP if exchange.packet.values.get(Attribute.EAP_MESSAGE) else Method.PAP,
                "reject",
                Reason.BACKEND,
                None if station is None else find_mac(station) or station,
                exchange.packet.text(_CALLED_STATION_ID),
                None,
                "\n".join((*trace, step)),
            )
        )

    def _add_undecided(self, row: tuple[Any, ...]) -> None:
        self.batch.auth_events.append(row)
        self._undecided.append(row)

    def relayed(
        self,
        exchange: Exchange,
        code: Code,
        attributes: bytes,
        user_name: str,
        trace: tuple[str, ...],
        reference: str | None = None,
    ) -> None:
        """Add the row and the reply of an access decision that a home server has made.

        Args:
            reference: what the Class in `attributes` says.
        """
        packet, is_accept = exchange.packet, code == Code.ACCESS_ACCEPT
        exchange.reply = exchange.nas.secret.reply(packet, code, attributes)
        station = packet.text(_CALLING_STATION_ID)
        self.batch.auth_events.append(
            (
                self._micros(exchange.received_at),
                exchange.nas.facts.nas_client_id,
                user_name,
                None,
                Method.PROXY,
                "accept" if is_accept else "reject",
                Reason.OK if is_accept else Reason.HOME_REFUSED,
                None if station is None else find_mac(station) or station,
                packet.text(_CALLED_STATION_ID),
                reference,
                "\n".join(trace),
            )
        )
        self._entries.append((exchange, code, attributes, user_name, trace, reference))
        self.exchanges.append(exchange)

    def accounted(
        self,
        exchange: Exchange,
        record: AccountingRecord,
        account_id: int | None,
        session_ref: str | None,
        relay: tuple[Any, ...] | None = None,
    ) -> None:
        """Add the rows and the reply of an accounting packet.

        Args:
            relay: its row in relay_outbox, when a home server is to have it as well.
        """
        self._entries.append((exchange, record, account_id, session_ref, relay))
        if relay is not None:
            self.batch.relays.append(relay)
        nas_client_id = exchange.nas.facts.nas_client_id
        session, stamp = record.session, record.event_timestamp
        self.batch.accounting_events.append(
            (
                self._micros(exchange.received_at),
                nas_client_id,
                f"{exchange.source[0]}#{exchange.source[1]}",
                record.status_type,
                None if session is None else session.session_key,
                record.user_name,
                record.calling_station_id,
                record.addresses[0].address if record.addresses else None,
                record.session_seconds,
                None if stamp is None else stamp * 1_000_000,
                exchange.packet.octets,
            )
        )
        if session is not None:
            self._join(session, record.addresses, account_id, session_ref)
        elif record.is_boot:
            self.batch.boots.append(
                (
                    nas_client_id,
                    record.nas_identity,
                    # Not when it came: sessions that began since the restart go on.
                    to_micros(record.occurred_at),
                    record.status_type,
                )
            )
        exchange.reply = exchange.nas.secret.reply(exchange.packet, Code.ACCOUNTING_RESPONSE, b"")
        self.exchanges.append(exchange)

    def finish(self) -> Batch:
        """The batch, with its sessions and addresses joined to one row each."""
        self.batch.sessions = [
            self._session_row(state, self._owners.get(key)) for key, state in self._sessions.items()
        ]
        self.batch.addresses = [self._address_row(state) for state in self._addresses.values()]
        return self.batch

    def split(self) -> Iterator[Outcome]:
        """The same, one exchange in each; what nobody waits for comes last, in one of its own."""
        for entry in self._entries:
            single = Outcome(self._class_key)
            single.batch.is_placed = self.batch.is_placed
            single._repeat(entry)
            yield single
        if self._undecided:
            single = Outcome(self._class_key)
            for row in self._undecided:
                single._add_undecided(row)
            yield single

    def placed(
        self, place: Callable[[Sequence[AccountingRecord], Sequence[Owner]], None]
    ) -> Outcome:
        """The same, with the key of every session set right by `place`; raises what it does."""
        accounted = [entry for entry in self._entries if isinstance(entry[1], AccountingRecord)]
        place([entry[1] for entry in accounted], [(entry[2], entry[3]) for entry in accounted])
        again = Outcome(self._class_key)
        again.batch.is_placed = True
        again.batch.nas_seen, again.batch.unknown = self.batch.nas_seen, self.batch.unknown
        for entry in self._entries:
            again._repeat(entry)
        for row in self._undecided:
            again._add_undecided(row)
        return again

    def _repeat(self, entry: tuple[Any, ...]) -> None:
        if len(entry) == 3:
            self.decided(*entry)
        elif len(entry) == 2:
            self.noted(entry[0], *entry[1])
        elif len(entry) == 6:
            self.relayed(*entry)
        else:
            self.accounted(*entry)

    def _join(
        self,
        session: SessionState,
        addresses: tuple[AddressState, ...],
        account_id: int | None,
        session_ref: str | None,
    ) -> None:
        session_key = session.session_key
        if account_id is not None or session_ref is not None:
            owner = (account_id, session_ref)
            held_by = self._owners.get(session_key)
            self._owners[session_key] = owner if held_by is None else join_owners(held_by, owner)
        known = self._sessions.get(session_key)
        if known is not None:
            if known.stop_seen and session.started_at > (ended_at(known) or session.started_at):
                self.is_unclear = True
            session = join_sessions(known, session)
        self._sessions[session_key] = session
        for address in addresses:
            key = (session_key, address.address, address.source)
            held = self._addresses.get(key)
            self._addresses[key] = address if held is None else join_addresses(held, address)

    def _new_reference(self) -> bytes:
        """Eight random octets; a question to the kernel for each would cost more than the MAC."""
        if not self._references:
            self._references = secrets.token_bytes(_REFERENCE_OCTETS * _REFERENCES_AT_ONCE)
        octets = self._references[:_REFERENCE_OCTETS]
        self._references = self._references[_REFERENCE_OCTETS:]
        return octets

    def _micros(self, moment: datetime) -> int:
        """As `to_micros`; most moments of a turn are the one in which it began."""
        if moment is not self._moment:
            self._moment, self._moment_micros = moment, to_micros(moment)
        return self._moment_micros

    def _session_row(self, state: SessionState, owner: Owner | None) -> tuple[object, ...]:
        heard = self._micros(state.last_heard_at)
        started, stop = state.started_at, state.stop_at
        account_id, session_ref = owner or (None, None)
        return (
            state.session_key,
            state.nas_client_id,
            state.nas_identity,
            state.acct_session_id,
            state.user_name,
            account_id,
            session_ref,
            state.calling_station_id,
            state.called_station_id,
            state.nas_port,
            heard if started is state.last_heard_at else to_micros(started),
            heard,
            heard,
            state.session_seconds,
            state.stop_seen,
            None if stop is None else self._micros(stop),
            state.terminate_cause,
            state.input_octets,
            state.output_octets,
        )

    def _address_row(self, state: AddressState) -> tuple[object, ...]:
        return (
            state.session_key,
            state.address,
            state.source,
            self._micros(state.from_at),
            self._micros(state.to_at),
            state.first_offset_seconds,
            state.last_offset_seconds,
        )


def _masked(code: str) -> str:
    """What the log says of a voucher: its code is a credential, and is not handed on."""
    return f"voucher …{code.strip()[-3:]}"


def reject(exchange: Exchange, told: Answered | None = None) -> bytes:
    """An Access-Reject; with EAP-Failure when the request spoke EAP (RFC 3579 section 2.6.3).

    Where the refused device may go to the portal, the accept that opens the way there alone.
    """
    attributes = encode(Attribute.REPLY_MESSAGE, REFUSAL_TEXT.encode())
    message = exchange.packet.values.get(Attribute.EAP_MESSAGE)
    if told is not None:
        if told.opens_portal:
            return exchange.nas.secret.reply(exchange.packet, Code.ACCESS_ACCEPT, told.attributes)
        attributes += told.attributes
    if message is not None and len(message) >= 4:
        failure = bytes((_EAP_FAILURE, message[1], 0, 4))
        # RFC 3579 section 2.6.5: no Reply-Message beside an EAP-Message.
        attributes = encode_eap((told.eap_message if told is not None else b"") or failure)
    return exchange.nas.secret.reply(exchange.packet, Code.ACCESS_REJECT, attributes)


def challenge(exchange: Exchange, eap_message: bytes, state: bytes) -> bytes:
    """An Access-Challenge that carries one EAP request. RFC 2865 section 4.4, RFC 3579."""
    attributes = encode(Attribute.STATE, state) + encode_eap(eap_message)
    return exchange.nas.secret.reply(exchange.packet, Code.ACCESS_CHALLENGE, attributes)


def encode_eap(message: bytes) -> bytes:
    """One EAP message in as many attributes as it needs. RFC 3579 section 3.1."""
    if 0 < len(message) <= _VALUE_OCTETS:
        return encode(Attribute.EAP_MESSAGE, message)
    return encode_all(
        (Attribute.EAP_MESSAGE, message[at : at + _VALUE_OCTETS])
        for at in range(0, len(message), _VALUE_OCTETS)
    )


def protocol_attributes(exchange: Exchange, told: Answered) -> bytes:
    """What the protocol of an accepted login adds: EAP-Success, keys, MS-CHAP2-Success."""
    attributes = told.attributes + encode_eap(told.eap_message)
    secret, authenticator = exchange.nas.secret, exchange.packet.authenticator
    keys = ((_MPPE_SEND_KEY, told.send_key), (_MPPE_RECV_KEY, told.receive_key))
    for number, (kind, key) in enumerate(keys):
        if key:
            hidden = secret.hide_key(key, authenticator, number)
            attributes += encode_vendor(_MICROSOFT, kind, hidden)
    if told.mschap_keys:
        hidden = secret.hide_password(told.mschap_keys, authenticator)
        attributes += encode_vendor(_MICROSOFT, _MS_CHAP_MPPE_KEYS, hidden)
    return attributes


def status_reply(packet: Packet, exchange: Exchange, accounting: bool) -> bytes:
    """The answer to Status-Server: what this port would answer. RFC 5997 section 3."""
    code = Code.ACCOUNTING_RESPONSE if accounting else Code.ACCESS_ACCEPT
    return exchange.nas.secret.reply(packet, code, b"")
