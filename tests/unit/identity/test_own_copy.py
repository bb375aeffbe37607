"""The copy of what is held on somebody: everything of theirs, and nothing of anybody else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from db.models import (
    Account,
    Message,
    ProvisionalGrant,
    Registration,
    Role,
    SentCode,
    VerifiedContact,
    Voucher,
    VoucherBatch,
    VoucherDevice,
)
from identity.office import Office
from identity.services import subjects
from tests.conftest import add_person

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
MAC = "3c22fb010203"


def copy_of(office: Office, number: int) -> dict[str, Any]:
    with office.database.write() as session:
        return subjects.collect(session, office, session.get_one(Account, number), "test")


def message(recipient: str, channel: str = "mail") -> Message:
    return Message(
        channel=channel,
        recipient=recipient,
        about="registration X",
        content_encrypted=b"letter",
        created_at=NOW,
        next_try_at=NOW,
        expires_at=NOW,
        asked_from="198.51.100.7",
    )


@pytest.fixture
def somchai(office: Office) -> int:
    number = add_person(office, "somchai")
    with office.database.write() as session:
        session.get_one(Account, number).contact = "081 234 5678"
        session.add(
            VerifiedContact(
                account_id=number,
                channel="mail",
                address="Somchai@x.example",
                verified_at=NOW,
                how="code",
            )
        )
        session.add_all(
            [message("somchai@x.example"), message("malee@x.example"), message("+66812345678")]
        )
        session.add(
            SentCode(
                account_id=number,
                purpose="reset",
                code_hmac="the-hash",
                channel="mail",
                recipient="Somchai@x.example",
                client_address="10.0.0.1",
                created_at=NOW,
                expires_at=NOW,
            )
        )
    return number


def test_messages_and_sent_codes_are_in_it_without_what_they_said(
    office: Office, somchai: int
) -> None:
    held = copy_of(office, somchai)
    assert [row["recipient"] for row in held["messages"]] == ["somchai@x.example", "+66812345678"]
    assert [row["recipient"] for row in held["sent_codes"]] == ["Somchai@x.example"]
    for secret in ("the-hash", "letter", "198.51.100.7", "malee"):
        assert secret not in str(held)


def test_a_hosts_copy_counts_their_guests_and_names_none(office: Office, somchai: int) -> None:
    with office.database.write() as session:
        session.add(
            Account(
                username="guest-of-his",
                kind="guest",
                sponsor_id=somchai,
                guest_name="A Visitor",
                contact="visitor@home.example",
                role_id=session.scalars(select(Role.id)).first(),
                created_at=NOW,
            )
        )
    held = copy_of(office, somchai)
    assert len(held["guests"]) == 1 and held["guests"][0]["kind"] == "guest"
    for theirs in ("guest-of-his", "A Visitor", "visitor@home.example"):
        assert theirs not in str(held)


@pytest.mark.parametrize(("devices", "told"), [(1, [MAC]), (30, [])])
def test_the_device_of_an_own_voucher_is_in_it_and_those_of_a_shared_one_are_not(
    office: Office, somchai: int, devices: int, told: list[str]
) -> None:
    with office.database.write() as session:
        role = session.scalars(select(Role.id)).first()
        batch = VoucherBatch(
            name="b",
            role_id=role,
            issuer_id=somchai,
            minutes=1,
            devices=devices,
            created_at=NOW,
            hard_expiry=NOW,
        )
        session.add(batch)
        session.flush()
        voucher = Voucher(
            batch_id=batch.id,
            code_hmac="h",
            code_encrypted=b"x",
            state="active",
            account_id=somchai,
        )
        session.add(voucher)
        session.flush()
        session.add(VoucherDevice(voucher_id=voucher.id, mac=MAC, first_seen_at=NOW))
    assert [row["mac"] for row in copy_of(office, somchai)["voucher_devices"]] == told


def test_minutes_before_a_registration_are_in_it(office: Office, somchai: int) -> None:
    with office.database.write() as session:
        row = Registration(
            reference="R1",
            state="draft",
            username="visitor",
            full_name="A Visitor",
            contact="visitor@home.example",
            purpose="",
            sponsor_name="",
            password_hash="",
            role_id=session.scalars(select(Role.id)).first(),
            created_at=NOW,
        )
        session.add(row)
        session.flush()
        session.add(
            ProvisionalGrant(
                registration_id=row.id,
                account_id=somchai,
                mac=MAC,
                contact_hmac="the-hash",
                granted_at=NOW,
            )
        )
    held = copy_of(office, somchai)
    assert [row["mac"] for row in held["minutes_before"]] == [MAC]
    assert "the-hash" not in str(held)
