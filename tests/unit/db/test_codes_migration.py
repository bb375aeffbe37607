"""Codes and proven mailboxes of a site from before there was one table for them."""

from __future__ import annotations

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from db.engine import Database
from db.migrate import migration_config, upgrade

_BEFORE = (
    "INSERT INTO role (id, name, for_guests) VALUES (1, 'student', false)",
    "INSERT INTO person (id, full_name, proofing_method, proofed_by, proofed_at, created_at)"
    " VALUES (1, 'A Pupil', 'roster', 'head', 1, 1)",
    "INSERT INTO account (id, username, kind, state, person_id, role_id, created_at)"
    " VALUES (1, 'somchai', 'person', 'active', 1, 1, 1)",
    "INSERT INTO verified_contact (account_id, mailbox, verified_at, how)"
    " VALUES (1, 'a@x.example', 5, 'code')",
    "INSERT INTO mailed_code (id, account_id, purpose, code_hmac, mailbox, client_address,"
    " created_at, expires_at, used_at) VALUES (1, 1, 'reset', 'h1', 'a@x.example', '10.0.0.1',"
    " 10, 20, NULL)",
    "INSERT INTO registration (id, reference, state, way, username, full_name, contact, purpose,"
    " sponsor_name, password_hash, role_id, language, notice_hash, created_at, birth_proven)"
    " VALUES (1, 'ABCDEFGH', 'draft', 'sms-code', 'guest', 'A Guest', '+66812345678', '', '', '',"
    " 1, 'th', '', 1, false)",
    "INSERT INTO contact_code (id, registration_id, code_hmac, created_at, expires_at, attempts)"
    " VALUES (1, 1, 'h2', 11, 21, 2)",
)


def test_codes_on_their_way_stay_good_and_proven_mailboxes_stay_proven(database_url: str) -> None:
    database = Database(database_url)
    configured = migration_config(database.url)
    scripts = ScriptDirectory.from_config(configured).walk_revisions()
    (codes,) = [one for one in scripts if one.path.endswith("_codes.py")]
    with database.engine.connect() as connection:
        configured.attributes["connection"] = connection
        command.upgrade(configured, str(codes.down_revision))
        for statement in _BEFORE:
            connection.execute(text(statement))
        connection.commit()
    upgrade(database)
    with database.read() as session:
        codes_now = session.execute(
            text(
                "SELECT purpose, account_id, registration_id, channel, recipient, code_hmac,"
                " client_address, expires_at, attempts FROM sent_code ORDER BY id"
            )
        ).all()
        contacts = session.execute(text("SELECT * FROM verified_contact")).mappings().all()
    assert [tuple(row) for row in codes_now] == [
        ("reset", 1, None, "mail", "a@x.example", "h1", "10.0.0.1", 20, 0),
        ("registration", None, 1, "sms", "+66812345678", "h2", "", 21, 2),
    ]
    assert [dict(row) for row in contacts] == [
        {
            "account_id": 1,
            "channel": "mail",
            "address": "a@x.example",
            "verified_at": 5,
            "how": "code",
        }
    ]
    database.dispose()
