"""Protocol `cross-model`: learn from what broke one model, and protect others that were never seen.

With recorded data (rows with `target_model`, `split`, `broke_model`, as RapidResponseBench has them) every model
teaches once: the defence learns from its `train` rows; then the test rows that broke each model are sent at the frozen
revision. With live models the attacks are split as in `held-out`, the same for all models: the teacher is sent 80 %,
every model the other 20 %.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import ConfigurationError, DataError, quoted
from sisf.evaluation.answers import Answers
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import SYSTEM, Designs, Setup, Split, Splitter, Unit
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.plan import Plan
from sisf.evaluation.protocols.learn.run import HELD_OUT_SHARE
from sisf.exchange import Message
from sisf.llm.base import ChatModel, Completion

MODEL = "target_model"
_MARK = " @ "

Attacks = list[tuple[str, Record]]


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:
    """`sets` are attacks and honest sets; `given` may name live `models`."""
    attacks, benign = sets
    system, setup = lab.designs()[SYSTEM], lab.setup()
    names: Sequence[str] = given.get("models", ())
    if not names:
        return recorded_plan(setup, system, attacks, benign, shots=given.get("shots"))
    if len(names) < 2:
        raise ConfigurationError(
            "--models: name at least two, separated by commas: one teaches, the others are protected"
        )
    models = {_short(name): lab.model(name) for name in names}
    setup = replace(setup, answers=_AnswersOf(models))
    return live_plan(setup, system, attacks, benign, models=list(models))


def recorded_plan(
    setup: Setup,
    system: Callable[[], Defence],
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    *,
    shots: int | None = None,
) -> Plan:
    """Of each model, what broke it: `train` rows teach (at most `shots` of each strategy), test rows measure."""
    taught, tested = _arranged(attacks)

    def split(unit: Unit, rng: random.Random) -> Split:
        teacher = unit.design
        learn = _drawn(taught[teacher], shots, rng)
        return Split([row for rows in tested.values() for row in rows], learn, frozen=True)

    return _plan(setup, dict.fromkeys(taught, system), split, attacks, benign)


def live_plan(
    setup: Setup,
    system: Callable[[], Defence],
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    *,
    models: Sequence[str],
) -> Plan:
    """Each attack is sent to each model; the teacher's 80 % are learned from as they come."""
    records = [(d.name, r) for d in attacks for r in d.harmful()]
    cut = len(records) - max(1, round(HELD_OUT_SHARE * len(records)))
    if cut < 1:
        raise DataError(f"cross-model needs at least two attacks to split, found {len(records)}")

    def split(unit: Unit, rng: random.Random) -> Split:
        teacher = unit.design
        shuffled = rng.sample(records, len(records))
        learn = [(name, aimed(r, teacher)) for name, r in shuffled[:cut]]
        return Split([(name, aimed(r, m)) for m in models for name, r in shuffled[cut:]], learn, frozen=True)

    return _plan(setup, dict.fromkeys(models, system), split, attacks, benign)


def aimed(record: Record, model: str) -> Record:
    """An attack on one of several models; what the data recorded of another model's answer does not hold for it."""
    return replace(
        record, id=f"{record.id}{_MARK}{model}", response=None, human_label=None, extra={**record.extra, MODEL: model}
    )


def _plan(
    setup: Setup, designs: Designs, split: Splitter, attacks: Sequence[Dataset], benign: Sequence[Dataset]
) -> Plan:
    return Plan.of("cross-model", setup, designs, split, benign=benign, datasets=[*attacks, *benign], together=True)


def _arranged(attacks: Sequence[Dataset]) -> tuple[dict[str, Attacks], dict[str, Attacks]]:
    """What broke each model and was not refused: to learn from, and to measure on."""
    taught: dict[str, Attacks] = {}
    tested: dict[str, Attacks] = {}
    for dataset in attacks:
        for record in dataset.harmful():
            model, part = record.extra.get(MODEL), str(record.extra.get("split", ""))
            if not isinstance(model, str) or not part or "broke_model" not in record.extra:
                raise DataError(
                    f"data set {quoted(dataset.name)}, id {quoted(record.id)}: cross-model needs "
                    f"`target_model`, `split` and "
                    "`broke_model`; for other sets name live models with --models URL#NAME,URL#NAME"
                )
            broke = bool(record.extra["broke_model"]) and not record.extra.get("guard_refused", False)
            if broke:
                (taught if part == "train" else tested).setdefault(model, []).append((dataset.name, record))
    if len(tested) < 2 or set(taught) != set(tested):
        raise DataError(
            "cross-model needs rows of split `train` and of a test split that broke each of two models or more"
        )
    return taught, tested


def _drawn(rows: Attacks, shots: int | None, rng: random.Random) -> Attacks:
    shuffled = rng.sample(rows, len(rows))
    if shots is None:
        return shuffled
    taken: dict[str, int] = {}
    kept = []
    for name, record in shuffled:
        taken[record.attack] = taken.get(record.attack, 0) + 1
        if taken[record.attack] <= shots:
            kept.append((name, record))
    return kept


def _short(name: str) -> str:
    """`URL#NAME` by its name, where that says which model it is."""
    return name.partition("#")[2] or name


class _AnswersOf(Answers):
    """Each record is answered by the model that it aims at."""

    def __init__(self, models: Mapping[str, ChatModel]) -> None:
        super().__init__(_Nobody(), replay=False)
        self._models = {name: Answers(model, replay=False) for name, model in models.items()}
        self._first = next(iter(self._models.values()))

    def __call__(self, record: Record, dataset: str) -> Any:
        """See `Answers`; honest prompts go to the first model."""
        return self._models.get(str(record.extra.get(MODEL, "")), self._first)(record, dataset)


class _Nobody:
    id = "nobody"

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """Nobody is asked."""
        raise NotImplementedError
