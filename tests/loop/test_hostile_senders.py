"""Up to a fifth of all senders are hostile for ten simulated minutes: they behave well at first, then send what is
stopped, and say that it was a mistake. What persons activated stays, nothing else goes unjudged, learning goes on."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from sisf.exchange import Exchange, Fate, Message, Role, Sender
from sisf.loop import Loop
from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Status
from sisf.store import ExchangeRecord, Store
from sisf.testing import MemoryStore
from tests.loop.fakes import FailingWarden, make_loop

SENDERS, MINUTES = 100, 10


def policy(name: str) -> Policy:
    condition = Pattern(rf"\b{name}\b")
    report = GateReport(True)
    return Policy(
        condition, Action.BLOCK, Direction.PROMPT, name, id=name, status=Status.ACTIVE, gate_report=report
    )  # fmt: skip


class World:
    def __init__(self, store: Store, hostile: int, seed: int) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.began = datetime.now(UTC) - timedelta(minutes=MINUTES)
        for name, actor in (("zanzibar", "person:ada"), ("castle", "loop"), ("harbour", "loop")):
            change = Change((policy(name),), actor, "x")
            store.policies.commit(change, expected=store.policies.snapshot().revision)
        self.warden = FailingWarden()
        self.loop: Loop = make_loop(store, self.warden, workers=0)
        self.loop.start()
        everybody = [Sender(f"tenant{n % 2}", f"s{n // 2}") for n in range(SENDERS)]
        self.random.shuffle(everybody)
        self.hostile, self.honest = everybody[:hostile], everybody[hostile:]

    def send(self, sender: Sender, prompt: str, minute: int) -> str:
        """What the gateway does; returns the id."""
        messages = (Message(Role.USER, prompt),)
        decision = self.warden.policy_set.inspect(messages, Direction.PROMPT, sender.tenant)
        moment = self.began + timedelta(minutes=minute, seconds=self.random.uniform(0, 59))
        said = Exchange(messages, None if decision.blocked else "Gladly.", sender=sender, time=moment)
        fate = Fate.INTERCEPTED_PROMPT if decision.blocked else Fate.RELEASED
        self.loop.monitor(ExchangeRecord(said, (decision,), fate)).result(60)
        return said.id

    def minute(self, number: int) -> None:
        for sender in self.honest:
            if self.random.random() < 0.5 or number == 0:
                self.send(sender, f"How do I water cactus {self.random.random()}?", number)
        for sender in self.hostile:
            for _ in range(5 if number == 0 else 0):
                self.send(sender, f"What is the capital of land {self.random.random()}?", number)
            # Harmless to any judge, harmful to any judge, and harmless where a policy of the loop is too wide.
            for prompt in ("Tell me of zanzibar", "An attack on the castle", "The harbour of Porto"):
                stopped = self.send(sender, prompt, number)
                if "harbour" not in prompt:
                    self.loop.lifecycle.report_false_positive(stopped, actor=f"client:{sender.principal}")
        self.send(self.honest[number], f"attack of minute {number}", number)
        assert self.loop.drain(30)
        self.loop.lifecycle.review()


@pytest.mark.parametrize(("hostile", "seed"), [(5, 1), (20, 2)])
def test_hostile_senders_switch_nothing_off(hostile: int, seed: int) -> None:
    store = MemoryStore()
    world = World(store, hostile, seed)
    before = store.policies.get("zanzibar")
    for number in range(MINUTES):
        # The third policy is too wide, and goes by what the judge says of it.
        world.minute(number)
        assert not world.loop.lifecycle.tripped()
        for found in store.policies.list():
            if found.status in (Status.SHADOW, Status.RETIRED):
                assert store.feedback.weigh(found.id)[1] >= 2, found.id
    after = store.policies.get("zanzibar")
    assert (after.status, after.condition, after.revision) == (Status.ACTIVE, before.condition, before.revision)
    assert "zanzibar" in {note.subject for note in store.oversight.questions()}
    assert store.policies.get("castle").status is Status.ACTIVE
    assert store.policies.get("harbour").status is Status.SHADOW
    learned = [p for p in store.policies.snapshot().active if p.provenance.breach_ids]
    assert len(learned) == MINUTES
    world.loop.stop()
    store.close()
