"""Which words follow which in English, and the likeliest of several words at each place of a sentence.

`neighbours.txt` is written by `scripts/words.py` from the texts that SISF ships: a word, how often it stands in them,
and how often each other word follows it there.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from math import exp, log

from sisf.text.once import once

_TRUSTED = 0.7
"""What at most speaks for a word that a pair tells, against what its commonness does."""
_FEW = 20
"""Times that a word is seen from which half of that is trusted."""
_DISCOUNT = 0.5
"""Of the times that a pair was seen, for those that were not."""


@once
def _following() -> Mapping[str, tuple[int, Mapping[str, int]]]:
    found = {}
    for line in files("sisf.text.data").joinpath("neighbours.txt").read_text(encoding="ascii").splitlines():
        word, count, *pairs = line.split()
        found[word] = int(count), dict(zip(pairs[::2], map(int, pairs[1::2]), strict=True))
    return found


def cost_behind(before: str, word: str, cost: float) -> float:
    """What a word costs behind another one, where it costs `cost` anywhere: the logarithm of its improbability."""
    count, pairs = _following().get(before, (0, {}))
    if not count:
        return cost
    trust = _TRUSTED * count / (count + _FEW)
    seen = max(0.0, pairs.get(word, 0) - _DISCOUNT) / count
    return -log((1.0 - trust) * exp(-cost) + trust * seen)


def likeliest(choices: Sequence[Sequence[tuple[str, float, float]]]) -> list[str]:
    """Of the words that each place of a sentence may have, those that are likeliest together. Of each is given what it
    costs anywhere and what it costs besides to be meant here. Time: linear in the places."""
    reached: dict[str, float] = {"": 0.0}
    came_from: list[dict[str, str]] = []
    for words in choices:
        now: dict[str, float] = {}
        origin: dict[str, str] = {}
        for word, cost, besides in words:
            before, total = "", float("inf")
            for each, until in reached.items():
                if (sum_ := until + cost_behind(each, word, cost)) < total:
                    before, total = each, sum_
            if total + besides < now.get(word, float("inf")):
                now[word], origin[word] = total + besides, before
        came_from.append(origin)
        reached = now
    word = min(reached, key=reached.__getitem__)
    path = []
    for origin in reversed(came_from):
        path.append(word)
        word = origin[word]
    return path[::-1]
