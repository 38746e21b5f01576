"""What the synthesiser and the gate know: the store's breaches and policies, and the benign reference."""

import threading
from collections import deque
from collections.abc import Sequence

from sisf.exchange import Fate, Sender
from sisf.loop.mistakes import readable
from sisf.policy import Direction, Policy
from sisf.store import Store
from sisf.store.privacy import hashed, is_hash
from sisf.synthesis.base import Knowledge, Reference
from sisf.synthesis.blame import instructions
from sisf.verdict import Breach, Outcome

_TRAFFIC = 300
"""The latest exchanges judged safe in which instructions of the system are looked for."""
_INSTRUCTIONS = 1_000
"""Instructions that are remembered."""
_OTHERS = 2
"""Other senders whose exchanges hold an instruction that is the application's."""


class StoreKnowledge:
    """`Knowledge` over a store. The newest breaches are read once and added to: what asking costs depends on what is
    new, and neither on how many breaches nor on how many exchanges there are."""

    def __init__(self, store: Store, reference: Reference, *, remember: int = 5_000) -> None:
        """`remember`: so many of the newest breaches are known."""
        self._store = store
        self._lock = threading.Lock()
        self._remember = remember
        self._known: deque[tuple[int, Breach | None]] = deque(maxlen=remember)
        """By number; None stands for one whose text was not kept."""
        self._reference = reference
        self._prompts = list(reference.prompts)
        self._responses = list(reference.responses)
        self._cases = (0, 0.0)
        self._instructions: dict[tuple[str, str], set[Sender]] = {}
        """Who was answered harmlessly under an instruction, by tenant and its hash."""
        self._heard = -1
        """The number of the newest breach when instructions were last looked for."""

    def breaches(self) -> Sequence[Breach]:
        """The newest confirmed breaches whose texts were kept, oldest first."""
        with self._lock:
            self._read()
            if self._known and len(self._known) != self._store.exchanges.breach_count(after=self._known[0][0] - 1):
                # A person overruled a verdict, or deleted: what was read before is no longer all true.
                self._known.clear()
                self._read()
            return tuple(breach for _, breach in self._known if breach is not None)

    def policies(self) -> Sequence[Policy]:
        """The active and shadow policies now in force."""
        return self._store.policies.snapshot().policies

    def benign_prompts(self) -> Sequence[str]:
        """The reference prompts, then every prompt that was reported as stopped by mistake."""
        self._read_cases()
        return self._prompts

    def benign_responses(self) -> Sequence[str]:
        """The reference answers, then every answer that was reported as stopped by mistake."""
        self._read_cases()
        return self._responses

    def familiar(self, sender: Sender, instruction: str) -> bool:
        """See `Knowledge`: among the latest 300 that were judged safe at the last breach, for two others."""
        with self._lock:
            self._read()
            self._listen(self._known[-1][0] if self._known else 0)
            return len(self._instructions.get((sender.tenant, _hash(instruction)), set()) - {sender}) >= _OTHERS

    def _listen(self, number: int) -> None:
        """Look for instructions, once for each breach."""
        if number == self._heard:
            return
        self._heard = number
        if len(self._instructions) > _INSTRUCTIONS:
            self._instructions.clear()
        for record in self._store.exchanges.recent(_TRAFFIC, outcome=Outcome.SAFE):
            sender = record.exchange.sender
            if record.fate is Fate.RELEASED and not sender.is_probe:
                for text in instructions(record.exchange):
                    self._instructions.setdefault((sender.tenant, _hash(text)), set()).add(sender)

    def _read_cases(self) -> None:
        with self._lock:
            mark = self._store.feedback.case_mark()
            if mark == self._cases:
                return
            # People report few texts, and take words back: all are read again.
            self._cases, prompts, responses = mark, list(self._reference.prompts), list(self._reference.responses)
            for _number, case in self._store.feedback.benign_cases():
                (responses if case.direction is Direction.RESPONSE else prompts).append(case.text)
            self._prompts, self._responses = prompts, responses

    def _read(self) -> None:
        last = self._known[-1][0] if self._known else 0
        for number, breach in self._store.exchanges.breaches(after=last, newest=self._remember):
            self._known.append((number, breach if readable(breach.exchange.prompt) else None))


def newest_breach(policy: Policy, knowledge: Knowledge) -> Breach | None:
    """The latest of the breaches that a policy was learned from; None where none of them is known."""
    wanted = set(policy.provenance.breach_ids)
    return next((breach for breach in reversed(knowledge.breaches()) if breach.id in wanted), None)


def _hash(text: str) -> str:
    """The hash of a text, which may be all that was kept of it."""
    return text if is_hash(text) else hashed(text)


class Without:
    """Knowledge as it would be without some policies, so that their successors are no duplicates of them."""

    def __init__(self, knowledge: Knowledge, *policy_ids: str) -> None:
        self._knowledge = knowledge
        self._policy_ids = frozenset(policy_ids)
        self.breaches = knowledge.breaches
        self.benign_prompts = knowledge.benign_prompts
        self.benign_responses = knowledge.benign_responses
        self.familiar = knowledge.familiar

    def policies(self) -> Sequence[Policy]:
        """All but those."""
        return [policy for policy in self._knowledge.policies() if policy.id not in self._policy_ids]
