"""Figures of a daemon for Prometheus: what it answers, what it asks of its node, how its work stands.

Each program has a registry of its own, made where the program is built. A label's value always comes from our own
code (a route as it was added, the name of a question to the node, the class of an error), never from a caller or
from the chain: a stranger cannot make new time series.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from chain.errors import StoreError
from chain.pulse import Pulse

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
UNMATCHED = "unmatched"
"""The route of every request that fits none."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds."""

Value = float | None
Labelled = Mapping[tuple[str, ...], float]


class Metrics:
    """The figures of one program."""

    def __init__(self, program: str) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Histogram(
            "carbon_http_request_seconds",
            "Time to answer a request, by route and status",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._calls = Histogram(
            "carbon_node_call_seconds",
            "Time the node took to answer, by question",
            ["call"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._call_errors = Counter(
            "carbon_node_call_errors",
            "Questions to the node that failed, by question and error",
            ["call", "error"],
            registry=self.registry,
        )
        build: Labelled = {(program, version("carbon-registry-on-chia"), platform.python_version()): 1.0}
        self.gauges("carbon_build_info", "The program and its version", ("program", "version", "python"), lambda: build)

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count an answered request; `route` is the path as it was added to the application, None for no route."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route or UNMATCHED, str(status)).observe(seconds)

    def node_call(self, call: str, seconds: float, error: str | None) -> None:
        """Count a question to the node; `error` is the class of what it ended in, None if it was answered."""
        self._calls.labels(call).observe(seconds)
        if error is not None:
            self._call_errors.labels(call, error).inc()

    def gauge(self, name: str, help_text: str, read: Callable[[], Value]) -> None:
        """Show what `read` says at each look; nothing is shown for None."""

        def labelled() -> Labelled:
            value = read()
            return {} if value is None else {(): value}

        self.gauges(name, help_text, (), labelled)

    def gauges(self, name: str, help_text: str, labels: tuple[str, ...], read: Callable[[], Labelled]) -> None:
        """Show one value for each set of labels that `read` names."""
        self.registry.register(_Read(name, help_text, labels, read, is_counter=False))

    def counters(self, name: str, help_text: str, labels: tuple[str, ...], read: Callable[[], Labelled]) -> None:
        """Show counts that somebody else keeps."""
        self.registry.register(_Read(name, help_text, labels, read, is_counter=True))

    def pulse(self, pulse: Pulse) -> None:
        """Show how the daemon's looks at the chain go."""
        self.gauge("carbon_peak_height", "The node's newest block as last heard of", lambda: pulse.peak_height)
        self.gauge("carbon_last_look_timestamp_seconds", "When a look last ended well", lambda: pulse.looked_timestamp)
        self.counters("carbon_looks", "Looks at the chain", (), lambda: {(): float(pulse.looks)})
        self.counters(
            "carbon_look_failures",
            "Looks at the chain that failed, by error",
            ("error",),
            lambda: {(name,): float(count) for name, count in pulse.failures.items()},
        )

    def text(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self.registry)


class _Read(Collector):
    """Figures read where they are kept, when they are asked for."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: tuple[str, ...],
        read: Callable[[], Labelled],
        *,
        is_counter: bool,
    ) -> None:
        self._kind = CounterMetricFamily if is_counter else GaugeMetricFamily
        self._name, self._help, self._labels, self._read = name, help_text, labels, read

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """The name without values: registering must not read anything yet."""
        return [self._kind(self._name, self._help, labels=self._labels)]

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """The values now."""
        family = self._kind(self._name, self._help, labels=self._labels)
        try:
            values = self._read()
        except StoreError:  # told by `/healthz` and by the log; the other figures are still worth showing
            return []
        for labels, value in values.items():
            family.add_metric(labels, value)
        return [family]
