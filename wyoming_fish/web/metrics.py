"""The metrics of the server, in the text format of Prometheus."""

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
from ..server.context import ServerContext
from ..server.requests.log import ReplyRecord
from .readiness import Readiness, ReadinessState

__all__ = ["Metrics"]

# Fish Audio takes about half a second. Listeners give up after 20 s at the latest.
BUCKETS_S: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)


class Metrics:
    """Counts replies from now on, and collects the current values at each request."""

    def __init__(self, context: ServerContext, readiness: Readiness) -> None:
        # The time of each counter's start would double the lines, and is the server's start.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._gauges = _GaugeCollector(context, readiness)
        self._registry.register(self._gauges)
        ProcessCollector(registry=self._registry)
        self._replies = self._counter("replies", "Replies, by outcome.", "outcome")
        self._retries = self._counter("retries", "Retries, by the error before them.", "reason")
        self._audio = self._counter("audio_seconds", "Seconds of audio in all replies.")
        self._billed = self._counter(
            "billed_bytes", "Bytes of text (UTF-8) that were sent to Fish Audio and not refused."
        )
        self._first_audio = self._histogram(
            "first_audio_seconds", "Seconds from the first text to the first audio."
        )
        self._first_send = self._histogram(
            "first_send_seconds",
            "Seconds from the first text until text was sent to Fish Audio.",
        )
        self._synthesis_latency = self._histogram(
            "synthesis_latency_seconds",
            "Seconds from the first text sent to Fish Audio until its first audio.",
        )
        context.request_log.listeners.append(self._count)

    def text(self, state: ReadinessState) -> bytes:
        """All metrics, in the text format of Prometheus."""
        self._gauges.state = state
        return generate_latest(self._registry)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"wyoming_fish_{name}", help_text, labels, registry=self._registry)

    def _histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(
            f"wyoming_fish_{name}", help_text, buckets=BUCKETS_S, registry=self._registry
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
            self._first_send.observe(record.text_part)
        if record.fish_part is not None and record.source == "spoken":
            self._synthesis_latency.observe(record.fish_part)


class _GaugeCollector(Collector):
    """Collects the metrics that have a current value."""

    def __init__(self, context: ServerContext, readiness: Readiness) -> None:
        self._context = context
        self._readiness = readiness
        self.state = ReadinessState(ready=False, message="")

    def collect(self) -> Iterator[Metric]:
        """Return the current metrics."""
        fish, request_log = self._context.fish.status, self._context.request_log
        backend = str(self._context.options.speech.backend)
        yield InfoMetricFamily(
            "wyoming_fish", "The server.", {"version": __version__, "backend": backend}
        )
        yield _gauge("ready", "1 if a reply would be spoken.", self.state.ready)
        yield _gauge("clients", "Connected clients.", request_log.clients)
        refused = _counter_family("clients_refused", "Refused clients, by reason.", "reason")
        for reason, number in request_log.refused.items():
            refused.add_metric([reason], number)
        yield refused
        yield _gauge("sessions", "Sessions with Fish Audio in use.", fish.sessions)
        yield _gauge("sessions_limit", "Sessions that the account may use.", fish.limit)
        yield _gauge("replies_waiting", "Replies that wait for a session.", fish.waiting)
        wait = _counter_family(
            "session_wait_seconds", "Seconds that replies have waited for a session."
        )
        wait.add_metric([], fish.waited_s)
        yield wait
        yield _gauge(
            "quota_used_characters",
            "Characters that were sent to Fish Audio in the last hour.",
            self._context.synthesis.quota.sent,
        )
        yield _gauge(
            "quota_limit_characters",
            "Maximum of quota_used_characters; 0: no limit.",
            self._context.options.max_characters_per_hour,
        )
        yield _gauge("connections_idle", "Ready connections to Fish Audio.", fish.idle)
        opened = _counter_family("connections_opened", "Opened connections to Fish Audio.")
        opened.add_metric([], fish.opened)
        yield opened
        acquired = _counter_family(
            "connections_acquired",
            "Sessions, by their connection to Fish Audio: ready or new.",
            "connection",
        )
        acquired.add_metric(["ready"], fish.acquired_ready)
        acquired.add_metric(["new"], fish.acquired - fish.acquired_ready)
        yield acquired
        yield from self._learned()
        if (credit := self._readiness.credit) is not None:
            yield _gauge("credit_dollars", "API credit in US dollars.", float(credit))

    def _learned(self) -> Iterator[Metric]:
        """What the last replies showed, by which text is sent and connections are opened."""
        measurements = self._context.fish.measurements
        labels = "backend", "latency"
        answer = GaugeMetricFamily(
            "wyoming_fish_answer_seconds",
            "Typical seconds from text to its first audio, of the last replies.",
            labels=labels,
        )
        spread = GaugeMetricFamily(
            "wyoming_fish_answer_spread_seconds", "Seconds that it may take longer.", labels=labels
        )
        rate = GaugeMetricFamily(
            "wyoming_fish_audio_rate",
            "Seconds of audio that come in a second, of the last replies.",
            labels=labels,
        )
        for key in measurements.keys:
            speed = measurements.speed(*key)
            answer.add_metric(key, speed.answer_s)
            spread.add_metric(key, speed.spread_s)
            if speed.rate is not None:
                rate.add_metric(key, speed.rate)
        yield from (answer, spread, rate)
        yield _gauge(
            "slow_line", "1 if audio comes slower than it plays.", bool(measurements.slow_line)
        )
        yield _gauge(
            "closes_after_finish",
            "1 if Fish Audio closes a connection after a reply.",
            measurements.closes_after_finish,
        )


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"wyoming_fish_{name}", help_text, value)


def _counter_family(name: str, help_text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"wyoming_fish_{name}", help_text, labels=labels)
