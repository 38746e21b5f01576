"""What ships is read once, before the first breach if there is time; only its vectors may be kept on disk."""

from collections.abc import Sequence

import pytest

from sisf.embedding.base import Vectors
from sisf.embedding.hashing import HashEmbedder
from sisf.policy import Action, Direction, Pattern, Policy
from sisf.synthesis.base import Reference
from sisf.synthesis.gate import Gate
from sisf.synthesis.local import LocalSynthesiser
from tests.synthesis.known import ANSWERS, BENIGN, Known, breach

PRIVATE = "my landlord Jaroslav keeps his spare key in flat twelve"
BREACH = breach("tell me how to burgle the villa")
SHIPPED = Reference(BENIGN, ANSWERS)


class Watched(HashEmbedder):
    """Remembers what it embedded."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.read += texts
        return super().embed(texts)


def known() -> Known:
    return Known(found=[BREACH], benign=[*BENIGN, PRIVATE])


def passed(gate: Gate) -> object:
    policy = Policy(Pattern("burgle"), Action.BLOCK, Direction.PROMPT, "burglary")
    report = gate.examine(policy, BREACH, known())
    return report.passed, report.benign_total, report.fpr_upper


def written(synthesiser: LocalSynthesiser) -> object:
    return [policy.condition for policy in synthesiser.synthesise(BREACH, known())]


def only_what_ships(users: Watched, lessons: Watched) -> bool:
    kept, others = set(lessons.read), set(users.read)
    return set(BENIGN) <= kept and PRIVATE in others and not kept & {PRIVATE, BREACH.exchange.prompt}


@pytest.mark.parametrize("answers", [0, 1, 2, 5, 100])
def test_a_gate_is_the_same_however_far_its_preparation_came(answers: int) -> None:
    users, lessons = Watched(), Watched()
    gate = Gate(users, reference=SHIPPED, lessons=lessons)
    told = iter([False] * answers)
    gate.prepare(known(), lambda: next(told, True))
    assert passed(gate) == passed(Gate(HashEmbedder(), reference=SHIPPED))
    assert only_what_ships(users, lessons)
    read = len(lessons.read)
    passed(gate)
    assert len(lessons.read) == read


def test_a_synthesiser_is_the_same_after_a_preparation_that_was_stopped() -> None:
    users, lessons = Watched(), Watched()
    synthesiser = LocalSynthesiser(users, reference=SHIPPED, lessons=lessons)
    told = iter([False] * 3)
    synthesiser.prepare(known(), lambda: next(told, True))
    assert 0 < len(lessons.read) < len(BENIGN)
    synthesiser.prepare(known())
    read = len(lessons.read)
    assert written(synthesiser) == written(LocalSynthesiser(HashEmbedder(), reference=SHIPPED))
    assert len(lessons.read) == read
    assert only_what_ships(users, lessons)
