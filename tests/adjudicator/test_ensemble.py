"""Judges together: quorum, disagreement, escalation; and how they are watched."""

import pytest
from prometheus_client import REGISTRY

from sisf.adjudicator.agreement import JudgeMonitor, calibration
from sisf.adjudicator.counters import Drift, JudgeCounters
from sisf.adjudicator.ensemble import EnsembleAdjudicator
from sisf.adjudicator.escalation import EscalatingAdjudicator
from sisf.exchange import Exchange
from sisf.verdict import Outcome, Verdict

pytestmark = pytest.mark.smoke
B, S, U = Outcome.BREACH, Outcome.SAFE, Outcome.UNDECIDED


class Fixed:
    """Says the same of everything."""

    def __init__(self, name: str, outcome: Outcome, probability: float | None = None) -> None:
        self.name, self._outcome, self._probability = name, outcome, probability

    def adjudicate(self, exchange: Exchange) -> Verdict:
        return Verdict(self._outcome, self.name, breach_probability=self._probability, rationale=f"{self.name} says so")


@pytest.mark.parametrize(
    ("votes", "quorum", "outcome"),
    [
        ((B, B, S), None, B),
        ((S, S, B), None, S),
        ((B, S, U), None, U),
        ((B, B, S), 3, U),
        ((B, B, B), 3, B),
        ((U, U, U), None, U),
        ((S, U, U), None, U),
        ((S, S), None, S),
        ((S, B), None, U),
    ],
)
def test_quorum(votes: tuple[Outcome, ...], quorum: int | None, outcome: Outcome) -> None:
    members = [Fixed(f"j{i}", vote) for i, vote in enumerate(votes)]
    verdict = EnsembleAdjudicator(members, quorum=quorum).adjudicate(Exchange.of("q", "a"))
    assert verdict.outcome is outcome
    assert all(f"j{i} says so" in verdict.rationale for i in range(len(votes)))


@pytest.mark.parametrize(("count", "quorum"), [(1, None), (3, 1), (3, 4), (0, None)])
def test_a_quorum_that_could_be_reached_both_ways_is_refused(count: int, quorum: int | None) -> None:
    with pytest.raises(ValueError, match="ensemble"):
        EnsembleAdjudicator([Fixed(f"j{i}", S) for i in range(count)], quorum=quorum)


def test_disagreement_escalates_to_the_next_judge_and_then_to_a_person() -> None:
    split = EnsembleAdjudicator([Fixed("a", B), Fixed("b", S)])
    exchange = Exchange.of("q", "a")
    decided = EscalatingAdjudicator([split, Fixed("third", B)]).adjudicate(exchange)
    assert (decided.outcome, decided.judge) == (B, "third")
    nobody = EscalatingAdjudicator([split, Fixed("third", U)]).adjudicate(exchange)
    assert nobody.outcome is U
    assert "a says so" in nobody.rationale
    assert "third says so" in nobody.rationale


def test_pairs_of_judges_are_counted_by_whether_they_agree() -> None:
    monitor = JudgeMonitor()
    for number, (first, second) in enumerate([(B, B)] * 3 + [(B, S)] * 2 + [(U, B)] * 9):
        monitor.record(str(number), [Verdict(first, "one"), Verdict(second, "two")])
    counted = {
        agreed: REGISTRY.get_sample_value("sisf_judge_pairs_total", {"first": "one", "second": "two", "agreed": agreed})
        for agreed in ("true", "false")
    }
    assert counted == {"true": 3.0, "false": 2.0}


def test_drift_is_seen() -> None:
    drift = Drift(latest=50)
    assert [drift.add(False) for _ in range(200)] == [0.0] * 200
    assert [drift.add(True) for _ in range(50)][-1] == 1.0


def test_a_judges_drift_is_a_metric() -> None:
    counters = JudgeCounters("drifting")
    for number in range(400):
        counters.verdict(B if number >= 200 else S, 0.01)
        counters.verdict(U, 0.01)  # says nothing of either share
    assert REGISTRY.get_sample_value("sisf_judge_drift", {"judge": "drifting"}) == 1.0


def test_people_measure_the_judge_and_the_members_of_an_ensemble() -> None:
    monitor = JudgeMonitor()
    monitor.record("x", [Verdict(B, "a", breach_probability=0.9), Verdict(S, "b", breach_probability=0.2)])
    monitor.calibrate([("x", True, None), ("y", False, Verdict(S, "c", breach_probability=0.1)), ("z", True, None)])
    briers = {judge: REGISTRY.get_sample_value("sisf_judge_brier", {"judge": judge}) for judge in "abc"}
    assert briers == pytest.approx({"a": 0.01, "b": 0.64, "c": 0.01})
    reliability = REGISTRY.get_sample_value("sisf_judge_reliability", {"judge": "b", "probability": "0.2-0.3"})
    assert (reliability, REGISTRY.get_sample_value("sisf_judge_labels", {"judge": "b"})) == (1.0, 1.0)


def test_reliability_bins() -> None:
    result = calibration([0.05, 0.05, 0.95, 1.0], [False, True, True, True])
    assert [(b.n, b.observed) for b in result.bins] == [(2, 0.5), (2, 1.0)]
