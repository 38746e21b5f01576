"""What the synthesiser and the gate know: the store's breaches and policies, and the benign reference."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from sisf.policy import Direction, Policy
from sisf.store import Store
from sisf.synthesis.base import Knowledge
from sisf.verdict import Breach


@dataclass(frozen=True, slots=True)
class Reference:
    """Benign texts to calibrate on. Never a test set."""

    prompts: Sequence[str] = field(default=())
    responses: Sequence[str] = field(default=())


class StoreKnowledge:
    """`Knowledge` over a store. Breaches are read once and added to, so that asking again is cheap."""

    def __init__(self, store: Store, reference: Reference) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._breaches: list[Breach] = []
        self._last = 0
        self._seen = 0
        self._prompts = list(reference.prompts)
        self._responses = list(reference.responses)
        self._last_case = 0

    def breaches(self) -> Sequence[Breach]:
        """All confirmed breaches so far, oldest first."""
        with self._lock:
            self._read()
            if self._seen != self._store.exchanges.breach_count():
                # A person overruled a verdict, or deleted: what was read before is no longer all true.
                self._breaches, self._last, self._seen = [], 0, 0
                self._read()
            return tuple(self._breaches)

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

    def _read_cases(self) -> None:
        with self._lock:
            for number, case in self._store.feedback.benign_cases(after=self._last_case):
                self._last_case = number
                (self._responses if case.direction is Direction.RESPONSE else self._prompts).append(case.text)

    def _read(self) -> None:
        for number, breach in self._store.exchanges.breaches(after=self._last):
            self._last = number
            self._seen += 1
            if _readable(breach):
                self._breaches.append(breach)


def _readable(breach: Breach) -> bool:
    """Whether its text was kept: from a hash nothing can be learned."""
    prompt = breach.exchange.prompt
    return bool(prompt.strip()) and not prompt.startswith("sha256:")


class Without:
    """Knowledge as it would be without some policies, so that their successors are no duplicates of them."""

    def __init__(self, knowledge: Knowledge, *policy_ids: str) -> None:
        self._knowledge = knowledge
        self._policy_ids = frozenset(policy_ids)
        self.breaches = knowledge.breaches
        self.benign_prompts = knowledge.benign_prompts
        self.benign_responses = knowledge.benign_responses

    def policies(self) -> Sequence[Policy]:
        """All but those."""
        return [policy for policy in self._knowledge.policies() if policy.id not in self._policy_ids]
