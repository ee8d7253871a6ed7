"""What is noted of the context that a model was called with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SEALED = sa.LargeBinary(2**32 - 1)


def upgrade() -> None:
    with op.batch_alter_table("responses") as batch:
        batch.add_column(sa.Column("sent", SEALED))


def downgrade() -> None:
    with op.batch_alter_table("responses") as batch:
        batch.drop_column("sent")
