"""One policy for people: what it goes by, where it came from, what was checked, what speaks for and against it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sisf.cli.base import excerpt
from sisf.errors import counted
from sisf.policy import GateReport, Pattern, Policy, Probe, Prototypes, Substitution
from sisf.statistics import beta_bounds
from sisf.synthesis.text_bank import TextBank

_WORDS = 12
_NAMED = 5
_EXCERPT = 110
_LABEL = 13
_FILLER = 4
"""Words up to so many letters are mostly grammar."""


@dataclass(frozen=True, slots=True)
class Example:
    """A breach that the policy was learned from, and what it scores."""

    text: str
    score: float


def page(policy: Policy, senders: int, examples: Sequence[Example] = ()) -> str:
    """The page as plain text. `senders`: how many clients brought the breaches that it was learned from."""
    lines = [policy.description, f"{policy.id}: {policy.status} since revision {policy.revision}", ""]
    for label, said in _sections(policy, senders, examples):
        first, *others = said
        lines += [f"{label:<{_LABEL}}{first}", *(f"{'':<{_LABEL}}{other}" for other in others)]
    return "\n".join(lines)


def _sections(policy: Policy, senders: int, examples: Sequence[Example]) -> Iterator[tuple[str, list[str]]]:
    where = {"prompt": "prompts", "response": "answers", "both": "prompts and answers"}[policy.direction]
    tenant = f" of tenant {policy.tenant}" if policy.tenant else ""
    yield "does", [f"{policy.action}s {where}{tenant}"]
    yield "against", [f"{policy.hazard.label}; technique: {policy.technique}"]
    yield "goes by", _goes_by(policy)
    if examples:
        yield "nearest", [f"{e.score:7.2f}  {excerpt(e.text, _EXCERPT)}" for e in examples]
    if not isinstance(policy.condition, Substitution) and policy.condition.exceptions:
        yield "exceptions", [excerpt(exception, _EXCERPT) for exception in policy.condition.exceptions]
    yield "learned from", _origin(policy, senders)
    yield "gate", _gate(policy.gate_report)
    evidence = policy.evidence
    lower, upper = beta_bounds(evidence.confirmations, evidence.false_positives)
    said = f"{evidence.confirmations} senders confirmed it, {evidence.false_positives} reported a false positive"
    judged = evidence.confirmations or evidence.false_positives
    bounds = f"right in {lower:.0%} to {upper:.0%} of cases (90 %)" if judged else "nobody has judged it yet"
    yield "evidence", [f"{said}; {bounds}", f"{evidence.hits:,} matches"]


def _goes_by(policy: Policy) -> list[str]:
    match policy.condition:
        case Pattern(pattern=pattern):
            return [f"the pattern {pattern}"]
        case Substitution(pattern=pattern, replacement=replacement):
            return [f"the pattern {pattern}", f"written as {replacement}"]
        case Prototypes() as prototypes:
            count = len(prototypes.vectors) // (4 * prototypes.dimensions)
            shown = [f"“{excerpt(text, _EXCERPT)}”" for text in prototypes.examples[:_NAMED]]
            which = "its prototype" if count == 1 else f"one of {count} prototypes"
            nearness = f"a cosine of {prototypes.threshold:.2f} or more to {which}"
            return [f"{nearness} ({prototypes.embedder})", *shown]
        case Probe() as probe:
            return _probe(probe)


def _probe(probe: Probe) -> list[str]:
    ranked = sorted((item for item in probe.ngrams.items() if _telling(item[0])), key=lambda item: item[1])
    against = [f"{gram} {weight:+.2f}" for gram, weight in ranked[:_WORDS] if weight < 0]
    towards = [f"{gram} {weight:+.2f}" for gram, weight in ranked[::-1][:_WORDS] if weight > 0]
    near = ", how near it is to typical requests for harm" if "+" in probe.features else ""
    return [
        f"a learned score of {probe.threshold:.2f} or more, from what a text means ({probe.embedder}){near}",
        f"and from {len(probe.ngrams):,} words and pairs of words",
        f"speak for a breach: {', '.join(towards) or 'none'}",
        f"speak against:      {', '.join(against) or 'none'}",
    ]


def _telling(gram: str) -> bool:
    """Whether an n-gram says something to a reader: `that` and `to the` weigh much and tell nothing."""
    return any(len(word) > _FILLER for word in gram.split())


def _origin(policy: Policy, senders: int) -> list[str]:
    provenance = policy.provenance
    author = f"{provenance.synthesiser} ({provenance.model})" if provenance.model else provenance.synthesiser
    count = len(provenance.breach_ids)
    lines = [f"{count} breach{'es' * (count != 1)} of {counted(senders, 'sender')}, written by {author}"]
    if provenance.breach_ids:
        lines.append(f"`sisf breach show {provenance.breach_ids[-1]}` shows the latest")
    if provenance.supersedes:
        lines.append(f"took the place of {', '.join(provenance.supersedes[:_NAMED])}")
    return lines


def _gate(report: GateReport | None) -> list[str]:
    if report is None:
        return ["never examined"]
    caught = f"catches its breach: {'yes' if report.catches_breach else 'no'}"
    if report.variants:
        caught += f", and {report.variants_caught} of {report.variants} variants of it"
    lines = [
        f"{'passed' if report.passed else 'failed'}{', for a shadow only: too few benign texts' * report.provisional}",
        caught,
        report.harm(),
    ]
    lines += [f"benign: “{excerpt(text, _EXCERPT)}”" for text in report.benign_hits]
    if report.margin is not None:
        lines.append(f"the nearest benign text stays {report.margin:.3f} below its threshold")
    if report.traffic_total:
        lines.append(f"would have stopped {report.traffic_hits} of {report.traffic_total} recent safe exchanges")
    lines.append(f"one evaluation takes {report.cost_us:.1f} µs")
    return lines + [f"reason: {reason}" for reason in report.reasons]


def nearest(policy: Policy, bank: TextBank, most: int) -> list[Example]:
    """The texts of `bank` that score highest, for a learned policy of the bank's embedder."""
    condition = policy.condition
    if not isinstance(condition, Probe | Prototypes) or not len(bank) or condition.embedder != bank.embedder.id:
        return []
    scores = bank.scores(condition)
    return [Example(bank.texts[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")[:most]]
