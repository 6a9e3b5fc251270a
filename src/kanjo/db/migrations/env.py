"""What alembic runs; the connection comes from `kanjo.db.migrate`."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="revision",
    version_table_schema="kanjo",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
