"""Attacks, composed out of a goal, one or two families and small changes, and made again from their recipe."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sisf import corpus
from sisf.exchange import Message, Role
from sisf.probe.families import SLOTS, Family, Frame
from sisf.taxonomy import Hazard, Technique
from sisf.text.tricks import TRICKS

_LONGEST = 100
Change = Callable[[str], str]
_SLOT = re.compile("|".join(map(re.escape, SLOTS)))


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked for: one short request of the shipped corpus."""

    id: str
    text: str
    hazard: Hazard


@dataclass(frozen=True, slots=True)
class Attack:
    """One conversation to send."""

    recipe: str
    """`family/frame/spelling`, for a nested one `outer > inner`, then `goal` and the change, joined by ` | `."""
    messages: tuple[Message, ...]
    family: str
    technique: Technique
    goal: Goal

    @property
    def hazard(self) -> Hazard:
        """What harm is sought."""
        return self.goal.hazard


def goals() -> tuple[Goal, ...]:
    """The requests that the package ships as attacks; descriptions of what nobody authors are left out."""
    found = [Goal(s.id, s.text, s.category) for s in corpus.sample_attacks() if s.category is not None]
    found += [Goal(i.id, i.text, i.hazard) for i in corpus.contrastive() if i.kind == "harmful" and i.hazard]
    return tuple(found)


def _swapped(text: str) -> str:
    """Two letters in the middle of the longest word change places."""
    word = max(text.split(), key=len, default="")
    if len(word) < 5:
        return text
    half = len(word) // 2
    return text.replace(word, word[: half - 1] + word[half] + word[half - 1] + word[half + 1 :], 1)


CHANGES: Mapping[str, Change] = {
    "none": lambda text: text,
    "lower": str.lower,
    "upper": str.upper,
    "please": lambda text: f"Please, {text[:1].lower()}{text[1:]}",
    "hurry": lambda text: f"{text} It is urgent.",
    "curious": lambda text: f"I was wondering about this. {text}",
    "typo": _swapped,
    "bare": lambda text: text.rstrip(".?!"),
    "homoglyphs": TRICKS["homoglyphs"],
    "zero-width": TRICKS["zero-width"],
    "diacritics": TRICKS["diacritics"],
}
"""Small changes to the goal, by name."""


class Composer:
    """Makes attacks by chance, and never the same twice while there are others."""

    _TRIES = 25

    def __init__(self, families: Sequence[Family], goals: Sequence[Goal], rng: random.Random) -> None:
        self._families = {family.name: family for family in families}
        self._goals: dict[Hazard, list[Goal]] = {}
        for goal in goals:
            self._goals.setdefault(goal.hazard, []).append(goal)
        self._rng = rng
        self._made: set[str] = set()

    @property
    def families(self) -> Sequence[str]:
        """Names, in order."""
        return list(self._families)

    @property
    def hazards(self) -> Sequence[Hazard]:
        """Those that there are goals for."""
        return list(self._goals)

    def remember(self, recipes: Sequence[str]) -> None:
        """These were made before."""
        self._made.update(recipes)

    def compose(self, family: str, hazard: Hazard, *, bold: bool = False) -> Attack:
        """An attack of a family on a hazard. `bold`: changed, or put into a second family, since plain ones failed."""
        attack = self._drawn(family, hazard, bold=bold)
        for _ in range(self._TRIES):
            if attack.recipe not in self._made:
                break
            attack = self._drawn(family, hazard, bold=True)
        self._made.add(attack.recipe)
        return attack

    def _drawn(self, name: str, hazard: Hazard, *, bold: bool) -> Attack:
        rng, family = self._rng, self._families[name]
        goal = rng.choice(self._goals[hazard])
        change = rng.choice(list(CHANGES)) if bold else "none"
        text = CHANGES[change](goal.text)
        dress = ""
        if bold and rng.random() < 0.4:
            others = [f for f in self._families.values() if f.name != name and any(len(x) == 1 for x in f.frames)]
            frame, how = self._frame(rng.choice(others or [family]), longest=1 if others else _LONGEST)
            text = _filled(frame, text, how.rpartition("/")[2])[-1].content
            dress = f" > {how}"
        frame, how = self._frame(family)
        messages = _filled(frame, text, how.rpartition("/")[2])
        return Attack(f"{how}{dress} | {goal.id} | {change}", messages, name, family.technique, goal)

    def _frame(self, family: Family, *, longest: int = _LONGEST) -> tuple[Frame, str]:
        """A frame of at most so many messages, and its name."""
        place = self._rng.choice([i for i, frame in enumerate(family.frames) if len(frame) <= longest])
        frame = family.frames[place]
        spelled = any("{spelled}" in message.content for message in frame)
        return frame, f"{family.name}/{place}/{self._rng.choice(family.spellings) if spelled else ''}"


def _filled(frame: Frame, goal: str, spelling: str) -> tuple[Message, ...]:
    words = goal.split(" ")
    half = (len(words) + 1) // 2
    values = {
        "{goal}": goal,
        "{spelled}": TRICKS[spelling](goal) if spelling else goal,
        "{first}": " ".join(words[:half]),
        "{second}": " ".join(words[half:]),
    }

    def fill(text: str) -> str:
        # In one pass: a goal may hold what looks like a slot.
        return _SLOT.sub(lambda found: values[found.group()], text)

    return tuple(Message(message.role, fill(message.content)) for message in frame)


def one_message(text: str) -> tuple[Message, ...]:
    """A conversation of one user message."""
    return (Message(Role.USER, text),)
