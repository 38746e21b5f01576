"""Writes `first_look.safetensors`: how the encoder's vector is guessed from its first layers. Run by `make first-look`.

Learned by ridge regression from the authored corpus (`sisf.corpus.training`), as whole texts and as passages inside
longer honest texts, since that is how the Warden looks. The groups that training the encoder kept back are kept back
here, too: their harmful texts go into the file, and every revision is calibrated on them. No test set is read.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sisf import corpus
from sisf.corpus.training import Example, examples, in_development
from sisf.embedding.factory import create_embedder
from sisf.embedding.first_look import FILE, FirstLook, Known, packed
from sisf.embedding.kept import KeptEmbedder
from sisf.embedding.local import BegunText, LocalEmbedder
from sisf.text.passages import passages
from sisf.warden.late_pooling import arbitrary, means

LONGEST = 600
"""Characters of the texts that are learned whole."""
RIDGE = 0.1
HONEST_WINDOWS, HOSTS = 420, 2_000
HARMFUL_WEIGHT, HONEST_WEIGHT, WHOLE_WEIGHT = 1.0, 1.5, 0.3
KEPT_ALONE, KEPT_INSIDE = 1_200, 600
SEPARATORS = ("\n\n", " ", "\n")


@dataclass(frozen=True)
class Row:
    """A text, the mean of its states after the first layers, and what it teaches or is kept for."""

    text: str
    mean: np.ndarray
    harmful: bool
    kept: bool
    inside: bool


def begun_of(embedder: LocalEmbedder, text: str) -> BegunText:
    begun = embedder.begin(text)
    assert begun is not None
    return begun


def of_wholes(embedder: LocalEmbedder, known: Sequence[Example]) -> Iterator[Row]:
    for example in known:
        if len(example.text) <= LONGEST:
            begun = begun_of(embedder, example.text)
            yield Row(example.text, begun.states.mean(axis=0), example.harmful, in_development(example), False)


def inside(embedder: LocalEmbedder, text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[str, np.ndarray]]:
    begun = begun_of(embedder, text)
    seen = [span for span in spans if begun.spans and span[1] <= begun.spans[-1][1]]
    if seen:
        for span, mean in zip(seen, means(begun.states[1:-1], begun.spans, seen), strict=True):
            yield text[slice(*span)], mean


class Honest:
    """Honest texts of the corpus, one after the other."""

    def __init__(self, chooser: random.Random) -> None:
        self.texts = [s.text for part in (corpus.documents(), corpus.honest(), corpus.benign_reference()) for s in part]
        chooser.shuffle(self.texts)
        self.place = 0

    def take(self, chars: int) -> list[str]:
        taken: list[str] = []
        while sum(map(len, taken)) < chars:
            taken.append(self.texts[self.place % len(self.texts)][:LONGEST])
            self.place += 1
        return taken


def of_passages(
    embedder: LocalEmbedder, known: Sequence[Example], share: float, chooser: random.Random
) -> Iterator[Row]:
    honest = Honest(chooser)
    for _ in range(int(share * HONEST_WINDOWS)):
        text = chooser.choice(SEPARATORS).join(honest.take(chooser.choice((300, 600, 900))))
        begun = begun_of(embedder, text)
        cut = [*arbitrary(text, begun.spans)]
        spans = [s for found in (passages(text), cut) for s in chooser.sample(found, min(8, len(found)))]
        yield from (Row(piece, mean, False, False, True) for piece, mean in inside(embedder, text, spans))
    short = [e for e in known if e.harmful and len(e.text) <= LONGEST / 2 and e.part not in ("company", "document")]
    kept = [e for e in short if in_development(e)]
    taught = [e for e in short if not in_development(e)]
    for example in [*chooser.sample(taught, int(share * HOSTS)), *chooser.sample(kept, min(KEPT_INSIDE, len(kept)))]:
        parts, mark = honest.take(chooser.choice((200, 400, 800))), chooser.choice(SEPARATORS)
        place = chooser.randrange(len(parts) + 1)
        before = mark.join(parts[:place]) + (mark if place else "")
        text = mark.join([*parts[:place], example.text, *parts[place:]])
        span = (len(before), len(before) + len(example.text))
        for piece, mean in inside(embedder, text, [span]):
            yield Row(piece, mean, True, in_development(example), True)


def fitted(rows: Sequence[Row], vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map and the offset of a weighted ridge regression on standardised means."""
    weights = np.array([WHOLE_WEIGHT if not r.inside else HARMFUL_WEIGHT if r.harmful else HONEST_WEIGHT for r in rows])
    weights = (weights / weights.mean())[:, None]
    inputs = np.stack([row.mean for row in rows]).astype(np.float64)
    middle, target = (inputs * weights).mean(axis=0), (vectors * weights).mean(axis=0)
    inputs -= middle
    spread = inputs.std(axis=0) + 1e-6
    inputs /= spread
    square = inputs.T @ (inputs * weights) + RIDGE * len(rows) * np.eye(inputs.shape[1])
    solved = np.linalg.solve(square, inputs.T @ ((vectors - target) * weights)) / spread[:, None]
    return solved.astype(np.float32), (target - middle @ solved).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=3, help="that of the encoder's training: the same groups are kept")
    parser.add_argument("--share", type=float, default=1.0, help="of the texts that are learned from")
    parser.add_argument("--out", type=Path, default=Path("src/sisf/embedding") / FILE)
    options = parser.parse_args()
    chooser = random.Random(options.seed)
    embedder = create_embedder()
    assert isinstance(embedder, LocalEmbedder)
    known = examples(options.seed)
    taught = [e for e in known if not in_development(e)]
    kept_back = [e for e in known if in_development(e) and e.harmful]
    whole = [*chooser.sample(taught, int(options.share * len(taught))), *kept_back]
    rows = [*of_wholes(embedder, whole), *of_passages(embedder, known, options.share, chooser)]
    print(f"{len(rows)} texts read by the first layers", flush=True)
    exact = KeptEmbedder(embedder).embed([row.text for row in rows])
    learned = [i for i, row in enumerate(rows) if not row.kept]
    weights, offset = fitted([rows[i] for i in learned], exact[learned])
    found = []
    for within, most in ((False, KEPT_ALONE), (True, KEPT_INSIDE)):
        places = [i for i, row in enumerate(rows) if row.kept and row.harmful and row.inside is within]
        places = chooser.sample(places, min(most, len(places)))
        guessed = np.stack([rows[i].mean for i in places]) @ weights + offset
        found.append(Known(tuple(rows[i].text for i in places), guessed, exact[places]))
        print(f"{len(places)} kept, mean cosine of guesses {cosine(guessed, exact[places]):.3f}", flush=True)
    options.out.write_bytes(packed(FirstLook(weights, offset, *found)))
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


def cosine(guessed: np.ndarray, exact: np.ndarray) -> float:
    return float(np.mean(np.sum(guessed * exact, axis=1) / np.linalg.norm(guessed, axis=1)))


if __name__ == "__main__":
    main()
