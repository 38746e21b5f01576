"""What the gateway counts. One registry for each application, so that tests and reloads do not share numbers."""

from collections.abc import Callable
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters and histograms; names begin with `sisf_`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made: Any = {"registry": self.registry}
        self.requests = Counter("sisf_requests", "Requests by endpoint and status.", ["endpoint", "status"], **made)
        self.decisions = Counter(
            "sisf_decisions", "Decisions of the Warden by direction and action.", ["direction", "action"], **made
        )
        self.outcomes = Counter("sisf_outcomes", "What became of exchanges.", ["outcome"], **made)
        self.verdicts = Counter("sisf_inline_verdicts", "Verdicts of inline adjudication.", ["outcome"], **made)
        self.failures = Counter("sisf_failures", "Failures of dependencies.", ["part", "kind"], **made)
        self.fail_opens = Counter(
            "sisf_fail_opens", "Texts that passed unchecked or unrecorded because a part failed.", ["part"], **made
        )
        self.would_block = Counter("sisf_would_block", "Blocks that observe mode let pass.", ["direction"], **made)
        self.probing = Counter("sisf_probing", "Callers noticed to be blocked again and again.", **made)
        # Looking a child up by its labels costs more than counting: those of every request are kept.
        self._stages: dict[str, Histogram] = {}
        self._decided: dict[tuple[str, str], Counter] = {}
        self.stages = Histogram("sisf_stage_seconds", "Time by stage.", ["stage"], buckets=_SECONDS, **made)
        self.added = Histogram("sisf_added_seconds", "Time that SISF itself added.", buckets=_SECONDS, **made)
        self.in_flight = Gauge("sisf_requests_in_flight", "Requests being worked on.", **made)
        self.revision = Gauge("sisf_policy_revision", "Revision of the policy set in force.", **made)
        self.jobs = Gauge("sisf_loop_jobs", "Jobs of the loop by state.", ["state"], **made)

    def took(self, stage: str, seconds: float) -> None:
        """Observe the time of a stage."""
        child = self._stages.get(stage)
        if child is None:
            child = self._stages[stage] = self.stages.labels(stage)
        child.observe(seconds)

    def decided(self, direction: str, action: str) -> None:
        """Count a decision."""
        child = self._decided.get((direction, action))
        if child is None:
            child = self._decided[direction, action] = self.decisions.labels(direction, action)
        child.inc()

    def watch_revision(self, revision: Callable[[], int]) -> None:
        """Read the revision at each scrape."""
        self.revision.set_function(revision)

    def render(self) -> bytes:
        """Prometheus text format: the gateway's own, then those of this process (its judges, memory, threads)."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)
