"""Alembic's entry for the hub schema; the caller hands over its connection."""

from alembic import context

from sightline.catalog.hub_tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
