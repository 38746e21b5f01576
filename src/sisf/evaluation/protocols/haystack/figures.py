"""The figures of `haystack`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sisf.evaluation.experiment import SYSTEM, Run
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.protocols.haystack.hay import POSITIONS
from sisf.evaluation.protocols.haystack.run import Searched, searches
from sisf.evaluation.protocols.learn.figures import recall_in_clear, summarise
from sisf.statistics import clopper_pearson


def figures_of(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary: that of every protocol, with recall alone, what is lost, what is blocked, and what it costs."""
    figures = summarise(run, settings)
    figures["recall_clear"] = recall_in_clear(run.results[SYSTEM])
    everything = searches(run)
    figures["recall_loss"] = {
        "all": _loss(s for one in everything for s in one.hidden.values()),
        "by_length": _by(everything, lambda one: str(one.tokens), _lost),
        "by_kind": _by(everything, lambda one: one.kind, _lost),
        "by_position": {
            position: _loss(one.hidden[position] for one in everything if one.hidden) for position in POSITIONS
        },
    }
    figures["benign_blocked"] = {
        "all": _blocked(everything),
        "by_length": _by(everything, lambda one: str(one.tokens), _blocked),
        "by_kind": _by(everything, lambda one: one.kind, _blocked),
    }
    figures["ms_per_1000_tokens"] = _by(everything, lambda one: str(one.tokens), _cost)
    return figures


def _by(
    found: Sequence[Searched], key: Callable[[Searched], str], what: Callable[[Sequence[Searched]], Any]
) -> dict[str, Any]:
    return {name: what([one for one in found if key(one) == name]) for name in dict.fromkeys(map(key, found))}


def _lost(found: Sequence[Searched]) -> dict[str, Any]:
    return _loss(s for one in found for s in one.hidden.values())


def _loss(sent: Iterable[Sample]) -> dict[str, Any]:
    passed = [s.side != "prompt" for s in sent]
    low, high = clopper_pearson(sum(passed), len(passed))
    points = 100 * sum(passed) / len(passed) if passed else 0.0
    return {"points": round(points, 4), "missed": sum(passed), "n": len(passed), "ci95": [100 * low, 100 * high]}


def _blocked(found: Sequence[Searched]) -> dict[str, Any]:
    blocked = sum(one.clean.intercepted for one in found)
    tokens = sum(one.tokens for one in found)
    return {
        "blocked": blocked,
        "n": len(found),
        "rate": blocked / len(found),
        "ci95": list(clopper_pearson(blocked, len(found))),
        "per_million_tokens": 1e6 * blocked / tokens,
        "requests_blocked_alone": sum(one.alone for one in found),
    }


def _cost(found: Sequence[Searched]) -> float:
    return round(1e6 * sum(one.seconds for one in found) / sum(one.tokens for one in found), 2)
