"""accounts of people and their sessions, which came without a revision before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Bring the tables up. A head-end that served pages made these itself: what is there stays, with who is in it."""
    present = sa.inspect(op.get_bind()).get_table_names()
    if "account" not in present:
        op.create_table(
            "account",
            sa.Column("id", sa.Integer(), nullable=False),
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column("hash", sa.Text(), nullable=False),
            sa.Column("role", sa.Text(), nullable=False),
            sa.Column("group", sa.Text(), nullable=True),
            sa.Column("created", sa.Integer(), nullable=False),
            sa.Column("shut", sa.Integer(), nullable=True),
            sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
            sa.UniqueConstraint("name", name=op.f("uq_account_name")),
        )
    if "web_session" not in present:
        op.create_table(
            "web_session",
            sa.Column("digest", sa.LargeBinary(), nullable=False),
            sa.Column("account", sa.Integer(), nullable=False),
            sa.Column("created", sa.Integer(), nullable=False),
            sa.Column("seen", sa.Integer(), nullable=False),
            sa.ForeignKeyConstraint(
                ["account"], ["account.id"], name=op.f("fk_web_session_account"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("digest", name=op.f("pk_web_session")),
            sqlite_with_rowid=False,
        )
        with op.batch_alter_table("web_session", schema=None) as batch_op:
            batch_op.create_index("ix_web_session_account", ["account"], unique=False)
