"""The semantic engine: all prototypes in one matrix product, all probes in another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sisf.errors import PolicyError
from sisf.policy import Policy, Probe, Prototypes
from sisf.text.ngrams import FEATURES

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SemanticBlock:
    """Immutable matrices over the semantic policies of one direction."""

    prototype_policies: tuple[Policy, ...]
    vectors: Floats
    """All prototypes, one row each."""
    owners: NDArray[np.intp]
    """The policy of each row."""
    vector_thresholds: Floats
    probe_policies: tuple[Policy, ...]
    weights: Floats
    """Embedding weights, one column per probe."""
    biases: Floats
    probe_thresholds: Floats
    vocabulary: Mapping[str, tuple[NDArray[np.intp], Floats]]
    """N-gram to the probes that weigh it and their weights."""

    @classmethod
    def compile(cls, policies: Sequence[Policy], embedder: str, dimensions: int) -> "SemanticBlock":
        """Stack the policies' vectors. Raises `PolicyError` for a policy of another embedder or of wrong size."""
        prototypes = [(p, p.condition) for p in policies if isinstance(p.condition, Prototypes)]
        probes = [(p, p.condition) for p in policies if isinstance(p.condition, Probe)]
        rows = [_matrix(p, c.vectors, c.embedder, embedder, dimensions) for p, c in prototypes]
        columns = [_matrix(p, c.weights, c.embedder, embedder, dimensions) for p, c in probes]
        for policy, probe in probes:
            if probe.features != FEATURES:
                raise PolicyError(f"policy {policy.id}: made with features `{probe.features}`, not `{FEATURES}`")
        empty = np.zeros((0, dimensions), np.float32)
        return cls(
            tuple(p for p, _ in prototypes),
            np.vstack([empty, *rows]),
            np.repeat(np.arange(len(rows)), [len(r) for r in rows]).astype(np.intp),
            np.repeat([c.threshold for _, c in prototypes], [len(r) for r in rows]).astype(np.float32),
            tuple(p for p, _ in probes),
            np.ascontiguousarray(np.vstack([empty, *columns]).T),
            np.array([c.bias for _, c in probes], np.float32),
            np.array([c.threshold for _, c in probes], np.float32),
            _vocabulary([c for _, c in probes]),
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to score."""
        return not self.prototype_policies and not self.probe_policies

    def search(self, embedding: Floats, lexical: Mapping[str, float]) -> list[tuple[Policy, float, float]]:
        """The policies that recognise a window, each with its score and threshold."""
        found: list[tuple[Policy, float, float]] = []
        if self.prototype_policies:
            cosines = self.vectors @ embedding
            hits = np.flatnonzero(cosines >= self.vector_thresholds)
            best: dict[int, int] = {}
            for hit in hits:
                owner = int(self.owners[hit])
                if owner not in best or cosines[hit] > cosines[best[owner]]:
                    best[owner] = int(hit)
            found += [
                (self.prototype_policies[o], float(cosines[h]), float(self.vector_thresholds[h]))
                for o, h in best.items()
            ]
        if self.probe_policies:
            scores = embedding @ self.weights + self.biases
            for gram, value in lexical.items():
                entry = self.vocabulary.get(gram)
                if entry is not None:
                    scores[entry[0]] += value * entry[1]
            found += [
                (self.probe_policies[i], float(scores[i]), float(self.probe_thresholds[i]))
                for i in np.flatnonzero(scores >= self.probe_thresholds)
            ]
        return found


def _matrix(policy: Policy, packed: bytes, made_for: str, embedder: str, dimensions: int) -> Floats:
    if made_for != embedder:
        raise PolicyError(
            f"policy {policy.id}: made for embedder `{made_for}`, but `{embedder}` is in use: "
            "rebuild it, or configure its embedder"
        )
    values = np.frombuffer(packed, "<f4")
    if values.size == 0 or values.size % dimensions:
        raise PolicyError(f"policy {policy.id}: {values.size} numbers do not make vectors of {dimensions}")
    return values.reshape(-1, dimensions)


def _vocabulary(probes: Sequence[Probe]) -> dict[str, tuple[NDArray[np.intp], Floats]]:
    collected: dict[str, tuple[list[int], list[float]]] = {}
    for index, probe in enumerate(probes):
        for gram, weight in probe.ngrams.items():
            indices, weights = collected.setdefault(gram, ([], []))
            indices.append(index)
            weights.append(weight)
    return {g: (np.array(i, np.intp), np.array(w, np.float32)) for g, (i, w) in collected.items()}
