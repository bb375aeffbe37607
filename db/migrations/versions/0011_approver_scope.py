"""What each approver may grant, and where an applicant applied."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "approver_scope",
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("everywhere", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_approver_scope_account_id_account")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_approver_scope")),
    )
    op.create_table(
        "approver_role",
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("role_id", _BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_approver_role_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_approver_role_role_id_role")
        ),
        sa.PrimaryKeyConstraint("account_id", "role_id", name=op.f("pk_approver_role")),
    )
    with op.batch_alter_table("registration") as table:
        table.add_column(sa.Column("organisation_id", _BIG, nullable=True))
        table.create_foreign_key(
            op.f("fk_registration_organisation_id_organisation"),
            "organisation",
            ["organisation_id"],
            ["id"],
        )
