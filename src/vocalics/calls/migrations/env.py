"""What Alembic runs to migrate: on the connection that :mod:`vocalics.calls.database` opened, in its transaction."""

from __future__ import annotations

from alembic import context

from vocalics.calls.database import VERSION_TABLE
from vocalics.calls.schema import Base


def migrate() -> None:
    """Run the versions that were asked for."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, target_metadata=Base.metadata, version_table=VERSION_TABLE, render_as_batch=True
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # as Alembic calls it; whoever imports it otherwise only looks
    migrate()
