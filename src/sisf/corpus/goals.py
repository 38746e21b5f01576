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
_QUOTES = ('"{}"', "{}", "'{}'")


@dataclass(frozen=True, slots=True)
class Request:
    """A request to learn from. `hazard` is None for an honest one."""

    text: str
    hazard: Hazard | None

    @property
    def harmful(self) -> bool:
        """Whether it seeks harm."""
        return self.hazard is not None


def goal_requests(forms: int = 4, seed: int = 0) -> list[Request]:
    """The goals of `goals.txt`, each in `forms` forms, chosen by `seed`."""
    chooser = random.Random(seed)
    goals = list(_goals())
    texts = [goal for kind, _, goal in goals if kind == "text"]
    requests: list[Request] = []
    for kind, name, goal in goals:
        hazard = None if name in ("", "none") else Hazard(name)
        requests += [Request(text, hazard) for text in _forms(kind, goal, texts, forms, chooser)]
    return requests


def goal_replies() -> list[Request]:
    """Authored answers: harmless ones about dark subjects, and ones that go along with harm without teaching any."""
    return [Request(goal, None if name == "none" else Hazard(name)) for kind, name, goal in _goals() if kind == "reply"]


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


def _goals() -> Iterator[tuple[str, str, str]]:
    source = resources.files(__package__ or "").joinpath("goals.txt").read_text(encoding="utf-8")
    section: tuple[str, str] | None = None
    for number, line in enumerate(source.splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if found := _SECTION.fullmatch(text):
            section = (found.group(1), found.group(2) or "")
        elif section is None:
            raise DataError(f"goals.txt line {number}: a goal before the first section")
        else:
            yield section[0], section[1], text
