"""The third action: replace what must not be said, then look at what was written."""

from dataclasses import replace

from sisf.exchange import Message
from sisf.policy import Action, Decision
from sisf.warden.inspection import Inspection
from sisf.warden.substitutions import applied


def rewritten(inspection: Inspection, decision: Decision) -> Decision:
    """The decision with the rewritten texts, or a block when what was written is blocked."""
    asked = {m.policy_id for m in decision.matches if m.action is Action.REWRITE and not m.shadow}
    policies = [p for p in inspection.compiled.snapshot.policies if p.id in asked]
    texts = tuple(applied(policies, m.content) for m in inspection.messages)
    again = Inspection(
        inspection.compiled,
        [Message(m.role, t, m.origin) for m, t in zip(inspection.messages, texts, strict=True)],
        inspection.direction,
        inspection.tenant,
        pause=inspection.pause,
    )
    again.heuristics()
    again.semantics()
    after = again.decision()
    left = {m.policy_id for m in after.matches if m.action is Action.REWRITE and not m.shadow} & asked
    if after.blocked or left:
        matches = tuple(replace(m, action=Action.BLOCK) if m.policy_id in left else m for m in after.matches)
        return replace(decision, action=Action.BLOCK, matches=matches)
    return replace(decision, rewritten=texts)
