"""From decisions and accounting packets to the rows of a batch and the replies that wait on it.

Replies leave only after the batch is committed: `Outcome` holds both together.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime

from common.net import find_mac
from db.ledger import Batch
from db.models.base import to_micros
from identity.domain.access import Decision, Granted, Method, Reason, Unavailable
from identity.domain.sessions import (
    AddressState,
    Owner,
    SessionState,
    join_addresses,
    join_owners,
    join_sessions,
)
from radius_server.packet.authenticator import encode, encode_all, encode_vendor
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.packet import Packet
from radius_server.process import class_attribute
from radius_server.process.accounting import AccountingRecord
from radius_server.process.policy import reply_attributes
from radius_server.process.questions import Answered
from radius_server.worker.exchange import Exchange

_REFERENCE_OCTETS = 8
_EAP_FAILURE = 4
_VALUE_OCTETS = 253
_MICROSOFT = 311
_MPPE_SEND_KEY, _MPPE_RECV_KEY = 16, 17  # RFC 2548 sections 2.4.2, 2.4.3

REFUSAL_TEXT = "Login refused"
"""One sentence for every refusal: the reason is in auth_event, not on the air."""


class Outcome:
    """What one turn of a worker will commit, and whom it will then answer."""

    def __init__(self, class_key: bytes) -> None:
        self._class_key = class_key
        self.batch = Batch()
        self.exchanges: list[Exchange] = []
        self._entries: list[Callable[[Outcome], None]] = []
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
        if isinstance(decision, Granted):
            octets = secrets.token_bytes(_REFERENCE_OCTETS)
            reference = octets.hex()
            account_id: int | None = decision.account.account_id
            class_value = class_attribute.seal(self._class_key, decision.account.account_id, octets)
            attributes = reply_attributes(decision, exchange.received_at, facts.vendor, class_value)
            if told is not None:
                attributes += protocol_attributes(exchange, told)
            exchange.reply = exchange.nas.secret.reply(packet, Code.ACCESS_ACCEPT, attributes)
            outcome, reason = "accept", Reason.OK
        else:
            account_id = decision.account_id
            exchange.reply = reject(exchange, told)
            outcome, reason = "reject", decision.reason
        shown = user_name
        if decision.method is Method.VOUCHER:
            # The code is a credential: the log must not hand it on.
            shown = f"voucher …{user_name.strip()[-3:]}"
        station = packet.text(Attribute.CALLING_STATION_ID)
        self.batch.auth_events.append(
            (
                to_micros(exchange.received_at),
                facts.nas_client_id,
                shown,
                account_id,
                decision.method.value,
                outcome,
                reason.value,
                None if station is None else find_mac(station) or station,
                packet.text(Attribute.CALLED_STATION_ID),
                reference,
                "\n".join(told.trace) if told is not None and told.trace else None,
            )
        )
        # Last: when a reply cannot be made, nothing of this decision is left behind.
        self._entries.append(lambda other: other.decided(exchange, concluded, user_name))
        self.exchanges.append(exchange)

    def accounted(
        self,
        exchange: Exchange,
        record: AccountingRecord,
        account_id: int | None,
        session_ref: str | None,
    ) -> None:
        """Add the rows and the reply of an accounting packet."""
        self._entries.append(
            lambda other: other.accounted(exchange, record, account_id, session_ref)
        )
        nas_client_id = exchange.nas.facts.nas_client_id
        self.batch.accounting_events.append(
            (
                to_micros(exchange.received_at),
                nas_client_id,
                f"{exchange.source[0]}#{exchange.source[1]}",
                record.status_type,
                record.session.session_key if record.session else None,
                record.user_name,
                record.calling_station_id,
                record.addresses[0].address if record.addresses else None,
                record.session_seconds,
                _micros(record.event_timestamp),
                exchange.packet.octets,
            )
        )
        if record.session is not None:
            self._join(record, account_id, session_ref)
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
            _session_row(state, self._owners.get(key)) for key, state in self._sessions.items()
        ]
        self.batch.addresses = [_address_row(state) for state in self._addresses.values()]
        return self.batch

    def split(self) -> Iterator[Outcome]:
        """The same, one exchange in each."""
        for entry in self._entries:
            single = Outcome(self._class_key)
            entry(single)
            yield single

    def _join(
        self, record: AccountingRecord, account_id: int | None, session_ref: str | None
    ) -> None:
        session = record.session
        assert session is not None
        if account_id is not None:
            owner = (account_id, session_ref)
            held_by = self._owners.get(session.session_key)
            self._owners[session.session_key] = (
                owner if held_by is None else join_owners(held_by, owner)
            )
        known = self._sessions.get(session.session_key)
        self._sessions[session.session_key] = (
            session if known is None else join_sessions(known, session)
        )
        for address in record.addresses:
            key = (address.session_key, address.address, address.source)
            held = self._addresses.get(key)
            self._addresses[key] = address if held is None else join_addresses(held, address)


def reject(exchange: Exchange, told: Answered | None = None) -> bytes:
    """An Access-Reject; with EAP-Failure when the request spoke EAP (RFC 3579 section 2.6.3)."""
    attributes = encode(Attribute.REPLY_MESSAGE, REFUSAL_TEXT.encode())
    message = exchange.packet.values.get(Attribute.EAP_MESSAGE)
    if told is not None:
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
    return attributes


def status_reply(packet: Packet, exchange: Exchange, accounting: bool) -> bytes:
    """The answer to Status-Server: what this port would answer. RFC 5997 section 3."""
    code = Code.ACCOUNTING_RESPONSE if accounting else Code.ACCESS_ACCEPT
    return exchange.nas.secret.reply(packet, code, b"")


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _session_row(state: SessionState, owner: Owner | None) -> tuple[object, ...]:
    heard = to_micros(state.last_heard_at)
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
        to_micros(state.started_at),
        heard,
        heard,
        state.session_seconds,
        state.stop_seen,
        _micros(state.stop_at),
        state.terminate_cause,
        state.input_octets,
        state.output_octets,
    )


def _address_row(state: AddressState) -> tuple[object, ...]:
    return (
        state.session_key,
        state.address,
        state.source,
        to_micros(state.from_at),
        to_micros(state.to_at),
        state.first_offset_seconds,
        state.last_offset_seconds,
    )
