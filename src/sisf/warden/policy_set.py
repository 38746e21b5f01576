"""A compiled, immutable policy set that inspects: what the Warden swaps as a whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sisf.exchange import Message
from sisf.policy import Action, Decision, Direction
from sisf.text.views import go_on
from sisf.warden.compiled import Compiled
from sisf.warden.inspection import Inspection
from sisf.warden.rewriting import rewritten


@dataclass(frozen=True, slots=True)
class PolicySet(Compiled):
    """The policies of one revision, ready to inspect. Safe to use from any number of threads."""

    def inspect(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision:
        """Inspect every text and decide. Blocking: some milliseconds when semantic policies are in force.

        Raises `LimitExceeded` for a text that unfolds without end.
        """
        inspection = self.begin(messages, direction, tenant)
        inspection.heuristics()
        inspection.semantics()
        return self.finish(inspection)

    def begin(
        self,
        messages: Sequence[Message],
        direction: Direction,
        tenant: str,
        *,
        remember: bool = True,
        pause: Callable[[], None] = go_on,
    ) -> Inspection:
        """An inspection to be taken through its stages: `heuristics`, `semantics`, then `finish`.

        `remember` keeps what is found for the next time that the same texts come; `pause` is called between steps.
        """
        return Inspection(self, messages, direction, tenant, remember=remember, pause=pause)

    def finish(self, inspection: Inspection) -> Decision:
        """Decide; rewrite where that is what policies ask for, and inspect what was written."""
        decision = inspection.decision()
        if decision.action is not Action.REWRITE:
            return decision
        return rewritten(inspection, decision)
