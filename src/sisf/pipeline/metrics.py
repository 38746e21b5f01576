"""What the gateway counts. One registry for each application, so that tests and reloads do not share numbers."""

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sisf.loop import Activated, Event, Failed, Judged, Worked
from sisf.pipeline.fast_metrics import FastCounter, FastHistogram, ReadCounters

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_FIRST_LOOKS = {
    "inspected": ("sisf_first_look_inspected", "Texts read after a first look."),
    "discarded": ("sisf_first_look_discarded", "Texts that a first look discarded."),
    "audited": ("sisf_first_look_audited", "Texts read though a first look would have discarded them."),
    "missed": ("sisf_first_look_missed", "Matches of policies in texts that were audited."),
}


class Metrics:
    """Counters and histograms; names begin with `sisf_`.

    What is counted in every request (`FastCounter`, `FastHistogram`, `in_flight`) is counted on the event loop only.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        made: Any = {"registry": registry}
        self.requests = FastCounter(
            "sisf_requests", "Requests by endpoint and status.", ["endpoint", "status"], registry
        )
        self.decisions = FastCounter(
            "sisf_decisions", "Decisions of the Warden by direction and action.", ["direction", "action"], registry
        )
        self.outcomes = FastCounter("sisf_outcomes", "What became of exchanges.", ["outcome"], registry)
        self.verdicts = Counter("sisf_inline_verdicts", "Verdicts of inline adjudication.", ["outcome"], **made)
        self.failures = Counter("sisf_failures", "Failures of dependencies.", ["part", "kind"], **made)
        self.fail_opens = Counter(
            "sisf_fail_opens", "Texts that passed unchecked or unrecorded because a part failed.", ["part"], **made
        )
        self.noise = Counter(
            "sisf_upstream_noise", "Oddities of upstreams that were understood and passed, by kind.", ["kind"], **made
        )
        self.would_block = Counter("sisf_would_block", "Blocks that observe mode let pass.", ["direction"], **made)
        self.redacted = Counter(
            "sisf_redacted_turns", "Older turns of conversations that were replaced by a note.", **made
        )
        self.probing = Counter("sisf_probing", "Callers noticed to be blocked again and again.", **made)
        self.first_looks: Callable[[], Mapping[str, int]] = lambda: dict.fromkeys(_FIRST_LOOKS, 0)
        """What the Warden's first looks did, asked at each scrape."""
        ReadCounters(_FIRST_LOOKS, lambda: self.first_looks(), registry)  # noqa: PLW0108 - may be replaced
        self.stages = FastHistogram("sisf_stage_seconds", "Time by stage.", "stage", _SECONDS, registry)
        self.added = FastHistogram("sisf_added_seconds", "Time that SISF itself added.", "", _SECONDS, registry)
        self.in_flight = 0
        Gauge("sisf_requests_in_flight", "Requests being worked on.", **made).set_function(lambda: self.in_flight)
        self.revision = Gauge("sisf_policy_revision", "Revision of the policy set in force.", **made)
        self.policies = Gauge("sisf_policies", "Policies by status.", ["status"], **made)
        self.age = Gauge(
            "sisf_policy_age", "How what was learned ages: figures of `sisf policy health`.", ["figure"], **made
        )
        self.jobs = Gauge("sisf_loop_jobs", "Jobs of the loop by state.", ["state"], **made)
        self.webhooks = Gauge("sisf_webhooks", "Webhook messages that wait, and that were given up.", ["state"], **made)
        self.loop_lag = Gauge("sisf_loop_lag_seconds", "Age of the oldest exchange that waits for the loop.", **made)
        # The loop works in several threads, which a `FastHistogram` is not made for.
        self.loop_stages = Histogram(
            "sisf_loop_stage_seconds", "Time of the loop's stages.", ["stage"], buckets=_SECONDS, **made
        )
        self.loop_verdicts = Counter("sisf_loop_verdicts", "Verdicts of the loop's judge.", ["outcome"], **made)
        self.learned = Counter("sisf_loop_policies", "Policies that this process put in force.", **made)
        self.asr_estimate = Gauge(
            "sisf_asr_estimate",
            "Share of the known attacks among the latest exchanges that no policy stopped (warden), or that got "
            "through (system).",
            ["kind"],
            **made,
        )
        self.attacks_known = Gauge("sisf_attacks_known", "Known attacks among the latest exchanges.", **made)
        self.fpr_estimate = Gauge(
            "sisf_fpr_estimate",
            "Share of the honest among the latest exchanges that people reported as stopped.",
            **made,
        )
        self.fpr_bound = Gauge(
            "sisf_fpr_bound", "Sum of the gate's upper bounds of the active policies' false-positive rates.", **made
        )
        self.undecided = Gauge("sisf_undecided", "Latest exchanges that no judge could decide.", **made)
        self.store_up = Gauge("sisf_store_up", "Whether the store answered at the last scrape.", **made)
        self.store_silent = Gauge("sisf_store_silent_seconds", "Since when the store was not reached.", **made)

    def watch_revision(self, revision: Callable[[], int]) -> None:
        """Read the revision at each scrape."""
        self.revision.set_function(revision)

    def heard(self, event: Event) -> None:
        """Count what the loop did: a listener for it."""
        match event:
            case Worked(stage=stage, seconds=seconds):
                self.loop_stages.labels(stage.value).observe(seconds)
            case Judged(verdict=verdict):
                self.loop_verdicts.labels(verdict.outcome.value).inc()
            case Activated(policies=policies):
                self.learned.inc(len(policies))
            case Failed(stage=stage, final=final):
                self.failures.labels("loop", f"{stage.value}_given_up" if final else stage.value).inc()

    def failed_open(self) -> float:
        """How many texts passed unchecked or unrecorded so far."""
        samples = (sample for metric in self.fail_opens.collect() for sample in metric.samples)
        return sum(sample.value for sample in samples if sample.name.endswith("_total"))

    def render(self) -> bytes:
        """Prometheus text format: these, and what judges and the process itself count for all."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)
