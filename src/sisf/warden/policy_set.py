"""A compiled, immutable policy set: what the Warden swaps as a whole."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sisf.embedding.base import Embedder
from sisf.exchange import Message
from sisf.policy import Action, Decision, Direction, Match, Pattern, Policy, Snapshot, Status, Substitution
from sisf.text.ngrams import ngram_features
from sisf.warden.patterns import PatternBlock
from sisf.warden.semantic import SemanticBlock

_DIRECTIONS = (Direction.PROMPT, Direction.RESPONSE)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies of one revision, compiled. Safe to use from any number of threads."""

    revision: int
    embedder: Embedder
    patterns: dict[Direction, PatternBlock]
    semantics: dict[Direction, SemanticBlock]
    rewrites: dict[Direction, tuple[Policy, ...]]

    @classmethod
    def compile(cls, snapshot: Snapshot, embedder: Embedder) -> "PolicySet":
        """Compile a snapshot. Raises `PolicyError` that names the policy that cannot be compiled."""
        by_direction = {d: [p for p in snapshot.policies if p.direction.covers(d)] for d in _DIRECTIONS}
        return cls(
            snapshot.revision,
            embedder,
            {d: PatternBlock.compile(_of_form(ps, Pattern)) for d, ps in by_direction.items()},
            {d: SemanticBlock.compile(ps, embedder.id, embedder.dimensions) for d, ps in by_direction.items()},
            {d: tuple(_of_form(ps, Substitution)) for d, ps in by_direction.items()},
        )

    def inspect(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision:
        """Inspect every text and decide. Blocking: some milliseconds when semantic policies are in force."""
        started = time.perf_counter()
        matches = [
            match
            for index, message in enumerate(messages)
            for match in self._inspect_text(message.content, index, direction, tenant)
        ]
        matches.sort(key=lambda m: (m.shadow, -m.action.precedence))
        enforced = [m.action for m in matches if not m.shadow]
        action = max(enforced, key=lambda a: a.precedence, default=Action.ALLOW)
        elapsed = 1e6 * (time.perf_counter() - started)
        return Decision(action, tuple(matches), self.revision, direction, elapsed)

    def _inspect_text(self, text: str, segment: int, direction: Direction, tenant: str) -> Iterator[Match]:
        for policy, span in self.patterns[direction].search(text):
            if _applies(policy, tenant):
                yield _match(policy, 1.0, 1.0, segment, span)
        semantic = self.semantics[direction]
        if semantic.empty:
            return
        best: dict[str, Match] = {}
        windows = self.embedder.windows(text)
        embeddings = self.embedder.embed([w.text for w in windows])
        for window, embedding in zip(windows, embeddings, strict=True):
            for policy, score, threshold in semantic.search(embedding, ngram_features(window.text)):
                known = best.get(policy.id)
                if _applies(policy, tenant) and (known is None or score > known.score):
                    best[policy.id] = _match(policy, score, threshold, segment, (window.start, window.end))
        yield from best.values()


def _of_form(policies: Sequence[Policy], form: type) -> list[Policy]:
    return [p for p in policies if isinstance(p.condition, form)]


def _applies(policy: Policy, tenant: str) -> bool:
    return policy.tenant in {"", tenant}


def _match(policy: Policy, score: float, threshold: float, segment: int, span: tuple[int, int]) -> Match:
    shadow = policy.status is Status.SHADOW
    return Match(policy.id, policy.action, score, threshold, span=span, segment=segment, shadow=shadow)
