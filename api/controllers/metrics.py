"""/metrics: what a scraper may count."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.authentication import OPEN
from api.metrics import Metrics


class MetricsController(Controller):
    """Asked by Prometheus, which has no key; a proxy before Guardian should not pass it on."""

    path = "/metrics"
    opt = {OPEN: True}

    @get(include_in_schema=False)
    async def metrics(self, metrics: NamedDependency[Metrics]) -> Response[bytes]:
        """The figures of this process and of the queue."""
        return Response(await metrics.tell(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
