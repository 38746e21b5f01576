"""What the gateway counts. One registry for each application, so that tests and reloads do not share numbers."""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from sisf.gateway.tally import Tally, Timing

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters and histograms; names begin with `sisf_`.

    What is counted in every request (`Tally`, `Timing`, `in_flight`) is counted on the event loop only.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        made: Any = {"registry": registry}
        self.requests = Tally("sisf_requests", "Requests by endpoint and status.", ["endpoint", "status"], registry)
        self.decisions = Tally(
            "sisf_decisions", "Decisions of the Warden by direction and action.", ["direction", "action"], registry
        )
        self.outcomes = Tally("sisf_outcomes", "What became of exchanges.", ["outcome"], registry)
        self.verdicts = Counter("sisf_inline_verdicts", "Verdicts of inline adjudication.", ["outcome"], **made)
        self.failures = Counter("sisf_failures", "Failures of dependencies.", ["part", "kind"], **made)
        self.fail_opens = Counter(
            "sisf_fail_opens", "Texts that passed unchecked or unrecorded because a part failed.", ["part"], **made
        )
        self.would_block = Counter("sisf_would_block", "Blocks that observe mode let pass.", ["direction"], **made)
        self.probing = Counter("sisf_probing", "Callers noticed to be blocked again and again.", **made)
        self.stages = Timing("sisf_stage_seconds", "Time by stage.", "stage", _SECONDS, registry)
        self.added = Timing("sisf_added_seconds", "Time that SISF itself added.", "", _SECONDS, registry)
        self.in_flight = 0
        Gauge("sisf_requests_in_flight", "Requests being worked on.", **made).set_function(lambda: self.in_flight)
        self.revision = Gauge("sisf_policy_revision", "Revision of the policy set in force.", **made)
        self.policies = Gauge("sisf_policies", "Policies by status.", ["status"], **made)
        self.age = Gauge(
            "sisf_policy_age", "How what was learned ages: figures of `sisf policy health`.", ["figure"], **made
        )
        self.jobs = Gauge("sisf_loop_jobs", "Jobs of the loop by state.", ["state"], **made)

    def watch_revision(self, revision: Callable[[], int]) -> None:
        """Read the revision at each scrape."""
        self.revision.set_function(revision)

    def render(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self.registry)
