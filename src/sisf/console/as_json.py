"""What the console's programming interface says of the things of the store: plain dictionaries."""

from typing import Any

import msgspec

from sisf.console.explaining import Trial
from sisf.console.review import Case
from sisf.policy import Policy
from sisf.policy.codec import to_dict
from sisf.store.records import ExchangeRecord
from sisf.warden.explain import Explanation


def policy_json(policy: Policy) -> dict[str, Any]:
    """A policy without the packed numbers, which `sisf policy export` gives."""
    found = to_dict(policy)
    condition = {key: value for key, value in found["condition"].items() if key not in ("weights", "vectors")}
    return {**found, "condition": condition}


def exchange_json(record: ExchangeRecord) -> dict[str, Any]:
    """An exchange with what was decided and judged."""
    found: dict[str, Any] = msgspec.to_builtins(record)
    return found


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """Why a text is stopped, or not."""
    return {
        "summary": explanation.summary,
        "direction": explanation.decision.direction,
        "revision": explanation.decision.revision,
        "reasons": [
            {
                "policy": reason.policy.id,
                "description": reason.policy.description,
                "action": reason.match.action,
                "shadow": reason.match.shadow,
                "score": reason.match.score,
                "threshold": reason.match.threshold,
                "view": reason.view,
                "snippet": [reason.before, reason.snippet, reason.after],
                "why": reason.why,
                "evidence": reason.evidence,
                "change": reason.change,
            }
            for reason in explanation.reasons
        ],
    }


def trial_json(trial: Trial) -> dict[str, Any]:
    """A text that somebody tried: what it met, and what nearly."""
    return {
        "action": trial.explanation.decision.action,
        **explanation_json(trial.explanation),
        "near": [{"policy": n.policy.id, "score": n.score, "threshold": n.threshold} for n in trial.near],
        "views": [{"name": name, "text": view.text} for name, view in trial.views],
    }


def case_json(case: Case) -> dict[str, Any]:
    """What waits for a person."""
    return {
        "id": case.id,
        "undecided": case.undecided,
        "proposals": [policy.id for policy in case.proposals],
        "given_up": case.given_up[1] if case.given_up else None,
    }
