"""The paper's own mechanism, as a baseline: one policy per breach, nothing checked against benign text.

Source: arXiv 2511.07645. There a language model chose a pattern or a reference embedding with a threshold; here the
choice is the reference embedding (the kind that reaches further), with the cosine as the only parameter.
"""

from collections.abc import Mapping, Sequence

from sisf.embedding.base import Embedder
from sisf.exchange import Exchange
from sisf.policy import Action, Direction, GateReport, Policy, Prototypes, Provenance
from sisf.synthesis.base import Knowledge
from sisf.verdict import Breach

_THRESHOLD = 0.65


class PaperSynthesiser:
    """One reference embedding per breach."""

    name = "paper"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:  # noqa: ARG002 - it uses none
        """Exactly one policy: texts whose cosine to the breach's prompt reaches the threshold."""
        prompt = breach.exchange.prompt
        vector = self._embedder.embed([prompt]).astype("<f4").tobytes()
        condition = Prototypes(self._embedder.id, self._embedder.dimensions, vector, _THRESHOLD, (prompt,))
        return [
            Policy(
                condition,
                Action.BLOCK,
                Direction.PROMPT,
                f"Requests like one that breached the model ({breach.verdict.hazard.label})",
                hazard=breach.verdict.hazard,
                technique=breach.verdict.technique,
                provenance=Provenance((breach.id,), self.name),
            )
        ]


class OpenGate:
    """Lets everything pass: the paper has no gate. For the baseline only."""

    def examine(self, policy: Policy, breach: Breach | None, knowledge: Knowledge) -> GateReport:  # noqa: ARG002
        """Pass without looking."""
        return GateReport(passed=True, reasons=(), catches_breach=True)

    def redundant(
        self,
        candidates: Sequence[Policy],  # noqa: ARG002
        active: Sequence[Policy],  # noqa: ARG002
        knowledge: Knowledge,  # noqa: ARG002
        stopped: Mapping[str, Sequence[Exchange]],  # noqa: ARG002
    ) -> Mapping[str, tuple[str, ...]]:
        """Nothing: the paper keeps every policy."""
        return {}
