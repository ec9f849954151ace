"""``GET /metrics``: the counters of a running server as metric families of prometheus-client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from bootgrant import __version__
from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import Answer, plain_answer
from bootgrant.asgi.client_address import AllowedNetworks, client_address
from bootgrant.asgi.observing import RequestCounts
from bootgrant.ports.chores import REPEATEDLY, Chore
from bootgrant.ports.configurations import WatchedSource
from bootgrant.ports.grants import Census, StoreUnavailable
from bootgrant.ports.time import Clock
from bootgrant.providers.client import ProviderClient
from bootgrant.service.metrics import table
from bootgrant.store.database import Database, Durations
from bootgrant.workflows.limits.admission import HeldPolls
from bootgrant.workflows.record.codes_again import CodesAgain
from bootgrant.workflows.record.notify_waiting import NoticeCounts
from bootgrant.workflows.record.stream_audit import StreamAudit

log = logging.getLogger("bootgrant")
_DATABASE_LIMIT: Final = 5.0
_COUNTED: Final = (table.PENDING, table.OLDEST, table.UNFETCHED)
_EMPTY: Final = Census(0, None, 0)
Rows = Mapping[tuple[str, ...], float]


@dataclass(slots=True)
class Watched:
    """The sources of the metrics. ``certificate_end`` reads until when the server's certificate is valid."""

    database: Database
    requests: RequestCounts
    notices: NoticeCounts
    held: HeldPolls
    providers: Mapping[str, ProviderClient]
    clock: Clock
    source: WatchedSource
    chores: Sequence[Chore]
    codes_again: CodesAgain
    streams: Sequence[StreamAudit]
    certificate_end: Callable[[], float | None]


class ServerCollector(Collector):
    """Collects the metrics. Await ``query_database`` before each scrape: ``collect`` itself cannot wait."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._census: Census | None = None
        self._certificate_end: float | None = None
        self._read: Mapping[str, Callable[[], float | Rows | Durations]] = self._readings()

    async def query_database(self) -> None:
        """Count the waiting requests and check that the database is writable. Failures become a metric."""
        store = self._watched.database.grants
        self._census = None
        self._certificate_end = await asyncio.to_thread(self._watched.certificate_end)
        try:
            async with asyncio.timeout(_DATABASE_LIMIT):
                await store.check_writable()
                self._census = await store.census(self._watched.clock.now())
        except StoreUnavailable as error:
            log.error("/metrics: %s", error)  # noqa: TRY400  (the message is the reason)
        except TimeoutError:
            log.error("/metrics: the database did not answer in %.0f s", _DATABASE_LIMIT)  # noqa: TRY400

    def collect(self) -> Iterator[Family]:
        unknown = {*(_COUNTED if self._census is None else ())}
        if not self._watched.source.state().taken_at:
            unknown.add(table.CONFIGURATIONS_AGE)
        if self._certificate_end is None:
            unknown.add(table.CERTIFICATE)
        for metric in table.METRICS:
            if metric not in unknown:
                yield _family(metric, self._read[metric.name]())

    def _readings(self) -> Mapping[str, Callable[[], float | Rows | Durations]]:
        database, requests = self._watched.database, self._watched.requests
        counts = database.counts
        return {
            table.INFO.name: lambda: {(__version__,): 1},
            table.PENDING.name: lambda: (self._census or _EMPTY).pending,
            table.OLDEST.name: self._oldest,
            table.UNFETCHED.name: lambda: (self._census or _EMPTY).unfetched,
            table.STORE_UP.name: lambda: 0 if self._census is None else 1,
            table.HELD.name: lambda: len(self._watched.held),
            table.STEPS.name: lambda: {(state,): count for state, count in counts.steps.items()},
            table.DECISION.name: lambda: counts.decision,
            table.DELIVERY.name: lambda: counts.delivery,
            table.ANSWERS.name: lambda: {(name, str(code)): count for (name, code), count in requests.answered.items()},
            table.REFUSALS.name: lambda: {(name, str(why)): count for (name, why), count in requests.refused.items()},
            table.OTHER_ADDRESS.name: lambda: {(name,): requests.elsewhere[name] for name in ("sent", "refused")},
            table.CODES_AGAIN.name: lambda: dict(self._watched.codes_again.counts.items()),
            table.STORE.name: lambda: counts.transactions,
            table.CONFIGURATIONS_AGE.name: lambda: self._watched.clock.now() - self._watched.source.state().taken_at,
            table.CONFIGURATIONS_FAILED.name: lambda: 1 if self._watched.source.state().problem else 0,
            table.NOTICES.name: lambda: dict(self._watched.notices.outcomes.items()),
            table.SINK_LAG.name: lambda: {(each.target.name,): each.lag for each in self._watched.streams},
            table.SINK_SENT.name: lambda: {(each.target.name,): each.sent for each in self._watched.streams},
            table.SINK_FAILURES.name: lambda: {(each.target.name,): each.failed for each in self._watched.streams},
            table.PROVIDER_QUESTIONS.name: self._questions,
            table.PROVIDER_OPEN.name: lambda: {
                (name,): int(one.is_open) for name, one in self._watched.providers.items()
            },
            table.STORE_FAILURES.name: lambda: counts.failures,
            table.CHORE_FAILURES.name: lambda: {(chore.name,): chore.failures for chore in self._watched.chores},
            table.CERTIFICATE.name: self._remaining,
            table.CHORE_FAILING.name: lambda: {
                (chore.name,): int(chore.in_a_row >= REPEATEDLY) for chore in self._watched.chores
            },
        }

    def _remaining(self) -> float:
        return (self._certificate_end or 0.0) - self._watched.clock.now()

    def _questions(self) -> Rows:
        rows: dict[tuple[str, ...], float] = {}
        for name, one in self._watched.providers.items():
            rows[name, "answered"] = one.counts.asked - one.counts.failed
            rows[name, "failed"] = one.counts.failed
        return rows

    def _oldest(self) -> float:
        oldest = (self._census or _EMPTY).oldest
        return 0.0 if oldest is None else max(0.0, self._watched.clock.now() - oldest)


def registry_of(collector: ServerCollector) -> CollectorRegistry:
    """Return a registry of its own for this server, without prometheus-client's global one."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _family(metric: table.Metric, reading: float | Rows | Durations) -> Family:
    if isinstance(reading, Durations):
        histogram = HistogramMetricFamily(metric.name, metric.help)
        histogram.add_metric([], [(end, float(count)) for end, count in reading.cumulative()], reading.total)
        return histogram
    kind = CounterMetricFamily if metric.kind is table.Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in reading.items() if isinstance(reading, Mapping) else [((), reading)]:
        family.add_metric(list(labels), value)
    return family


_PROXY_HEADERS: Final = (b"x-forwarded-for", b"forwarded", b"via")


@dataclass(slots=True)
class MetricsEndpoint:
    """Serves ``/metrics`` to ``networks``.

    Requests through a proxy that is not trusted are refused: all of them would have the proxy's address.
    """

    collector: ServerCollector
    registry: CollectorRegistry
    networks: AllowedNetworks
    behind_trusted_proxy: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(scope)).send(send)

    async def _answer(self, scope: Scope) -> Answer:
        if scope["method"] != "GET":
            return plain_answer(405, "only GET is answered here", ((b"allow", b"GET"),))
        headers = dict(scope["headers"])
        if not self.behind_trusted_proxy and any(name in headers for name in _PROXY_HEADERS):
            return plain_answer(403, "this request came through a proxy that is not in networks.trusted_proxies")
        if client_address(scope) not in self.networks:
            return plain_answer(403, f"{client_address(scope)} is not in networks.metrics of bootgrant.toml")
        await self.collector.query_database()
        encode, content_type = choose_encoder(headers.get(b"accept", b"").decode("latin-1"))
        return Answer(200, encode(self.registry), ((b"content-type", content_type.encode()),))
