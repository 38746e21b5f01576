"""Protocol `poison`: what a share of steered breaches does to honest users and to what is caught.

A clean experiment learns on 80 % of the attacks; its benign blocks and its interception of the other 20 % are the
reference. Then each attacker repeats it with the same order, adding so many steered exchanges that they make up the
given share of all breaches.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.evaluation.defences import Defence, teach
from sisf.evaluation.experiment import Setup
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.progress import Progress
from sisf.evaluation.protocols.learn.run import HELD_OUT_SHARE
from sisf.evaluation.protocols.poison.poisoners import POISONERS, Poisoner
from sisf.evaluation.under_test import Answers, SystemUnderTest
from sisf.exchange import Message, Role
from sisf.store import ExchangeRecord
from sisf.verdict import Outcome, Verdict

SHARES = (0.01, 0.05, 0.2)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one experiment ended with."""

    benign_blocked: float
    """Share of honest prompts blocked."""
    target_blocked: float
    """Share of the prompts that the attacker wants blocked."""
    intercepted: float
    """Share of the unseen attacks intercepted."""
    breaches: int
    steered: int
    """Breaches (or for `omission`, exchanges) that the attacker contributed."""
    policies: int
    samples: tuple[Sample, ...] = ()


@dataclass(slots=True)
class PoisonRun:
    """The clean reference per trial, and each attacker's effect: name → share → one effect per trial."""

    setup: Setup
    datasets: Sequence[Dataset]
    clean: list[Mapping[str, Effect]] = field(default_factory=list)
    """Per trial, the clean experiment measured with each attacker's targets."""
    poisoned: dict[str, dict[float, list[Effect]]] = field(default_factory=dict)
    seconds: float = 0.0


def poison(
    setup: Setup,
    make: Callable[[], Defence],
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    progress: Progress,
    *,
    shares: Sequence[float] = SHARES,
    poisoners: Sequence[Poisoner] = POISONERS,
    at_others: Sequence[tuple[Poisoner, Callable[[], Defence]]] = (),
) -> PoisonRun:
    """Run the clean experiment, then every attacker at every share.

    `at_others`: attackers of another defence than `make` builds, each held against that defence's own clean experiment.
    """
    started = time.monotonic()
    records = [(d.name, r) for d in attacks for r in d.harmful()]
    run = PoisonRun(setup, [*attacks, *benign])
    for trial in range(setup.trials):
        order = random.Random(f"{setup.seed}:{trial}").sample(records, len(records))
        cut = len(order) - max(1, round(HELD_OUT_SHARE * len(order)))
        clean: dict[str, Effect] = {}
        for maker, group in [(make, poisoners), *((other, (p,)) for p, other in at_others)]:
            if not group:
                continue
            world = _World(setup, maker, order[:cut], order[cut:], benign, trial, progress)
            clean |= world.clean(group)
            for poisoner in group:
                for share in shares:
                    effect = world.poisoned(poisoner, share)
                    run.poisoned.setdefault(poisoner.name, {}).setdefault(share, []).append(effect)
        run.clean.append(clean)
    progress.end()
    run.seconds = time.monotonic() - started
    return run


@dataclass(frozen=True, slots=True)
class _World:
    setup: Setup
    make: Callable[[], Defence]
    learn: Sequence[tuple[str, Record]]
    unseen: Sequence[tuple[str, Record]]
    benign: Sequence[Dataset]
    trial: int
    progress: Progress

    def clean(self, poisoners: Sequence[Poisoner]) -> dict[str, Effect]:
        with self.setup.subject(self.make()) as subject:
            breaches, _, samples = self._taught(subject, iter(()), 0.0, "clean")
            return {p.name: self._measured(subject, p, breaches, 0, samples) for p in poisoners}

    def poisoned(self, poisoner: Poisoner, share: float) -> Effect:
        rng = random.Random(f"{self.setup.seed}:{self.trial}:{poisoner.name}")
        stream = poisoner.steered([r for _, r in self.learn], rng)
        with self.setup.subject(self.make()) as subject:
            breaches, steered, samples = self._taught(subject, stream, share, f"{poisoner.name} {share:.0%}")
            return self._measured(subject, poisoner, breaches, steered, samples)

    def _taught(
        self, subject: SystemUnderTest, stream: Iterator[Record], share: float, title: str
    ) -> tuple[int, int, list[Sample]]:
        """Honest breaches, steered ones, and what was sent. A steered exchange follows whenever the share allows it."""
        breaches, steered, samples = 0, 0, []
        self.progress.begin(f"{title} · learning", len(self.learn))
        for dataset, record in self.learn:
            sample = subject.attack(record, dataset=dataset, trial=self.trial, learn=True)
            samples.append(sample)
            breaches += sample.verdict == Outcome.BREACH.value
            while share and steered + 1 <= share * (breaches + steered + 1):
                steered += 1
                _steer(subject.defence, self.setup.answers, next(stream))
            self.progress.advance({"breaches": str(breaches), "steered": str(steered)})
        return breaches, steered, samples

    def _measured(
        self, subject: SystemUnderTest, poisoner: Poisoner, breaches: int, steered: int, samples: Sequence[Sample]
    ) -> Effect:
        def blocked(messages: tuple[Message, ...]) -> bool:
            return subject.check(messages).blocked

        honest = [blocked(r.messages) for d in self.benign for r in d.benign()]
        target = [blocked((Message(Role.USER, text),)) for text in poisoner.targets]
        unseen = [subject.attack(r, dataset=d, trial=self.trial, learn=False) for d, r in self.unseen]
        return Effect(
            _share(honest),
            _share(target),
            _share([s.intercepted for s in unseen]),
            breaches,
            steered,
            len(subject.defence.policies()),
            (*samples, *unseen),
        )


def _steer(defence: Defence, answers: Answers, record: Record) -> None:
    """The attacker's exchange has got through, and the judge was led to the verdict that the attacker wants.

    All steered exchanges come from one principal, as an attacker with one key would send them.
    """
    safe = record.human_label == "safe"
    verdict = Verdict(Outcome.SAFE if safe else Outcome.BREACH, "steered", severity=0.5, confidence=1.0)
    answer = record.response or answers(record, "steered").text
    exchange = record.exchange(answer, dataset="steered", principal="attacker")
    teach(defence, ExchangeRecord(exchange, verdict=verdict))


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0
