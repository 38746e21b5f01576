"""The material that SISF ships: texts authored for it, to train the local judge, calibrate policies and run the demo.

Every loader reads one JSONL file of this package once and gives a tuple of frozen records.
All raise `DataError` when a file is missing or a line is malformed. What each file is for stands in `README.md`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import permutations
from typing import Literal, TypeVar, get_args

from sisf.errors import DataError, packaged, quoted
from sisf.taxonomy import Hazard, Technique

ItemKind = Literal["harmful", "twin", "edgy", "general", "definition"]
AnswerKind = Literal["refusal", "partial_refusal", "compliance", "harmless", "deflection"]
AnswerLabel = Literal["safe", "breach"]
SampleLabel = Literal["harmful", "benign"]
FrameKind = Literal["attack", "twin"]

GOAL_SLOT = "{goal}"

_ITEM_KINDS: tuple[ItemKind, ...] = get_args(ItemKind)
_ANSWER_KINDS: tuple[AnswerKind, ...] = get_args(AnswerKind)
_ANSWER_LABELS: tuple[AnswerLabel, ...] = get_args(AnswerLabel)
_SAMPLE_LABELS: tuple[SampleLabel, ...] = get_args(SampleLabel)
_FRAME_KINDS: tuple[FrameKind, ...] = get_args(FrameKind)

Record = TypeVar("Record")
Choice = TypeVar("Choice", bound=str)
_Row = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class CorpusItem:
    """One request of the contrastive corpus.

    `harmful` items and their `twin` share `pair`: same words, topic and form, honest intent. `edgy` is sensitive but
    allowed, `general` is about no hazard at all (`hazard` is None), and `definition` describes a hazard whose requests
    are never authored. `area` is a finer topic within the hazard, such as `cyber` or `health`.
    """

    id: str
    text: str
    kind: ItemKind
    hazard: Hazard | None
    area: str | None = None
    pair: str | None = None

    @property
    def harmful(self) -> bool:
        """Whether a model should refuse this (`definition` describes such requests and counts as one)."""
        return self.kind in ("harmful", "definition")


@dataclass(frozen=True, slots=True)
class Pair:
    """A harmful request and its honest twin: the same words, topic, form and length as far as that goes.

    `form` is how it is said (`order`, `question`, `statement`, `plea`, `completion`, `roleplay`, `system`, `passage`,
    `dialogue`), `area` a finer topic within the hazard, `language` an ISO 639-1 code.
    """

    id: str
    hazard: Hazard
    form: str
    harmful: str
    twin: str
    area: str | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True)
class AnswerItem:
    """A prompt with an answer and what a judge should say of the answer.

    `label` is `breach` when the answer goes along with a harmful request. Such answers are vacuous on purpose: they
    have the form and tone of compliance and none of its content. `prompt_id` names the prompt in `contrastive()` when
    it comes from there.
    """

    id: str
    prompt: str
    text: str
    kind: AnswerKind
    label: AnswerLabel
    prompt_id: str | None = None
    hazard: Hazard | None = None
    """What a breach helps with; None for a safe answer."""


@dataclass(frozen=True, slots=True)
class TechniqueFrame:
    """A jailbreak frame (`attack`) with the slot `{goal}`, or an honest use of the same form (`twin`)."""

    id: str
    technique: Technique
    text: str
    kind: FrameKind

    def fill(self, goal: str) -> str:
        """The frame with `goal` in its slot; a frame without a slot is returned as it is."""
        return self.text.replace(GOAL_SLOT, goal)


@dataclass(frozen=True, slots=True)
class Sample:
    """A record in the data set form that every evaluation command reads."""

    id: str
    text: str
    label: SampleLabel
    category: Hazard | None = None
    form: str | None = None
    """`question`, `order`, `passage`, `piece` (of a document), `code`, `log` …, where it is said."""


@lru_cache(maxsize=1)
def contrastive() -> tuple[CorpusItem, ...]:
    """Requests by hazard: harmful ones, their benign twins, edgy-but-allowed ones, and general ones."""
    return _load("contrastive.jsonl", _item)


@lru_cache(maxsize=1)
def pairs() -> tuple[Pair, ...]:
    """Harmful requests with their honest twins, over all hazards and forms."""
    return _load("pairs.jsonl", _pair)


@lru_cache(maxsize=1)
def answers() -> tuple[AnswerItem, ...]:
    """Prompts with labelled answers, for training the judge of answers."""
    items = {item.id: item for item in contrastive()}

    def answer(row: _Row) -> AnswerItem:
        prompt_id = row.get("prompt_id")
        prompt = _text(row, "prompt") if prompt_id is None else items[prompt_id].text
        kind = _one_of(row, "kind", _ANSWER_KINDS)
        label = _one_of(row, "label", _ANSWER_LABELS)
        hazard = _hazard(row, "hazard") if prompt_id is None else items[prompt_id].hazard
        named = hazard if label == "breach" else None
        return AnswerItem(_text(row, "id"), prompt, _text(row, "text"), kind, label, prompt_id, named)

    return _load("answers.jsonl", answer)


@lru_cache(maxsize=1)
def techniques() -> tuple[TechniqueFrame, ...]:
    """Jailbreak frames by technique, and benign twins of each technique."""
    return _load("techniques.jsonl", _frame)


@lru_cache(maxsize=1)
def sample_attacks() -> tuple[Sample, ...]:
    """The attacks of the demo; families of the same goals in several wordings."""
    return _load("sample_attacks.jsonl", _sample)


@lru_cache(maxsize=1)
def sample_benign() -> tuple[Sample, ...]:
    """The honest requests of the demo, everyday ones and ones that only sound dangerous."""
    return _load("sample_benign.jsonl", _sample)


@lru_cache(maxsize=1)
def honest() -> tuple[Sample, ...]:
    """Honest requests that sound dangerous: security work, and dark subjects in fiction, history, law and medicine."""
    return _load("honest.jsonl", _sample)


@lru_cache(maxsize=1)
def benign_reference() -> tuple[Sample, ...]:
    """Honest prompts to calibrate policies on when the operator names no reference of their own."""
    return _load("benign_reference.jsonl", _sample)


@lru_cache(maxsize=1)
def documents() -> tuple[Sample, ...]:
    """Honest passages, pieces of documents, code, logs, data and instructions of agents that the encoder is taught."""
    return _load("documents.jsonl", _sample)


@lru_cache(maxsize=1)
def scripts() -> tuple[Sample, ...]:
    """An honest sentence for each of many scripts and languages, for code, markup, emoji, signs; its id says which."""
    return _load("scripts.jsonl", _sample)


@lru_cache(maxsize=1)
def scripts_benign() -> tuple[Sample, ...]:
    """The sentences of `scripts`, each alone and followed by each other one."""
    pairs = (Sample(f"{a.id}+{b.id}", f"{a.text} {b.text}", "benign") for a, b in permutations(scripts(), 2))
    return (*scripts(), *pairs)


@lru_cache(maxsize=1)
def dangerous_words() -> tuple[Sample, ...]:
    """Honest requests in dangerous words, thirty kinds of them, and harmful requests in such words: to measure on.

    Nothing is trained on them, and nothing calibrated.
    """
    return _load("dangerous_words.jsonl", _sample)


@lru_cache(maxsize=1)
def unseen_pairs() -> tuple[Sample, ...]:
    """Harmful requests and their honest twins over all hazards and forms, side by side: to measure on.

    Nothing is trained on them, and nothing calibrated.
    """
    samples: list[Sample] = []
    for pair in _load("unseen_pairs.jsonl", _pair):
        samples.append(Sample(f"{pair.id}-h", pair.harmful, "harmful", pair.hazard, pair.form))
        samples.append(Sample(f"{pair.id}-t", pair.twin, "benign", None, pair.form))
    return tuple(samples)


def _load(name: str, build: Callable[[_Row], Record]) -> tuple[Record, ...]:
    try:
        source = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(packaged(name, error)) from error
    records = []
    # Not splitlines(): that also cuts at separators which a JSON string may hold unescaped.
    for number, line in enumerate(source.removesuffix("\n").split("\n"), start=1):
        try:
            records.append(build(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{name} line {number} is malformed ({error!r}); install sisf again") from error
    return tuple(records)


def _item(row: _Row) -> CorpusItem:
    return CorpusItem(
        id=_text(row, "id"),
        text=_text(row, "text"),
        kind=_one_of(row, "kind", _ITEM_KINDS),
        hazard=_hazard(row, "hazard"),
        area=row.get("area"),
        pair=row.get("pair"),
    )


def _pair(row: _Row) -> Pair:
    return Pair(
        id=_text(row, "id"),
        hazard=Hazard(_text(row, "hazard")),
        form=_text(row, "form"),
        harmful=_text(row, "harmful"),
        twin=_text(row, "twin"),
        area=row.get("area"),
        language=row.get("language") or "en",
    )


def _frame(row: _Row) -> TechniqueFrame:
    technique = Technique(_text(row, "technique"))
    return TechniqueFrame(_text(row, "id"), technique, _text(row, "text"), _one_of(row, "kind", _FRAME_KINDS))


def _sample(row: _Row) -> Sample:
    label = _one_of(row, "label", _SAMPLE_LABELS)
    return Sample(_text(row, "id"), _text(row, "text"), label, _hazard(row, "category"), row.get("form"))


def _hazard(row: _Row, key: str) -> Hazard | None:
    code = row.get(key)
    return None if code is None else Hazard(code)


def _text(row: _Row, key: str) -> str:
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key} is not a text")
    return value


def _one_of(row: _Row, key: str, allowed: tuple[Choice, ...]) -> Choice:
    value = _text(row, key)
    for choice in allowed:
        if choice == value:
            return choice
    raise ValueError(f"{key} is {quoted(value)}, not one of {', '.join(allowed)}")
