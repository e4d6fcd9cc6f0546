"""Whether the operator, or a restore, holds all deliveries back."""

from shared.data.session import working


async def is_paused() -> bool:
    """Ask PostgreSQL."""
    async with working(is_read_only=True) as session:
        return await session.connection.fetchval(
            "SELECT EXISTS (SELECT FROM system_state WHERE paused_since IS NOT NULL)"
        )
