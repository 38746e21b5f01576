"""The local judge's bench: its report has the agreed form."""

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.evaluation.bench import judge as bench_judge
from sisf.evaluation.bench.judge import Sizes
from sisf.testing import ScriptedAdjudicator
from sisf.verdict import Outcome

pytestmark = pytest.mark.smoke


def test_the_report_has_the_agreed_figures() -> None:
    seen: list[int] = []

    def judge(exchange: object) -> Outcome:
        seen.append(len(getattr(exchange, "response", "")))
        return Outcome.SAFE

    result = bench_judge.run(0, Sizes(pairs=4, long_pairs=2), HashEmbedder(), ScriptedAdjudicator(judge))
    assert set(result["ratios"]) == {"pair_vs_forward_pass", "long_vs_pair"}
    assert set(result["figures"]) == {"p50_ms", "p99_ms", "forward_pass_ms", "long_p50_ms", "long_max_ms"}
    assert all(value > 0 for part in result.values() for value in part.values())
    assert sorted(n > 200_000 for n in seen) == [False] * 5 + [True] * 2
