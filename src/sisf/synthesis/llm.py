"""Policies written by a chat model: GPT-4 Turbo by default, any OpenAI-compatible endpoint.

The breach is shown as fenced evidence, the reply is checked by a schema and a ticket, and what it proposes is data: a
pattern and example requests. A gate report that refuses a proposal goes back to the model a bounded number of times.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sisf.adjudicator.fence import Piece, fence, new_marker
from sisf.embedding.base import Embedder
from sisf.errors import ModelError
from sisf.exchange import Message, Role
from sisf.llm.base import ChatModel
from sisf.policy import Action, Condition, Direction, Pattern, Policy, Prototypes, Provenance
from sisf.synthesis.base import Knowledge, PolicyGate, PolicySynthesisModule
from sisf.synthesis.induction import corpus_words
from sisf.synthesis.prompts import load_prompt
from sisf.verdict import Breach

_log = structlog.get_logger(__name__)
_EVIDENCE_CHARS = 8_000
_THRESHOLDS = (0.6, 0.7, 0.8)
"""Cosines at which a prototype matches: the widest that the gate admits is proposed."""
_WORD = re.compile(r"[a-z]{4,}")
_SYNTAX = re.compile(r"\\.|\(\?[a-zA-Z]*[:)]")


class Draft(BaseModel):
    """The form of a reply."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticket: str = Field(max_length=64)
    description: str = Field(min_length=1, max_length=300)
    pattern: str = Field(max_length=300)
    prototypes: list[str] = Field(min_length=1, max_length=8)
    benign_twins: list[str] = Field(max_length=8)


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
        self, model: ChatModel, embedder: Embedder, gate: PolicyGate, local: PolicySynthesisModule, *, repairs: int = 2
    ) -> None:
        self._model = model
        self._embedder = embedder
        self._gate = gate
        self._local = local
        self._repairs = repairs
        self._prompt = load_prompt()
        self.failures = 0
        """Calls that gave no usable draft."""

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """The local proposals, then the model's: at most one pattern and one set of prototypes."""
        proposals = list(self._local.synthesise(breach, knowledge))
        try:
            return [*proposals, *self._written(breach, knowledge)]
        except ModelError as error:
            self.failures += 1
            _log.warning("no policy from the model", model=self._model.id, error=str(error))
            return proposals

    def _written(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """Draft, have it examined, and repair. What the gate still refuses is returned: it is kept as rejected."""
        report = ""
        policies: list[Policy] = []
        for _ in range(self._repairs + 1):
            draft = self._draft(breach, report)
            policies = self._policies(draft, breach, knowledge)
            reasons = self._reasons(draft, policies, breach, knowledge)
            if not reasons:
                break
            report = "\n".join(f"- {reason}" for reason in reasons)
        return policies

    def _draft(self, breach: Breach, report: str) -> Draft:
        marker, ticket = new_marker(), new_marker()
        evidence = fence([Piece("REQUEST", breach.exchange.prompt[:_EVIDENCE_CHARS])], marker)
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
            raise ModelError(f"the draft is out of form: `{'.'.join(map(str, first['loc']))}` {first['msg']}") from None
        if draft.ticket != ticket:
            raise ModelError("the draft does not carry the ticket of this call")
        return draft

    def _policies(self, draft: Draft, breach: Breach, knowledge: Knowledge) -> list[Policy]:
        policies = []
        if draft.pattern:
            policies.append(self._policy(Pattern(f"(?i){draft.pattern}"), draft, breach))
        texts = [*dict.fromkeys([breach.exchange.prompt, *draft.prototypes])]
        vectors = self._embedder.embed(texts).astype("<f4").tobytes()
        examples = tuple(text[:200] for text in texts)
        for threshold in _THRESHOLDS:
            prototypes = Prototypes(self._embedder.id, self._embedder.dimensions, vectors, threshold, examples)
            policy = self._policy(prototypes, draft, breach)
            if self._gate.examine(policy, breach, knowledge).passed or threshold == _THRESHOLDS[-1]:
                return [*policies, policy]
        raise AssertionError("unreachable")

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

    def _reasons(self, draft: Draft, policies: list[Policy], breach: Breach, knowledge: Knowledge) -> Sequence[str]:
        """Why the draft needs repair. A pattern that holds words chosen by the attacker is taken out at once."""
        reasons: list[str] = []
        for policy in list(policies):
            found = list(self._gate.examine(policy, breach, knowledge).reasons)
            if isinstance(policy.condition, Pattern):
                rare = rare_words(draft.pattern)
                if rare:
                    found.append(f"the pattern names words that only an attacker chose: {', '.join(rare)}")
                    policies.remove(policy)
            elif not found:
                found += [f"it stops an honest request: {t!r}" for t in draft.benign_twins if self._stops(policy, t)]
            reasons += found
        return reasons

    def _stops(self, policy: Policy, text: str) -> bool:
        condition = policy.condition
        assert isinstance(condition, Prototypes)  # noqa: S101 - the caller sorted policies by form
        vectors = np.frombuffer(condition.vectors, "<f4").reshape(-1, condition.dimensions)
        return bool((vectors @ self._embedder.embed([text])[0]).max() >= condition.threshold)


def rare_words(pattern: str) -> Sequence[str]:
    """Words of a pattern that the shipped corpus does not know: names and tokens that an attacker may have planted."""
    literal = _SYNTAX.sub(" ", pattern).lower()
    return [
        *dict.fromkeys(word for word in _WORD.findall(literal) if not any(k.startswith(word) for k in corpus_words()))
    ]
