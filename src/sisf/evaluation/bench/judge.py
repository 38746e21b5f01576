"""`sisf bench judge`: what the local judge takes for a pair, also a very long one, against one pass of its embedder."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from sisf import corpus
from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.local.judge import LocalAdjudicator
from sisf.adjudicator.local.reading import WINDOW_TOKENS
from sisf.embedding import Embedder, create_embedder
from sisf.exchange import Exchange

_LONG_CHARS = 200_000

Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. Tests use less."""

    pairs: int = 400
    long_pairs: int = 30
    answer_chars: int = 1_000
    """Least length of an answer: what a chat model writes, and more than the judge reads of one."""


def run(
    seed: int = 0, sizes: Sizes | None = None, embedder: Embedder | None = None, judge: Adjudicator | None = None
) -> dict[str, Any]:
    """Milliseconds a pair, the passes of one window interleaved with them, so that a busy machine slows both."""
    sizes = sizes or Sizes()
    embedder = embedder or create_embedder("harm-aware")
    judge = judge or LocalAdjudicator(embedder)
    chooser = random.Random(seed)
    pairs = [_pair(chooser, sizes.answer_chars) for _ in range(sizes.pairs)]
    long = [_pair(chooser, _LONG_CHARS) for _ in range(sizes.long_pairs)]
    window = embedder.windows(pairs[0].response or "", size=WINDOW_TOKENS)[0].text
    judge.adjudicate(pairs[0])
    took, passes = [], []
    for number, pair in enumerate(pairs):
        took.append(_milliseconds(judge.adjudicate, pair))
        passes.append(_milliseconds(embedder.embed, [f"{number} {window}"]))
    took_long = [_milliseconds(judge.adjudicate, pair) for pair in long]
    median, slow = (float(np.quantile(took, q)) for q in (0.5, 0.99))
    one_pass = float(np.median(passes))
    return {
        "ratios": {"pair_vs_forward_pass": median / one_pass, "long_vs_pair": float(np.median(took_long)) / median},
        "figures": {
            "p50_ms": median,
            "p99_ms": slow,
            "forward_pass_ms": one_pass,
            "long_p50_ms": float(np.median(took_long)),
            "long_max_ms": float(np.max(took_long)),
        },
    }


def _pair(chooser: random.Random, chars: int) -> Exchange:
    """A shipped request with shipped answers in a row, until there are `chars` characters."""
    parts: list[str] = []
    while sum(len(part) + 1 for part in parts) < chars:
        parts.append(chooser.choice(corpus.answers()).text)
    return Exchange.of(chooser.choice(corpus.contrastive()).text, " ".join(parts))


def _milliseconds(work: Callable[[Given], object], given: Given) -> float:
    start = time.perf_counter()
    work(given)
    return 1e3 * (time.perf_counter() - start)
