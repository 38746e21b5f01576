"""Protocol `haystack`: attacks that are caught alone, hidden in honest texts of 1,000 to 100,000 tokens.

The defence learns, then its revision is frozen. Honest long texts are sent as they are, then with an attack before,
in and behind them. Recall loss is the share of the attacks caught alone that then passes; attacks in a text that is
blocked without them are left out.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sisf.datasets import Dataset
from sisf.embedding import Embedder
from sisf.errors import ConfigurationError, DataError, quoted
from sisf.evaluation.conductor import Extra, Tell
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import SYSTEM, Run, Setup, Trial, Unit
from sisf.evaluation.frozen import Attacks, caught, decided, lessons, taught_first
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.plan import Plan, drawing
from sisf.evaluation.protocols.haystack.hay import POSITIONS, Stack, gathered
from sisf.evaluation.under_test import Subject
from sisf.exchange import Message, Role
from sisf.policy import Decision

LENGTHS = (1_000, 4_000, 16_000, 64_000, 100_000)
"""Tokens of the texts, by default."""
TOKENS = 16_000
"""Tokens of honest text of each kind and length, by default; one text at least."""
_TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class Searched:
    """One honest text: what became of it, and of the attacks in it."""

    kind: str
    tokens: int
    clean: Sample
    alone: int
    """How many of the requests in it are blocked when sent alone; counted where the whole is blocked."""
    hidden: Mapping[str, Sample]
    """By position; empty where the text is blocked without an attack."""
    seconds: float
    """What inspecting it without an attack took."""


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:
    """`sets` are teachers, attacks (none: the teachers) and honest sets; `given` has `lengths` and `tokens`."""
    teachers, attacks, benign = sets
    known = {d.name for d in lab.references} & {d.name for d in benign}
    if known:
        raise ConfigurationError(f"--benign: policies are calibrated on {quoted(min(known))}; name sets they never saw")
    return haystack_plan(
        lab.setup(), lab.designs()[SYSTEM], teachers, attacks, benign,
        embedder=lab.embedder, lengths=given["lengths"], tokens=given["tokens"],
    )  # fmt: skip


def haystack_plan(
    setup: Setup,
    make: Callable[[], Defence],
    learn_on: Sequence[Dataset],
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    *,
    embedder: Embedder,
    lengths: Sequence[int] = LENGTHS,
    tokens: int = TOKENS,
) -> Plan:
    """Every trial from zero policies. `embedder` counts tokens. A trial holds the hidden attacks as `more`, by
    position, one for each text that is not blocked without them."""
    teachers, sent = lessons(learn_on, attacks)
    kinds = gathered(benign)
    counts = {length: max(1, tokens // length) for length in lengths}

    def further(subject: Subject, trial: Trial, tell: Tell, unit: Unit) -> Extra:
        stopped = caught(sent, trial.attacks)
        if not stopped:
            raise DataError("none of the attacks is caught alone: there is nothing to hide")
        rng = drawing(setup, unit, "hay")
        stacks = [s for hay in kinds for n, count in counts.items() for s in hay.stacks(embedder, n, count, rng)]
        return _Search(subject, trial.number, tell, rng).through(stacks, stopped)

    return Plan.of(
        "haystack", setup, {SYSTEM: make}, taught_first(teachers, sent), benign=(),
        datasets=[*learn_on, *attacks, *benign], further=further,
        further_size=lambda _: len(kinds) * sum(counts.values()) * (1 + len(POSITIONS)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Search:
    subject: Subject
    trial: int
    tell: Tell
    rng: random.Random

    def through(self, stacks: Sequence[Stack], caught: Attacks) -> Extra:
        """Every text as it is, then those that pass with an attack at each position."""
        benign: dict[str, tuple[Sample, ...]] = {}
        texts, passing = [], []
        for number, stack in enumerate(stacks):
            started = time.perf_counter()
            decision = self._inspected(stack.text)
            seconds = time.perf_counter() - started
            clean = decided(f"{number:04d}", stack.name, decision, trial=self.trial, honest=True)
            self.tell(clean, stack.name)
            benign[stack.name] = (*benign.get(stack.name, ()), clean)
            alone = sum(self._inspected(r).blocked for r in stack.requests()) if decision.blocked else 0
            texts.append({"kind": stack.hay.kind, "tokens": stack.tokens, "alone": alone, "seconds": seconds})
            if not decision.blocked:
                passing.append(stack)
        more = {p: tuple(self._hidden(stack, p, caught) for stack in passing) for p in POSITIONS}
        return Extra(more, {_TEXTS: texts}, benign)

    def _hidden(self, stack: Stack, position: str, caught: Attacks) -> Sample:
        dataset, record = self.rng.choice(caught)
        decision = self._inspected(stack.hiding(record.prompt, position))
        sample = decided(record.id, f"{dataset}/{stack.name} {position}", decision, trial=self.trial)
        self.tell(sample, f"{stack.name} {position}")
        return sample

    def _inspected(self, text: str) -> Decision:
        return self.subject.check((Message(Role.USER, text),))


def searches(run: Run) -> list[Searched]:
    """All texts of all trials."""
    return [found for trial in run.results[SYSTEM] for found in _searched(trial)]


def _searched(trial: Trial) -> list[Searched]:
    cleans = [sample for sent in trial.benign.values() for sample in sent]
    hidden = iter([dict(zip(trial.more, found, strict=True)) for found in zip(*trial.more.values(), strict=True)])
    return [
        Searched(
            text["kind"],
            text["tokens"],
            clean,
            text["alone"],
            {} if clean.intercepted else next(hidden),
            text["seconds"],
        )
        for clean, text in zip(cleans, trial.notes[_TEXTS], strict=True)
    ]
