"""The gate as the loop asks it: one question at a time, with recent safe traffic replayed against what passed."""

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence

from sisf.adjudicator.manner import read_manner
from sisf.embedding.base import Embedder
from sisf.exchange import Exchange, Fate, Sender
from sisf.loop.mistakes import readable
from sisf.policy import Action, Direction, GateReport, Policy, Probe, Prototypes
from sisf.store import Store
from sisf.synthesis.base import Knowledge, PolicyGate, Preparable
from sisf.synthesis.text_bank import TextBank
from sisf.verdict import Breach, Outcome

_TRAFFIC = 300
"""The latest exchanges judged safe that are looked at."""
_EMBEDDED_AT_ONCE = 32
"""New texts of the traffic that one examination may embed: it stands between a breach and its policy."""
_KEPT = 1_000
_TOLERATED_SENDERS = 1
"""Honest users agree; one sender alone could veto what stands against it."""
_MARGIN = 1e-3


class Traffic:
    """Prompts of this gateway that were judged safe and answered, with who sent them. Used by one thread at a time."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._bank = TextBank(embedder)
        self._senders: dict[str, Sender] = {}
        """By text."""

    def hits(self, policy: Policy) -> tuple[int, int, int]:
        """How many of the texts the policy would have stopped, how many there are, and the distinct senders hit."""
        self._refresh()
        if not policy.direction.covers(Direction.PROMPT) or not self._senders:
            return 0, 0, 0
        mask = self._bank.matches(policy)
        sent = [(hit, self._senders[text]) for hit, text in zip(mask, self._bank.texts, strict=True)]
        concerned = [(hit, sender) for hit, sender in sent if policy.concerns(Direction.PROMPT, sender.tenant)]
        stopped = [sender for hit, sender in concerned if hit]
        return len(stopped), len(concerned), len(set(stopped))

    def _refresh(self) -> None:
        if len(self._bank) > _KEPT:
            self._bank, self._senders = TextBank(self._embedder), {}
        fresh: dict[str, Sender] = {}
        for record in self._store.exchanges.recent(_TRAFFIC, outcome=Outcome.SAFE):
            exchange = record.exchange
            text = exchange.prompt
            if record.fate is not Fate.RELEASED or text in self._senders or not readable(text):
                continue
            # What the model declined may have been harmful: its verdict is of the answer.
            if not read_manner(exchange.response or "").declines:
                fresh[text] = exchange.sender
            if len(fresh) == _EMBEDDED_AT_ONCE:
                break
        self._senders |= fresh
        self._bank.extend(list(fresh))


class Examiner:
    """Asks the gate, then the traffic. Safe to call from several threads."""

    def __init__(self, gate: PolicyGate, traffic: Traffic | None = None) -> None:
        self._gate = gate
        self._traffic = traffic
        self._lock = threading.Lock()

    def prepare(self, knowledge: Knowledge, stopping: Callable[[], bool] = lambda: False) -> None:
        """See `Preparable`."""
        with self._lock:
            if isinstance(self._gate, Preparable):
                self._gate.prepare(knowledge, stopping)

    def examine(self, policy: Policy, breach: Breach | None, knowledge: Knowledge) -> GateReport:
        """See `PolicyGate.examine`."""
        with self._lock:
            return self._replayed(policy, self._gate.examine(policy, breach, knowledge))

    def redundant(
        self,
        candidates: Sequence[Policy],
        active: Sequence[Policy],
        knowledge: Knowledge,
        stopped: Mapping[str, Sequence[Exchange]],
    ) -> Mapping[str, tuple[str, ...]]:
        """See `PolicyGate.redundant`."""
        with self._lock:
            return self._gate.redundant(candidates, active, knowledge, stopped)

    def admitted(self, policy: Policy, breach: Breach, knowledge: Knowledge) -> Policy:
        """The policy with its report. Where only its threshold stands against it, it is raised above every known
        benign text, once, and the policy is examined again."""
        report = self.examine(policy, breach, knowledge)
        condition = policy.condition
        if report.passed or report.margin is None or report.margin > 0:
            return dataclasses.replace(policy, gate_report=report)
        if not isinstance(condition, Probe | Prototypes) or not report.catches_breach:
            return dataclasses.replace(policy, gate_report=report)
        raised = dataclasses.replace(condition, threshold=condition.threshold - report.margin + _MARGIN)
        candidate = dataclasses.replace(policy, condition=raised)
        again = self.examine(candidate, breach, knowledge)
        better = (candidate, again) if again.passed else (policy, report)
        return dataclasses.replace(better[0], gate_report=better[1])

    def _replayed(self, policy: Policy, report: GateReport) -> GateReport:
        if self._traffic is None or not report.passed or policy.action is not Action.BLOCK:
            return report
        hits, total, senders = self._traffic.hits(policy)
        reasons = report.reasons
        if senders > _TOLERATED_SENDERS:
            reasons = (f"it would have stopped {hits} of {total} recent exchanges judged safe, of {senders} clients",)
        return dataclasses.replace(
            report,
            traffic_hits=hits,
            traffic_total=total,
            passed=not reasons,
            provisional=report.provisional and not reasons,
            reasons=reasons,
        )
