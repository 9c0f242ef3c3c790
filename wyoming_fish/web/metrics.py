"""The server in numbers, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .. import __version__
from ..server.requests.log import ReplyRecord
from .context import ServerContext
from .readiness import Readiness, ReadinessState

__all__ = ["Metrics"]

# Seconds: around the half second that Fish takes, up to where listeners give up.
BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)


class Metrics:
    """Counts replies from now on; all else is looked at when it is asked for."""

    def __init__(self, context: ServerContext, readiness: Readiness) -> None:
        # When a counter began to count is a second line for each, and tells nothing here.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._present = _GaugeCollector(context, readiness)
        self._registry.register(self._present)
        ProcessCollector(registry=self._registry)
        self._replies = self._counter("replies", "Replies, by how they ended.", "outcome")
        self._retries = self._counter("retries", "New tries, by why.", "reason")
        self._audio = self._counter("audio_seconds", "Seconds of speech.")
        self._billed = self._counter(
            "billed_bytes", "Bytes (UTF-8) of text that Fish Audio was sent and did not refuse."
        )
        self._first_audio = self._histogram(
            "first_audio_seconds", "From the first text to the first audio."
        )
        self._text = self._histogram(
            "first_audio_text_seconds",
            "Its part until text was sent to Fish Audio: for enough of it, and for a session.",
        )
        self._fish = self._histogram(
            "first_audio_fish_seconds", "Its part from there to Fish Audio's first audio."
        )
        context.request_log.listeners.append(self._count)

    def text(self, state: ReadinessState) -> bytes:
        """All of it, in Prometheus's text format."""
        self._present.state = state
        return generate_latest(self._registry)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"wyoming_fish_{name}", help_text, labels, registry=self._registry)

    def _histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(
            f"wyoming_fish_{name}", help_text, buckets=BUCKETS, registry=self._registry
        )

    def _count(self, record: ReplyRecord) -> None:
        self._replies.labels(record.outcome).inc()
        self._audio.inc(record.audio)
        self._billed.inc(record.billed)
        for reason in record.retries:
            self._retries.labels(reason).inc()
        if record.first_audio is not None:
            self._first_audio.observe(record.first_audio)
        if record.text_part is not None:
            self._text.observe(record.text_part)
        if record.fish_part is not None and record.source == "spoken":
            self._fish.observe(record.fish_part)


class _GaugeCollector(Collector):
    """What is so at this moment."""

    def __init__(self, context: ServerContext, readiness: Readiness) -> None:
        self._context = context
        self._readiness = readiness
        self.state = ReadinessState(ready=False, says="")

    def collect(self) -> Iterator[Metric]:
        """The metrics, made anew."""
        fish, request_log = self._context.fish.status, self._context.request_log
        yield InfoMetricFamily(
            "wyoming_fish", "The server.", {"version": __version__, "backend": self._backend}
        )
        yield _gauge("ready", "Whether a reply would be spoken.", self.state.ready)
        yield _gauge("connections", "Clients connected.", request_log.clients)
        refused = _counter_family("connections_refused", "Clients sent away, by why.", "reason")
        for reason, number in request_log.refused.items():
            refused.add_metric([reason], number)
        yield refused
        yield _gauge("sessions", "Sessions with Fish Audio under way.", fish.sessions)
        yield _gauge("sessions_limit", "Sessions that the account may have at once.", fish.limit)
        yield _gauge("queue", "Replies that wait for one.", fish.waiting)
        queue = _counter_family("queue_seconds", "Seconds that replies have waited for one.")
        queue.add_metric([], fish.waited_s)
        yield queue
        yield _gauge(
            "characters_sent",
            "Characters of text sent to Fish Audio in the last hour.",
            self._context.synthesis.quota.sent,
        )
        yield _gauge(
            "characters_limit",
            "Characters that it may be sent in an hour; 0: no limit.",
            self._context.options.max_characters_per_hour,
        )
        yield _gauge("sockets_idle", "Sockets open for the next replies.", fish.idle)
        opened = _counter_family("sockets_opened", "Sockets opened.")
        opened.add_metric([], fish.opened)
        yield opened
        warm = _counter_family("warm", "Sessions, by whether a socket was open for them.", "result")
        warm.add_metric(["hit"], fish.acquired_ready)
        warm.add_metric(["miss"], fish.acquired - fish.acquired_ready)
        yield warm
        if (credit := self._readiness.credit) is not None:
            yield _gauge("credit_dollars", "API credit, as of the last minute.", float(credit))

    @property
    def _backend(self) -> str:
        return str(self._context.options.speech.backend)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"wyoming_fish_{name}", help_text, value)


def _counter_family(name: str, help_text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"wyoming_fish_{name}", help_text, labels=labels)
