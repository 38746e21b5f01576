"""What answers of all APIs have in common."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sisf.exchange import Message, Role
from sisf.gateway.dialects.openai_shapes import ANSWER_META
from sisf.gateway.shapes import Aside, Reader, Record, Shape
from sisf.gateway.texts import KEY_WORDS, strings
from sisf.gateway.wire import Malformed
from sisf.pipeline.stream_texts import Delta
from sisf.pipeline.turn import Choice
from sisf.settings import Unseen


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is read against."""

    tree: Mapping[str, Any] = field(default_factory=dict)
    """The request."""
    open_kinds: frozenset[Unseen] = frozenset()
    """Kinds of what cannot be inspected that pass, by the settings."""

    @property
    def structured(self) -> bool:
        """Whether the client parses the answer: a refusal then stands where no answer is looked for."""
        text = self.tree.get("text")
        wanted = self.tree.get("response_format", text.get("format") if isinstance(text, dict) else None)
        return isinstance(wanted, dict) and wanted.get("type") in ("json_schema", "json_object")

    def reader(self) -> Reader:
        """A reader of what an upstream sent."""
        return Reader(lenient=True, open_kinds=self.open_kinds)


def choice_of(index: int, reader: Reader) -> Iterator[Choice]:
    """What a reader has found, as an answer and what stands beside it."""
    yield Choice(index, tuple(reader.messages))
    if beside := reader.beside():
        yield Choice(index, tuple(beside), spoken=False)


def beside(tree: Mapping[str, Any], shape: Mapping[str, Shape], asked: Asked, *apart: str) -> list[Message]:
    """The texts around an answer: those of all keys but `apart`."""
    reader = asked.reader()
    rest = {key: value for key, value in tree.items() if key not in apart}
    reader.read(Aside(Record(shape)), rest, Role.ASSISTANT, "")
    return reader.aside


def figures(usage: Any) -> dict[str, Any]:
    """Of an answer's usage the numbers under known keys."""
    if not isinstance(usage, dict):
        return {}
    known = {key: value for key, value in usage.items() if key in KEY_WORDS}
    return {k: figures(v) if isinstance(v, dict) else v for k, v in known.items() if isinstance(v, dict | int | float)}


def quiet_head(tree: Mapping[str, Any]) -> bool:
    """Whether what events of OpenAI's streams repeat, but for the model's name, says nothing."""
    head = tuple(tree.get(key) for key in _HEAD)
    return isinstance(tree.get("model"), str) and all(isinstance(v, str | int | None) for v in head) and _quiet(head)


@lru_cache(1024)
def _quiet(head: tuple[str | int | None, ...]) -> bool:
    return not beside(dict(zip(_HEAD, head, strict=True)), ANSWER_META, Asked())


_HEAD = ("id", "object", "created", "system_fingerprint", "service_tier")


def new_strings(value: Any, known: Any) -> Any:
    """`value`, which repeats a part of the request, where it says what was not said there; else None."""
    if value == known:
        return None
    said = set(strings(known))
    return [text for text in strings(value) if text not in said] or None


def as_deltas(index: int, reader: Reader, prefix: str = "") -> Iterator[Delta]:
    """What a reader has found in an event, as pieces of the texts at those places."""
    for message in reader.messages:
        yield Delta(index, f"{prefix}{message.origin}", message.content)
    for message in reader.beside():
        yield Delta(-1, f"{prefix}{message.origin}", message.content)


def choice_index(choice: Any, place: int) -> int:
    """The index of a choice in a stream event; where it says none, its place. Raises `Malformed` for any other."""
    index = choice.get("index") if isinstance(choice, dict) else ""
    index = place if index is None else index
    if type(index) is not int or index < 0:
        raise Malformed("a stream event has a choice without a valid index")
    return index


def without_choices(tree: dict[str, Any], stopped: Collection[int], head: Collection[str]) -> dict[str, Any] | None:
    """An event of OpenAI's without some choices; None where only its `head` and an empty `usage` are left."""
    given = tree.get("choices") or []
    kept = [choice for place, choice in enumerate(given) if choice_index(choice, place) not in stopped]
    return {**tree, "choices": kept} if kept or tree.get("usage") or tree.keys() - head else None


def number_asked(asked: Asked) -> int:
    """How many choices a request of OpenAI's asks for."""
    number = asked.tree.get("n")
    return number if type(number) is int and number > 0 else 1
