"""Protocol `haystack`: attacks that are caught alone, hidden in honest texts of 1,000 to 100,000 tokens.

The defence learns, then its revision is frozen. Honest long texts are sent as they are, then with an attack before,
in and behind them. Recall loss is the share of the attacks caught alone that then passes; attacks in a text that is
blocked without them are left out.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sisf.datasets import Dataset
from sisf.embedding import Embedder
from sisf.errors import DataError
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import SYSTEM, Run, Setup
from sisf.evaluation.frozen import Attacks, Play, caught, lessons, plays
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.progress import Progress
from sisf.evaluation.protocols.haystack.hay import POSITIONS, Hay, Stack, gathered
from sisf.exchange import Message, Role
from sisf.policy import Decision

LENGTHS = (1_000, 4_000, 16_000, 64_000, 100_000)
"""Tokens of the texts, by default."""
TOKENS = 16_000
"""Tokens of honest text of each kind and length, by default; one text at least."""


@dataclass(frozen=True, slots=True)
class Searched:
    """One honest text: what became of it, and of the attacks in it."""

    stack: Stack
    clean: Sample
    alone: int
    """How many of the requests in it are blocked when sent alone; counted where the whole is blocked."""
    hidden: Mapping[str, Sample]
    """By position; empty where the text is blocked without an attack."""
    seconds: float
    """What inspecting it without an attack took."""


@dataclass(slots=True)
class HaystackRun:
    """Everything that was sent. `run` holds the attacks in clear and the honest texts, as in other protocols."""

    run: Run
    searched: list[list[Searched]] = field(default_factory=list)
    """By trial."""


def haystack(
    setup: Setup,
    make: Callable[[], Defence],
    learn_on: Sequence[Dataset],
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    *,
    embedder: Embedder,
    progress: Progress,
    lengths: Sequence[int] = LENGTHS,
    tokens: int = TOKENS,
) -> HaystackRun:
    """Every trial from zero policies. Without `attacks`, those of `learn_on` are hidden. `embedder` counts tokens."""
    started = time.monotonic()
    teachers, sent = lessons(learn_on, attacks)
    kinds = gathered(benign)
    done = HaystackRun(Run("haystack", setup, [*learn_on, *attacks, *benign]))
    for play in plays(setup, make, progress):
        learned = play.learn(teachers)
        clear = play.in_clear(sent)
        stopped = caught(sent, clear)
        if not stopped:
            raise DataError("none of the attacks is caught alone: there is nothing to hide")
        stacks = [stack for hay in kinds for stack in _stacks(hay, embedder, lengths, tokens, play)]
        searched = _search(play, stacks, stopped)
        done.searched.append(searched)
        honest: dict[str, tuple[Sample, ...]] = {}
        for one in searched:
            honest[one.stack.name] = (*honest.get(one.stack.name, ()), one.clean)
        done.run.results.setdefault(SYSTEM, []).append(play.result(clear, learned, honest))
    done.run.seconds = time.monotonic() - started
    return done


def _stacks(hay: Hay, embedder: Embedder, lengths: Sequence[int], tokens: int, play: Play) -> list[Stack]:
    return [stack for length in lengths for stack in hay.stacks(embedder, length, max(1, tokens // length), play.rng)]


def _search(play: Play, stacks: Sequence[Stack], caught: Attacks) -> list[Searched]:
    play.progress.begin(f"{play.title} · long texts", sum(stack.tokens for stack in stacks) // 1_000)
    found = []
    for number, stack in enumerate(stacks):
        found.append(_searched(play, stack, f"{number:04d}", caught))
        for _ in range(stack.tokens // 1_000):
            play.progress.advance({"text": stack.name})
    return found


def _searched(play: Play, stack: Stack, identifier: str, caught: Attacks) -> Searched:
    started = time.perf_counter()
    decision = _inspected(play, stack.text)
    seconds = time.perf_counter() - started
    clean = play.sample(identifier, stack.name, decision, honest=True)
    if decision.blocked:
        alone = sum(_inspected(play, request).blocked for request in stack.requests())
        return Searched(stack, clean, alone, {}, seconds)
    hidden = {}
    for position in POSITIONS:
        dataset, record = play.rng.choice(caught)
        decision = _inspected(play, stack.hiding(record.prompt, position))
        hidden[position] = play.sample(record.id, f"{dataset}/{stack.name} {position}", decision)
    return Searched(stack, clean, 0, hidden, seconds)


def _inspected(play: Play, text: str) -> Decision:
    return play.subject.check((Message(Role.USER, text),))
