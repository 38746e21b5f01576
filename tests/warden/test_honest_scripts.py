"""Honest text of many scripts and styles passes, with the policies that the twelve tricks do not get past."""

import pytest

from sisf.corpus import Sample, sample_attacks, scripts
from sisf.embedding import create_embedder
from sisf.policy import Direction, Pattern, Policy, Prototypes, Snapshot
from sisf.warden import PolicySet
from tests.warden.samples import policy, said

_PATTERNS = (
    r"(?i)\b(?:bomb|explosive|poison|malware|ransom)s?\b",
    r"(?i)\bhow to (?:make|build|pick|steal|hack)\b",
    r"(?i)ignore (?:all|any) (?:previous|prior) instructions",
)


@pytest.fixture(scope="module")
def policy_set() -> PolicySet:
    minilm = create_embedder("minilm")
    vectors = minilm.embed([a.text for a in sample_attacks()[:100]])
    policies: list[Policy] = [policy(Pattern(p)) for p in _PATTERNS]
    policies.append(policy(Prototypes(minilm.id, minilm.dimensions, vectors.astype("<f4").tobytes(), 0.65)))
    return PolicySet.compile(Snapshot(1, tuple(policies)), minilm)


@pytest.mark.parametrize("sentence", scripts(), ids=lambda sentence: sentence.id)
def test_it_passes(policy_set: PolicySet, sentence: Sample) -> None:
    assert policy_set.inspect(said(sentence.text), Direction.PROMPT).matches == ()
