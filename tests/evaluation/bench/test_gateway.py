"""The bench of the gateway measures what it says, on little load."""

import os
from math import isfinite

import pytest

from sisf.evaluation.bench import gateway as bench_gateway
from sisf.evaluation.bench import traffic


@pytest.mark.slow
def test_every_figure_is_there_and_positive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_gateway, "_REQUESTS", 160)
    monkeypatch.setattr(bench_gateway, "_SINGLE", 20)
    monkeypatch.setattr(bench_gateway, "_STREAMS", 5)
    sizes = traffic.Sizes(((60, 4), (550, 2)), ((60, 16),), together=16, conversations=1, attacks=6)
    monkeypatch.setattr(bench_gateway, "_TRAFFIC", sizes)
    monkeypatch.setattr(traffic, "learned", lambda _attacks, _seed: ())  # a minute where nothing is embedded yet
    monkeypatch.setattr("shutil.which", lambda _: None)
    result = bench_gateway.run(0)
    assert {"cpu_vs_passthrough", "added_semantic_vs_forward_pass", "turn_30_vs_turn_2", "processes_2_vs_1"} <= set(
        result["ratios"]
    )
    assert {"cpu_vs_full_pass_60", "cpu_vs_full_pass_550"} <= set(result["ratios"])
    # The difference of two times: noise may make it negative.
    assert isfinite(result["ratios"].pop("added_semantic_vs_forward_pass"))
    assert min(result["ratios"].values()) > 0
    assert {"added_p50_ms", "sse_us_per_chunk", "ttft_added_ms", "rps_16"} <= set(result["figures"])
    assert result["figures"]["rps_16"] > 0
    assert 0 < result["figures"]["cores_busy_processes_1"] <= (os.cpu_count() or 1) + 0.2
