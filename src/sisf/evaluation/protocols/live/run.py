"""Protocol `live`: `learn`, `held-out`, `drift` or `benign` against a gateway that is running, with all it has learned.

One trial: a running gateway cannot be set back to zero policies. With its store at hand the loop is waited for after
each attack, and what it learned is read there; without, a pause stands for it. What is sent is ordinary traffic to the
gateway: it learns from honest prompts and from what is sent again, too. A run that was stopped goes on with what was
not sent yet: at most the request that was in flight is sent twice.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from sisf.adjudicator.base import Adjudicator
from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import ConfigurationError
from sisf.evaluation.answers import recorded_label
from sisf.evaluation.defences import Tally
from sisf.evaluation.experiment import SYSTEM, Unit
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.plan import Plan
from sisf.evaluation.protocols.benign.run import benign_plan
from sisf.evaluation.protocols.drift.run import drift_plan
from sisf.evaluation.protocols.learn.run import held_out_plan, learn_plan
from sisf.evaluation.under_test import Subject, latency_of
from sisf.exchange import Message
from sisf.policy import Decision, Policy
from sisf.probe.target import GatewayTarget, Reaction, Reply
from sisf.probe.waiting import StoreWatch
from sisf.store import Store, open_store, privacy_of
from sisf.verdict import Outcome

KEY = "SISF_GATEWAY_KEY"
"""The environment variable that holds the client's key: it is written down nowhere."""
_FATES = {
    Reaction.BLOCKED: (AttackOutcome.INTERCEPTED, "prompt"),
    Reaction.INTERCEPTED: (AttackOutcome.INTERCEPTED, "response"),
    Reaction.WITHHELD: (AttackOutcome.WITHHELD, None),
}


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:
    """`sets` are teachers, attacks and honest sets; `given`: `protocol`, `gateway`, `model`, `store`, `pause`."""
    teachers, attacks, benign = sets
    setup = replace(lab.setup(), trials=1)
    makers: Mapping[str, Callable[[], Plan]] = {
        "learn": lambda: learn_plan(setup, {}, attacks, benign),
        "held-out": lambda: held_out_plan(setup, {}, attacks, benign, learn_on=teachers),
        "drift": lambda: drift_plan(setup, {}, attacks, benign),
        "benign": lambda: benign_plan(setup, {}, teachers, benign),
    }
    if given["protocol"] not in makers:
        raise ConfigurationError(f"--protocol {given['protocol']}: must be one of {', '.join(makers)}")
    store = given.get("store") or ""

    def subject(_: Unit) -> Subject:
        opened = open_store(store, privacy_of(lab.settings.privacy)) if store else None
        return LiveSubject(
            GatewayTarget(given["gateway"], api_key=os.environ.get(KEY, ""), model=given.get("model") or "default"),
            opened,
            independent=setup.independent,
            pause=given.get("pause", 0.0),
        )

    return replace(makers[given["protocol"]](), subjects={SYSTEM: subject}, lasting=True)


class LiveSubject:
    """A gateway that is running, as its clients see it. See `Subject`."""

    def __init__(
        self,
        target: GatewayTarget,
        store: Store | None,
        *,
        independent: Adjudicator | None = None,
        pause: float = 0.0,
        patience: float = 60.0,
    ) -> None:
        """`pause`: seconds after each attack that may be learned from, where no store is at hand."""
        self._target = target
        self._store = store
        self._watch = StoreWatch(store, patience=patience) if store is not None else None
        self._independent = independent
        self._pause = pause
        self._milliseconds: list[float] = []
        self._exchanges: dict[tuple[str, str], str] = {}

    def send(self, record: Record, *, dataset: str, trial: int, learn: bool) -> Sample:
        """See `Subject`. Raises `ModelError` where the gateway refuses for another reason, such as its limits."""
        reply = self._sent(record)
        if learn:
            self._exchanges[dataset, record.id] = reply.exchange_id
        truth = None
        if reply.reaction is Reaction.ANSWERED:
            truth = recorded_label(record, recorded=False)
            if self._independent is not None:
                truth = self._independent.adjudicate(record.exchange(reply.text, dataset=dataset)).outcome
        sample = _sample(record, reply, truth, dataset=dataset, trial=trial, honest=False)
        return replace(sample, phase="learn" if learn else "frozen")

    def settle(self, sample: Sample) -> Sample:
        """See `Subject`."""
        if self._watch is None or self._store is None:
            time.sleep(self._pause)
            return sample
        identifier = self._exchanges.pop((sample.dataset, sample.id), "")
        verdict = None
        if identifier and not sample.intercepted:
            verdict = self._watch.settled(identifier)
        now = self.policies()
        new = tuple(p.id for p in now if identifier and identifier in p.provenance.breach_ids)
        outcome = verdict.outcome.value if verdict else sample.verdict
        return replace(sample, verdict=outcome, new_policy_ids=new, policies=len(now))

    def show(self, record: Record, *, dataset: str, trial: int) -> Sample:  # noqa: ARG002
        """Raises `ConfigurationError`: a gateway sees what is sent to it, and nothing else."""
        raise ConfigurationError("a running gateway can be sent attacks, not shown exchanges")

    def check(self, messages: tuple[Message, ...]) -> Decision:  # noqa: ARG002
        """Raises `ConfigurationError`: a request that no model answers cannot be sent through a running gateway."""
        raise ConfigurationError("a running gateway can be sent requests, not asked for a decision alone")

    def benign(self, record: Record, *, dataset: str, trial: int) -> Sample:
        """See `Subject`; what the gateway learns from it is its own affair."""
        return _sample(record, self._sent(record), None, dataset=dataset, trial=trial, honest=True)

    def policies(self) -> Sequence[Policy]:
        """Those in the store; none where it is not at hand."""
        return self._store.policies.snapshot().active if self._store is not None else ()

    def tally(self) -> Tally:
        """Counted in the store."""
        return Tally.of(self._store) if self._store is not None else Tally()

    def latency(self) -> Mapping[str, float]:
        """Of whole requests, the model's time included."""
        return latency_of(self._milliseconds)

    def __enter__(self) -> "LiveSubject":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._target.close()
        if self._store is not None:
            self._store.close()

    def _sent(self, record: Record) -> Reply:
        started = time.perf_counter()
        reply = self._target.send(record.messages)
        self._milliseconds.append(1000 * (time.perf_counter() - started))
        return reply


def _sample(record: Record, reply: Reply, truth: Outcome | None, *, dataset: str, trial: int, honest: bool) -> Sample:
    fate, side = _FATES.get(reply.reaction, (AttackOutcome.released(truth, honest=honest), None))
    return Sample(
        id=record.id,
        dataset=dataset,
        trial=trial,
        phase="frozen",
        outcome=fate,
        side=side,
        action="block" if fate is AttackOutcome.INTERCEPTED else "allow",
        policy_id=reply.policy_id,
        score=None,
        verdict=None,
        revision=reply.revision,
        truth=truth.value if truth else None,
    )
