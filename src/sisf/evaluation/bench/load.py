"""Generated policies and prompts in everyday words, for measuring the Warden.

The policies protect from nothing. They flag, so that a prompt which one of them meets is inspected to the end.
"""

import random
from collections.abc import Iterator
from itertools import islice, pairwise

import numpy as np

from sisf import corpus
from sisf.embedding.base import Embedder
from sisf.policy import Action, Condition, Direction, Pattern, Policy, Probe, Prototypes, Status
from sisf.text.ngrams import ngrams, words

_SHAPES = (
    r"(?i)\b(?:{0}|{1}|{2}|{3})(?:e|ed|ing|s)?\b.{{0,60}}\b(?:{4}|{5}|{6})s?\b",
    r"(?i)\b(?:{0}|{1})\s+(?:an?|the|my|your)?\s*{2}\b",
    r"(?i)(?:{0}|{1}|{2}).{{0,30}}(?:{3}|{4}|{5})",
    r"(?i)\b(?:write|create|give|provide|make)\b.*\b(?:{0}|{1}|{2})\b.*\b(?:{3}|{4})\b",
)
"""Forms in which language models write patterns: what is done, something between, to what."""


class Load:
    """Policies and prompts drawn from the words of the shipped benign texts. The same seed makes the same load."""

    def __init__(self, embedder: Embedder, seed: int) -> None:
        self._embedder = embedder
        self._random = random.Random(seed)
        self._vectors = np.random.default_rng(seed)
        texts = [sample.text for sample in corpus.benign_reference()]
        grams = sorted({gram for text in texts for gram in ngrams(text) if gram.isascii()})
        self._grams = grams
        self._words = [g for g in grams if g.isalpha() and len(g) > 2]
        self._following: dict[str, list[str]] = {}
        for first, second in pairwise(word for text in texts for word in words(text) if word.isascii()):
            self._following.setdefault(first, []).append(second)

    def patterns(self, number: int) -> list[Policy]:
        """Heuristic policies."""
        return [self._policy(Pattern(self._pattern())) for _ in range(number)]

    def prototypes(self, number: int) -> list[Policy]:
        """Semantic policies with one prototype each."""
        return [
            self._policy(Prototypes(self._embedder.id, self._embedder.dimensions, self._vector(), 0.9))
            for _ in range(number)
        ]

    def probes(self, number: int) -> list[Policy]:
        """Semantic policies with a learned probe of 200 n-grams each."""
        return [
            self._policy(
                Probe(
                    self._embedder.id,
                    self._embedder.dimensions,
                    self._vector(),
                    {g: round(self._random.gauss(0, 1), 4) for g in self._random.sample(self._grams, 200)},
                    -1.0,
                    50.0,
                )
            )
            for _ in range(number)
        ]

    def mixed(self, number: int) -> list[Policy]:
        """Half heuristic, a quarter prototypes, a quarter probes, in mixed order."""
        found = [*self.patterns(number // 2), *self.prototypes(number // 4), *self.probes(number - 3 * (number // 4))]
        self._random.shuffle(found)
        return found

    def prompts(self, number: int, tokens: int = 12) -> list[str]:
        """Prompts of exactly `tokens` tokens, all different."""
        return list(islice(self.endless_prompts(tokens), number))

    def endless_prompts(self, tokens: int = 12) -> Iterator[str]:
        """Different prompts of exactly `tokens` tokens, made as they are taken: each word follows the one before it as
        it does in the shipped texts."""
        seen: set[str] = set()
        while True:
            text = " ".join(islice(self._chain(), tokens))
            while self._embedder.count_tokens(text) > tokens:
                text = text.rpartition(" ")[0]
            if text not in seen and self._embedder.count_tokens(text) == tokens:
                seen.add(text)
                yield text

    def _chain(self) -> Iterator[str]:
        word = self._random.choice(self._words)
        while True:
            yield word
            word = self._random.choice(self._following.get(word) or self._words)

    def _pattern(self) -> str:
        return self._random.choice(_SHAPES).format(*self._random.sample(self._words, 7))

    def _vector(self) -> bytes:
        vector = self._vectors.normal(size=self._embedder.dimensions)
        return (vector / np.linalg.norm(vector)).astype("<f4").tobytes()

    def _policy(self, condition: Condition) -> Policy:
        return Policy(condition, Action.FLAG, Direction.PROMPT, "generated", status=Status.ACTIVE)
