"""Counting what happens in every request: in one thread, so without the locks that prometheus_client takes."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class FastCounter(Collector):
    """A counter with labels."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name = name
        self._help = help_text
        self._labels = labels
        self._counts: dict[tuple[str, ...], int] = {}
        registry.register(self)

    def inc(self, *labels: str) -> None:
        """One more under these labels."""
        self._counts[labels] = self._counts.get(labels, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for at a scrape."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, count in tuple(self._counts.items()):
            family.add_metric(labels, count)
        yield family


class ReadCounters(Collector):
    """Counters that somebody else keeps, read at each scrape."""

    def __init__(
        self, names: Mapping[str, tuple[str, str]], read: Callable[[], Mapping[str, int]], registry: CollectorRegistry
    ) -> None:
        """`names` maps what `read` gives to a metric's name and its description."""
        self._names = names
        self._read = read
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for at a scrape."""
        values = self._read()
        for key, (name, help_text) in self._names.items():
            yield CounterMetricFamily(name, help_text, value=values[key])


class FastHistogram(Collector):
    """A histogram of seconds, with at most one label."""

    def __init__(
        self, name: str, help_text: str, label: str, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._help = help_text
        self.observer: Callable[[str, float], None] | None = None
        """Told of every observation, too: traces are made of stages."""
        self._label = label
        self._bounds = bounds
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        if not label:
            self._row("")
        registry.register(self)

    def observe(self, seconds: float, label: str = "") -> None:
        """One more that took so long."""
        counts = self._counts.get(label) or self._row(label)
        counts[bisect_left(self._bounds, seconds)] += 1
        self._sums[label] += seconds
        if self.observer is not None:
            self.observer(label, seconds)

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for at a scrape."""
        family = HistogramMetricFamily(self._name, self._help, labels=[self._label] if self._label else [])
        names = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        for label, counts in tuple(self._counts.items()):
            buckets, total = [], 0
            for name, count in zip(names, counts, strict=True):
                total += count
                buckets.append((name, total))
            family.add_metric([label] if self._label else [], buckets, self._sums[label])
        yield family

    def _row(self, label: str) -> list[int]:
        self._sums[label] = 0.0
        counts = self._counts[label] = [0] * (len(self._bounds) + 1)
        return counts
