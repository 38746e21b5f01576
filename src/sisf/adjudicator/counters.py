"""What judges did, counted: in the object for whoever holds it, and for Prometheus."""

import threading
from collections import Counter, deque
from collections.abc import Mapping

from prometheus_client import Counter as Metric
from prometheus_client import Gauge, Histogram

from sisf.llm.base import Completion
from sisf.verdict import Outcome

VERDICTS = Metric("sisf_judge_verdicts", "Verdicts by judge and outcome.", ["judge", "outcome"])
FAILURES = Metric("sisf_judge_failures", "Failures of a judge by reason; each gave `undecided`.", ["judge", "reason"])
ESCALATIONS = Metric("sisf_judge_escalations", "Exchanges passed on to the next judge.", ["judge"])
TOKENS = Metric("sisf_judge_tokens", "Tokens of judges' model calls.", ["judge", "kind"])
COST = Metric(
    "sisf_judge_cost_usd", "Cost of judges' answered calls in USD, worst case where no usage was reported.", ["judge"]
)
DRIFT = Gauge(
    "sisf_judge_drift", "Breach share of a judge's latest 200 verdicts minus that of its earlier ones.", ["judge"]
)
CACHE_HITS = Metric("sisf_judge_cache_hits", "Verdicts answered from the cache.", ["judge"])
SECONDS = Histogram(
    "sisf_judge_seconds",
    "Time a judge took for an exchange.",
    ["judge"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60),
)


_LATEST = 200


class Drift:
    """How a judge's latest verdicts differ from its earlier ones. Not thread-safe."""

    def __init__(self, latest: int = _LATEST) -> None:
        self._latest: deque[bool] = deque()
        self._size = latest
        self._earlier = 0
        self._earlier_breaches = 0

    def add(self, breach: bool) -> float:
        """Take a decided verdict. Gives the breach share of the latest minus that of those before, 0 without any."""
        self._latest.append(breach)
        if len(self._latest) > self._size:
            self._earlier += 1
            self._earlier_breaches += self._latest.popleft()
        if not self._earlier:
            return 0.0
        return sum(self._latest) / len(self._latest) - self._earlier_breaches / self._earlier


class JudgeCounters:
    """One judge's counts since it was made. Thread-safe."""

    def __init__(self, judge: str) -> None:
        self._judge = judge
        self._counts: Counter[str] = Counter()
        self._usd = 0.0
        self._drift = Drift()
        self._lock = threading.Lock()

    def verdict(self, outcome: Outcome, seconds: float) -> None:
        """A verdict was given."""
        VERDICTS.labels(self._judge, outcome.value).inc()
        SECONDS.labels(self._judge).observe(seconds)
        with self._lock:
            self._counts[f"verdict.{outcome.value}"] += 1
            if outcome is not Outcome.UNDECIDED:
                DRIFT.labels(self._judge).set(self._drift.add(outcome is Outcome.BREACH))

    def failure(self, reason: str) -> None:
        """The judge failed; the verdict is `undecided`."""
        FAILURES.labels(self._judge, reason).inc()
        self._add(f"failure.{reason}")

    def escalation(self) -> None:
        """The exchange was passed on."""
        ESCALATIONS.labels(self._judge).inc()
        self._add("escalation")

    def used(self, completion: Completion) -> None:
        """Tokens and money of one answered call."""
        TOKENS.labels(self._judge, "prompt").inc(completion.prompt_tokens)
        TOKENS.labels(self._judge, "answer").inc(completion.completion_tokens)
        COST.labels(self._judge).inc(completion.usd)
        with self._lock:
            self._counts["tokens.prompt"] += completion.prompt_tokens
            self._counts["tokens.answer"] += completion.completion_tokens
            self._usd += completion.usd

    def cache_hit(self) -> None:
        """A verdict came from the cache."""
        CACHE_HITS.labels(self._judge).inc()
        self._add("cache_hit")

    @property
    def counts(self) -> Mapping[str, float]:
        """All counts by name, such as `verdict.safe`, `failure.ModelError`, `tokens.prompt`, and `cost_usd`."""
        with self._lock:
            return {**self._counts, "cost_usd": self._usd} if self._usd else dict(self._counts)

    def _add(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
