"""A text that somebody tries, against the protected model itself: where a setting allows it, for who may decide."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException

from sisf.console.explaining import Trial, tried
from sisf.console.parts import Parts
from sisf.console.roles import Role, Who
from sisf.errors import ModelError
from sisf.exchange import Message
from sisf.exchange import Role as Speaker
from sisf.policy import Direction

_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking the model."""

    model: str
    stopped: bool = False
    """The prompt would be stopped, so the model was not asked."""
    answer: str = ""
    trial: Trial | None = None
    """What the policies say of the answer."""
    problem: str = ""
    """Why there is no answer."""


def may_ask(parts: Parts, who: Who) -> bool:
    """Whether this person may send texts to the model from here."""
    return parts.model is not None and parts.warden is not None and who.role.covers(Role.OPERATOR)


def ask(parts: Parts, who: Who, text: str, trial: Trial, tenant: str) -> Asked:
    """Send a text that the policies let pass to the model, and try its answer; audited, and not kept as an exchange.

    Raises `HTTPException` (403) where that is not allowed.
    """
    model, warden = parts.model, parts.warden
    if model is None or warden is None or not may_ask(parts, who):
        raise HTTPException(403, "Asking the model needs the role operator, and the setting `admin.try_model`.")
    if trial.explanation.decision.blocked:
        return Asked(model.id, stopped=True)
    detail = {"model": model.id, "characters": len(text)}
    parts.store.audit.append(actor=who.actor, action="console.ask", subject="model", revision=0, detail=detail)
    try:
        answer = model.complete([Message(Speaker.USER, text)], max_tokens=_TOKENS).text
    except ModelError as error:
        return Asked(model.id, problem=str(error)[:500])
    return Asked(model.id, answer=answer, trial=tried(parts, warden.policy_set, answer, Direction.RESPONSE, tenant))
