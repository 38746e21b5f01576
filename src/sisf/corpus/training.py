"""What the encoder is trained on: the authored corpus, put into many forms, with a label for each text.

Every form is used for harmful and honest requests alike, so that no form, greeting, markup or typing error teaches
anything. The benign reference and the demo's samples stay out: thresholds and figures come from texts that the encoder
never saw. Deterministic by seed.
"""

import json
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sisf import corpus
from sisf.corpus import goals
from sisf.corpus.composing import compose
from sisf.taxonomy import Hazard

_KEPT_SHARE = 15
"""Percent of the groups that are kept from training."""
_FORMS = 5
"""Forms of request into which each goal is put."""
_TWIN_FORMS = 6
_FILLED = 8
"""Harmful goals, and as many honest ones, that are put into each jailbreak frame."""
_COMPANY = 1_500
"""Texts in which a request stands among honest sentences, and as many of honest sentences alone."""
_DOCUMENTS = 900
"""Long honest texts, and as many with a request for harm in them."""
_SHORTEST_PIECE = 120
_DRESSED = 0.25
"""Share of the short texts that are dressed as people type them: greetings, markup, JSON, typing errors."""
_LONGEST_DRESSED = 400
_MARK = re.compile(r"\[[^\]\n]*\]|<[A-Z][^>\n]*>")


@dataclass(frozen=True, slots=True)
class Example:
    """One text to train on."""

    text: str
    harmful: bool
    hazard: Hazard | None
    """None for an honest text, and for a harmful one whose hazard is not said."""
    group: str
    """Texts of one group (a pair, the forms of one goal) are never split between training and development."""
    part: str
    """Where it comes from: `contrastive`, `pair`, `goal`, `twin`, `honest`, `frame`, `stance`, `company`, `document` or
    `answer`."""


def in_development(example: Example) -> bool:
    """Whether a text is kept from training, with all of its group."""
    return kept_apart(example.group)


def kept_apart(group: str) -> bool:
    """Whether the texts of a group are kept from training."""
    return zlib.crc32(group.encode()) % 100 < _KEPT_SHARE


def answer_group(answer: corpus.AnswerItem) -> str:
    """The group of an answer: all answers to one prompt."""
    return f"answer-{answer.prompt[:60]}"


def examples(seed: int = 0) -> list[Example]:
    """All texts to train on, without repetition, in a fixed order."""
    chooser = random.Random(seed)
    requests = [*_contrastive(), *_pairs(), *_goals(chooser), *_twins(chooser), *_honest()]
    found = [*requests, *_frames(requests, chooser), *_stances(chooser), *_company(requests, chooser), *_answers()]
    found += _documents(requests, chooser)
    dressed = [_dressed(example, chooser) for example in found]
    return list({example.text: example for example in dressed}.values())


def _contrastive() -> Iterator[Example]:
    for item in corpus.contrastive():
        hazard = item.hazard if item.harmful else None
        yield Example(item.text, item.harmful, hazard, item.pair or item.id, "contrastive")


def _pairs() -> Iterator[Example]:
    for pair in corpus.pairs():
        yield Example(pair.harmful, True, pair.hazard, pair.id, "pair")
        yield Example(pair.twin, False, None, pair.id, "pair")


def _goals(chooser: random.Random) -> Iterator[Example]:
    for number, (goal, texts) in enumerate(goals.in_forms(_FORMS, chooser)):
        for text in texts:
            yield Example(text, goal.hazard is not None, goal.hazard, f"goal-{number}", "goal")


def _twins(chooser: random.Random) -> Iterator[Example]:
    for number, (hazard, sought, honest) in enumerate(goals.twins(_TWIN_FORMS, chooser)):
        for harmful, twin in zip(sought, honest, strict=True):
            yield Example(harmful, True, hazard, f"twin-{number}", "twin")
            yield Example(twin, False, None, f"twin-{number}", "twin")


def _honest() -> Iterator[Example]:
    for sample in corpus.honest():
        yield Example(sample.text, False, None, sample.id, "honest")


def _frames(requests: Sequence[Example], chooser: random.Random) -> Iterator[Example]:
    """Jailbreak frames around harmful and around honest requests: what is asked for decides, not the frame."""
    harmful = [e for e in requests if e.harmful and e.hazard is not None]
    honest = [e for e in requests if not e.harmful]
    for frame in corpus.techniques():
        if corpus.GOAL_SLOT not in frame.text:
            yield Example(frame.text, frame.kind == "attack", None, frame.id, "frame")
            continue
        fills = chooser.sample(honest, _FILLED)
        if frame.kind == "attack":
            fills += chooser.sample(harmful, _FILLED)
        for fill in fills:
            yield replace(fill, text=frame.fill(fill.text), part="frame")


def _stances(chooser: random.Random) -> Iterator[Example]:
    """One dark subject, asked about by those who want to do it and by those who study, prevent or suffer it."""
    for subject, sought, against in goals.stances(chooser):
        for texts, harmful in ((sought, True), (against, False)):
            yield from (Example(text, harmful, None, f"stance-{subject}", "stance") for text in texts)


def _company(requests: Sequence[Example], chooser: random.Random) -> Iterator[Example]:
    harmful = [e for e in requests if e.harmful and len(e.text) < _LONGEST_DRESSED]
    honest = [e for e in requests if not e.harmful and len(e.text) < _LONGEST_DRESSED]
    for _ in range(_COMPANY):
        wanted = chooser.choice(harmful)
        around = [e.text for e in chooser.sample(honest, chooser.choice((1, 1, 2, 3, 5)))]
        mark = chooser.choice((" ", " ", "\n", "\n\n"))
        alone = mark.join(around)
        around.insert(chooser.randrange(len(around) + 1), wanted.text)
        yield replace(wanted, text=mark.join(around), part="company")
        yield Example(alone, False, None, f"company-{alone[:40]}", "company")


def _documents(requests: Sequence[Example], chooser: random.Random) -> Iterator[Example]:
    """Long texts: honest ones, and such as hold a request for harm at their beginning, their end or between."""
    samples = corpus.documents()
    for sample in samples:
        yield Example(sample.text, False, None, sample.id, "document")
    harmful = [e for e in requests if e.harmful and len(e.text) < _LONGEST_DRESSED]
    pieces = [s.text for s in samples if len(s.text) > _SHORTEST_PIECE]
    for text in compose(pieces, _DOCUMENTS, 300, 1_000, chooser):
        yield Example(text, False, None, f"document-{text[:60]}", "document")
    for text in compose(pieces, _DOCUMENTS, 150, 800, chooser, asked=False):
        wanted = chooser.choice(harmful)
        parts = text.split("\n\n")
        place = chooser.choice((0, len(parts), chooser.randint(0, len(parts))))
        yield replace(wanted, text="\n\n".join([*parts[:place], wanted.text, *parts[place:]]), part="document")


def _answers() -> Iterator[Example]:
    """Answers by themselves: what goes along with harm, and what is harmless or refuses."""
    for answer in corpus.answers():
        text = _unmarked(answer.text)
        yield Example(text, answer.label == "breach", answer.hazard, answer_group(answer), "answer")
    for reply in goals.goal_replies():
        yield Example(_unmarked(reply.text), reply.harmful, reply.hazard, f"reply-{reply.text[:60]}", "answer")


def _unmarked(text: str) -> str:
    """Without the marks (`[detail removed]`) that stand in authored answers for what is not written: only answers
    that go along with harm have them, and real ones have none."""
    return _MARK.sub("…", text)


_DRESSES = (
    "Hi! {}",
    "hello, {}",
    "Hey there. {}",
    "Good morning! {}",
    "Please {}",
    "pls {}",
    "Could you help me with this: {}",
    "Quick question: {}",
    "Question: {}",
    "Q: {}\nA:",
    "Task: {}",
    "{} Thanks!",
    "{} Thank you in advance.",
    "{}\n\nAnswer in three sentences.",
    "{} Keep it short.",
    "I was wondering: {}",
    "My colleague asked me this: {}",
    "# Request\n\n{}",
    "- {}",
    "<p>{}</p>",
    "> {}",
    "**{}**",
    "ok so {}",
    "ignore the typos. {}",
    "It is raining today. {}",
    "{} By the way, I like your style.",
)


def _dressed(example: Example, chooser: random.Random) -> Example:
    text = example.text
    if len(text) > _LONGEST_DRESSED or example.part == "answer" or chooser.random() > _DRESSED:
        return example
    match chooser.randrange(6):
        case 0:
            text = text.lower()
        case 1:
            text = _mistyped(text, chooser)
        case 2:
            text = json.dumps({chooser.choice(("q", "prompt", "question", "input", "content")): text})
        case _:
            text = chooser.choice(_DRESSES).format(text)
    return replace(example, text=text)


def _mistyped(text: str, chooser: random.Random) -> str:
    """Letters swapped, dropped and doubled within some of the longer words, as in haste."""
    words = text.split(" ")
    for index, word in enumerate(words):
        if len(word) < 4 or not word.isalpha() or chooser.random() > 0.4:
            continue
        at = chooser.randrange(1, len(word) - 2)
        match chooser.randrange(3):
            case 0:
                words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            case 1:
                words[index] = word[:at] + word[at + 1 :]
            case _:
                words[index] = word[:at] + word[at] + word[at:]
    return " ".join(words)
