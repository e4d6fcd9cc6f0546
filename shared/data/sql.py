"""How a migration runs its SQL."""

from collections.abc import Awaitable, Callable

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from shared.data.engine import DB


def migration(name: str, description: str, *, up: str) -> MigrationManager:
    """A forward-only migration that runs the statements of `up` in the caller's transaction.

    Several statements in one text need the raw connection: Piccolo prepares, and a prepared
    statement is one statement.
    """

    def runner(text: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            transaction = DB.current_transaction.get()
            if transaction is None:
                raise RuntimeError("a migration runs inside the transaction of `migrate`")
            await transaction.connection.execute(text)

        return run

    manager = MigrationManager(migration_id=name, app_name="guardian", description=description)
    manager.add_raw(runner(up))
    return manager
