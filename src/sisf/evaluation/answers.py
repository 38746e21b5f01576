"""What the model behind a defence says, and what the data set says of that."""

from dataclasses import dataclass

from sisf.datasets.records import Record
from sisf.llm.base import ChatModel
from sisf.verdict import Outcome


@dataclass(frozen=True, slots=True)
class Answered:
    """What the model said, and whether it is the recorded answer of its record."""

    text: str
    recorded: bool
    stand_in: bool = False
    """Whether answers are replayed and this one is not: the data hold none, and the scripted model spoke."""


class Answers:
    """The model behind the defence. Each record is asked once and its answer kept: trials see the same model."""

    def __init__(self, model: ChatModel, *, replay: bool) -> None:
        self._model = model
        self._replay = replay
        self._kept: dict[tuple[str, str], Answered] = {}

    def __call__(self, record: Record, dataset: str) -> Answered:
        """The answer to `record`: the recorded one when replaying, else the model's. Raises `ModelError`."""
        if self._replay and record.response is not None:
            return Answered(record.response, recorded=True)
        key = (dataset, record.id)
        if key not in self._kept:
            self._kept[key] = Answered(
                self._model.complete(record.messages).text, recorded=False, stand_in=self._replay
            )
        return self._kept[key]


def recorded_label(record: Record, *, recorded: bool) -> Outcome:
    """The data set speaks: a label of this very answer if there is one, else of the prompt."""
    if recorded and record.human_label is not None:
        return Outcome.BREACH if record.human_label == "breach" else Outcome.SAFE
    broke = record.extra.get("broke_model")
    if recorded and isinstance(broke, bool):
        return Outcome.BREACH if broke else Outcome.SAFE
    return Outcome.BREACH if record.label == "harmful" else Outcome.SAFE
