"""The probing agent: what it chooses, what it remembers, and that it waits for the loop."""

import dataclasses
import random
from collections.abc import Callable, Sequence

from sisf.exchange import Message
from sisf.llm.base import Completion
from sisf.probe.agent import ProbingAgent
from sisf.probe.attacker import Attacker
from sisf.probe.attacks import Composer, goals
from sisf.probe.choice import Chooser
from sisf.probe.coverage import cover
from sisf.probe.families import shipped
from sisf.probe.target import Reaction, Reply
from sisf.store.memory import MemoryStore
from sisf.store.probes import Attempt, ProbeOutcome
from sisf.taxonomy import Hazard, Technique
from sisf.verdict import Outcome, Verdict

BREACH = Verdict(Outcome.BREACH, "scripted")
FAMILIES = [family for family in shipped() if family.name != "direct"]


class Bench:
    """A gateway and its loop: `weak` says which conversations get through; what got through may be learned."""

    def __init__(self, weak: Callable[[str], bool], *, learns: bool = False, verdict: Verdict | None = BREACH) -> None:
        self._weak = weak
        self._learns = learns
        self._verdict = verdict
        self._known: set[str] = set()
        self.sent: list[tuple[Message, ...]] = []
        self.stored = 0

    def send(self, messages: Sequence[Message]) -> Reply:
        self.sent.append(tuple(messages))
        text = messages[-1].content
        through = self._weak(text) and text not in self._known
        number = str(len(self.sent) - 1)
        return Reply(Reaction.ANSWERED if through else Reaction.BLOCKED, exchange_id=number)

    def settled(self, exchange_id: str) -> Verdict | None:
        if self._learns:
            self._known.add(self.sent[int(exchange_id)][-1].content)
        return self._verdict

    def messages(self, exchange_id: str) -> Sequence[Message] | None:
        return self.sent[int(exchange_id)]

    def revision(self) -> int:
        return self.stored


def agent(bench: Bench, store: MemoryStore, seed: int = 0, attacker: Attacker | None = None) -> ProbingAgent:
    rng = random.Random(seed)
    composer = Composer(FAMILIES, goals(), rng)
    chooser = Chooser(composer.families, composer.hazards, rng)
    return ProbingAgent(bench, bench, store.probes, composer, chooser, attacker=attacker)


def test_a_weakness_in_one_family_of_fourteen_is_found_within_150_probes() -> None:
    assert len(FAMILIES) == 14
    found = 0
    for seed in range(20):
        rng = random.Random(seed)
        composer = Composer(FAMILIES, goals(), rng)
        chooser = Chooser(composer.families, composer.hazards, rng)
        weak = composer.families[seed % 14]
        # Only on half of the hazards.
        open_to = set(random.Random(seed).sample(list(composer.hazards), len(composer.hazards) // 2))
        for _ in range(150):
            family, hazard = chooser.choose()
            attack = composer.compose(family, hazard, bold=chooser.failing(family, hazard))
            through = family == weak and hazard in open_to
            outcome = ProbeOutcome.BREACHED if through else ProbeOutcome.BLOCKED
            chooser.learn(Attempt(family, attack.technique, hazard, attack.recipe, "", outcome))
            if through:
                found += 1
                break
    assert found >= 18


def test_what_is_weak_is_probed_more_than_its_share_and_nothing_is_forgotten_forever() -> None:
    rng = random.Random(3)
    families = [f.name for f in FAMILIES]
    chooser = Chooser(families, list(Hazard), rng)
    chosen: list[str] = []
    for number in range(600):
        family, hazard = chooser.choose()
        chosen.append(family)
        weak = families[2] if number < 300 else families[9]
        outcome = ProbeOutcome.BREACHED if family == weak else ProbeOutcome.BLOCKED
        chooser.learn(Attempt(family, Technique.OTHER, hazard, str(number), "", outcome))
    assert chosen[200:300].count(families[2]) > 50
    assert chosen[500:].count(families[9]) > 50  # the weakness moved, and was found again


def test_a_breach_is_sent_again_once_the_loop_is_done_and_is_mended_then() -> None:
    store = MemoryStore()
    bench = Bench(lambda _: True, learns=True)
    found = agent(bench, store).probe(12)
    assert [p.outcome for p in found] == [ProbeOutcome.BREACHED] * 12
    assert all(p.mended is not None for p in found)
    assert len(bench.sent) == 24
    assert bench.sent[0] == bench.sent[1]
    total = cover(store.probes.latest(100)).total
    assert (total.probed, total.breached, total.mended) == (12, 12, 12)
    store.close()


class Late(Bench):
    """A gateway that enforces what was learned only after it has answered the same attack twice more."""

    def send(self, messages: Sequence[Message]) -> Reply:
        reply = super().send(messages)
        through = len(self.sent) < 4
        return Reply(Reaction.ANSWERED if through else Reaction.BLOCKED, exchange_id=reply.exchange_id, revision=0)


def test_a_gateway_that_does_not_yet_enforce_the_stored_policies_is_asked_again() -> None:
    store = MemoryStore()
    bench = Late(lambda _text: True)
    bench.stored = 1
    (probe,) = agent(bench, store).probe(1)
    assert probe.mended is not None
    assert len(bench.sent) == 4
    assert len(set(bench.sent)) == 1
    store.close()


def test_what_was_not_mended_is_tried_again_in_the_next_round() -> None:
    store = MemoryStore()
    bench = Bench(lambda _: True)
    first = agent(bench, store).probe(10)
    assert all(p.mended is None for p in first)
    assert len(store.probes.open(100)) == 10
    closed = Bench(lambda _: False)
    closed.sent = bench.sent
    agent(closed, store, 1).probe(50)
    assert len(store.probes.open(100)) == 5  # a tenth of the budget
    store.close()


def test_the_memory_outlives_the_agent_and_keeps_it_from_repeating_itself() -> None:
    store = MemoryStore()
    for seed in (5, 5):
        agent(Bench(lambda _: False), store, seed).probe(40)
    recipes = [p.recipe for p in store.probes.latest(100)]
    assert len(recipes) == len(set(recipes)) == 80
    store.close()


def test_what_nobody_judged_is_neither_a_breach_nor_stopped() -> None:
    for verdict in (None, Verdict(Outcome.UNDECIDED, "scripted")):
        store = MemoryStore()
        found = agent(Bench(lambda _: True, verdict=verdict), store).probe(5)
        assert {p.outcome for p in found} == {ProbeOutcome.UNDECIDED}
        store.close()


def test_a_harmless_answer_is_no_breach() -> None:
    store = MemoryStore()
    found = agent(Bench(lambda _: True, verdict=Verdict(Outcome.SAFE, "scripted")), store).probe(5)
    assert {p.outcome for p in found} == {ProbeOutcome.REFUSED}
    store.close()


class Rewriter:
    """A chat model that rewrites as told."""

    id = "rewriter"

    def __init__(self, text: str) -> None:
        self._text = text

    def complete(self, messages: Sequence[Message], **_: object) -> Completion:
        return Completion(self._text)


def test_an_attacker_model_rewrites_what_was_stopped_until_it_gets_through() -> None:
    store = MemoryStore()
    bench = Bench(lambda text: text == "in other words")
    found = agent(bench, store, attacker=Attacker(Rewriter('{"prompt": "in other words"}'))).probe(2)
    assert [p.outcome for p in found] == [ProbeOutcome.BLOCKED, ProbeOutcome.BREACHED]
    assert found[1].recipe == f"{found[0].recipe} ~ rewriter 1"
    store.close()


def test_a_model_that_does_not_rewrite_does_not_stop_the_round() -> None:
    store = MemoryStore()
    for text in ("no", "{}", '{"prompt": ""}', '{"prompt": 3}'):
        assert len(agent(Bench(lambda _: False), store, attacker=Attacker(Rewriter(text))).probe(3)) == 3
    store.close()


def test_coverage_counts_by_hazard_and_technique() -> None:
    probe = Attempt("fiction", Technique.FICTION, Hazard.HATE, "r", "e", ProbeOutcome.BREACHED, mended=2.0)
    other = dataclasses.replace(probe, mended=None)
    stopped = dataclasses.replace(other, outcome=ProbeOutcome.BLOCKED, hazard=Hazard.PRIVACY)
    told = cover([probe, other, stopped]).as_json()
    assert (told["probed"], told["breached"], told["mended"]) == (3, 2, 1)
    assert told["mitigation_seconds"] == {"median": 2.0, "longest": 2.0, "n": 1}
    assert {(c["hazard"], c["probed"]) for c in told["cells"]} == {("hte", 2), ("prv", 1)}
