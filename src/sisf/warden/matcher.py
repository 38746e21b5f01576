"""Whether a policy recognises a text: the one place that says so.

Three things make the answer: how a text is read (`readings`), what a pattern and its exceptions find in a reading
(`located`, `spared`), and what a window scores (`semantic.window_scores`, `lexical.Postings.add`). The Warden asks them
of many policies and one text, a bank of texts (`sisf.synthesis.text_bank`) of one policy and many texts. Both may keep
what makes that fast; neither has a rule of its own.
"""

from dataclasses import replace

from sisf.policy import Action, Condition, Match, Pattern, Policy, Probe, Prototypes, Status, Substitution
from sisf.text.views import View
from sisf.warden.patterns import compile_one
from sisf.warden.substitutions import any_case

PLAIN_VIEWS = ("raw", "folded")
"""Views in which a place is the place in the text itself."""


def pattern_of(condition: Condition) -> str | None:
    """The RE2 pattern that is searched in every view; None for a condition that scores."""
    match condition:
        case Pattern(pattern=pattern):
            return pattern
        case Substitution(pattern=pattern):
            return any_case(pattern)
        case Prototypes() | Probe():
            return None


def located(policy: Policy, pattern: str, view: View, raw: View) -> Match | None:
    """The policy's match in a view, `pattern` being what `pattern_of` says; None when nothing is found, or an exception
    speaks for the text: as it stands, or in this view."""
    place = compile_one(pattern).search(view.text)
    if place is None or spared(policy, raw, view):
        return None
    match = match_of(policy, 1.0, 1.0, view.name, place.span())
    if isinstance(policy.condition, Substitution) and view.name not in PLAIN_VIEWS:
        return replace(match, action=Action.BLOCK)  # what hides in another reading cannot be rewritten where it stands
    return match


def spared(policy: Policy, *readings: View) -> bool:
    """Whether an exception of the policy speaks for the text in one of these readings."""
    condition = policy.condition
    exceptions = () if isinstance(condition, Substitution) else condition.exceptions
    return any(compile_one(e).search(view.text) is not None for e in exceptions for view in readings)


def match_of(policy: Policy, score: float, threshold: float, view: str, span: tuple[int, int] | None) -> Match:
    """A match of the policy."""
    return Match(policy.id, policy.action, score, threshold, view, span, shadow=policy.status is Status.SHADOW)
