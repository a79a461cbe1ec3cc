"""Let deltas tell between which times the events lie that they count."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both columns; deltas of writers of before, which leave them empty, stand for any time of their hour."""
    for name in ("first_at", "last_at"):
        op.add_column("analytics_aggregation_deltas", sa.Column(name, sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop both; nothing but the speed of reading unfolded hours rests on them."""
    for name in ("first_at", "last_at"):
        op.drop_column("analytics_aggregation_deltas", name)
