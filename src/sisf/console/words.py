"""Policies in plain words."""

from sisf.errors import counted
from sisf.exchange import Fate
from sisf.policy import Action, Direction, Pattern, Policy, Probe, Prototypes, Substitution

_SUBJECT = {Direction.PROMPT: "prompts", Direction.RESPONSE: "answers", Direction.BOTH: "prompts and answers"}
_VERB = {Action.BLOCK: "Stops", Action.FLAG: "Marks", Action.REWRITE: "Rewrites", Action.ALLOW: "Lets through"}

BECAME = {
    Fate.RELEASED: "released",
    Fate.INTERCEPTED_PROMPT: "prompt stopped",
    Fate.INTERCEPTED_RESPONSE: "answer stopped",
    Fate.WITHHELD: "answer withheld",
    Fate.ERROR: "failed",
    Fate.ABANDONED: "client left",
}
DONE = {
    "policy.propose": "proposed",
    "policy.shadow": "set to watch only",
    "policy.activate": "switched on",
    "policy.retire": "switched off",
    "policy.reject": "rejected",
    "policy.edit": "changed",
    "feedback.confirmation": "called right",
    "feedback.false_positive": "called a mistake",
    "feedback.withdrawn": "word taken back",
    "exchange.block": "stopped",
    "exchange.withhold": "answer withheld",
    "exchange.delete": "exchanges deleted",
    "exchange.export": "exchanges exported",
    "verdict.breach": "judged a breach",
    "verdict.safe": "judged safe",
    "verdict.undecided": "not decided by a judge",
    "verdict.withdrawn": "verdict taken back",
    "note.comment": "comment written",
    "note.assigned": "case given to somebody",
    "note.approved": "approved",
    "note.question": "question asked",
    "job.retry": "put back to work",
    "enforcement.suspend": "enforcement stopped",
    "enforcement.resume": "enforcement resumed",
    "key.create": "key made",
    "key.revoke": "key revoked",
    "console.sign_in": "signed in",
    "console.sign_in_failed": "could not sign in",
    "console.sign_out": "signed out",
    "console.denied": "had no role here",
    "console.end": "session ended",
    "console.link": "sign-in link made",
    "console.ask": "model asked",
    "webhooks.retry": "dead letters sent again",
}
"""What a row of the audit log says was done."""
STEP_WORDS = {"activate": "Switch on", "shadow": "Watch only", "retire": "Switch off", "reject": "Reject"}


def in_words(policy: Policy) -> str:
    """What a policy does and how it recognises a text, in one or two sentences."""
    whose = f" of tenant {policy.tenant}" if policy.tenant else ""
    return f"{_VERB[policy.action]} {_SUBJECT[policy.direction]}{whose} {_how(policy)}"


def _how(policy: Policy) -> str:
    match policy.condition:
        case Pattern(exceptions=exceptions):
            but = f" {counted(len(exceptions), 'reported text')} excepted." if exceptions else ""
            return f"in which its pattern is found, also behind spelling tricks and encodings.{but}"
        case Prototypes() as near:
            count = len(near.vectors) // (4 * near.dimensions)
            return (
                f"whose meaning is near to {counted(count, 'known attack')}: similarity {near.threshold:.2f} or more."
            )
        case Probe() as probe:
            learned = counted(len(policy.provenance.breach_ids), "breach")
            return f"that mean and read like the {learned} it was learned from: score {probe.threshold:.2f} or more."
        case Substitution(replacement=replacement):
            return f"by putting “{replacement}” where its pattern is found."
