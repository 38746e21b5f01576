"""Policies and texts for tests of enforcement."""

import random
import string
from dataclasses import replace

import numpy as np

from sisf.embedding import landmarks
from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Message, Role
from sisf.policy import (
    Action,
    Condition,
    Direction,
    Pattern,
    Policy,
    Probe,
    Prototypes,
    Snapshot,
    Status,
    Substitution,
)
from sisf.text.ngrams import ngram_features
from sisf.warden import PolicySet
from sisf.warden.semantic import features_of

EMBEDDER = HashEmbedder()


def policy(condition: Condition, action: Action = Action.BLOCK, direction: Direction = Direction.PROMPT) -> Policy:
    return Policy(condition, action, direction, "a test policy", status=Status.ACTIVE)


def pattern(text: str, action: Action = Action.BLOCK, direction: Direction = Direction.PROMPT) -> Policy:
    return policy(Pattern(text), action, direction)


def redaction(text: str, replacement: str = "[redacted]", direction: Direction = Direction.BOTH) -> Policy:
    return policy(Substitution(text, replacement), Action.REWRITE, direction)


def near(text: str, threshold: float = 0.9, direction: Direction = Direction.PROMPT) -> Policy:
    vector = EMBEDDER.embed([text]).astype("<f4").tobytes()
    return policy(Prototypes(EMBEDDER.id, EMBEDDER.dimensions, vector, threshold, (text,)), direction=direction)


def words_probe(*words: str, threshold: float = 0.0, weight: float = 2.0) -> Policy:
    zero = np.zeros(EMBEDDER.dimensions, "<f4").tobytes()
    weights = dict.fromkeys(words, weight)
    return policy(Probe(EMBEDDER.id, EMBEDDER.dimensions, zero, weights, -0.5, threshold))


def landmarks_probe(rng: random.Random, *words: str, threshold: float = 0.0) -> Policy:
    """A probe that weighs how near a text is to landmarks besides."""
    narrow = words_probe(*words, threshold=threshold).condition
    assert isinstance(narrow, Probe)
    weights = [rng.gauss(0, 0.2) for _ in range(EMBEDDER.dimensions + landmarks.count())]
    packed, features = np.array(weights, "<f4").tobytes(), features_of(wide=True)
    return policy(replace(narrow, dimensions=len(weights), weights=packed, features=features))


def shadowed(original: Policy) -> Policy:
    return replace(original, status=Status.SHADOW)


def said(*texts: str) -> tuple[Message, ...]:
    return tuple(Message(Role.USER, t, f"messages[{i}].content") for i, t in enumerate(texts))


def answered(text: str) -> tuple[Message, ...]:
    return (Message(Role.ASSISTANT, text),)


def compiled(*policies: Policy) -> PolicySet:
    return PolicySet.compile(Snapshot(3, policies), EMBEDDER)


def word(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 8)))


def any_policy(rng: random.Random) -> Policy:
    """A policy of any kind, over words of the generator."""
    kind = rng.randrange(4)
    made = (
        pattern(rf"\b{word(rng)} {word(rng)}\b"),
        near(f"{word(rng)} {word(rng)} {word(rng)}", 0.8),
        words_probe(word(rng), word(rng)),
        pattern(word(rng), Action.FLAG, Direction.RESPONSE),
    )[kind]
    return replace(made, status=rng.choice((Status.ACTIVE, Status.ACTIVE, Status.SHADOW)), tenant=rng.choice(("", "t")))


def score(condition: Prototypes | Probe, text: str) -> float:
    """What a text of one window scores, from the definition: a cosine, or a probe's sum."""
    vector = EMBEDDER.embed([text])[0]
    if isinstance(condition, Prototypes):
        return float(max(np.frombuffer(condition.vectors, "<f4").reshape(-1, condition.dimensions) @ vector))
    words = sum(value * condition.ngrams.get(gram, 0.0) for gram, value in ngram_features(text).items())
    if condition.dimensions > len(vector):
        vector = landmarks.with_nearness(vector[None], landmarks.landmarks_of(EMBEDDER))[0]
    return float(np.frombuffer(condition.weights, "<f4") @ vector) + words + condition.bias
