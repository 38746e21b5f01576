"""The third action: replace what must not be said, in linear time, then look at what was written."""

from dataclasses import replace
from typing import TYPE_CHECKING

from sisf.errors import LimitExceeded, PolicyError
from sisf.exchange import Message
from sisf.policy import Action, Decision, Policy, Substitution
from sisf.warden.patterns import compile_one

if TYPE_CHECKING:
    from sisf.warden.inspection import Inspection
    from sisf.warden.policy_set import PolicySet

_GROWTH = 4
_ALLOWANCE = 10_000
"""A rewritten text may have `_GROWTH` times the characters of the text, and `_ALLOWANCE` more."""


def any_case(pattern: str) -> str:
    """The pattern for texts in any letter case: a name is redacted however it is written."""
    return f"(?i:{pattern})"


def check(substitution: Substitution) -> None:
    """Raises `PolicyError` unless pattern and replacement go together and the replacement is not itself replaced."""
    compiled = compile_one(any_case(substitution.pattern))
    if compiled.search("") is not None:
        raise PolicyError("the pattern matches the empty text, and so every text")
    try:
        compiled.sub(substitution.replacement, "")
        written = _literal(substitution)
    except (IndexError, ValueError, UnicodeError) as error:
        raise PolicyError(f"the replacement does not fit the pattern: {error}") from None
    if compiled.search(written) is not None:
        raise PolicyError(f"the replacement {written[:80]!r} is itself matched by the pattern")


def _literal(substitution: Substitution) -> str:
    """The replacement with every group left out."""
    probe = compile_one("()" * 9).match("")
    text: str = probe.expand(substitution.replacement)
    return text


def rewritten(policy_set: "PolicySet", inspection: "Inspection", decision: Decision) -> Decision:
    """The decision with the rewritten texts, or a block when what was written is blocked."""
    asked = {m.policy_id for m in decision.matches if m.action is Action.REWRITE and not m.shadow}
    policies = [p for p in policy_set.snapshot.policies if p.id in asked]
    texts = tuple(_apply(policies, m.content) for m in inspection.messages)
    again = policy_set.begin(
        [Message(m.role, t, m.origin) for m, t in zip(inspection.messages, texts, strict=True)],
        inspection.direction,
        inspection.tenant,
    )
    again.heuristics()
    again.semantics()
    after = again.decision()
    left = {m.policy_id for m in after.matches if m.action is Action.REWRITE and not m.shadow} & asked
    if after.blocked or left:
        matches = tuple(replace(m, action=Action.BLOCK) if m.policy_id in left else m for m in after.matches)
        return replace(decision, action=Action.BLOCK, matches=matches)
    return replace(decision, rewritten=texts)


def _apply(policies: list[Policy], text: str) -> str:
    limit = _GROWTH * len(text) + _ALLOWANCE
    for policy in policies:
        condition = policy.condition
        if isinstance(condition, Substitution):
            text = compile_one(any_case(condition.pattern)).sub(condition.replacement, text)
        if len(text) > limit:
            raise LimitExceeded(f"rewriting by policy {policy.id} makes the text too long: shorten the text")
    return text
