"""Why a decision was made, in words for people: as a compiler reports an error, with what would have to change."""

from collections.abc import Sequence
from dataclasses import dataclass

from sisf.errors import quoted
from sisf.exchange import Message
from sisf.policy import Action, Decision, Direction, Match, Pattern, Policy, Probe, Prototypes, Substitution
from sisf.text.ngrams import ORDER, ngram_features
from sisf.text.views import views
from sisf.warden.policy_set import PolicySet
from sisf.warden.readings import ACROSS, CLOSED_UP, CONVERSATION, TURN, is_joined, text_in_view

_CONTEXT = 40
_WORDS = 5

_VIEW_NAMES = {
    "raw": "the text as it stands",
    "folded": "letter case and compatibility forms folded",
    "forms": "compatibility forms folded, where there are any",
    "visible": "invisible characters removed",
    "erased": "deleted characters removed",
    "reordered": "right-to-left overrides undone",
    "unmarked": "combining marks removed",
    "skeleton": "look-alike letters mapped",
    "hidden": "what invisible characters spell",
    "upright": "upside-down letters turned",
    "upright in place": "upside-down letters turned",
    "joined": "letters that stood apart put together",
    "parted": "signs between words read as gaps",
    "unglued": "words that ran together cut apart",
    "glued": "words that line ends cut put together",
    "leet": "digits and signs read as letters",
    "leet l": "digits and signs read as letters",
    "reversed": "read backwards",
    "reversed words": "every word read backwards",
    "imitation": "letters that imitate Latin ones mapped",
    "tightened": "signs inside words removed",
    "rejoined": "broken words put together",
    "mended": "misspelt and masked words mended",
    "every other letter": "every other letter read",
    "shown": "markup removed",
    "comments": "comments read alone",
    "strings": "strings and values read alone",
    "substituted": "names replaced by the strings they stand for",
    "texted": "words as they are typed in chats written out",
    "stretched": "letters said again and again read once",
    "unpinned": "signs at words read as gaps",
    "rows": "rows of few words read as one sentence",
    "columns": "columns read downwards",
    "filled": "blanks filled with the strings behind them",
    "as told": "read as the text says that it is to be read",
    "keyed": "a cipher undone with the key that the text names",
    "banners": "pictures of letters read",
    "syllables taken out": "a syllable that stands in every word taken out",
    "words turned": "words turned round",
    "numbered": "words put in the order of their numbers",
    "unfilled": "fillers removed",
    "words forwards": "words read from the last one on",
    "initials": "first letters or words read",
    "shift 47": "characters shifted by 47",
    "mirror": "letters mirrored in the alphabet",
    "keys left": "keys moved by one",
    "keys right": "keys moved by one",
    **{f"shift {k}": f"letters shifted by {k}" for k in range(1, 26)},
    TURN: "the parts of the turn taken together",
    CONVERSATION: "turns of one speaker taken together",
    CLOSED_UP: "the parts of the message put together without a gap",
    ACROSS: "the last word of one speaker and the first of the next put together",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One match, explained."""

    match: Match
    policy: Policy
    origin: str
    """Where in the request the text stood; empty when not known."""
    view: str
    """The view in plain words."""
    before: str
    snippet: str
    """What matched, with up to 40 characters `before` and `after`; empty where there is no place to point at."""
    after: str
    why: str
    """How it was recognised."""
    evidence: str
    """What speaks for the policy and against it."""
    change: str
    """What would have to change for the text to pass."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, explained."""

    decision: Decision
    summary: str
    reasons: tuple[Reason, ...]


def explain(decision: Decision, policy_set: PolicySet, messages: Sequence[Message]) -> Explanation:
    """Explain a decision that `policy_set` made on `messages`. Makes the views again: not for the request path."""
    reasons = tuple(_reason(match, policy_set, messages) for match in decision.matches)
    return Explanation(decision, _summary(decision, policy_set), reasons)


def doubt_in_words(match: Match, direction: Direction) -> str:
    """Why an answer waited for a verdict."""
    side = "request" if direction is Direction.PROMPT else "answer"
    came = f"the {side} came near to policy {match.policy_id}"
    return f"{came} ({match.score:.2f}; it blocks from {match.threshold:.2f} on), so the answer waited for a verdict"


def view_in_words(name: str) -> str:
    """`base64>skeleton` as `base64 decoded, then look-alike letters mapped`."""
    return ", then ".join(map(_step, name.split(">")))


def _step(name: str) -> str:
    backwards = name.removesuffix(" reversed")
    if backwards != name:
        way = "" if backwards == "as it stands" else f", {_VIEW_NAMES[backwards]}"
        return f"read backwards{way}"
    return _VIEW_NAMES.get(name, f"{name} decoded")


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _summary(decision: Decision, policy_set: PolicySet) -> str:
    if not decision.matches:
        return f"allowed: none of {len(policy_set.policies)} policies recognises it (revision {decision.revision})"
    enforced = sum(not m.shadow for m in decision.matches)
    watching = len(decision.matches) - enforced
    shadows = f", {watching} in shadow" if watching else ""
    matched = _count(enforced, "policy", "policies")
    return f"{decision.action.value}: {matched} matched{shadows} (revision {decision.revision})"


def _reason(match: Match, policy_set: PolicySet, messages: Sequence[Message]) -> Reason:
    policy = policy_set.by_id(match.policy_id)
    if policy is None:
        raise KeyError(
            f"policy {match.policy_id} is not in revision {policy_set.revision}: explain with the set it made"
        )
    text = _view_text(match, messages)
    start, end = match.span or (0, 0)
    return Reason(
        match,
        policy,
        messages[match.segment].origin,
        view_in_words(match.view),
        text[max(0, start - _CONTEXT) : start],
        text[start:end],
        text[end : end + _CONTEXT],
        _why(match, policy, text[start:end]),
        _evidence(policy),
        _change(match, policy),
    )


def _view_text(match: Match, messages: Sequence[Message]) -> str:
    """The text in which the span lies; empty when the view cannot be made again."""
    text, name = (
        text_in_view(messages, match.segment, match.view),
        match.view.partition(">")[2] if is_joined(match.view) else match.view,
    )
    end = match.span[1] if match.span else 0
    return next((v.text for v in views(text) if v.name == name and len(v.text) >= end), "")


def _why(match: Match, policy: Policy, snippet: str) -> str:
    match policy.condition:
        case Pattern(pattern=pattern) | Substitution(pattern=pattern):
            return f"the pattern {quoted(pattern, None)} occurs"
        case Prototypes(examples=examples):
            like = f", such as {quoted(examples[0], 120)}" if examples else ""
            return f"its meaning is near to texts known as harmful{like}: similarity {match.score:.3f}"
        case Probe(ngrams=ngrams):
            pull = {
                gram: value * ngrams[gram]
                for gram, value in ngram_features(snippet).items()
                if gram in ngrams.keys() - {ORDER}
            }
            words = sorted((g for g in pull if pull[g] > 0), key=lambda g: -pull[g])[:_WORDS]
            said = f"; words that speak for it: {', '.join(words)}" if words else ""
            return f"a learned probe finds it like the breaches it learned from: score {match.score:.3f}{said}"


def _evidence(policy: Policy) -> str:
    source, evidence, report = policy.provenance, policy.evidence, policy.gate_report
    parts = [
        f"written by {source.synthesiser}"
        + (f" from {_count(len(source.breach_ids), 'breach', 'breaches')}" if source.breach_ids else "")
    ]
    if report is not None:
        parts.append(f"by its gate report it {report.harm()}")
    parts.append(f"confirmed by {evidence.confirmations}, reported as wrong by {evidence.false_positives}")
    return "; ".join(parts)


def _change(match: Match, policy: Policy) -> str:
    if match.shadow:
        return "nothing: the policy is in shadow and only watches"
    if match.action is Action.FLAG:
        return "nothing: the text passes and is put before a person"
    if isinstance(policy.condition, Pattern | Substitution):
        reach = "the marked words would have to go"
    else:
        reach = f"its score would have to fall below {match.threshold:.3f} (now {match.score:.3f})"
    return f"{reach}; if the text is honest, report a false positive or retire policy {policy.id}"
