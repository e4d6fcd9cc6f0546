"""/deliveries: where each event stands on its way to each integration."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, SkipValidation
from litestar.status_codes import HTTP_200_OK

from api.guards import requires
from api.pages import DEFAULT_LIMIT, Limit, page_of, position_of
from api.parameters import InstantText, instant_of
from api.services import deliveries
from api.services.audit import Witness
from api.services.deliveries import Filter
from shared.announcements import Announcements
from shared.contracts.changes import ChangeKind
from shared.contracts.deliveries import Delivery, DeliveryDetail
from shared.contracts.pages import Page
from shared.contracts.words import DeliveryStatus, MessageType, Role
from shared.data.session import acting_for
from shared.jobs import WakeUps


class DeliveryController(Controller):
    """Read by readers; an admin sends one again."""

    path = "/deliveries"
    tags = ["deliveries"]

    @get(guards=[requires(Role.READER)], summary="List deliveries, newest first")
    async def listing(
        self,
        *,
        tenant_id: NamedDependency[UUID],
        status: FromQuery[DeliveryStatus | None] = None,
        integration_id: FromQuery[UUID | None] = None,
        event_type: FromQuery[MessageType | None] = None,
        since: InstantText = None,
        until: InstantText = None,
        cursor: FromQuery[str | None] = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[Delivery]:
        """Deliveries that were created at or after `since` and before `until`."""
        wanted = Filter(
            status=status,
            integration_id=integration_id,
            event_type=event_type,
            since=instant_of("since", since),
            until=instant_of("until", until),
            before=position_of(cursor),
        )
        async with acting_for(tenant_id, is_read_only=True) as session:
            found = await deliveries.listed(session, wanted, limit=limit)
        return page_of(found, limit=limit, id_of=lambda delivery: delivery.id)

    @get("/{delivery_id:uuid}", guards=[requires(Role.READER)], summary="One delivery")
    async def one(
        self, tenant_id: NamedDependency[UUID], delivery_id: FromPath[UUID]
    ) -> DeliveryDetail:
        """One delivery with its event, the payload, and all its attempts."""
        async with acting_for(tenant_id, is_read_only=True) as session:
            return await deliveries.one(session, delivery_id)

    @post(
        "/{delivery_id:uuid}/redeliver",
        guards=[requires(Role.ADMIN)],
        status_code=HTTP_200_OK,
        summary="Send it once more",
        opt={"action": "delivery.redeliver"},
    )
    async def redeliver(
        self,
        tenant_id: NamedDependency[UUID],
        delivery_id: FromPath[UUID],
        witness: NamedDependency[SkipValidation[Witness]],
        wake_ups: NamedDependency[WakeUps],
        announcements: NamedDependency[Announcements],
    ) -> Delivery:
        """Make a new delivery of the same event; its `replay_of` names this one."""
        async with acting_for(tenant_id) as session:
            made = await deliveries.redeliver(session, delivery_id, witness=witness)
        wake_ups.wake([made.integration_id])
        announcements.tell(tenant_id, ChangeKind.DELIVERIES)
        return made
