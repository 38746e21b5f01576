"""The Warden's bench: its report has the agreed form, and its load is what it says."""

import re

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.evaluation.bench import warden as bench_warden
from sisf.evaluation.bench.load import Load
from sisf.evaluation.bench.warden import Sizes
from sisf.policy import Direction, Pattern, PolicyKind
from sisf.warden.patterns import validate

SMALL = Sizes(patterns=60, semantic=10, few=10, many=100, rounds=20, activations=3, swaps=4, pause_s=0.01, turns=2)


@pytest.mark.slow
def test_the_report_has_the_agreed_figures() -> None:
    result = bench_warden.run(0, SMALL, HashEmbedder())
    assert set(result) == {"ratios", "figures"}
    assert set(result["ratios"]) == {
        "heuristics_vs_re_loop",
        "check_vs_forward_pass",
        "growth_100_to_10000",
        "swap_p99",
    }
    assert set(result["figures"]) == {"heuristic_us", "check_ms", "activation_ms", "rss_mb"}
    assert all(value > 0 for part in result.values() for value in part.values())


def test_the_load_is_fair() -> None:
    load = Load(HashEmbedder(), 3)
    policies = load.mixed(40)
    kinds = [p.kind for p in policies]
    assert (kinds.count(PolicyKind.HEURISTIC), kinds.count(PolicyKind.SEMANTIC)) == (20, 20)
    for policy in policies:
        if isinstance(policy.condition, Pattern):
            validate(policy.condition.pattern)
            re.compile(policy.condition.pattern)
    prompts = load.prompts(50)
    assert len(set(prompts)) == 50
    assert {HashEmbedder().count_tokens(p) for p in prompts} == {12}


def test_some_prompts_meet_the_policies_and_none_is_stopped_before_its_end() -> None:
    load = Load(HashEmbedder(), 3)
    compiled = bench_warden._compiled(load.patterns(2_000), HashEmbedder())
    decisions = [compiled.inspect(bench_warden._said(p), Direction.PROMPT) for p in load.prompts(300, 40)]
    assert any(d.matches for d in decisions)
    assert not any(d.blocked for d in decisions)
