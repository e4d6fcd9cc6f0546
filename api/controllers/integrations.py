"""/integrations: where a tenant wants its events sent."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from api.conditional import expected_versions, version_tag
from api.guards import requires
from api.pages import DEFAULT_LIMIT, Limit, page_of, position_of
from api.principal import Principal
from api.services import deliveries, integrations, previews
from api.services.audit import Witness
from api.services.integrations import Workshop
from shared.announcements import Announcements
from shared.contracts.changes import ChangeKind
from shared.contracts.integrations import (
    Integration,
    IntegrationChange,
    IntegrationsUpdated,
    IntegrationUpdates,
    NewIntegration,
    Preview,
    RotatedSecret,
    SecretRotation,
    TestsQueued,
)
from shared.contracts.pages import Page
from shared.contracts.words import MessageType, Role
from shared.data.session import acting_for
from shared.domain.sealing import KeyRing
from shared.domain.uuid7 import Ids
from shared.jobs import WakeUps
from shared.success.catalogue import Catalogues

READS = [requires(Role.READER)]
WRITES = [requires(Role.ADMIN)]


class IntegrationController(Controller):
    """Read by readers, changed by admins."""

    path = "/integrations"
    tags = ["integrations"]

    @get(guards=READS, summary="List integrations, newest first")
    async def listing(
        self,
        tenant_id: NamedDependency[UUID],
        ring: NamedDependency[KeyRing],
        clock: NamedDependency[Callable[[], datetime]],
        cursor: FromQuery[str | None] = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[Integration]:
        """Integrations with their counts; secrets are never among them."""
        before = position_of(cursor)
        async with acting_for(tenant_id, is_read_only=True) as session:
            found = await integrations.listed(
                session, before=before, limit=limit, ring=ring, now=clock()
            )
        return page_of(found, limit=limit, id_of=lambda integration: integration.id)

    @post(guards=WRITES, summary="Make an integration", opt={"action": "integration.create"})
    async def create(
        self,
        tenant_id: NamedDependency[UUID],
        data: JSONBody[NewIntegration],
        workshop: NamedDependency[SkipValidation[Workshop]],
        announcements: NamedDependency[Announcements],
    ) -> Response[Integration]:
        """Make an integration. Its signing secret is shown in this answer and never again."""
        async with acting_for(tenant_id) as session:
            made = await integrations.create(session, data, workshop=workshop)
        announcements.tell(tenant_id, ChangeKind.INTEGRATIONS, made.id)
        return _tagged(made, HTTP_201_CREATED)

    @patch(guards=WRITES, summary="Change several at once", opt={"action": "integration.update"})
    async def change_many(
        self,
        tenant_id: NamedDependency[UUID],
        data: JSONBody[IntegrationUpdates],
        workshop: NamedDependency[SkipValidation[Workshop]],
        announcements: NamedDependency[Announcements],
        wake_ups: NamedDependency[WakeUps],
    ) -> IntegrationsUpdated:
        """Change several integrations, all of them or none."""
        async with acting_for(tenant_id) as session:
            changed = await integrations.change_many(session, data.updates, workshop=workshop)
        for one in changed:
            announcements.tell(tenant_id, ChangeKind.INTEGRATIONS, one.id)
        wake_ups.wake(one.id for one in changed)
        return IntegrationsUpdated(updated=changed)

    @post(
        "/test",
        guards=WRITES,
        status_code=HTTP_200_OK,
        summary="Send a test event",
        opt={"action": "integration.test"},
    )
    async def test(
        self,
        tenant_id: NamedDependency[UUID],
        witness: NamedDependency[SkipValidation[Witness]],
        wake_ups: NamedDependency[WakeUps],
        announcements: NamedDependency[Announcements],
        integrationId: FromQuery[UUID | None] = None,  # noqa: N803 - the contract's spelling
    ) -> TestsQueued:
        """Queue a test event for one integration, or for every enabled one."""
        async with acting_for(tenant_id) as session:
            queued = await deliveries.queue_tests(session, integrationId, witness=witness)
        wake_ups.wake(test.integration_id for test in queued)
        announcements.tell(tenant_id, ChangeKind.DELIVERIES)
        return TestsQueued(test_events_created=len(queued), integrations=queued)

    @get("/{integration_id:uuid}", guards=READS, summary="One integration")
    async def one(
        self,
        tenant_id: NamedDependency[UUID],
        integration_id: FromPath[UUID],
        ring: NamedDependency[KeyRing],
        clock: NamedDependency[Callable[[], datetime]],
    ) -> Response[Integration]:
        """One integration; its `ETag` is what `If-Match` takes."""
        async with acting_for(tenant_id, is_read_only=True) as session:
            found = await integrations.one(session, integration_id, ring=ring, now=clock())
        return _tagged(found)

    @patch(
        "/{integration_id:uuid}",
        guards=WRITES,
        summary="Change an integration",
        opt={"action": "integration.update"},
    )
    async def change(
        self,
        *,
        request: Request[Principal, Any, Any],
        tenant_id: NamedDependency[UUID],
        integration_id: FromPath[UUID],
        data: JSONBody[IntegrationChange],
        workshop: NamedDependency[SkipValidation[Workshop]],
        announcements: NamedDependency[Announcements],
        wake_ups: NamedDependency[WakeUps],
    ) -> Response[Integration]:
        """Change what is given; with `If-Match` only if nobody else changed it meanwhile."""
        versions = expected_versions(request)
        async with acting_for(tenant_id) as session:
            changed = await integrations.change(
                session, integration_id, data, versions=versions, workshop=workshop
            )
        announcements.tell(tenant_id, ChangeKind.INTEGRATIONS, integration_id)
        wake_ups.wake([integration_id])
        return _tagged(changed)

    @get("/{integration_id:uuid}/preview", guards=READS, summary="What it would get")
    async def preview(
        self,
        *,
        request: Request[Principal, Any, Any],
        tenant_id: NamedDependency[UUID],
        integration_id: FromPath[UUID],
        ids: NamedDependency[Ids],
        clock: NamedDependency[Callable[[], datetime]],
        catalogues: NamedDependency[Catalogues],
        event_type: FromQuery[MessageType] = MessageType.TEST,
    ) -> Preview:
        """The exact bytes and headers of an example event, signed with a dummy key.

        Of a digest: what it would say now.
        """
        async with acting_for(tenant_id, is_read_only=True) as session:
            return await previews.preview(
                session,
                integration_id,
                event_type,
                catalogues=catalogues,
                event_id=ids(),
                now=clock(),
                release=request.app.state.version,
            )

    @delete(
        "/{integration_id:uuid}",
        guards=WRITES,
        summary="Delete an integration",
        opt={"action": "integration.delete"},
    )
    async def delete(
        self,
        *,
        request: Request[Principal, Any, Any],
        tenant_id: NamedDependency[UUID],
        integration_id: FromPath[UUID],
        witness: NamedDependency[SkipValidation[Witness]],
        announcements: NamedDependency[Announcements],
        wake_ups: NamedDependency[WakeUps],
    ) -> None:
        """Stop it and forget its secrets; what it was sent stays on record."""
        versions = expected_versions(request)
        async with acting_for(tenant_id) as session:
            await integrations.delete(session, integration_id, versions=versions, witness=witness)
        announcements.tell(tenant_id, ChangeKind.INTEGRATIONS, integration_id)
        wake_ups.wake([integration_id])

    @post(
        "/{integration_id:uuid}/rotate-secret",
        guards=WRITES,
        status_code=HTTP_200_OK,
        summary="Rotate the signing secret",
        opt={"action": "integration.rotate_secret"},
    )
    async def rotate_secret(
        self,
        *,
        request: Request[Principal, Any, Any],
        tenant_id: NamedDependency[UUID],
        integration_id: FromPath[UUID],
        workshop: NamedDependency[SkipValidation[Workshop]],
        announcements: NamedDependency[Announcements],
        wake_ups: NamedDependency[WakeUps],
        data: JSONBody[SecretRotation | None] = None,
    ) -> RotatedSecret:
        """Sign with a new secret, and with the old one too for a while; `If-Match` counts."""
        versions = expected_versions(request)
        rotation = data or SecretRotation()
        async with acting_for(tenant_id) as session:
            rotated = await integrations.rotate_secret(
                session,
                integration_id,
                overlap=timedelta(hours=rotation.overlap_hours),
                versions=versions,
                workshop=workshop,
            )
        announcements.tell(tenant_id, ChangeKind.INTEGRATIONS, integration_id)
        # The worker hears of it before the answer has reached the receiver's owner.
        wake_ups.wake([integration_id])
        return rotated


def _tagged(integration: Integration, status_code: int = HTTP_200_OK) -> Response[Integration]:
    headers = {"etag": version_tag(integration.version)}
    return Response(integration, status_code=status_code, headers=headers)
