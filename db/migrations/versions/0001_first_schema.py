"""First schema."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounting_event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("received_at", db.models.base.Instant(), nullable=False),
        sa.Column("nas_client_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "status_type", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("session_key", sa.Text(), nullable=True),
        sa.Column("user_name", sa.Text(), nullable=True),
        sa.Column("calling_station_id", sa.Text(), nullable=True),
        sa.Column("framed_address", sa.Text(), nullable=True),
        sa.Column(
            "session_seconds", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("event_timestamp", db.models.base.Instant(), nullable=True),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounting_event")),
    )
    op.create_table(
        "address_interval",
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("from_at", db.models.base.Instant(), nullable=False),
        sa.Column("to_at", db.models.base.Instant(), nullable=False),
        sa.Column(
            "first_offset_seconds",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column(
            "last_offset_seconds",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint(
            "session_key", "address", "source", name=op.f("pk_address_interval")
        ),
        postgresql_with={"fillfactor": 75},
    )
    with op.batch_alter_table("address_interval", schema=None) as batch_op:
        batch_op.create_index("ix_address_interval_address", ["address"], unique=False)

    op.create_table(
        "audit_event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_event_at"), ["at"], unique=False)

    op.create_table(
        "auth_event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.Column("nas_client_id", sa.Integer(), nullable=True),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("calling_station_id", sa.Text(), nullable=True),
        sa.Column("called_station_id", sa.Text(), nullable=True),
        sa.Column("session_ref", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_event")),
    )
    with op.batch_alter_table("auth_event", schema=None) as batch_op:
        batch_op.create_index("ix_auth_event_account_id_at", ["account_id", "at"], unique=False)
        batch_op.create_index("ix_auth_event_at", ["at"], unique=False)

    op.create_table(
        "gap",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("from_at", db.models.base.Instant(), nullable=False),
        sa.Column("to_at", db.models.base.Instant(), nullable=False),
        sa.Column("lost", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap")),
    )
    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_gap_from_at"), ["from_at"], unique=False)

    op.create_table(
        "nas_boot",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("nas_client_id", sa.Integer(), nullable=False),
        sa.Column("nas_identity", sa.Text(), nullable=False),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.Column(
            "status_type", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nas_boot")),
    )
    with op.batch_alter_table("nas_boot", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_nas_boot_nas_client_id"), ["nas_client_id"], unique=False
        )

    op.create_table(
        "network_session",
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("nas_client_id", sa.Integer(), nullable=False),
        sa.Column("nas_identity", sa.Text(), nullable=False),
        sa.Column("acct_session_id", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("session_ref", sa.Text(), nullable=True),
        sa.Column("calling_station_id", sa.Text(), nullable=True),
        sa.Column("called_station_id", sa.Text(), nullable=True),
        sa.Column("nas_port", sa.Text(), nullable=True),
        sa.Column("started_at", db.models.base.Instant(), nullable=False),
        sa.Column("first_heard_at", db.models.base.Instant(), nullable=False),
        sa.Column("last_heard_at", db.models.base.Instant(), nullable=False),
        sa.Column(
            "session_seconds", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("stop_seen", sa.SmallInteger(), nullable=False),
        sa.Column("stop_at", db.models.base.Instant(), nullable=True),
        sa.Column(
            "terminate_cause", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column(
            "input_octets", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "output_octets", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("closed_at", db.models.base.Instant(), nullable=True),
        sa.Column("close_cause", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("session_key", name=op.f("pk_network_session")),
        postgresql_with={"fillfactor": 75},
    )
    with op.batch_alter_table("network_session", schema=None) as batch_op:
        batch_op.create_index("ix_network_session_account_id", ["account_id"], unique=False)
        batch_op.create_index("ix_network_session_first_heard_at", ["first_heard_at"], unique=False)
        batch_op.create_index(
            "ix_network_session_open",
            ["account_id"],
            unique=False,
            postgresql_where=sa.text("stop_seen = 0 AND closed_at IS NULL"),
            sqlite_where=sa.text("stop_seen = 0 AND closed_at IS NULL"),
        )

    op.create_table(
        "organisation",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("code", name=op.f("uq_organisation_code")),
    )
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
    )
    op.create_table(
        "role",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("for_guests", sa.Boolean(), nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=True),
        sa.Column("down_kbps", sa.Integer(), nullable=True),
        sa.Column("up_kbps", sa.Integer(), nullable=True),
        sa.Column("session_seconds", sa.Integer(), nullable=True),
        sa.Column("idle_seconds", sa.Integer(), nullable=True),
        sa.Column("simultaneous", sa.Integer(), nullable=True),
        sa.Column("quota_mb_day", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
        sa.UniqueConstraint("name", name=op.f("uq_role_name")),
    )
    op.create_table(
        "service_run",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("started_at", db.models.base.Instant(), nullable=False),
        sa.Column("alive_at", db.models.base.Instant(), nullable=False),
        sa.Column("stopped_at", db.models.base.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_run")),
    )
    with op.batch_alter_table("service_run", schema=None) as batch_op:
        batch_op.create_index(
            "ix_service_run_process_started_at", ["process", "started_at"], unique=False
        )

    op.create_table(
        "unknown_nas",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("first_seen_at", db.models.base.Instant(), nullable=False),
        sa.Column("last_seen_at", db.models.base.Instant(), nullable=False),
        sa.Column(
            "datagrams", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_unknown_nas")),
    )
    op.create_table(
        "nas_client",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column(
            "organisation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("require_message_authenticator", sa.Boolean(), nullable=False),
        sa.Column("login_url", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("last_seen_at", db.models.base.Instant(), nullable=True),
        sa.Column("last_without_message_authenticator_at", db.models.base.Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_nas_client_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nas_client")),
        sa.UniqueConstraint("name", name=op.f("uq_nas_client_name")),
        sa.UniqueConstraint("prefix", name=op.f("uq_nas_client_prefix")),
    )
    op.create_table(
        "person",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "organisation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("person_code", sa.Text(), nullable=True),
        sa.Column("class_name", sa.Text(), nullable=True),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("proofing_method", sa.Text(), nullable=False),
        sa.Column("proofed_by", sa.Text(), nullable=False),
        sa.Column("proofed_at", db.models.base.Instant(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_person_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_person_organisation_id"), ["organisation_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_person_person_code"), ["person_code"], unique=False)

    op.create_table(
        "account",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "sponsor_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("owner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("guest_name", sa.Text(), nullable=True),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column(
            "organisation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("role_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("admin_level", sa.Text(), nullable=True),
        sa.Column("expires_at", db.models.base.Instant(), nullable=True),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("ended_at", db.models.base.Instant(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'person' AND person_id IS NOT NULL) OR (kind = 'guest' AND sponsor_id IS NOT NULL AND guest_name IS NOT NULL) OR (kind = 'device' AND owner_id IS NOT NULL)",
            name=op.f("ck_account_belongs_to_someone"),
        ),
        sa.CheckConstraint(
            "state IN ('active', 'suspended', 'expired')", name=op.f("ck_account_state")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_account_organisation_id_organisation"),
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["account.id"], name=op.f("fk_account_owner_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_account_person_id_person")
        ),
        sa.ForeignKeyConstraint(["role_id"], ["role.id"], name=op.f("fk_account_role_id_role")),
        sa.ForeignKeyConstraint(
            ["sponsor_id"], ["account.id"], name=op.f("fk_account_sponsor_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("username", name=op.f("uq_account_username")),
    )
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_account_organisation_id"), ["organisation_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_account_person_id"), ["person_id"], unique=False)

    op.create_table(
        "credential",
        sa.Column(
            "account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("changed_at", db.models.base.Instant(), nullable=False),
        sa.Column("recoverable_kind", sa.Text(), nullable=True),
        sa.Column("recoverable", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_credential_account_id_account")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_credential")),
    )
    op.create_table(
        "portal_token",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column(
            "account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("client_mac", sa.Text(), nullable=True),
        sa.Column(
            "nas_client_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("expires_at", db.models.base.Instant(), nullable=False),
        sa.Column("consumed_at", db.models.base.Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_portal_token_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["nas_client_id"],
            ["nas_client.id"],
            name=op.f("fk_portal_token_nas_client_id_nas_client"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portal_token")),
    )
    with op.batch_alter_table("portal_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_portal_token_username"), ["username"], unique=False)

    op.create_table(
        "registration",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("sponsor_name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("client_address", sa.Text(), nullable=True),
        sa.Column("client_mac", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("notice_hash", sa.Text(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("decided_at", db.models.base.Instant(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column(
            "account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'pending', 'active', 'suspended', 'expired', 'rejected')",
            name=op.f("ck_registration_state"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_registration_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_registration_role_id_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration")),
        sa.UniqueConstraint("reference", name=op.f("uq_registration_reference")),
    )
    with op.batch_alter_table("registration", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registration_state"), ["state"], unique=False)
        batch_op.create_index(
            "uq_registration_open_username",
            ["username"],
            unique=True,
            postgresql_where=sa.text("state IN ('draft', 'pending')"),
            sqlite_where=sa.text("state IN ('draft', 'pending')"),
        )

    op.create_table(
        "voucher_batch",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "issuer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("hard_expiry", db.models.base.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["account.id"], name=op.f("fk_voucher_batch_issuer_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_voucher_batch_role_id_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_batch")),
    )
    op.create_table(
        "voucher",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code_hmac", sa.Text(), nullable=False),
        sa.Column("code_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("first_used_at", db.models.base.Instant(), nullable=True),
        sa.Column("expires_at", db.models.base.Instant(), nullable=True),
        sa.Column(
            "account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.CheckConstraint(
            "state IN ('unused', 'active', 'revoked')", name=op.f("ck_voucher_state")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_voucher_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["voucher_batch.id"], name=op.f("fk_voucher_batch_id_voucher_batch")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher")),
        sa.UniqueConstraint("code_hmac", name=op.f("uq_voucher_code_hmac")),
    )
    with op.batch_alter_table("voucher", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_voucher_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_voucher_batch_id"), ["batch_id"], unique=False)

    op.create_table(
        "voucher_device",
        sa.Column(
            "voucher_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("first_seen_at", db.models.base.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["voucher_id"], ["voucher.id"], name=op.f("fk_voucher_device_voucher_id_voucher")
        ),
        sa.PrimaryKeyConstraint("voucher_id", "mac", name=op.f("pk_voucher_device")),
    )
    op.execute("INSERT INTO revision (id, number) VALUES (1, 1)")


def downgrade() -> None:
    op.drop_table("voucher_device")
    with op.batch_alter_table("voucher", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_voucher_batch_id"))
        batch_op.drop_index(batch_op.f("ix_voucher_account_id"))

    op.drop_table("voucher")
    op.drop_table("voucher_batch")
    with op.batch_alter_table("registration", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_registration_open_username",
            postgresql_where=sa.text("state IN ('draft', 'pending')"),
            sqlite_where=sa.text("state IN ('draft', 'pending')"),
        )
        batch_op.drop_index(batch_op.f("ix_registration_state"))

    op.drop_table("registration")
    with op.batch_alter_table("portal_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_portal_token_username"))

    op.drop_table("portal_token")
    op.drop_table("credential")
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_account_person_id"))
        batch_op.drop_index(batch_op.f("ix_account_organisation_id"))

    op.drop_table("account")
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_person_person_code"))
        batch_op.drop_index(batch_op.f("ix_person_organisation_id"))

    op.drop_table("person")
    op.drop_table("nas_client")
    op.drop_table("unknown_nas")
    with op.batch_alter_table("service_run", schema=None) as batch_op:
        batch_op.drop_index("ix_service_run_process_started_at")

    op.drop_table("service_run")
    op.drop_table("role")
    op.drop_table("revision")
    op.drop_table("organisation")
    with op.batch_alter_table("network_session", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_network_session_open",
            postgresql_where=sa.text("stop_seen = 0 AND closed_at IS NULL"),
            sqlite_where=sa.text("stop_seen = 0 AND closed_at IS NULL"),
        )
        batch_op.drop_index("ix_network_session_first_heard_at")
        batch_op.drop_index("ix_network_session_account_id")

    op.drop_table("network_session")
    with op.batch_alter_table("nas_boot", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_nas_boot_nas_client_id"))

    op.drop_table("nas_boot")
    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_gap_from_at"))

    op.drop_table("gap")
    with op.batch_alter_table("auth_event", schema=None) as batch_op:
        batch_op.drop_index("ix_auth_event_at")
        batch_op.drop_index("ix_auth_event_account_id_at")

    op.drop_table("auth_event")
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_event_at"))

    op.drop_table("audit_event")
    with op.batch_alter_table("address_interval", schema=None) as batch_op:
        batch_op.drop_index("ix_address_interval_address")

    op.drop_table("address_interval")
    op.drop_table("accounting_event")
