"""What judges did, counted: in the object for whoever holds it, and for Prometheus."""

import threading
from collections import Counter
from collections.abc import Mapping

from prometheus_client import Counter as Metric
from prometheus_client import Histogram

from sisf.verdict import Outcome

VERDICTS = Metric("sisf_judge_verdicts", "Verdicts by judge and outcome.", ["judge", "outcome"])
FAILURES = Metric("sisf_judge_failures", "Failures of a judge by reason; each gave `undecided`.", ["judge", "reason"])
ESCALATIONS = Metric("sisf_judge_escalations", "Exchanges passed on to the next judge.", ["judge"])
TOKENS = Metric("sisf_judge_tokens", "Tokens of judges' model calls.", ["judge", "kind"])
COST = Metric(
    "sisf_judge_cost_usd", "Cost of judges' model calls in USD, worst case where none was reported.", ["judge"]
)
CACHE_HITS = Metric("sisf_judge_cache_hits", "Verdicts answered from the cache.", ["judge"])
SECONDS = Histogram(
    "sisf_judge_seconds",
    "Time a judge took for an exchange.",
    ["judge"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60),
)


class JudgeCounters:
    """One judge's counts since it was made. Thread-safe."""

    def __init__(self, judge: str) -> None:
        self._judge = judge
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def verdict(self, outcome: Outcome, seconds: float) -> None:
        """A verdict was given."""
        VERDICTS.labels(self._judge, outcome.value).inc()
        SECONDS.labels(self._judge).observe(seconds)
        self._add(f"verdict.{outcome.value}")

    def failure(self, reason: str) -> None:
        """The judge failed; the verdict is `undecided`."""
        FAILURES.labels(self._judge, reason).inc()
        self._add(f"failure.{reason}")

    def escalation(self) -> None:
        """The exchange was passed on."""
        ESCALATIONS.labels(self._judge).inc()
        self._add("escalation")

    def tokens(self, prompt: int, answer: int) -> None:
        """Tokens that the endpoint reported for one call."""
        TOKENS.labels(self._judge, "prompt").inc(prompt)
        TOKENS.labels(self._judge, "answer").inc(answer)
        self._add("tokens.prompt", prompt)
        self._add("tokens.answer", answer)

    def cost(self, usd: float) -> None:
        """Money that was spent."""
        COST.labels(self._judge).inc(max(usd, 0.0))

    def cache_hit(self) -> None:
        """A verdict came from the cache."""
        CACHE_HITS.labels(self._judge).inc()
        self._add("cache_hit")

    @property
    def counts(self) -> Mapping[str, int]:
        """All counts by name, such as `verdict.safe`, `failure.ModelError`, `tokens.prompt`."""
        with self._lock:
            return dict(self._counts)

    def _add(self, name: str, amount: int = 1) -> None:
        with self._lock:
            self._counts[name] += amount
