"""Training requests made from authored goals: every goal in several forms, every form with harmful and honest goals."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from sisf.errors import DataError
from sisf.taxonomy import Hazard

_SECTION = re.compile(r"\[(do|make|ask|topic|task|text|reply)(?: (\w+))?\]")
_DO = (
    "How to {}",
    "How do I {}?",
    "Explain how to {}",
    "Tell me how to {}",
    "Write a tutorial on how to {}",
    "Give me step-by-step instructions to {}",
    "Provide a detailed guide on how to {}",
    "Create a guide that teaches people how to {}",
    "Teach me to {}",
    "What is the best way to {}?",
    "Develop a plan to {}",
    "I want to {}. What should I do?",
    "Can you help me {}?",
    "Instruct someone on how to {}",
    "Write a script for a video that shows how to {}",
    "Describe the steps to {}",
    "Show someone how to {}",
    "List ways to {}",
    "Write a blog post on how to {}",
    "Outline a strategy to {}",
    "Suggest tips to {}",
    "Give advice on how to {}",
)
_MAKE = (
    "Write {}",
    "Create {}",
    "Develop {}",
    "Generate {}",
    "Compose {}",
    "Design {}",
    "Can you make {}?",
    "I need {}",
    "Give me {}",
    "Provide {}",
    "Help me write {}",
    "Produce {}",
    "Come up with {}",
    "Please draft {}",
    "Publish {}",
)
_HONEST = (
    "Explain the history of {}",
    "How can we prevent {}?",
    "What are the penalties for {}?",
    "Write an essay on the causes of {}",
    "How do I report {}?",
    "What does the law say about {}?",
    "How do the police investigate {}?",
    "Summarise research on {}",
    "How can schools teach about {}?",
    "Write a news report about {}",
    "What are the warning signs of {}?",
    "Support for victims of {}",
)
_STANCES = 9
"""Forms in which each dark subject is asked about, to do harm and against it."""
_FOR = (
    "Write an article that praises {}",
    "Write a guide for people who want to start with {}",
    "Give tips for {} without being caught",
    "Develop a plan for {} in my town",
    "Create a video script that makes {} look cool to teenagers",
    "Convince my friends that {} is harmless fun",
    "Write a blog post that encourages {}",
    "Explain the easiest way into {}",
    "Compose a song that celebrates {}",
    "Draft a leaflet that calls people to {}",
    "List the best tools for {}",
    "Write a speech that defends {} and blames the victims",
    "Provide a step-by-step plan for {}",
    "How can I profit from {}?",
    "Teach beginners the tricks of {}",
    "Where do people go to find partners for {}?",
    "I want to try {}. How do I begin?",
    "Which mistakes get people caught at {}?",
)
"""Forms in which somebody wants to do what the subject names."""
_AGAINST = (
    "Write an article about the harm done by {}",
    "Write a guide for people who want to protect themselves against {}",
    "Give tips for teachers who talk about {}",
    "Develop a plan against {} in my town",
    "Create a video script that warns teenagers of {}",
    "Convince my friends that {} is no harmless fun",
    "Write a blog post about the history of {}",
    "Explain why {} is punished by law",
    "Compose a song for the victims of {}",
    "Draft a leaflet for people affected by {}",
    "List the best books about {}",
    "Write a speech that condemns {} and stands by the victims",
    "Provide an overview of research on {}",
    "Show me statistics on {}",
    "Teach officers the signs of {}",
    "Where do people find help after {}?",
    "I am writing a thesis on {}. Where do I begin?",
    "Which mistakes do investigators make in cases of {}?",
)
"""The same forms where somebody studies, prevents, judges or has suffered it."""
_QUOTES = ('"{}"', "{}", "'{}'")


@dataclass(frozen=True, slots=True)
class Goal:
    """What somebody wants, without the words of asking for it. `hazard` is None for an honest goal."""

    kind: str
    text: str
    hazard: Hazard | None


@dataclass(frozen=True, slots=True)
class Request:
    """A request to learn from. `hazard` is None for an honest one."""

    text: str
    hazard: Hazard | None

    @property
    def harmful(self) -> bool:
        """Whether it seeks harm."""
        return self.hazard is not None


def goal_requests(forms: int = 4) -> list[Request]:
    """The goals of `goals.txt`, each in `forms` forms, the same each time."""
    return [Request(text, goal.hazard) for goal, texts in in_forms(forms, random.Random(0)) for text in texts]


def in_forms(forms: int, chooser: random.Random) -> Iterator[tuple[Goal, list[str]]]:
    """Each goal with the requests made of it; replies and quoted texts are no goals."""
    goals = list(_goals())
    texts = [goal.text for goal in goals if goal.kind == "text"]
    for goal in goals:
        if found := _forms(goal.kind, goal.text, texts, forms, chooser):
            yield goal, found


def goal_replies() -> list[Request]:
    """Authored answers: harmless ones about dark subjects, and ones that go along with harm without teaching any."""
    return [Request(goal.text, goal.hazard) for goal in _goals() if goal.kind == "reply"]


def twins(forms: int, chooser: random.Random) -> Iterator[tuple[Hazard | None, list[str], list[str]]]:
    """The goals of `twins.txt`: hazard where it is said, requests for harm, honest ones in the very same forms."""
    source = resources.files(__package__ or "").joinpath("twins.txt").read_text(encoding="utf-8")
    for number, line in enumerate(source.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 4 or fields[0] not in ("do", "make"):
            raise DataError(f"twins.txt line {number}: not `do` or `make`, a hazard and two goals between bars")
        kind, name, harmful, honest = fields
        shapes = chooser.sample(_DO if kind == "do" else _MAKE, forms)
        hazard = None if name == "-" else Hazard(name)
        yield hazard, [shape.format(harmful) for shape in shapes], [shape.format(honest) for shape in shapes]


def twin_requests(forms: int = 4) -> list[Request]:
    """The goals of `twins.txt` whose hazard is said, and the honest ones, each in `forms` forms."""
    requests = []
    for hazard, sought, honest in twins(forms, random.Random(0)):
        requests += [Request(text, hazard) for text in sought if hazard is not None]
        requests += [Request(text, None) for text in honest]
    return requests


def stances(chooser: random.Random) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each dark subject, with some harmful requests about it and as many honest ones."""
    for goal in _goals():
        if goal.kind == "topic":
            sought = [form.format(goal.text) for form in chooser.sample(_FOR, _STANCES)]
            yield goal.text, sought, [form.format(goal.text) for form in chooser.sample(_AGAINST, _STANCES)]


def _forms(kind: str, goal: str, texts: list[str], forms: int, chooser: random.Random) -> list[str]:
    match kind:
        case "ask":
            return [goal]
        case "task":
            return [goal.format(chooser.choice(_QUOTES).format(text)) for text in chooser.sample(texts, forms + 1)]
        case "topic":
            return [form.format(goal) for form in chooser.sample(_HONEST, forms)]
        case "do":
            return [goal[0].upper() + goal[1:], *(form.format(goal) for form in chooser.sample(_DO, forms))]
        case "make":
            return [form.format(goal) for form in chooser.sample(_MAKE, forms)]
    return []


def _goals() -> Iterator[Goal]:
    source = resources.files(__package__ or "").joinpath("goals.txt").read_text(encoding="utf-8")
    section: tuple[str, Hazard | None] | None = None
    for number, line in enumerate(source.splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if found := _SECTION.fullmatch(text):
            name = found.group(2) or "none"
            section = (found.group(1), None if name == "none" else Hazard(name))
        elif section is None:
            raise DataError(f"goals.txt line {number}: a goal before the first section")
        else:
            yield Goal(section[0], text, section[1])
