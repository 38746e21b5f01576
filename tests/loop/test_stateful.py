"""Two nodes on one store against a simple model: policies, revisions, rollback, evidence, lifecycle."""

import dataclasses
import functools
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import RevisionConflict, StoreError
from sisf.exchange import Exchange, Fate
from sisf.loop import Lifecycle, Reference, Rules, StoreKnowledge
from sisf.policy import (
    Action,
    Change,
    Decision,
    Direction,
    Evidence,
    GateReport,
    Match,
    Pattern,
    Policy,
    Status,
)
from sisf.statistics import beta_bounds
from sisf.store import ExchangeRecord, Feedback, FeedbackKind, Store, open_store
from sisf.testing import OpenGate

NAMES = [f"p{n}" for n in range(6)]
PRINCIPALS = ["ann", "bob", "cy", "di"]
IN_FORCE = {Status.ACTIVE, Status.SHADOW}
EMBEDDER = HashEmbedder(8)
RULES = Rules(
    demote_principals=2, promote_confirmations=2, promote_precision=0.3, breaker_principals=10**6, active_limit=3
)
NODES = st.sampled_from([0, 1])


IN_MEMORY = Path("/dev/shm")
"""Where there is one, files cost no disk: the steps are what is tested here."""
bounds = functools.cache(beta_bounds)


@functools.cache
def new_database() -> bytes:
    """A database that the migrations made, to start each example with."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sisf.db"
        open_store(f"sqlite:///{path}").close()
        return path.read_bytes()


@dataclasses.dataclass(frozen=True)
class Known:
    """What the model knows of one policy."""

    status: Status
    words: str


class TwoNodes(RuleBasedStateMachine):
    """The model: a list of policy sets by revision, sets of principals as evidence, and the rules in plain code."""

    steps: ClassVar[int] = 0
    """Of all runs together."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(
            prefix="sisf-stateful-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None
        )
        path = Path(self.folder.name) / "sisf.db"
        path.write_bytes(new_database())
        url = f"sqlite:///{path}"
        self.nodes: list[Store] = [open_store(url), open_store(url)]
        self.now = datetime.now(UTC)
        self.known: dict[str, Known] = {}
        self.history: list[dict[str, Known]] = [{}]
        self.confirmed: dict[str, set[str]] = {name: set() for name in NAMES}
        self.accused: dict[str, set[str]] = {name: set() for name in NAMES}
        self.lately: dict[str, tuple[set[str], set[str]]] = {name: (set(), set()) for name in NAMES}
        """Who first confirmed and who first accused each policy since it last changed."""
        self.used: dict[str, int] = {}
        self.count = 0

    def lifecycle(self, node: int) -> Lifecycle:
        store = self.nodes[node]
        knowledge = StoreKnowledge(store, Reference())
        return Lifecycle(store, OpenGate(), knowledge, embedder=EMBEDDER, rules=RULES, now=lambda: self.now)

    def policy(self, name: str, status: Status, words: str) -> Policy:
        report = GateReport(True)
        return Policy(Pattern(name), Action.BLOCK, Direction.PROMPT, words, id=name, status=status, gate_report=report)

    def revise(self, changes: dict[str, Known]) -> None:
        """The model's step: a new revision when anything is altered."""
        altered = {name: known for name, known in changes.items() if self.known.get(name) != known}
        if altered:
            self.known = {**self.known, **altered}
            self.history.append(dict(self.known))
            for name in altered:
                self.lately[name] = (set(), set())

    @rule(
        node=NODES,
        changes=st.dictionaries(
            st.sampled_from(NAMES),
            st.tuples(st.sampled_from(Status), st.sampled_from(["a", "b"])),
            min_size=1,
            max_size=3,
        ),
        late=st.booleans(),
    )
    def commit(self, node: int, changes: dict[str, tuple[Status, str]], late: bool) -> None:
        latest = len(self.history) - 1
        policies = tuple(self.policy(name, status, words) for name, (status, words) in changes.items())
        change = Change(policies, "loop", "x")
        if late and latest:
            with pytest.raises(RevisionConflict):
                self.nodes[node].policies.commit(change, expected=latest - 1)
            return
        snapshot = self.nodes[node].policies.commit(change, expected=latest)
        self.revise({name: Known(status, words) for name, (status, words) in changes.items()})
        assert snapshot.revision == len(self.history) - 1

    @rule(node=NODES, back=st.integers(0, 5))
    def rollback(self, node: int, back: int) -> None:
        target = max(0, len(self.history) - 1 - back)
        self.lifecycle(node).readmissions.roll_back(target, actor="loop", reason="x")
        wanted = {name: known for name, known in self.history[target].items() if known.status in IN_FORCE}
        dropped = {
            name: dataclasses.replace(known, status=Status.RETIRED)
            for name, known in self.known.items()
            if known.status in IN_FORCE and name not in wanted
        }
        self.revise({**wanted, **dropped})

    @rule(node=NODES)
    def unknown_revision(self, node: int) -> None:
        with pytest.raises(StoreError):
            self.lifecycle(node).readmissions.roll_back(len(self.history), actor="person:ada", reason="x")

    @rule(node=NODES, name=st.sampled_from(NAMES), principal=st.sampled_from(PRINCIPALS), right=st.booleans())
    def feedback(self, node: int, name: str, principal: str, right: bool) -> None:
        if name not in self.known:
            return
        self.count += 1
        exchange_id = f"e{self.count}"
        decision = Decision(Action.BLOCK, (Match(name, Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)
        said = Exchange.of("x", id=exchange_id, principal=principal)
        record = ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT)
        self.nodes[node].exchanges.record(record, enqueue=False).result(10)
        self.used[name] = self.used.get(name, 0) + 1
        if right:
            self.lifecycle(node).confirm(exchange_id, actor="adjudicator")
            self.lately[name][0].update({principal} - self.confirmed[name])
            self.confirmed[name].add(principal)
        else:
            word = Feedback(name, FeedbackKind.FALSE_POSITIVE, said.sender, exchange_id, "adjudicator")
            self.nodes[1 - node].feedback.add(word)
            self.lifecycle(1 - node).review()
            self.lately[name][1].update({principal} - self.accused[name])
            self.accused[name].add(principal)
            self.model_review()

    @rule(node=NODES)
    def review(self, node: int) -> None:
        self.lifecycle(node).review()
        self.model_review()

    def model_review(self) -> None:
        changes = {}
        for name, known in self.known.items():
            evidence = Evidence(len(self.confirmed[name]), len(self.accused[name]))
            lower = bounds(evidence.confirmations, evidence.false_positives)[0]
            confirmed, accused = (len(principals) for principals in self.lately[name])
            if known.status is Status.ACTIVE and accused >= 2 and lower < RULES.demote_precision:
                changes[name] = dataclasses.replace(known, status=Status.SHADOW)
            elif known.status is Status.SHADOW and confirmed >= 2 and lower >= RULES.promote_precision:
                changes[name] = dataclasses.replace(known, status=Status.ACTIVE)
        active = [n for n, k in self.known.items() if k.status is Status.ACTIVE and n not in changes]
        surplus = len(active) - RULES.active_limit
        if surplus > 0:
            # Which ones go depends on times; the store is asked, the model checks how many and what kind.
            seen = {p.id for p in self.nodes[0].policies.snapshot().active}
            gone = [name for name in active if name not in seen]
            assert len(gone) == surplus
            changes |= {name: dataclasses.replace(self.known[name], status=Status.RETIRED) for name in gone}
        self.revise(changes)

    @rule(node=NODES)
    def restart(self, node: int) -> None:
        self.nodes[node].close()
        self.nodes[node] = open_store(f"sqlite:///{Path(self.folder.name) / 'sisf.db'}")

    @invariant()
    def both_nodes_agree_with_the_model(self) -> None:
        if not hasattr(self, "nodes"):
            return
        TwoNodes.steps += 1
        latest = len(self.history) - 1
        expected = {name: known for name, known in self.known.items() if known.status in IN_FORCE}
        for store in self.nodes:
            snapshot = store.policies.snapshot()
            assert snapshot.revision == latest
            assert {p.id: Known(p.status, p.description) for p in snapshot.policies} == expected
        # What costs most is held against the model in turn, and all of it at the end.
        if self.steps % 3 == 0:
            self.all_policies_agree(self.nodes[latest % 2])
        elif self.steps % 3 == 1:
            self.the_past_agrees(self.nodes[latest % 2], latest // 2)

    def all_policies_agree(self, node: Store) -> None:
        listed = node.policies.list()
        assert {p.id: Known(p.status, p.description) for p in listed} == self.known
        for policy in listed:
            counted = (policy.evidence.confirmations, policy.evidence.false_positives, policy.evidence.hits)
            assert counted == (
                len(self.confirmed[policy.id]),
                len(self.accused[policy.id]),
                self.used.get(policy.id, 0),
            )

    def the_past_agrees(self, node: Store, past: int) -> None:
        before = {name: known for name, known in self.history[past].items() if known.status in IN_FORCE}
        assert {p.id: Known(p.status, p.description) for p in node.policies.snapshot(past).policies} == before

    def teardown(self) -> None:
        if not hasattr(self, "nodes"):
            return
        self.nodes[0].audit.verify()
        for node in self.nodes:
            self.all_policies_agree(node)
            self.the_past_agrees(node, len(self.history) // 2)
        assert len(self.nodes[0].policies.revisions(10**6)) == len(self.history) - 1
        for store in self.nodes:
            store.close()
        self.folder.cleanup()


def run(examples: int, steps: int) -> None:
    checks: list[Any] = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    options = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks, database=None
    )
    run_state_machine_as_test(TwoNodes, settings=options)


@pytest.mark.slow
def test_two_nodes_agree_with_the_model() -> None:
    run(8, 30)


@pytest.mark.soak
def test_two_nodes_agree_with_the_model_for_100_000_steps(record_property: Callable[[str, object], None]) -> None:
    before, started = TwoNodes.steps, time.monotonic()
    while TwoNodes.steps - before < 100_000:
        run(300, 100)
    seconds = time.monotonic() - started
    record_property("steps on two nodes", f"{TwoNodes.steps - before:,} in {seconds:.0f} s, 0 divergences")
