"""The gate refuses what is malformed, useless, harmful to honest users, or already there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange, Sender
from sisf.policy import Action, Condition, Direction, Pattern, Policy, Probe, Prototypes, Provenance, Status
from sisf.statistics import upper_bound
from sisf.synthesis.gate import Gate, GateLimits
from sisf.taxonomy import Hazard
from sisf.verdict import Breach, Outcome, Verdict

BENIGN = [f"please explain topic number {i} to a child" for i in range(2_000)]
BREACH = Breach(Exchange.of("explain how to pick the lock of my neighbour"), Verdict(Outcome.BREACH, judge="test"))


@dataclass
class Known:
    """Knowledge held in lists."""

    found: Sequence[Breach] = (BREACH,)
    in_force: Sequence[Policy] = ()
    benign: Sequence[str] = ()

    def breaches(self) -> Sequence[Breach]:
        return self.found

    def policies(self) -> Sequence[Policy]:
        return self.in_force

    def benign_prompts(self) -> Sequence[str]:
        return self.benign or BENIGN

    def benign_responses(self) -> Sequence[str]:
        return ()

    def familiar(self, _sender: Sender, _instruction: str) -> bool:
        return False


def policy(condition: Condition) -> Policy:
    return Policy(condition, Action.BLOCK, Direction.PROMPT, "a test policy")


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate(HashEmbedder())


def test_a_narrow_pattern_passes(gate: Gate) -> None:
    report = gate.examine(policy(Pattern(r"(?i)\bpick the lock\b")), BREACH, Known())
    assert report.passed, report.reasons
    assert report.catches_breach
    assert (report.benign_blocked, report.benign_total) == (0, len(BENIGN))
    assert report.fpr_upper == pytest.approx(1 - 0.05 ** (1 / len(BENIGN)))


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a+)+\1", "RE2"),
        (r"(?=x)y", "RE2"),
        ("(", "RE2"),
        ("x" * 600, "600 characters"),
        (r"a*", "empty text"),
        (r"((a{100}){10}){5}", ""),
        (r"lock of your", "does not catch the breach"),
        (r"explain", "blocks 2000 benign texts"),
    ],
)
def test_a_bad_pattern_is_refused_with_the_reason(gate: Gate, pattern: str, reason: str) -> None:
    report = gate.examine(policy(Pattern(pattern)), BREACH, Known())
    assert not report.passed
    assert any(reason in r for r in report.reasons)


def test_too_few_benign_texts_prove_nothing() -> None:
    report = Gate(HashEmbedder()).examine(policy(Pattern("pick the lock")), BREACH, Known(benign=BENIGN[:50]))
    assert not report.passed
    assert "more benign texts are needed" in report.reasons[0]


def test_a_duplicate_is_refused_unless_it_supersedes(gate: Gate) -> None:
    old = replace(policy(Pattern("pick the lock")), status=Status.ACTIVE)
    new = policy(Pattern("the lock of my"))
    report = gate.examine(new, BREACH, Known(in_force=[old]))
    assert not report.passed
    assert report.duplicates == (old.id,)
    successor = replace(new, provenance=Provenance(supersedes=(old.id,)))
    assert gate.examine(successor, BREACH, Known(in_force=[old])).passed


def test_a_later_version_of_what_is_in_force_is_no_duplicate(gate: Gate) -> None:
    """Its former version would stay in force in its place."""
    weights = np.zeros(gate.embedder.dimensions, "<f4").tobytes()
    probe = Probe(gate.embedder.id, gate.embedder.dimensions, weights, {"lock": 9.0}, 0.0, 1.0)
    first = replace(policy(probe), status=Status.ACTIVE)
    other = replace(policy(Pattern("pick the lock")), status=Status.ACTIVE)
    later = replace(policy(replace(probe, threshold=1.5)), provenance=Provenance(supersedes=(first.id,)))
    known = Known(in_force=[first, other])
    assert gate.examine(later, BREACH, known).duplicates == ()
    assert gate.examine(replace(later, hazard=Hazard.PRIVACY), BREACH, known).duplicates == (other.id,)


def test_semantic_policies_are_tried_on_every_text(gate: Gate) -> None:
    embedder = gate.embedder
    vector = embedder.embed([BREACH.exchange.prompt]).astype("<f4")
    prototypes = Prototypes(embedder.id, embedder.dimensions, vector.tobytes(), 0.99)
    assert gate.examine(policy(prototypes), BREACH, Known()).passed
    greedy = gate.examine(policy(replace(prototypes, threshold=-1.0)), BREACH, Known())
    assert greedy.benign_blocked == len(BENIGN)
    weights = np.zeros(embedder.dimensions, "<f4").tobytes()
    probe = Probe(embedder.id, embedder.dimensions, weights, {"lock": 1.0}, bias=0.0, threshold=0.1)
    assert gate.examine(policy(probe), BREACH, Known()).passed


def test_a_policy_for_another_embedder_is_refused(gate: Gate) -> None:
    report = gate.examine(policy(Prototypes("other", 4, b"", 0.5)), BREACH, Known())
    assert not report.passed
    assert "rebuild" in report.reasons[0]


def test_an_oversized_probe_is_refused(gate: Gate) -> None:
    embedder = gate.embedder
    weights = np.zeros(embedder.dimensions, "<f4").tobytes()
    grams = {f"gram {i}": 1.0 for i in range(10_000)}
    report = gate.examine(policy(Probe(embedder.id, embedder.dimensions, weights, grams, 0, 0.1)), BREACH, Known())
    assert not report.passed
    assert f"{GateLimits().max_probe_bytes:,}" in report.reasons[0]


def test_the_bound_matches_known_values() -> None:
    assert upper_bound(0, 3_000) == pytest.approx(0.000998, abs=1e-6)
    assert upper_bound(0, 0) == 1.0
    assert upper_bound(5, 5) == 1.0


def test_secret_texts_count_in_the_bound_and_are_never_quoted() -> None:
    hidden = [f"recipe {number} with zorblatt" for number in range(30)]
    gate = Gate(HashEmbedder(), secret=hidden)
    report = gate.examine(policy(Pattern("zorblatt|pick the lock")), BREACH, Known())
    assert not report.passed
    assert (report.benign_blocked, report.benign_total, report.secret_total) == (30, len(BENIGN) + 30, 30)
    assert set(report.benign_hits) <= set(hidden)
    assert "30 of 30 texts that synthesis never saw" in report.reasons[0]
    assert "recipe" not in "".join(report.reasons)
    few = Gate(HashEmbedder(), secret=hidden[:1]).examine(policy(Pattern("zorblatt|pick the lock")), BREACH, Known())
    assert few.passed, "one in thousands is within the budget of a narrow policy"
    assert few.fpr_upper == pytest.approx(upper_bound(1, len(BENIGN) + 1))


def test_a_narrow_policy_goes_live_early_and_a_broad_one_needs_the_evidence(gate: Gate) -> None:
    embedder = gate.embedder
    vector = embedder.embed([BREACH.exchange.prompt]).astype("<f4").tobytes()
    few, gate = BENIGN[:320], Gate(embedder)
    near = Prototypes(embedder.id, embedder.dimensions, vector, 0.95)
    far = replace(near, threshold=0.8)
    for condition, provisional in ((Pattern("pick the lock"), False), (near, False), (far, True)):
        report = gate.examine(policy(condition), BREACH, Known(benign=few))
        assert (report.passed, report.provisional) == (True, provisional), report.reasons
    assert not gate.examine(policy(far), BREACH, Known(benign=BENIGN)).provisional


def test_reach_is_measured_on_variants_of_the_breach(gate: Gate) -> None:
    pattern = gate.examine(policy(Pattern("(?i)pick the lock of my neighbour")), BREACH, Known())
    assert pattern.variants_caught == pattern.variants == 6
    opening = gate.examine(policy(Pattern("^explain how to pick")), BREACH, Known())
    assert 0 < opening.variants_caught < opening.variants
    gate.variants.add(BREACH, ["open my neighbour's door without a key", " "])
    assert gate.examine(policy(Pattern("(?i)pick the lock of my neighbour")), BREACH, Known()).variants == 7
    assert gate.examine(policy(Pattern("pick the lock")), None, Known()).variants == 0


def test_the_margin_says_how_near_honest_users_are(gate: Gate) -> None:
    embedder = gate.embedder
    weights = np.zeros(embedder.dimensions, "<f4").tobytes()
    probe = Probe(embedder.id, embedder.dimensions, weights, {"lock": 1.0}, bias=-0.5, threshold=-0.25)
    report = gate.examine(policy(probe), BREACH, Known())
    assert report.margin == pytest.approx(0.25)
    assert gate.examine(policy(Pattern("pick the lock")), BREACH, Known()).margin is None


def test_old_breaches_make_room() -> None:
    gate, found = Gate(HashEmbedder()), []
    for number in range(4_500):
        found.append(Breach(Exchange.of(f"attack {number}", id=f"b{number}"), BREACH.verdict))
    gate.examine(policy(Pattern("attack 4499")), found[-1], Known(found=found[:4_400]))
    gate.examine(policy(Pattern("attack 4499")), found[-1], Known(found=found))
    assert all(len(reach) <= 4_000 for reach in gate._coverage.values())


def test_a_text_that_is_no_mistake_any_more_leaves_the_gate() -> None:
    gate, secretly = Gate(HashEmbedder()), policy(Pattern("secretly"))
    reported = [*BENIGN[:50], "secretly plan a party"]
    assert gate.examine(secretly, None, Known(benign=reported)).benign_blocked == 1
    withdrawn = gate.examine(secretly, None, Known(benign=BENIGN[:50]))
    assert (withdrawn.benign_blocked, withdrawn.benign_total) == (0, 50)
    again = gate.examine(secretly, None, Known(benign=[*BENIGN[:50], "secretly buy a gift"]))
    assert (again.benign_blocked, again.benign_total) == (1, 51)


def test_what_others_replace_is_found_without_a_look_at_benign_texts() -> None:
    class NoBenign(Known):
        def benign_prompts(self) -> Sequence[str]:
            raise AssertionError("thousands of texts would be embedded for an answer that none of them changes")

        benign_responses = benign_prompts

    narrow, broad = (replace(policy(Pattern(p)), id=p, status=Status.ACTIVE) for p in ("pick the lock", "lock"))
    gone = Gate(HashEmbedder()).redundant([narrow, broad], [narrow, broad], NoBenign(), {})
    assert len(gone) == 1
