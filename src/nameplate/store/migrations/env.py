"""What Alembic runs: each step, on the connection that `upgrade` holds."""

from alembic import context

from nameplate.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
