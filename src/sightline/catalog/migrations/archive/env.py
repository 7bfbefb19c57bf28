"""Alembic's entry for the archive schema; the caller hands over its connection."""

from alembic import context

from sightline.catalog.archive_tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
