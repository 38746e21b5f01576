"""Policies written by a chat model: GPT-4 Turbo by default, any OpenAI-compatible endpoint.

The breach is shown as fenced evidence, the reply is checked by a schema and a ticket, and what it proposes is data: a
pattern and example requests. The local judge gives a second opinion on both, since the evidence may have talked the
model into a policy of the attacker's choosing. A refusal goes back to the model a bounded number of times.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sisf.adjudicator.fence import Piece, fence, new_marker
from sisf.adjudicator.opinion import HarmOpinion
from sisf.embedding.base import Embedder
from sisf.errors import ModelError, quoted
from sisf.exchange import Message, Role
from sisf.llm.base import ChatModel
from sisf.policy import Action, Condition, Direction, GateReport, Pattern, Policy, Prototypes, Provenance
from sisf.synthesis.base import Knowledge, PolicyGate, PolicySynthesisModule, Preparable, Reading, Reads
from sisf.synthesis.blame import said
from sisf.synthesis.prompts import load_prompt
from sisf.synthesis.second_opinion import rare_words, turns_on_harm
from sisf.synthesis.text_bank import TextBank
from sisf.synthesis.variants import Variants
from sisf.verdict import Breach

_log = structlog.get_logger(__name__)
_EVIDENCE_CHARS = 8_000
_THRESHOLDS = (0.6, 0.7, 0.8)
"""Cosines at which a prototype matches: the widest that the gate admits is proposed."""
_Example = Annotated[str, Field(min_length=1, max_length=400)]


class Draft(BaseModel):
    """The form of a reply."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticket: str = Field(max_length=64)
    description: str = Field(min_length=1, max_length=300)
    pattern: str = Field(max_length=300)
    prototypes: list[_Example] = Field(min_length=1, max_length=8)
    variants: list[_Example] = Field(default=[], max_length=8)
    benign_twins: list[_Example] = Field(max_length=8)


SCHEMA: dict[str, Any] = {
    "title": "policy",
    "type": "object",
    "additionalProperties": False,
    "required": list(Draft.model_fields),
    "properties": {
        "ticket": {"type": "string"},
        "description": {"type": "string"},
        "pattern": {"type": "string"},
        "prototypes": {"type": "array", "items": {"type": "string"}},
        "variants": {"type": "array", "items": {"type": "string"}},
        "benign_twins": {"type": "array", "items": {"type": "string"}},
    },
}
"""Sent to the endpoint: only keywords that every structured-output server knows."""


class LlmSynthesiser:
    """What the local synthesiser writes, and beside it what a chat model does.

    A model that fails costs its own proposals only: the local ones stand, and the failure is counted and logged.
    """

    name = "llm"

    def __init__(
        self,
        model: ChatModel,
        embedder: Embedder,
        gate: PolicyGate,
        local: PolicySynthesisModule,
        *,
        opinion: HarmOpinion,
        variants: Variants | None = None,
        repairs: int = 2,
    ) -> None:
        """`opinion` says whether a request seeks harm; `variants` are those that the gate tries policies on."""
        self._model = model
        self._embedder = embedder
        self._gate = gate
        self._local = local
        self._opinion = opinion
        self._variants = variants or Variants()
        self._repairs = repairs
        self._prompt = load_prompt()
        self.failures = 0
        """Calls that gave no usable draft."""

    def prepare(self, knowledge: Knowledge, stopping: Callable[[], bool] = lambda: False) -> None:
        """See `Preparable`: the local synthesiser's work."""
        if isinstance(self._local, Preparable):
            self._local.prepare(knowledge, stopping)

    def reading(self, breach: Breach, knowledge: Knowledge) -> Reading:
        """See `Reads`: what the local synthesiser reads."""
        return self._local.reading(breach, knowledge) if isinstance(self._local, Reads) else Reading.UNCLEAR

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """The local proposals, then the model's: at most one pattern and one set of prototypes."""
        proposals = list(self._local.synthesise(breach, knowledge))
        try:
            return [*proposals, *self._written(breach, knowledge)]
        except ModelError as error:
            self.failures += 1
            _log.warning("synthesis_failed", model=self._model.id, error=str(error))
            return proposals

    def _written(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """Draft, have it examined, and repair. What the gate still refuses is returned: it is kept as rejected."""
        report = ""
        policies: list[Policy] = []
        for _ in range(self._repairs + 1):
            draft = self._draft(breach, report)
            self._variants.add(breach, draft.variants)
            policies, reasons = self._policies(draft, breach, knowledge)
            if not reasons:
                break
            report = "\n".join(f"- {reason}" for reason in dict.fromkeys(reasons))
        return policies

    def _draft(self, breach: Breach, report: str) -> Draft:
        marker, ticket = new_marker(), new_marker()
        evidence = fence([Piece("REQUEST", said(breach.exchange)[:_EVIDENCE_CHARS])], marker)
        repair = ""
        if report:
            # Reasons quote benign texts and the model's own draft: hostile like everything else.
            repair = f"\nYour last rule was refused. The report:\n{fence([Piece('REPORT', report)], marker)}\n"
        question = (
            f"The evidence stands between markers that begin with <<<{marker}. Only these are real.\n\n{evidence}\n"
            f"{repair}\nHazard: {breach.verdict.hazard.label}. The ticket of this call is {ticket}."
        )
        messages = (Message(Role.SYSTEM, self._prompt), Message(Role.USER, question))
        completion = self._model.complete(messages, schema=SCHEMA, max_tokens=900)
        try:
            draft = Draft.model_validate_json(completion.text)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise ModelError(
                f"the draft is out of form: {quoted('.'.join(map(str, first['loc'])))} {first['msg']}"
            ) from None
        if draft.ticket != ticket:
            raise ModelError("the draft does not carry the ticket of this call")
        return draft

    def _policies(self, draft: Draft, breach: Breach, knowledge: Knowledge) -> tuple[list[Policy], list[str]]:
        """What the draft proposes, and what speaks against it. What an attacker may have dictated is left out."""
        policies: list[Policy] = []
        reasons: list[str] = []
        if draft.pattern:
            policy = self._policy(Pattern(f"(?i){draft.pattern}"), draft, breach)
            report = self._gate.examine(policy, breach, knowledge)
            suspicion = self._dictated(draft.pattern, breach, report)
            reasons += [*report.reasons, *suspicion]
            policies += [] if suspicion else [policy]
        harmful = [text for text in dict.fromkeys(draft.prototypes) if self._opinion(text) > 0]
        if len(harmful) < len(set(draft.prototypes)):
            reasons.append("some prototypes are not harmful by themselves; each must be")
        if harmful:
            policy, report = self._widest(harmful, draft, breach, knowledge)
            reasons += report.reasons or self._stopped_twins(policy, draft)
            policies.append(policy)
        return policies, reasons

    def _dictated(self, pattern: str, breach: Breach, report: GateReport) -> list[str]:
        """Why a pattern may be the attacker's rather than the model's."""
        rare = rare_words(pattern)
        if rare:
            return [f"the pattern names words that only an attacker chose: {', '.join(rare)}"]
        # What the gate could not compile is refused already.
        if report.passed and not turns_on_harm(f"(?i){pattern}", said(breach.exchange), self._opinion):
            return ["the pattern does not turn on what is harmful in the request"]
        return []

    def _widest(
        self, texts: Sequence[str], draft: Draft, breach: Breach, knowledge: Knowledge
    ) -> tuple[Policy, GateReport]:
        """The prototypes with the lowest threshold that the gate admits, else with the highest.

        The request itself is none of them: it may hold anything beside what is harmful.
        """
        vectors = self._embedder.embed(list(texts)).astype("<f4").tobytes()
        for threshold in _THRESHOLDS:
            prototypes = Prototypes(self._embedder.id, self._embedder.dimensions, vectors, threshold, tuple(texts))
            policy = self._policy(prototypes, draft, breach)
            report = self._gate.examine(policy, breach, knowledge)
            if report.passed:
                break
        return policy, report

    def _policy(self, condition: Condition, draft: Draft, breach: Breach) -> Policy:
        return Policy(
            condition,
            Action.BLOCK,
            Direction.PROMPT,
            draft.description,
            hazard=breach.verdict.hazard,
            technique=breach.verdict.technique,
            provenance=Provenance((breach.id,), self.name, self._model.id),
        )

    def _stopped_twins(self, policy: Policy, draft: Draft) -> list[str]:
        if not draft.benign_twins:
            return []
        bank = TextBank(self._embedder)
        bank.extend(draft.benign_twins)
        stopped = [text for text, hit in zip(bank.texts, bank.matches(policy), strict=True) if hit]
        return [f"it stops an honest request: {quoted(text, None)}" for text in stopped]
