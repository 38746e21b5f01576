"""What is spared as redundant is caught by the rest; masks that are kept are those that would be computed anew."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.embedding.hashing import HashEmbedder
from sisf.policy import Action, Direction, Pattern, Policy
from sisf.synthesis.coverage import Coverage, redundant
from tests.synthesis.known import breach

WORDS = ["red", "green", "blue", "grey", "pink"]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True).map(" ".join)
PATTERNS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True).map("|".join)
EMBEDDER = HashEmbedder(8)


def policies(patterns: list[str]) -> list[Policy]:
    return [Policy(Pattern(p), Action.BLOCK, Direction.PROMPT, p, id=f"p{n}") for n, p in enumerate(patterns)]


def catches(policy: Policy, text: str) -> bool:
    return bool(set(policy.description.split("|")) & set(text.split()))


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=8), st.lists(PATTERNS, min_size=1, max_size=6), st.lists(TEXTS, max_size=3))
def test_nothing_is_lost(texts: list[str], patterns: list[str], lately: list[str]) -> None:
    coverage = Coverage(EMBEDDER, Direction.PROMPT)
    coverage.add([breach(text) for text in texts])
    held = policies(patterns)
    stopped = {
        p.id: [breach(t).exchange for t in lately if set(p.description.split("|")) & set(t.split())] for p in held
    }
    gone = redundant({Direction.PROMPT: coverage}, held, held, stopped)
    left = [p for p in held if p.id not in gone]
    for text in [*texts, *lately]:
        assert any(catches(p, text) for p in held) == any(catches(p, text) for p in left)
    assert all(set(helpers) for helpers in gone.values())


@settings(deadline=None)
@given(st.lists(st.lists(TEXTS, max_size=3), min_size=1, max_size=4), st.lists(PATTERNS, min_size=1, max_size=3))
def test_kept_masks_grow_as_breaches_come(batches: list[list[str]], patterns: list[str]) -> None:
    growing = Coverage(EMBEDDER, Direction.PROMPT)
    held = policies(patterns)
    for number, batch in enumerate(batches):
        growing.add([breach(text) for text in batch])
        fresh = Coverage(EMBEDDER, Direction.PROMPT)
        fresh.add([breach(text) for b in batches[: number + 1] for text in b])
        for policy in held:
            assert growing.of(policy).sum() == fresh.of(policy).sum()
            assert len(growing.of(policy)) == len(growing)
